"""The hook is installed for good, so each test that needs it runs a process of its own."""

import json
import subprocess
import sys

import pytest

from core import offline


def in_a_process(code: str) -> dict[str, object]:
    source = f"import json, sys\nfrom core import offline\n{code}\nprint(json.dumps(result))"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def test_every_use_of_the_network_is_refused_and_counted() -> None:
    result = in_a_process("""
import asyncio, socket, urllib.request
ready = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # made before the hook
offline.install()
offline.install()
def refused(use):
    try:
        use()
    except offline.NetworkBlocked:
        return True
    except OSError as error:  # urllib wraps what it meets
        return isinstance(getattr(error, "reason", None), offline.NetworkBlocked)
    return False
uses = [
    lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
    lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM),
    lambda: socket.getaddrinfo("tern.invalid", 443),
    lambda: socket.gethostbyname("tern.invalid"),
    lambda: ready.connect(("127.0.0.1", 9)),
    lambda: ready.connect_ex(("127.0.0.1", 9)),
    lambda: ready.sendto(b"x", ("127.0.0.1", 9)),
    lambda: ready.bind(("127.0.0.1", 0)),
    lambda: urllib.request.urlopen("http://127.0.0.1:9", timeout=1),
]
outcomes = [refused(use) for use in uses]
counters = offline.counters()
result = {"outcomes": outcomes, "blocked": counters.blocked, "since": counters.since is not None,
          "events": [attempt.event for attempt in counters.attempts], "name": socket.gethostname() != ""}
""")
    assert result["outcomes"] == [True] * 9
    assert result["blocked"] == 9
    assert result["since"] is True
    assert result["name"] is True
    events = result["events"]
    assert isinstance(events, list)
    assert {"socket.__new__", "socket.connect", "socket.sendto", "socket.bind", "socket.getaddrinfo"} <= set(events)


def test_the_self_test_passes_and_is_not_counted() -> None:
    result = in_a_process("""
offline.install()
test = offline.self_test()
result = {"passed": test.passed, "names": [check.name for check in test.checks], "blocked": offline.counters().blocked}
""")
    assert result == {"passed": True, "names": [name.value for name in offline.CheckName], "blocked": 0}


def test_the_self_test_sees_a_library_that_can_connect() -> None:
    result = in_a_process("""
import types
sys.modules["httpx2"] = types.ModuleType("httpx2")
offline.install()
failed = [check for check in offline.self_test().checks if not check.is_blocked]
result = {"failed": [[check.name, check.detail] for check in failed]}
""")
    assert result == {"failed": [["no_network_library", "httpx2"]]}


def test_without_the_hook_the_self_test_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not offline.is_installed()  # this very process is a test's, not Tern's
    monkeypatch.setattr(offline, "_TIMEOUT_S", 0.01)
    with pytest.raises(RuntimeError, match="no network"):  # what the tests' own guard says: it was really tried
        offline.self_test()
    assert offline.counters().since is None


def test_tern_is_offline_before_anything_else_is_loaded() -> None:
    result = in_a_process("""
import contextlib, io
import app.__main__ as program
loaded = sorted(name for name in sys.modules if name in ("socket", "app.cli", "huggingface_hub", "httpx2", "numpy"))
sys.argv = ["tern", "--version"]
with contextlib.redirect_stdout(io.StringIO()):
    code = program.main()
result = {"loaded": loaded, "code": code, "installed": offline.is_installed()}
""")
    assert result == {"loaded": [], "code": 0, "installed": True}


def test_the_download_child_of_a_frozen_tern_is_not_put_offline() -> None:
    result = in_a_process("""
import types
import app.__main__ as program
sys.modules["core.models.download_child"] = types.SimpleNamespace(main=lambda argv: 5)
sys.argv = ["tern", "--tern-child", "core.models.download_child"]
result = {"code": program.main(), "installed": offline.is_installed()}
""")
    assert result == {"code": 5, "installed": False}
