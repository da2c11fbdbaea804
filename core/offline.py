"""The proof that this process opens no connection: a hook of the interpreter that refuses and counts every socket.

install() runs first of all in Tern's process (app/__main__.py). From then on the interpreter calls the hook before it
creates a socket, connects, listens, sends or looks up a name (PEP 578, "Python Runtime Audit Hooks"), and the hook
raises. It cannot be taken back. It sees what Python does; libraries in C that call the system by themselves are not
seen. Of these Tern has Qt, which is loaded without its network module and talks to the screen over a local socket, and
its own kernels, which know no sockets; tests/faults/count_sockets.py watches the whole process from outside instead.
The download child (core/models/download_child.py) is another process and does not install the hook.
"""

import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

KEPT_ATTEMPTS: Final = 64
# They ask this computer alone, and the standard library calls them without any wish to connect.
_HARMLESS: Final = frozenset({"socket.gethostname", "socket.getservbyname", "socket.getservbyport"})
_NETWORK_MODULES: Final = (
    "PySide6.QtNetwork", "PySide6.QtWebSockets", "PySide6.QtWebEngineCore", "huggingface_hub", "hf_xet", "httpx",
    "httpx2", "httpcore2", "requests", "urllib3", "aiohttp",
)  # fmt: skip
_NETWORK_LIBRARIES: Final = ("Qt6Network", "QtNetwork", "libcurl")
# An address of RFC 5737, which nobody has, and a name of RFC 2606, which never exists: if ever the hook were absent,
# the self-test would reach nobody.
_NOBODY: Final = ("192.0.2.1", 443)
_NO_NAME: Final = "tern-self-test.invalid"
_TIMEOUT_S: Final = 1.0


class NetworkBlocked(PermissionError):  # noqa: N818 - says what happened
    """Something in this process wanted to use the network."""


class CheckName(StrEnum):
    """What the self-test tries."""

    HOOK_INSTALLED = "hook_installed"
    CREATE_SOCKET = "create_socket"
    CONNECT = "connect"
    LOOK_UP_NAME = "look_up_name"
    LISTEN = "listen"
    NO_NETWORK_LIBRARY = "no_network_library"


@dataclass(frozen=True, slots=True)
class Attempt:
    """Something that was refused; `detail` is foreign text."""

    at: datetime  # UTC
    event: str
    detail: str


@dataclass(frozen=True, slots=True)
class Counters:
    """What was refused since `since` (UTC; None: the hook is not installed), without what self-tests tried."""

    since: datetime | None
    blocked: int
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that the self-test tried; `detail` is what came of it."""

    name: CheckName
    is_blocked: bool
    detail: str


@dataclass(frozen=True, slots=True)
class SelfTest:
    """All checks of one self-test."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """True when everything that was tried was refused."""
        return all(check.is_blocked for check in self.checks)


class _Guard:
    """The hook and what it has counted."""

    def __init__(self) -> None:
        self.since: datetime | None = None
        self.blocked = 0
        self.attempts: deque[Attempt] = deque(maxlen=KEPT_ATTEMPTS)
        self.lock = threading.Lock()
        self.testing = threading.local()

    def on_event(self, event: str, arguments: tuple[object, ...]) -> None:
        if not event.startswith("socket.") or event in _HARMLESS:
            return
        if not getattr(self.testing, "is_on", False):
            attempt = Attempt(datetime.now(UTC), event, _described(arguments))
            with self.lock:
                self.blocked += 1
                self.attempts.append(attempt)
        raise NetworkBlocked(f"Tern opens no connection: {event} was refused")


_GUARD: Final = _Guard()


def install() -> None:
    """Refuse every socket of this process from now on; a second call changes nothing."""
    with _GUARD.lock:
        if _GUARD.since is not None:
            return
        _GUARD.since = datetime.now(UTC)
    sys.addaudithook(_GUARD.on_event)


def is_installed() -> bool:
    """Tell whether the hook guards this process."""
    return _GUARD.since is not None


def counters() -> Counters:
    """Return what was refused so far."""
    with _GUARD.lock:
        return Counters(_GUARD.since, _GUARD.blocked, tuple(_GUARD.attempts))


def self_test() -> SelfTest:
    """Try to use the network in every way that Python has, and tell what was refused; takes milliseconds."""
    import socket

    def create() -> None:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM).close()

    def connect() -> None:
        socket.create_connection(_NOBODY, timeout=_TIMEOUT_S).close()

    def look_up() -> None:
        socket.getaddrinfo(_NO_NAME, 443)

    def listen() -> None:
        socket.create_server(("127.0.0.1", 0)).close()

    _GUARD.testing.is_on = True
    try:
        return SelfTest(
            (
                Check(CheckName.HOOK_INSTALLED, is_installed(), ""),
                _tried(CheckName.CREATE_SOCKET, create),
                _tried(CheckName.CONNECT, connect),
                _tried(CheckName.LOOK_UP_NAME, look_up),
                _tried(CheckName.LISTEN, listen),
                _without_libraries(),
            )
        )
    finally:
        _GUARD.testing.is_on = False


def _tried(name: CheckName, use: Callable[[], None]) -> Check:
    try:
        use()
    except NetworkBlocked as refused:
        return Check(name, True, str(refused))
    except OSError as error:
        return Check(name, False, type(error).__name__)
    return Check(name, False, "it was possible")


def _without_libraries() -> Check:
    loaded = [name for name in _NETWORK_MODULES if name in sys.modules] + _mapped_libraries()
    return Check(CheckName.NO_NETWORK_LIBRARY, not loaded, ", ".join(loaded))


def _mapped_libraries() -> list[str]:
    """Return the network libraries in this process's memory; nothing where the system does not tell."""
    try:
        maps = Path("/proc/self/maps").read_text("utf-8", "replace")
    except OSError:
        return []
    return [name for name in _NETWORK_LIBRARIES if name in maps]


def _described(arguments: tuple[object, ...]) -> str:
    """Return the arguments of an event, without the socket object that is the first of most."""
    shown = [str(argument) for argument in arguments if isinstance(argument, str | bytes | int | tuple)]
    return ", ".join(shown)[:200]
