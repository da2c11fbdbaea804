"""What the download child has ever connected to: one JSON line each, kept beside the person's other data.

Knows the file; must not know who connects. Lines that this module has not written count as absent.
"""

import contextlib
import json
import os
from datetime import datetime
from pathlib import Path
from typing import Final

from core.events import Connected

MAX_BYTES: Final = 1 << 20  # some ten thousand connections; older ones go


def append_connection(path: Path, connected: Connected) -> None:
    """Add a line; a disk that cannot be written loses it rather than the download."""
    stored = {"at": connected.at.isoformat(), "host": connected.host, "port": connected.port}
    with contextlib.suppress(OSError):
        if path.is_file() and path.stat().st_size > MAX_BYTES:
            path.replace(path.with_name(path.name + ".old"))
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o600)
        with open(descriptor, "wb") as file:  # noqa: PTH123 (a descriptor, for the mode)
            file.write((json.dumps(stored) + "\n").encode("ascii"))


def read_connections(path: Path) -> tuple[Connected, ...]:
    """Return what was connected to, oldest first."""
    found: list[Connected] = []
    for file in (path.with_name(path.name + ".old"), path):
        try:
            with file.open("rb") as opened:
                lines = opened.read(2 * MAX_BYTES).splitlines()
        except OSError:
            continue
        found += [connected for line in lines if (connected := _parsed(line)) is not None]
    return tuple(found)


def _parsed(line: bytes) -> Connected | None:
    try:
        stored = json.loads(line)
        at, host, port = datetime.fromisoformat(stored["at"]), stored["host"], stored["port"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if at.tzinfo is None or not isinstance(host, str) or type(port) is not int:
        return None
    return Connected(at, host, port)
