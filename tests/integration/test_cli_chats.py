import json
from pathlib import Path

import pytest

from app.cli import run
from core.paths import AppPaths
from core.store.chats import ChatStore
from core.store.database import Database


@pytest.fixture
def data(tmp_path: Path) -> Path:
    paths = AppPaths(tmp_path / "data")
    paths.create()
    database = Database.open(paths.database)
    store = ChatStore(database)
    store.add_prompt(store.create_chat("First \x1b[31m"), "a needle in a haystack")
    store.add_prompt(store.create_chat("Second"), "nothing here")
    database.close()
    return paths.data


def tern(data: Path, *words: str) -> int:
    return run(["chats", *words, "--data-dir", str(data)])


def test_chats_are_listed_and_searched(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tern(data, "list") == 0
    listed = capsys.readouterr().out
    assert "Second" in listed
    assert "\x1b" not in listed
    assert tern(data, "search", "needle", "hay") == 0
    assert "a needle in a haystack" in capsys.readouterr().out
    assert tern(data, "search", "--json", "needle") == 0
    assert json.loads(capsys.readouterr().out)[0]["marks"] == [[2, 8]]
    assert tern(data, "search", "xyz") == 0
    assert capsys.readouterr().out == "nothing found\n"


def test_an_export_is_imported_elsewhere(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "all.json"
    assert tern(data, "export", str(file)) == 0
    other = tmp_path / "other"
    assert tern(other, "import", "--dry-run", str(file)) == 0
    assert tern(other, "import", str(file)) == 0
    assert tern(other, "import", str(file)) == 0
    told = capsys.readouterr().out
    assert "2 conversations imported" in told
    assert "0 new conversations with 0 messages, 2 here already" in told
    assert tern(other, "export", "--chat", "1", str(tmp_path / "one.md")) == 0
    assert (tmp_path / "one.md").read_text("utf-8").startswith("# First")


@pytest.mark.parametrize(
    "words",
    [
        ["export", "chats.txt"],
        ["export", "--chat", "99", "chats.md"],
        ["export", "--chat", "0", "chats.md"],
        ["import", "missing.json"],
        ["search"],
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    data: Path, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert tern(data, *words) == 2
    assert capsys.readouterr().err.startswith("tern: ")
