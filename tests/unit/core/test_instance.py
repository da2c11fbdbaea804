import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import AppError, ErrorCode
from core.instance import InstanceLock, leave_raise_request

ROOT = Path(__file__).parents[3]
_HOLD = """
import sys
from pathlib import Path
from core.instance import InstanceLock
lock = InstanceLock.acquire(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tern.lock"


def _hold_elsewhere(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_a_second_instance_is_refused_while_the_first_runs(path: Path) -> None:
    first = _hold_elsewhere(path)
    try:
        with pytest.raises(AppError) as caught:
            InstanceLock.acquire(path)
        assert caught.value.code is ErrorCode.ALREADY_RUNNING
        if sys.platform != "win32":
            assert json.loads(path.read_text())["pid"] == first.pid
    finally:
        _end(first)


def test_a_killed_instance_does_not_block_the_next(path: Path) -> None:
    _end(_hold_elsewhere(path))
    lock = InstanceLock.acquire(path)
    assert json.loads(path.read_text())["pid"] == os.getpid()
    lock.release()


def test_the_same_process_is_refused_too(path: Path) -> None:
    lock = InstanceLock.acquire(path)
    with pytest.raises(AppError):
        InstanceLock.acquire(path)
    lock.release()
    lock.release()
    InstanceLock.acquire(path).release()


def test_a_raise_request_is_taken_once(path: Path) -> None:
    lock = InstanceLock.acquire(path)
    assert lock.take_raise_request() is None
    leave_raise_request(path)
    leave_raise_request(path)
    assert lock.take_raise_request() == ()
    assert lock.take_raise_request() is None
    lock.release()


def test_a_request_to_a_gone_instance_is_forgotten(path: Path) -> None:
    leave_raise_request(path)
    lock = InstanceLock.acquire(path)
    assert lock.take_raise_request() is None
    lock.release()


def test_files_are_handed_over_in_order_and_once(path: Path, tmp_path: Path) -> None:
    lock = InstanceLock.acquire(path)
    leave_raise_request(path, [tmp_path / "Größe 数据.txt", Path("relative.txt")])
    leave_raise_request(path, [tmp_path / "second.txt"])
    expected = (tmp_path / "Größe 数据.txt", Path("relative.txt").absolute(), tmp_path / "second.txt")
    assert lock.take_raise_request() == expected
    assert lock.take_raise_request() is None
    lock.release()


@pytest.mark.parametrize("line", [b"\xff\n", b"{}", b'["rel"]', b'[1, null, "\\u0000/x"]', b"[" * 10_000, b'"/x"'])
def test_a_request_that_nobody_wrote_like_this_names_no_files(path: Path, line: bytes) -> None:
    lock = InstanceLock.acquire(path)
    path.with_name(path.name + ".raise").write_bytes(line)
    assert lock.take_raise_request() == ()
    lock.release()


def test_nobody_to_ask_is_harmless(tmp_path: Path) -> None:
    leave_raise_request(tmp_path / "missing" / "tern.lock")


def test_a_place_without_rights_is_said(tmp_path: Path) -> None:
    with pytest.raises(AppError) as caught:
        InstanceLock.acquire(tmp_path / "missing" / "tern.lock")
    assert caught.value.code is ErrorCode.DATA_DIR_UNWRITABLE
