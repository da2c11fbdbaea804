"""From arguments to a command or the window, and from failures to exit codes; commands are replaced by fakes."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from terminal import Tern

from app import cli
from app.__main__ import main_gui
from core.errors import AppError, ErrorCode
from core.paths import AppPaths, resolve

handed_over: list[Path] = []  # the files that the last window was opened with


@pytest.fixture
def tern(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Tern:
    return Tern(capsys, monkeypatch)


@pytest.fixture
def no_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> list[AppPaths]:
    """Replace the window; the result lists those that were opened."""
    opened: list[AppPaths] = []

    def run_window(paths: AppPaths, files: list[Path]) -> int:
        opened.append(paths)
        handed_over.extend(files)
        return 0

    handed_over.clear()

    monkeypatch.setitem(sys.modules, "app.window", SimpleNamespace(run_window=run_window))
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    return opened


def fake_command(monkeypatch: pytest.MonkeyPatch, name: str, outcome: object) -> None:
    def run(*_args: object) -> int:
        if isinstance(outcome, BaseException):
            raise outcome
        assert isinstance(outcome, int)
        return outcome

    monkeypatch.setitem(sys.modules, f"app.commands.{name}", SimpleNamespace(run=run))


@pytest.mark.parametrize("command", ["", *cli.COMMANDS])
def test_help_explains_each_command(tern: Tern, command: str) -> None:
    ended = tern(*command.split(), "--help")
    assert ended.code == 0
    assert ended.err == ""
    assert ended.out.startswith("usage: tern")
    assert "--data-dir" in ended.out


def test_help_shows_defaults_and_examples(tern: Tern) -> None:
    assert "(standard: 0.7)" in tern("ask", "--help").out
    assert 'tern ask "Why is the sky blue?"' in tern("--help").out
    assert "exit codes" in tern("--help").out


def test_version_is_one_line(tern: Tern) -> None:
    ended = tern("--version")
    assert ended.code == 0
    assert ended.out.startswith("tern ")
    assert ended.out.count("\n") == 1


def test_no_command_opens_the_window(tern: Tern, windows: list[AppPaths], tmp_path: Path) -> None:
    assert tern("--data-dir", tmp_path / "d").code == 0
    assert windows == [AppPaths(tmp_path / "d")]


def test_tern_gui_opens_the_window(windows: list[AppPaths]) -> None:
    assert main_gui([]) == 0
    assert len(windows) == 1


def test_tern_gui_takes_no_command(capsys: pytest.CaptureFixture[str], windows: list[AppPaths]) -> None:
    assert main_gui(["chat"]) == 2
    assert capsys.readouterr().err.startswith("tern: tern-gui opens the window")
    assert not windows


@pytest.mark.usefixtures("no_screen")
def test_without_a_screen_the_terminal_chat_starts(tern: Tern, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_command(monkeypatch, "chat", 0)
    ended = tern()
    assert ended.code == 0
    assert ended.is_one_line()
    assert "no screen" in ended.err


@pytest.mark.usefixtures("no_screen")
def test_tern_gui_without_a_screen_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main_gui([]) == 2
    assert capsys.readouterr().err == "tern: there is no screen for the window; use: tern chat\n"


def test_without_qt_the_terminal_chat_starts(tern: Tern, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    monkeypatch.setitem(sys.modules, "PySide6.QtWidgets", None)
    fake_command(monkeypatch, "chat", 0)
    ended = tern()
    assert ended.code == 0
    assert ended.is_one_line()
    assert "the window cannot be opened" in ended.err


@pytest.mark.parametrize(
    ("environ", "platform", "expected"),
    [
        ({}, "linux", False),
        ({"DISPLAY": ""}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({"QT_QPA_PLATFORM": "offscreen"}, "linux", True),
        ({}, "darwin", True),
        ({}, "win32", True),
    ],
)
def test_a_screen_is_told_by_the_environment(environ: dict[str, str], platform: str, expected: bool) -> None:
    assert cli.has_screen(environ, platform) is expected


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (0, 0),
        (AppError(ErrorCode.PROMPT_EMPTY), 2),
        (cli.UsageError("no\nsuch thing"), 2),
        (KeyboardInterrupt(), 130),
        (cli.OutputClosed(), 141),
        (BrokenPipeError(), 141),
        (ZeroDivisionError("what was said in a chat"), 70),
    ],
)
def test_every_end_has_its_exit_code(tern: Tern, monkeypatch: pytest.MonkeyPatch, outcome: object, code: int) -> None:
    fake_command(monkeypatch, "ask", outcome)
    ended = tern("ask", "hi")
    assert ended.code == code
    assert ended.is_one_line() is (code in (2, 70))


def test_a_mistake_of_ours_is_logged_without_its_text(tern: Tern, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        try:
            raise KeyError("what was said in a chat")
        except KeyError as inner:
            raise ZeroDivisionError("what was said in a chat") from inner
    except ZeroDivisionError as error:
        fake_command(monkeypatch, "ask", error)
    ended = tern("ask", "hi")
    logs = resolve().logs
    assert str(logs) in ended.err
    logged = (logs / "terminal.log").read_text(encoding="utf-8")
    assert "ZeroDivisionError" in logged
    assert "caused by\nKeyError" in logged
    assert "test_cli.py" in logged
    assert "what was said" not in logged + ended.err


def test_a_mistake_that_cannot_be_logged_is_still_told(
    tern: Tern, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake_command(monkeypatch, "ask", ZeroDivisionError())
    monkeypatch.delenv("TERN_DATA_DIR")
    (tmp_path / "file").touch()
    monkeypatch.setattr(cli, "resolve", lambda *_: AppPaths(tmp_path / "file" / "x"))
    ended = tern("ask", "hi")
    assert ended.code == 70
    assert ended.is_one_line()
    assert "nothing could be logged" in ended.err


@pytest.mark.parametrize("place", ["before", "after"])
def test_the_data_dir_goes_before_or_after_the_command(
    tern: Tern, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str
) -> None:
    seen: list[AppPaths] = []

    def run(_arguments: object, paths: AppPaths, _out: object) -> int:
        seen.append(paths)
        return 0

    monkeypatch.setitem(sys.modules, "app.commands.ask", SimpleNamespace(run=run))
    option = ["--data-dir", str(tmp_path / "d")]
    tern(*option, "ask", "hi") if place == "before" else tern("ask", *option, "hi")
    assert seen == [AppPaths(tmp_path / "d")]
    assert (tmp_path / "d").is_dir()


@pytest.mark.parametrize("command", [("ask", "hi"), ("chat",), ("inspect", "x")])
def test_a_named_data_dir_that_cannot_be_used_is_refused(tern: Tern, tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "file").touch()
    ended = tern("--data-dir", tmp_path / "file" / "x", *command)
    assert ended.code == 2
    assert ended.is_one_line()
    assert "data folder" in ended.err


def test_without_a_named_data_dir_asking_creates_nothing(
    tern: Tern, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("TERN_DATA_DIR")
    monkeypatch.setattr(cli, "resolve", lambda *_: AppPaths(tmp_path / "data"))
    fake_command(monkeypatch, "ask", 0)
    assert tern("ask", "hi").code == 0
    assert not (tmp_path / "data").exists()


def test_files_are_opened_in_the_window(tern: Tern, windows: list[AppPaths], tmp_path: Path) -> None:
    assert tern("--open", tmp_path / "a b.txt", tmp_path / "ü.txt").code == 0
    assert handed_over == [tmp_path / "a b.txt", tmp_path / "ü.txt"]
    assert tern("--open").code == 0  # what a menu entry gives where no file was chosen
    assert handed_over == [tmp_path / "a b.txt", tmp_path / "ü.txt"]
    assert len(windows) == 2


def test_files_need_a_window(tern: Tern, no_screen: None, tmp_path: Path) -> None:
    ended = tern("--open", tmp_path / "a.txt")
    assert ended.code == 2
    assert "--document" in ended.err
