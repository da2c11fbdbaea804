"""Tern's sockets, counted by the system and not by Tern."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from count_sockets import can_isolate, can_trace, count

SCRIPT = Path(__file__).with_name("count_sockets.py")


def figures(*scenes: str) -> dict[str, dict[str, object]]:
    command = [sys.executable, str(SCRIPT), "--scenes", *scenes]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1_500, check=False)
    assert done.stdout, done.stderr[-2_000:]
    found = json.loads(done.stdout)
    assert found["broken"] == [], found["scenes"]
    assert list(found["scenes"]) == list(scenes)
    return dict(found["scenes"])


def test_sockets_are_told_from_what_is_none_and_by_process() -> None:
    trace = [
        '10 execve("/python", ["python", "-m", "app"], 0x7 /* 9 vars */) = 0',
        "10 socket(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0) = 3",
        '11 execve("/python", ["python", "-m", "core.models.download_child"], 0x7 /* 9 vars */) = 0',
        "11 socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_TCP) = 4",
        "12 socket(AF_INET6, SOCK_DGRAM|SOCK_CLOEXEC, IPPROTO_IP) = 4",
        "12 <... socket resumed>) = 4",
    ]
    assert count(trace) == (1, 1)


@pytest.mark.skipif(not can_trace(), reason="strace is absent or may not trace")
def test_an_answer_has_no_socket_and_a_download_only_in_its_child() -> None:
    found = figures("ask", "download")
    assert found["download"]["sockets_of_child"] == 1


@pytest.mark.slow
@pytest.mark.timeout(1_600)
@pytest.mark.skipif(not can_trace() or not can_isolate(), reason="strace or network namespaces are not to be had")
def test_nothing_of_tern_has_a_socket_or_needs_a_network() -> None:
    figures("ask", "document", "models", "import", "window", "download")
