"""What the window remembers: every field comes back, and a damaged one costs itself alone."""

import json
from pathlib import Path

from app.window_state import FILE_NAME, WindowState


def test_everything_comes_back(tmp_path: Path) -> None:
    state = WindowState(x=3, is_maximized=True, is_sidebar_open=False, chat_id=7, recent_commands="on_new_chat,close")
    state.save(tmp_path)
    assert WindowState.load(tmp_path) == state


def test_a_damaged_field_keeps_its_default(tmp_path: Path) -> None:
    stored = {"x": "3", "y": 4, "is_maximized": 1, "recent_commands": 5, "chat_id": -9}
    (tmp_path / FILE_NAME).write_text(json.dumps(stored), "utf-8")
    assert WindowState.load(tmp_path) == WindowState(y=4)
    (tmp_path / FILE_NAME).write_text(json.dumps({"recent_commands": "x" * 2_000}), "utf-8")
    assert WindowState.load(tmp_path) == WindowState()
