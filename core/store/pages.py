"""Rows read straight from the pages of a damaged SQLite file, without its tree, schema or header.

Knows the file format (https://www.sqlite.org/fileformat.html, sections in the comments); must not know which tables
there are. Every number of the file is checked against the bytes that are there.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PAGE_BYTES: Final = 4096  # SQLite's default, with which every history was made
_LEAF: Final = 0x0D  # a leaf page of a table (1.6)
_INTEGER_BYTES: Final = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}  # by serial type (2.1)
_CELL_BYTES: Final = 35  # of a page that are not payload of a whole cell (1.6)
MAX_PAYLOAD_BYTES: Final = 64 << 20

Value = str | bytes | int | float | None


def read_rows(path: Path) -> Iterator[tuple[int, tuple[Value, ...]]]:
    """Yield rowid and values of every row on an intact leaf page, of all tables mixed.

    Counts the log in, as far as it was committed. The column that is the rowid itself is None (2.3).
    """
    pages = _Pages(path)
    for number in pages.numbers():
        page = pages.get(number)
        if number == 1 or len(page) < PAGE_BYTES or page[0] != _LEAF:
            continue
        n_cells = struct.unpack_from(">H", page, 3)[0]
        for index in range(min(n_cells, (PAGE_BYTES - 8) // 2)):
            try:
                start = struct.unpack_from(">H", page, 8 + 2 * index)[0]
                yield _read_cell(pages, page, start)
            except (IndexError, ValueError, struct.error):
                continue


class _Pages:
    """The file's pages with those of its write-ahead log over them."""

    def __init__(self, path: Path) -> None:
        self._content = path.read_bytes()
        log = path.with_name(path.name + "-wal")
        self._logged = _committed_pages(log.read_bytes()) if log.exists() else {}

    def numbers(self) -> list[int]:
        return sorted({*range(1, len(self._content) // PAGE_BYTES + 1), *self._logged})

    def get(self, number: int) -> bytes:
        """Return a page; fewer bytes, down to none, where the file does not have it."""
        return self._logged.get(number) or self._content[(number - 1) * PAGE_BYTES : number * PAGE_BYTES]


def _committed_pages(log: bytes) -> dict[int, bytes]:
    """Return the last committed state of each page in a write-ahead log (4.1)."""
    committed: dict[int, bytes] = {}
    pending: dict[int, bytes] = {}
    salt = log[16:24]
    for at in range(32, len(log) - 24 - PAGE_BYTES + 1, 24 + PAGE_BYTES):
        number, pages_after_commit = struct.unpack_from(">II", log, at)
        if log[at + 8 : at + 16] != salt or number == 0:
            break  # left over from before the log was last started anew
        pending[number] = log[at + 24 : at + 24 + PAGE_BYTES]
        if pages_after_commit:
            committed |= pending
            pending = {}
    return committed


def _read_cell(pages: _Pages, page: bytes, start: int) -> tuple[int, tuple[Value, ...]]:
    n_payload, at = _varint(page, start)
    rowid, at = _varint(page, at)
    if not 0 < n_payload <= MAX_PAYLOAD_BYTES:
        raise ValueError("payload length")
    n_local = _local_bytes(n_payload)
    payload = page[at : at + n_local]
    if n_local < n_payload:
        first = struct.unpack_from(">I", page, at + n_local)[0]
        payload += _overflow(pages, first, n_payload - n_local)
    if len(payload) != n_payload:
        raise ValueError("payload cut short")
    return rowid, _read_record(payload)


def _local_bytes(n_payload: int) -> int:
    """Return how much of a payload is on the leaf page itself (1.6)."""
    if n_payload <= PAGE_BYTES - _CELL_BYTES:
        return n_payload
    least = (PAGE_BYTES - 12) * 32 // 255 - 23
    preferred = least + (n_payload - least) % (PAGE_BYTES - 4)
    return preferred if preferred <= PAGE_BYTES - _CELL_BYTES else least


def _overflow(pages: _Pages, number: int, n_bytes: int) -> bytes:
    """Follow a chain of overflow pages (1.7); each gives some bytes, so the chain ends."""
    parts: list[bytes] = []
    while n_bytes > 0:
        page = pages.get(number) if number > 0 else b""
        if len(page) < PAGE_BYTES:
            raise ValueError("overflow page missing")
        parts.append(page[4 : 4 + n_bytes])
        n_bytes -= len(parts[-1])
        number = struct.unpack_from(">I", page)[0]
    return b"".join(parts)


def _read_record(payload: bytes) -> tuple[Value, ...]:
    """Decode a record (2.1); ValueError or IndexError where it is none."""
    n_header, at = _varint(payload, 0)
    if not at <= n_header <= len(payload):
        raise ValueError("record header length")
    body = n_header
    values: list[Value] = []
    while at < n_header:
        kind, at = _varint(payload, at)
        value, n_bytes = _value(payload, body, kind)
        values.append(value)
        body += n_bytes
    if body != len(payload):
        raise ValueError("record length")
    return tuple(values)


def _value(payload: bytes, at: int, kind: int) -> tuple[Value, int]:
    """Decode one value of serial type `kind`; returns it and its length."""
    if kind in (0, 8, 9):
        return (None, 0, 1)[(0, 8, 9).index(kind)], 0
    if kind in _INTEGER_BYTES:
        n_bytes = _INTEGER_BYTES[kind]
        return int.from_bytes(payload[at : at + n_bytes], "big", signed=True), n_bytes
    if kind == 7:
        return float(struct.unpack_from(">d", payload, at)[0]), 8
    if kind < 12:
        raise ValueError("reserved serial type")
    n_bytes = (kind - 12) // 2
    raw = payload[at : at + n_bytes]
    return (raw.decode("utf-8", "replace") if kind % 2 else raw), n_bytes


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Decode a variable-length integer (1.6); returns it, signed 64 bits, and where it ends."""
    value = 0
    for index in range(8):
        byte = data[at + index]
        value = (value << 7) | (byte & 0x7F)
        if byte < 0x80:
            return value, at + index + 1
    value = (value << 8) | data[at + 8]
    return (value - (1 << 64) if value >> 63 else value), at + 9
