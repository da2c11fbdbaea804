"""What the window remembers between two starts: its place, its splitter, the open conversation.

Knows the one small file; must not know widgets. A missing or damaged file means defaults; preferences of the person are
kept elsewhere (core/settings.py).
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from core.settings import write_atomically

FILE_NAME = "window.json"
_MAX_BYTES = 64 << 10
_MAX_LINE_CHARS = 1_000


@dataclass(frozen=True, slots=True)
class WindowState:
    """Lengths in pixels; -1 where nothing is remembered; `chat_id` 0 for an empty conversation."""

    x: int = -1
    y: int = -1
    width: int = -1
    height: int = -1
    is_maximized: bool = False
    sidebar_width: int = -1
    is_sidebar_open: bool = True
    chat_id: int = 0
    recent_commands: str = ""  # ids, the last used first, with commas between them
    has_been_greeted: bool = False
    preferences_x: int = -1
    preferences_y: int = -1
    preferences_width: int = -1
    preferences_height: int = -1

    @classmethod
    def load(cls, directory: Path) -> "WindowState":
        """Read the file in `directory`; every field that is not right keeps its default."""
        try:
            with (directory / FILE_NAME).open("rb") as file:
                stored = json.loads(file.read(_MAX_BYTES))
        except (OSError, ValueError, RecursionError):
            return cls()
        state = cls()
        for key, default in asdict(state).items():
            value: object = stored.get(key) if isinstance(stored, dict) else None
            if isinstance(value, str) and isinstance(default, str) and len(value) <= _MAX_LINE_CHARS:
                state = replace(state, **{key: value})  # type: ignore[arg-type]
            elif isinstance(value, int) and type(value) is type(default) and -1 <= value < 2**53:
                state = _with(state, key, value)
        return state

    def save(self, directory: Path) -> None:
        """Write the file in one step.

        Raises:
            AppError: DISK_FULL, DATA_DIR_UNWRITABLE.
        """
        write_atomically(directory / FILE_NAME, (json.dumps(asdict(self), indent=2) + "\n").encode())


def _with(state: WindowState, key: str, value: int) -> WindowState:
    if key in ("is_maximized", "is_sidebar_open", "has_been_greeted"):
        return replace(state, **{key: bool(value)})  # type: ignore[arg-type]
    return replace(state, **{key: value})  # type: ignore[arg-type]
