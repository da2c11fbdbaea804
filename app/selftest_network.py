"""Whether this process has opened a network connection since it was asked to watch.

Knows Python's audit events and, on Linux, what the kernel lists; must not import a network module itself. Sockets of
the local machine alone (AF_UNIX, by which a window reaches the screen) are no network.
"""

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

_FAMILY_UNIX = 1  # AF_UNIX, the same number on every system that has it
_TABLES = ("tcp", "tcp6", "udp", "udp6", "raw", "raw6")


@dataclass(slots=True)
class SocketWatch:
    """What Python's own sockets did since watch_sockets(), and what the system says of all libraries."""

    events: list[str] = field(default_factory=list)
    is_linux: bool = sys.platform == "linux"

    @property
    def means(self) -> str:
        """How it is known."""
        return "by Python's audit events and the system's tables" if self.is_linux else "by Python's audit events"

    def hear(self, event: str, arguments: tuple[object, ...]) -> None:
        """Take an audit event (https://docs.python.org/3/library/audit_events.html); never raises."""
        if not event.startswith("socket."):
            return
        if event == "socket.__new__" and len(arguments) > 1 and arguments[1] == _FAMILY_UNIX:
            return
        self.events.append(event)

    def opened(self) -> list[str]:
        """Return what was opened; empty where nothing was."""
        return self.events + (system_sockets(Path("/proc/self")) if self.is_linux else [])


def watch_sockets() -> SocketWatch:
    """Begin to watch; an audit hook stays to the end of the process."""
    watch = SocketWatch()
    sys.addaudithook(watch.hear)
    return watch


def system_sockets(process: Path) -> list[str]:
    """Return the internet sockets that the process at `process` holds, those of C libraries as well; proc(5)."""
    held = set()
    for descriptor in (process / "fd").iterdir():
        try:
            target = str(descriptor.readlink())
        except OSError:
            continue  # the one by which the directory was listed
        if target.startswith("socket:["):
            held.add(target.removeprefix("socket:[").removesuffix("]"))
    found = []
    for table in _TABLES:
        try:
            lines = (process / "net" / table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        found += [f"{table} socket {os.fspath(line.split()[9])}" for line in lines if line.split()[9] in held]
    return found
