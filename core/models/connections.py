"""What the download child has ever connected to and what came of it: JSON lines beside the person's other data.

Knows the file; must not know who connects. Lines that this module has not written count as absent.
"""

import contextlib
import json
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from core.events import Connected

MAX_BYTES: Final = 1 << 20  # some ten thousand connections; older ones go


@dataclass(frozen=True, slots=True)
class Transferred:
    """What one run of a download received; a run that was killed has none."""

    at: datetime  # its end
    name: str  # of the model
    n_bytes: int


def append_connection(path: Path, connected: Connected) -> None:
    """Add a line; a disk that cannot be written loses it rather than the download."""
    _append(path, {"at": connected.at.isoformat(), "host": connected.host, "port": connected.port})


def append_transfer(path: Path, transferred: Transferred) -> None:
    """Add a line about what was received."""
    _append(path, {"at": transferred.at.isoformat(), "model": transferred.name, "n_bytes": transferred.n_bytes})


def read_connections(path: Path) -> tuple[Connected, ...]:
    """Return what was connected to, oldest first."""
    return tuple(connected for line in _lines(path) if (connected := _parsed(line)) is not None)


def read_transfers(path: Path) -> tuple[Transferred, ...]:
    """Return what was received, oldest first."""
    return tuple(transferred for line in _lines(path) if (transferred := _parsed_transfer(line)) is not None)


def _append(path: Path, stored: dict[str, str | int]) -> None:
    with contextlib.suppress(OSError):
        if path.is_file() and path.stat().st_size > MAX_BYTES:
            path.replace(path.with_name(path.name + ".old"))
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o600)
        with open(descriptor, "wb") as file:  # noqa: PTH123 (a descriptor, for the mode)
            file.write((json.dumps(stored) + "\n").encode("ascii"))


def _lines(path: Path) -> list[bytes]:
    found: list[bytes] = []
    for file in (path.with_name(path.name + ".old"), path):
        with contextlib.suppress(OSError), file.open("rb") as opened:
            found += opened.read(2 * MAX_BYTES).splitlines()
    return found


def _parsed(line: bytes) -> Connected | None:
    try:
        stored = json.loads(line)
        at, host, port = datetime.fromisoformat(stored["at"]), stored["host"], stored["port"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if at.tzinfo is None or not isinstance(host, str) or type(port) is not int:
        return None
    return Connected(at, host, port)


def _parsed_transfer(line: bytes) -> Transferred | None:
    try:
        stored = json.loads(line)
        at, name, n_bytes = datetime.fromisoformat(stored["at"]), stored["model"], stored["n_bytes"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if at.tzinfo is None or not isinstance(name, str) or type(n_bytes) is not int or n_bytes < 0:
        return None
    return Transferred(at, name, n_bytes)
