"""What can be read of a damaged history goes into a new file; the damaged one is kept.

Knows the tables' names; must not know chats as values. Works on copies: the damaged files are
copied aside first and are replaced only when the new file is whole, so a crash in between loses nothing.
"""

import contextlib
import shutil
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.settings import sync_directory
from core.store import migrations, search
from core.store.pages import read_rows

_SIDE_FILES: Final = ("-wal", "-shm")
_TABLES: Final = ("chats", "messages", "replies", "documents", "chat_overrides", "chat_scopes", "folders", "places")
_PYTHON_TYPES: Final[dict[str, tuple[type, ...]]] = {"TEXT": (str,), "INTEGER": (int,), "REAL": (float, int)}
_REQUIRED: Final = "!"
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
        _fill(fresh, _readable_rows(path, fresh))
        chats, messages = (fresh.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in _TABLES[:2])
    # The old log goes first, for good: left beside the new file it would be replayed into it.
    for suffix in (*_SIDE_FILES, "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    sync_directory(path.parent)
    fresh_path.replace(path)
    sync_directory(path.parent)
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
        for suffix in ("", "-wal", "-journal"):  # -shm holds nothing that SQLite does not rebuild
            part = source.with_name(source.name + suffix)
            if part.exists() and (part.stat().st_size > 0 or not suffix):
                copied = destination.with_name(destination.name + suffix)
                copied.touch(mode=0o600)
                shutil.copyfile(part, copied)
    except OSError:
        _remove(destination)
        raise


def _remove(path: Path) -> None:
    for suffix in ("", *_SIDE_FILES, "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _readable_rows(path: Path, fresh: sqlite3.Connection) -> dict[str, dict[int, _Row]]:
    """Read the tables through SQLite from a scratch copy, and what it cannot reach straight from the pages."""
    scratch = path.with_name(path.name + ".scratch")
    columns = {name: columns for name in _TABLES if (columns := columns_of(fresh, name))}
    rows: dict[str, dict[int, _Row]] = {name: {} for name in columns}
    _remove(scratch)
    _copy_with_log(path, scratch)
    with contextlib.closing(sqlite3.connect(scratch, isolation_level=None)) as source:
        source.text_factory = decode_leniently
        # A list: every table is read even when one is not whole.
        are_whole = [_read_table(source, name, columns[name], rows[name]) for name in columns]
    _remove(scratch)
    if not all(are_whole):
        _read_pages(path, columns, rows)
    return rows


def columns_of(connection: sqlite3.Connection, table: str) -> dict[str, str]:
    """Return the declared type of every column, in order, NOT NULL ones marked; empty when it cannot be read."""
    try:
        return {
            row[1]: row[2] + (_REQUIRED if row[3] else "") for row in connection.execute(f"PRAGMA table_info({table})")
        }
    except sqlite3.DatabaseError:
        return {}


def decode_leniently(raw: bytes) -> str:
    """Decode text of the database: a flipped bit costs one character, not the whole conversation."""
    return raw.decode("utf-8", "replace")


def _read_table(source: sqlite3.Connection, table: str, columns: dict[str, str], rows: dict[int, _Row]) -> bool:
    """Add the rows of a table by rowid, from both ends; False when not all could be read.

    Every row is a tuple in the order of `columns`, with None for a column that an older schema lacks.
    """
    present = columns_of(source, table)
    names = [name for name in columns if name in present]
    if len(names) == 0:
        return False
    is_whole = True
    for order in ("ASC", "DESC"):
        try:
            query = f"SELECT rowid, {', '.join(names)} FROM {table} NOT INDEXED ORDER BY rowid {order}"
            for rowid, *values in source.execute(query):
                by_name = dict(zip(names, values, strict=True))
                row = tuple(by_name.get(name) for name in columns)
                if _fits(row, columns):
                    rows[rowid] = row
        except sqlite3.DatabaseError:
            is_whole = False
        if is_whole:
            break
    return is_whole


def _read_pages(path: Path, columns: dict[str, dict[str, str]], rows: dict[str, dict[int, _Row]]) -> None:
    """Add the rows on the file's pages; a row belongs to the table that its values fit.

    Rows of deleted chats do not come back: secure_delete zeroes them.
    """
    for rowid, values in read_rows(path):
        for table, kinds in columns.items():
            n_absent = len(kinds) - len(values)
            if 0 <= n_absent <= migrations.ADDED_COLUMNS.get(table, 0) and values[0] is None and rowid > 0:
                row = (rowid, *values[1:], *[None] * n_absent)  # the first column of each table is its rowid
                if _fits(row, kinds):
                    rows[table].setdefault(rowid, row)


def _fits(row: _Row, columns: dict[str, str]) -> bool:
    """True when every value has a type that its column's declaration allows."""
    for value, kind in zip(row, columns.values(), strict=True):
        is_allowed = not kind.endswith(_REQUIRED) if value is None else None
        if is_allowed is None:
            is_allowed = isinstance(value, _PYTHON_TYPES[kind.removesuffix(_REQUIRED)])
        if not is_allowed:
            return False
    return True


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
    fresh.execute("DELETE FROM chat_scopes WHERE chat_id NOT IN (SELECT id FROM chats)")
    fresh.execute("DELETE FROM chat_overrides WHERE chat_id NOT IN (SELECT id FROM chats)")
    fresh.execute("DELETE FROM documents WHERE chat_id NOT IN (SELECT id FROM chats)")
    # What followed a lost message follows the one before it, so that the rest stays one conversation.
    fresh.execute(
        """UPDATE messages SET parent_id = (SELECT max(before.id) FROM messages AS before
                                            WHERE before.chat_id = messages.chat_id AND before.id < messages.id)
           WHERE parent_id NOT IN (SELECT id FROM messages)"""
    )
    fresh.execute("DELETE FROM replies WHERE message_id NOT IN (SELECT id FROM messages)")
    fresh.execute("UPDATE chats SET folder_id = NULL WHERE folder_id NOT IN (SELECT id FROM folders)")
    migrations.fill_checksums(fresh)
    search.rebuild(fresh)
    fresh.execute("COMMIT")


def _rows_in_order(tables: dict[str, dict[int, _Row]]) -> Iterator[tuple[str, _Row]]:
    for table in _TABLES:
        for rowid in sorted(tables.get(table, {})):
            yield table, tables[table][rowid]
