"""`tern` as a process of its own: what only shows there. Kept few, since each start takes a quarter of a second."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from terminal import ROOT, run_tern, start_tern

from core.instance import InstanceLock
from core.paths import resolve

MODEL = Path(__file__).parents[1] / "fixtures" / "tied-h256" / "hf-packed"
LONG = ("ask", "--model", MODEL, "--max-tokens", "200", "--temperature", "2", "--system", "")

needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="needs SIGINT")

LOADED = """
import json, sys
from app.__main__ import main
code = main(sys.argv[1:])
loaded = [name for name in ("PySide6", "shiboken6", "numpy", "tokenizers", "app.jobs") if name in sys.modules]
print("\\n" + json.dumps([code, loaded]))
"""


def loaded_by(*arguments: object) -> tuple[int, list[str]]:
    """Return the exit code and which heavy modules the command loaded."""
    command = [sys.executable, "-c", LOADED, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    code, loaded = json.loads(done.stdout.splitlines()[-1])
    return code, loaded


def test_the_terminal_never_loads_qt_and_help_loads_nothing_heavy() -> None:
    assert loaded_by("--help") == (0, [])
    assert loaded_by("ask", "--temperature", "nan", "Hi") == (2, [])
    assert loaded_by("ask", "--model", MODEL, "--max-tokens", "2", "Hi") == (0, ["numpy", "tokenizers"])
    assert loaded_by("chat", "--model", MODEL) == (0, ["numpy", "tokenizers"])


def test_an_answer_comes_out_of_a_pipe() -> None:
    ended = run_tern("ask", "--model", MODEL, "--greedy", "--max-tokens", "8", "-", stdin="Grüße".encode())
    assert ended.code == 0
    assert ended.out.endswith("\n")
    assert ended.err == "Stopped at the longest answer that is allowed.\n"


def test_without_a_screen_one_line_says_so_and_the_chat_reads_the_pipe(tmp_path: Path) -> None:
    hidden = dict.fromkeys(("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"), "")
    data = tmp_path / "data"
    data.mkdir()
    (data / "settings.json").write_text(json.dumps({"model_path": str(MODEL), "max_tokens": 3}), encoding="utf-8")
    ended = run_tern("--data-dir", data, env=hidden, stdin=b"Hi\n")
    if sys.platform.startswith("linux"):
        assert ended.code == 0
        assert ended.err.startswith("tern: there is no screen")
        assert (data / "history.sqlite3").exists()


def test_without_a_screen_and_a_terminal_one_sample_question_is_answered(tmp_path: Path) -> None:
    hidden = dict.fromkeys(("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"), "")
    (tmp_path / "settings.json").write_text(json.dumps({"model_path": str(MODEL), "max_tokens": 3}), encoding="utf-8")
    ended = run_tern("--data-dir", tmp_path, env=hidden, stdin=b"")
    if sys.platform.startswith("linux"):
        assert ended.code == 0
        shown = ended.out.splitlines()
        assert shown[0] == "> What can Tern do?"
        assert len(shown) >= 3
        assert "tern ask" in shown[-1]


@pytest.mark.skipif(sys.platform == "win32", reason="arguments are always text there")
def test_arguments_that_are_no_text_are_refused() -> None:
    command = [sys.executable, "-m", "app", "ask", b"\xff\xfe"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (2, b"", b"tern: the prompt is not valid UTF-8 text\n")


def test_a_data_dir_below_a_file_is_refused() -> None:
    ended = run_tern("ask", "--model", MODEL, "Hi", env={"TERN_DATA_DIR": os.devnull + "/x"})
    assert ended.code == 2
    assert ended.is_one_line()


@needs_signals
def test_ctrl_c_keeps_what_was_written_and_ends_with_130() -> None:
    process = start_tern(*LONG, "Hi", slow=True)
    assert process.stdout is not None
    start = process.stdout.read(1)
    process.send_signal(signal.SIGINT)
    interrupted_at = time.monotonic()
    out, err = process.communicate(timeout=30)
    assert time.monotonic() - interrupted_at < 2
    assert process.returncode == 130
    assert start
    assert out.endswith(b"\n")
    assert err == b"You stopped this answer.\n"


@needs_signals
def test_a_reader_that_goes_away_ends_the_answer_quietly() -> None:
    process = start_tern(*LONG, "Hi", slow=True)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(1)
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=30) == 141
    assert err == b""


@needs_signals
def test_a_chat_whose_reader_goes_away_ends_quietly() -> None:
    process = start_tern("chat", *LONG[1:], slow=True, stdin=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdin.write(b"Hi\nAnd?\n")
    process.stdin.close()
    process.stdout.read(1)
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=30) == 141
    assert err == b""


@pytest.mark.gui
@needs_signals
def test_ctrl_c_closes_the_window_and_saves() -> None:
    process = start_tern(env={**os.environ, "QT_QPA_PLATFORM": "offscreen"})
    lock = resolve().lock
    until = time.monotonic() + 30
    while not resolve().database.exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert lock.exists()
    process.send_signal(signal.SIGINT)
    _out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"Traceback" not in err
    InstanceLock.acquire(lock).release()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_behind_standard_output_is_one_line() -> None:
    with Path("/dev/full").open("wb") as full:
        process = start_tern(*LONG[:5], "Hi", stdout=full)
        _out, err = process.communicate(timeout=30)
    assert process.returncode == 2
    assert err.startswith(b"tern: standard output cannot be written: No space left on device")
    assert err.count(b"\n") == 1


@needs_signals
def test_help_into_a_closed_pipe_is_quiet() -> None:
    process = start_tern("--help")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=30) in (0, 141)
    assert err == b""
