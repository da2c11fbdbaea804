"""What can be read of a damaged history goes into a new file; the damaged one is kept.

Knows SQLite's pages and the tables' names; must not know chats as values. Works on copies: the damaged files are
copied aside first and are replaced only when the new file is whole, so a crash in between loses nothing.
"""

import contextlib
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.store import migrations

_SIDE_FILES: Final = ("-wal", "-shm")
_TABLES: Final = ("chats", "messages", "replies")
_PROBES: Final = 20_000  # bound on the search inside damaged ranges, about a second
_PYTHON_TYPES: Final[dict[str, tuple[type, ...]]] = {"TEXT": (str,), "INTEGER": (int,), "REAL": (float, int)}
_Row = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Recovery:
    """A damaged history was found: where it was kept and how much of it is in the new one."""

    kept_as: Path
    chats: int
    messages: int


def salvage(path: Path, steps: Sequence[migrations.Step]) -> Recovery:
    """Copy the damaged database at `path` aside and put a new one with all readable rows in its place.

    Raises:
        OSError: no room or no right to write the copies; nothing was then changed.
        sqlite3.Error: the new file could not be written; nothing was then changed.
    """
    kept_as = _copy_aside(path)
    fresh_path = path.with_name(path.name + ".salvaged")
    _remove(fresh_path)
    fresh_path.touch(mode=0o600)
    with contextlib.closing(sqlite3.connect(fresh_path, isolation_level=None)) as fresh:
        migrations.migrate(fresh, fresh_path, steps)
        _fill(fresh, _readable_rows(path, fresh, fresh_path))
        chats, messages = (fresh.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in _TABLES[:2])
    # The old log goes first: left beside the new file it would be replayed into it.
    for suffix in _SIDE_FILES:
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    fresh_path.replace(path)
    return Recovery(kept_as, chats, messages)


def _copy_aside(path: Path) -> Path:
    """Copy the file and its log to ``<name>.corrupt-<time>``, a name that is not taken yet."""
    stem = f"{path.name}.corrupt-{time.strftime('%Y%m%d-%H%M%S')}"
    kept_as = path.with_name(stem)
    number = 1
    while kept_as.exists():
        number += 1
        kept_as = path.with_name(f"{stem}-{number}")
    _copy_with_log(path, kept_as)
    return kept_as


def _copy_with_log(source: Path, destination: Path) -> None:
    try:
        for suffix in ("", *_SIDE_FILES):
            part = source.with_name(source.name + suffix)
            if part.exists():
                copied = destination.with_name(destination.name + suffix)
                copied.touch(mode=0o600)
                shutil.copyfile(part, copied)
    except OSError:
        _remove(destination)
        raise


def _remove(path: Path) -> None:
    for suffix in ("", *_SIDE_FILES, "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _readable_rows(path: Path, fresh: sqlite3.Connection, fresh_path: Path) -> dict[str, dict[int, _Row]]:
    """Read the tables from a scratch copy: as it is, else with a sound first page, else without its log."""
    scratch = path.with_name(path.name + ".scratch")
    rows: dict[str, dict[int, _Row]] = {}
    for attempt in ("as it is", "new first page", "without log"):
        _remove(scratch)
        _copy_with_log(path, scratch)
        scratch.with_name(scratch.name + "-shm").unlink(missing_ok=True)
        if attempt != "as it is":
            _transplant_first_page(fresh_path, scratch)
        if attempt == "without log":
            scratch.with_name(scratch.name + "-wal").unlink(missing_ok=True)
        with contextlib.closing(sqlite3.connect(scratch, isolation_level=None)) as source:
            source.text_factory = decode_leniently
            rows = {name: _read_table(source, name, columns_of(fresh, name)) for name in _TABLES}
        if rows["messages"]:
            break
    _remove(scratch)
    return rows


def _transplant_first_page(sound: Path, damaged: Path) -> None:
    """Replace page 1 (header and schema) by that of a new file of the same schema, where roots lie alike.

    Bytes 92..95 (version-valid-for) are made to differ from the change counter, so that SQLite takes the number of
    pages from the file's length; https://www.sqlite.org/fileformat.html#in_header_database_size
    """
    with sound.open("rb") as file:
        header = file.read(100)
        page_bytes = int.from_bytes(header[16:18], "big")  # 4096, SQLite's default
        file.seek(0)
        page = bytearray(file.read(page_bytes))
    page[92:96] = bytes(byte ^ 0xFF for byte in page[24:28])
    with damaged.open("r+b") as file:
        file.write(page)
        size = file.seek(0, os.SEEK_END)
        file.truncate(max(size - size % page_bytes, page_bytes))


def columns_of(connection: sqlite3.Connection, table: str) -> dict[str, str]:
    """Return the declared type of every column, in order; empty when the table cannot be read."""
    try:
        return {row[1]: row[2] for row in connection.execute(f"PRAGMA table_info({table})")}
    except sqlite3.DatabaseError:
        return {}


def decode_leniently(raw: bytes) -> str:
    """Decode text of the database: a flipped bit costs one character, not the whole conversation."""
    return raw.decode("utf-8", "replace")


def _read_table(source: sqlite3.Connection, table: str, columns: dict[str, str]) -> dict[int, _Row]:
    """Return all rows that can be read, by rowid: from both ends, then by search between."""
    present = columns_of(source, table)
    names = [name for name in columns if name in present]
    if not names:
        return {}
    select = f"SELECT rowid, {', '.join(names)} FROM {table} NOT INDEXED"
    # Every row is a full tuple in the order of `columns`; None stands for a column that an older schema lacks.
    rows: dict[int, _Row] = {}

    def read(tail: str, arguments: tuple[int, ...] = ()) -> bool:
        try:
            for rowid, *values in source.execute(f"{select} {tail}", arguments):
                by_name = dict(zip(names, values, strict=True))
                if all(_fits(by_name.get(name), kind) for name, kind in columns.items()):
                    rows[rowid] = tuple(by_name.get(name) for name in columns)
        except sqlite3.DatabaseError:
            return False
        return True

    if read("ORDER BY rowid"):
        return rows
    last_forward = max(rows, default=0)
    known = set(rows)
    read("ORDER BY rowid DESC")
    first_backward = min(set(rows) - known, default=_highest_id(source, table, last_forward))
    _search(read, last_forward + 1, first_backward)
    return rows


def _search(read: Callable[[str, tuple[int, ...]], bool], low: int, high: int) -> None:
    """Read the ids low..high by halving every range that cannot be read, at most _PROBES times."""
    ranges = [(low, high)]
    for _ in range(_PROBES):
        if not ranges:
            return
        low, high = ranges.pop()
        if low > high or read("WHERE rowid BETWEEN ? AND ?", (low, high)) or low == high:
            continue
        middle = (low + high) // 2
        ranges += [(middle + 1, high), (low, middle)]


def _highest_id(source: sqlite3.Connection, table: str, at_least: int) -> int:
    """Return an upper bound of the ids: SQLite's own counter where it is readable, else a guess."""
    with contextlib.suppress(sqlite3.DatabaseError):
        row = source.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
        if row is not None and isinstance(row[0], int) and row[0] < 2**40:
            return max(row[0], at_least)
    return at_least + 10_000


def _fits(value: object, kind: str) -> bool:
    return value is None or isinstance(value, _PYTHON_TYPES.get(kind, (object,)))


def _fill(fresh: sqlite3.Connection, tables: dict[str, dict[int, _Row]]) -> None:
    """Insert the rows, leaving out what breaks a rule of its table, and mend the links between them."""
    fresh.execute("PRAGMA foreign_keys = OFF")
    fresh.execute("BEGIN")
    for table, row in _rows_in_order(tables):
        with contextlib.suppress(sqlite3.IntegrityError):
            fresh.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
    fresh.execute(
        """INSERT INTO chats(id, title, created_at, updated_at)
           SELECT chat_id,
                  (SELECT substr(replace(first.text, char(10), ' '), 1, 48) FROM messages AS first
                   WHERE first.chat_id = lost.chat_id ORDER BY first.id LIMIT 1),
                  min(created_at), max(created_at)
           FROM messages AS lost WHERE chat_id NOT IN (SELECT id FROM chats) GROUP BY chat_id"""
    )
    fresh.execute("UPDATE messages SET parent_id = NULL WHERE parent_id NOT IN (SELECT id FROM messages)")
    fresh.execute("DELETE FROM replies WHERE message_id NOT IN (SELECT id FROM messages)")
    fresh.execute("COMMIT")


def _rows_in_order(tables: dict[str, dict[int, _Row]]) -> Iterator[tuple[str, _Row]]:
    for table in _TABLES:
        for rowid in sorted(tables.get(table, {})):
            yield table, tables[table][rowid]
