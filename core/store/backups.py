"""A copy of the history for every day, what is damaged found by its checksums, and what is lost brought back.

Knows backup files and how rows of two histories come together; must not know when all this is done. Work for a lane of
its own: none of it keeps the history from being read and written meanwhile, but for the moment of restoring.
"""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from core.errors import AppError, ErrorCode
from core.events import CancelToken, Interrupted
from core.settings import sync_directory
from core.store import search
from core.store.chats import ChatId, MessageId
from core.store.database import Database, as_app_errors
from core.store.migrations import checksum_of
from core.store.salvage import columns_of, decode_leniently

KEPT: Final = 7
_PAGES: Final = 1_000  # copied between two looks at `cancel`
# Parents first. Ids are never used twice, so the same id is the same row in a history and in its backups.
_TABLES: Final = ("folders", "chats", "chat_overrides", "chat_scopes", "documents", "messages", "replies", "places")
_INDEXES: Final = ("message_search", "title_search", "search_state")


@dataclass(frozen=True, slots=True)
class Backup:
    """One copy of the history."""

    path: Path
    day: date
    chats: int
    messages: int


@dataclass(frozen=True, slots=True)
class Restored:
    """What a backup gave back."""

    chats: int
    messages: int  # that were missing
    mended: int  # messages whose text was damaged here and sound in the backup


def backup_directory(database: Path) -> Path:
    """Return where the backups of a history lie."""
    return database.with_name("backups")


def daily_backup(database: Path, today: date, cancel: CancelToken) -> Path | None:
    """Copy the history unless that was done today, and keep the newest KEPT; None when there was nothing to do.

    The copy is checked before it gets its name. It has no search index, which is made anew when it is needed.

    Raises:
        AppError: DISK_FULL, DATA_DIR_UNWRITABLE, DATABASE_DAMAGED; older backups are then all there.
        Interrupted: `cancel` was cancelled.
    """
    directory = backup_directory(database)
    target = directory / f"history-{today.isoformat()}.sqlite3"
    if target.exists():
        return None
    unfinished = target.with_name(target.name + ".unfinished")
    with as_app_errors(database):
        directory.mkdir(mode=0o700, exist_ok=True)
        try:
            unfinished.unlink(missing_ok=True)
            unfinished.touch(mode=0o600)
            _copy(database, unfinished, cancel)
            unfinished.replace(target)
        finally:
            _remove(unfinished)
        sync_directory(directory)
        for path in _paths(directory)[KEPT:]:
            path.unlink(missing_ok=True)
    return target


def backups(database: Path) -> list[Backup]:
    """Return the backups that can be read, the newest first."""
    found = []
    for path in _paths(backup_directory(database)):
        with contextlib.suppress(sqlite3.Error, ValueError), _read_only(path) as copy:
            chats, messages = (copy.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in _COUNTED)
            found.append(Backup(path, _day_of(path), chats, messages))
    return found


def restore(database: Database, backup: Path) -> Restored:
    """Bring back what a backup has and the history has not, and texts that are damaged here; nothing is overwritten.

    Conversations that were deleted for good do not come back: erase_in_backups took them out.

    Raises:
        AppError: DATABASE_DAMAGED (the backup cannot be read); nothing was changed.
    """
    with contextlib.closing(sqlite3.connect(backup)) as probe, as_app_errors(backup):
        probe.execute("SELECT count(*) FROM chats")
    with database.write_attached(backup, "backup") as connection:
        before = [_count(connection, name) for name in _COUNTED]
        mended = _mend(connection)
        for table in _TABLES:
            _bring_back(connection, table)
        after = [_count(connection, name) for name in _COUNTED]
        if after != before or mended:
            search.rebuild(connection)
    return Restored(after[0] - before[0], after[1] - before[1], mended)


def erase_in_backups(database: Path, chat_ids: Sequence[ChatId], message_ids: Sequence[MessageId]) -> None:
    """Take what was deleted for good out of every backup too.

    Raises:
        AppError: DATA_DIR_UNWRITABLE, DISK_FULL.
    """
    for path in _paths(backup_directory(database)):
        with as_app_errors(path), contextlib.closing(sqlite3.connect(path, isolation_level=None)) as copy:
            for pragma in ("foreign_keys = ON", "secure_delete = ON", "journal_mode = DELETE"):
                copy.execute(f"PRAGMA {pragma}").fetchall()
            copy.execute("BEGIN IMMEDIATE")
            for message_id in message_ids:
                parent = "(SELECT gone.parent_id FROM messages AS gone WHERE gone.id = ?1)"
                copy.execute(f"UPDATE messages SET parent_id = {parent} WHERE parent_id = ?1", (message_id,))
                copy.execute("DELETE FROM messages WHERE id = ?", (message_id,))
            for chat_id in chat_ids:
                copy.execute("DELETE FROM places WHERE chat_id = ?", (chat_id,))
                copy.execute("DELETE FROM chats WHERE id = ?", (chat_id,))
            copy.execute("COMMIT")


def damaged_messages(database: Path, cancel: CancelToken) -> list[MessageId]:
    """Compare every message with its checksum, over a connection of its own; returns those whose text has changed.

    Raises:
        AppError: DATABASE_DAMAGED: the file itself is not sound.
        Interrupted: `cancel` was cancelled.
    """
    damaged: list[MessageId] = []
    with as_app_errors(database), _read_only(database) as connection:
        if connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise AppError(ErrorCode.DATABASE_DAMAGED, path=database, kept_as=database)
        rows = connection.execute(
            "SELECT id, text, checksum FROM messages WHERE checksum IS NOT NULL AND state <> 'streaming'"
        )
        for number, (message_id, text, checksum) in enumerate(rows):
            if number % 256 == 0 and cancel.is_cancelled:
                raise Interrupted
            if checksum_of(text) != checksum:
                damaged.append(message_id)
    return damaged


_COUNTED: Final = ("chats", "messages")


def _copy(database: Path, target: Path, cancel: CancelToken) -> None:
    def look(_status: int, _remaining: int, _total: int) -> None:
        if cancel.is_cancelled:
            raise Interrupted

    with contextlib.closing(sqlite3.connect(target, isolation_level=None)) as copy:
        with _read_only(database) as source:
            source.execute("BEGIN")  # one state of the history, whatever is written meanwhile
            source.execute("SELECT count(*) FROM chats").fetchone()
            source.backup(copy, pages=_PAGES, progress=look)
        copy.execute("PRAGMA journal_mode = DELETE").fetchall()
        copy.execute("PRAGMA synchronous = FULL")
        for name in _INDEXES:
            copy.execute(f"DROP TABLE IF EXISTS {name}")
        copy.execute("VACUUM")
        if copy.execute("PRAGMA quick_check").fetchone()[0] != "ok":
            raise AppError(ErrorCode.DATABASE_DAMAGED, path=database, kept_as=database)


def _mend(connection: sqlite3.Connection) -> int:
    """Replace texts that do not fit their checksum by the backup's where that does; returns how many."""
    connection.create_function("text_checksum", 1, checksum_of, deterministic=True)
    return connection.execute(
        """UPDATE main.messages SET text = b.text, checksum = b.checksum FROM backup.messages AS b
           WHERE b.id = main.messages.id AND main.messages.checksum IS NOT NULL
             AND main.messages.checksum <> text_checksum(main.messages.text)
             AND b.checksum = text_checksum(b.text)"""
    ).rowcount


def _bring_back(connection: sqlite3.Connection, table: str) -> None:
    there = {row[1] for row in connection.execute(f"PRAGMA backup.table_info({table})")}
    names = ", ".join(name for name in columns_of(connection, table) if name in there)
    if names:
        # A row that breaks a rule here (its chat is gone) is left out.
        source = f"SELECT {names} FROM backup.{table} AS b {_ONLY.get(table, '')}"
        connection.execute(f"INSERT OR IGNORE INTO main.{table}({names}) {source}")


_ONLY: Final = {
    "chat_overrides": "WHERE b.chat_id IN (SELECT id FROM main.chats)",
    "chat_scopes": "WHERE b.chat_id IN (SELECT id FROM main.chats)",
    "documents": "WHERE b.chat_id IN (SELECT id FROM main.chats)",
    "messages": "WHERE b.chat_id IN (SELECT id FROM main.chats)",
    "replies": "WHERE b.message_id IN (SELECT id FROM main.messages)",
}


def _count(connection: sqlite3.Connection, table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM main.{table}").fetchone()[0])


def _paths(directory: Path) -> list[Path]:
    return sorted(directory.glob("history-*.sqlite3"), reverse=True) if directory.is_dir() else []


def _day_of(path: Path) -> date:
    return date.fromisoformat(path.stem.removeprefix("history-"))


@contextlib.contextmanager
def _read_only(path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(
        sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    ) as connection:
        connection.text_factory = decode_leniently
        connection.execute("PRAGMA busy_timeout = 5000")
        yield connection


def _remove(path: Path) -> None:
    for suffix in ("", "-journal", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
