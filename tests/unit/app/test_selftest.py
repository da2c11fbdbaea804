"""The self-test tells what is wrong; its checks are also run for real, as a process, in tests/integration."""

import io
import json
import socket
import sys
from pathlib import Path

import pytest

from app import selftest, selftest_network
from app.commands.output import Output
from core.errors import AppError, ErrorCode


def report(*checks: selftest.Check) -> tuple[int, list[str]]:
    text = io.StringIO()
    code = selftest.report(checks, Output(text, io.StringIO()))
    return code, text.getvalue().splitlines()


def failing(error: Exception) -> selftest.Check:
    def run(_directory: Path) -> str:
        raise error

    return selftest.Check("broken", run)


def test_every_check_has_a_line_and_its_own_empty_directory() -> None:
    def look(directory: Path) -> str:
        assert list(directory.iterdir()) == []
        (directory / "left").write_text("", "utf-8")
        return "empty"

    code, lines = report(selftest.Check("first", look), selftest.Check("second", look))
    assert code == 0
    assert [line.split()[:3] for line in lines[:2]] == [["ok", "first", "empty"], ["ok", "second", "empty"]]
    assert lines[2].startswith("all is well")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (selftest.CheckError("the sums differ"), "the sums differ"),
        (AppError(ErrorCode.MODEL_INCOMPLETE, path=Path("x"), missing="config.json"), "config.json"),
        (ZeroDivisionError("by zero"), "a mistake of Tern itself (ZeroDivisionError: by zero)"),
    ],
)
def test_what_fails_is_told_and_the_rest_still_runs(error: Exception, words: str) -> None:
    code, lines = report(failing(error), selftest.Check("next", lambda _directory: "fine"))
    assert code == selftest.EXIT_FAILED
    assert lines[0].startswith("FAILED broken")
    assert words in lines[0]
    assert lines[1].startswith("ok")
    assert lines[2].startswith("1 of 2 checks failed")


def test_another_answer_of_the_starter_model_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    golden = json.loads(selftest.GOLDEN_FILE.read_text("utf-8"))
    assert selftest._check_starter(tmp_path).startswith("answers as it should")
    golden["token_ids"][-1] += 1
    changed = tmp_path / "golden.json"
    changed.write_text(json.dumps(golden), "utf-8")
    monkeypatch.setattr(selftest, "GOLDEN_FILE", changed)
    with pytest.raises(selftest.CheckError, match="instead of"):
        selftest._check_starter(tmp_path)


def test_wrong_kernels_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.inference import kernel_check

    monkeypatch.setattr(kernel_check, "ternary_sums", lambda matrix, x, _name: x[:, :1].repeat(192, 1).astype("i4"))
    with pytest.raises(selftest.CheckError, match="sums of integers"):
        selftest._check_kernels(tmp_path)


def test_an_opened_socket_is_heard_unless_it_is_local() -> None:
    watch = selftest_network.SocketWatch(is_linux=False)
    watch.hear("open", ("file", "r", 0))
    watch.hear("socket.__new__", (None, 1, socket.SOCK_STREAM, 0))
    assert watch.opened() == []
    watch.hear("socket.__new__", (None, int(socket.AF_INET), int(socket.SOCK_STREAM), 0))
    watch.hear("socket.getaddrinfo", ("example", 80, 0, 0, 0))
    assert watch.opened() == ["socket.__new__", "socket.getaddrinfo"]
    with pytest.raises(selftest.CheckError, match=r"socket\.getaddrinfo"):
        selftest._check_network(watch)


@pytest.mark.skipif(sys.platform != "linux", reason="reads the tables of Linux")
def test_the_systems_tables_show_sockets_that_python_did_not_open() -> None:
    before = selftest_network.system_sockets(Path("/proc/self"))
    held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        held.bind(("127.0.0.1", 0))
        held.listen(1)
        found = set(selftest_network.system_sockets(Path("/proc/self"))) - set(before)
        assert [each.split()[0] for each in found] == ["tcp"]
    finally:
        held.close()
    assert selftest_network.system_sockets(Path("/proc/self")) == before
