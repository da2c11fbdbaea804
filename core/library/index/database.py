"""The file of the search index: opened so that a killed process leaves a whole state, made again whenever it must be.

Knows tables, versions and SQLite's errors; must not know files, search or models. Nothing in here is the only copy of
anything but the list of collections, which is kept a second time in a small file of its own (`manifest`): so a damaged
or a newer index is simply deleted.
"""

import contextlib
import errno
import json
import os
import sqlite3
import struct
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from core.errors import AppError, ErrorCode

SCHEMA_VERSION: Final = 1
APPLICATION_ID: Final = 0x5465726F  # the history's plus one
BUSY_TIMEOUT_MS: Final = 10_000
_HEADER_BYTES: Final = 100

_COLLECTIONS: Final = (
    """CREATE TABLE collections(
         id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE COLLATE NOCASE, created_at REAL NOT NULL,
         is_paused INTEGER NOT NULL DEFAULT 0)""",
    """CREATE TABLE sources(
         id INTEGER PRIMARY KEY AUTOINCREMENT,
         collection_id INTEGER NOT NULL REFERENCES collections(id) ON DELETE CASCADE,
         path TEXT NOT NULL, is_folder INTEGER NOT NULL, include TEXT NOT NULL, exclude TEXT NOT NULL,
         UNIQUE(collection_id, path))""",
    # `path` is relative to the source, so that a folder which moves keeps its files; "" for a single file.
    """CREATE TABLE files(
         id INTEGER PRIMARY KEY AUTOINCREMENT,
         source_id INTEGER NOT NULL REFERENCES sources(id) ON DELETE CASCADE,
         path TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, sha256 TEXT,
         state TEXT NOT NULL, reason TEXT, text_id INTEGER, UNIQUE(source_id, path))""",
    "CREATE INDEX files_by_state ON files(state, id)",
    "CREATE INDEX files_by_text ON files(text_id, source_id)",
)
# What is made from the files; dropped as a whole when one of the versions has changed.
_CONTENTS: Final = (
    # `key` is the content's hash and the kind of file that it was read as: the same content is stored once.
    """CREATE TABLE texts(
         id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, language TEXT NOT NULL, format TEXT NOT NULL,
         unit TEXT NOT NULL, n_units INTEGER NOT NULL, n_chars INTEGER NOT NULL, n_chunks INTEGER NOT NULL)""",
    # The text and what stands where in it, in packed pieces, so that a passage is read without all the rest.
    """CREATE TABLE parts(text_id INTEGER, start INTEGER, data BLOB NOT NULL, blocks BLOB NOT NULL,
         PRIMARY KEY(text_id, start)) WITHOUT ROWID""",
    """CREATE TABLE contexts(text_id INTEGER, number INTEGER, label TEXT NOT NULL,
         PRIMARY KEY(text_id, number)) WITHOUT ROWID""",
    """CREATE TABLE chunks(
         id INTEGER PRIMARY KEY, text_id INTEGER NOT NULL, start INTEGER NOT NULL, end INTEGER NOT NULL,
         context INTEGER NOT NULL)""",
    "CREATE INDEX chunks_by_text ON chunks(text_id, start)",
    "CREATE TABLE vectors(chunk_id INTEGER PRIMARY KEY, data BLOB NOT NULL)",
    # The words come analysed (analysis.py): letters and digits between spaces, which `ascii` cuts nowhere else.
    """CREATE VIRTUAL TABLE words USING fts5(body, context, content='', tokenize='ascii')""",
    "CREATE VIRTUAL TABLE terms USING fts5vocab('words', 'row')",
    "INSERT INTO words(words, rank) VALUES('rank', 'bm25(1.0, 0.4)')",
)
_DROPPED: Final = ("terms", "words", "vectors", "chunks", "contexts", "parts", "texts")

_PRAGMAS: Final = (
    f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",  # a power cut may undo the last transactions, never half of one: they are done again
    "PRAGMA foreign_keys = ON",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA secure_delete = ON",
    "PRAGMA cache_size = -16000",  # KiB
)
_NO_FILE: Final = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM)


class IndexDatabase:
    """The open index. Usable from any thread: one lock guards the writer, another the reader."""

    def __init__(self, path: Path, writer: sqlite3.Connection, reader: sqlite3.Connection, *, was_remade: bool) -> None:
        self.path = path
        self.was_remade = was_remade
        self._writer = writer
        self._reader = reader
        self._write_lock = threading.Lock()
        self._read_lock = threading.Lock()

    @classmethod
    def open(cls, path: Path, versions: Mapping[str, str]) -> "IndexDatabase":
        """Open or create the index; a file that cannot be used is deleted and made again from the manifest.

        versions: of the extractor, the chunker and the analyser. Where one differs from what the index was made with,
        its contents are dropped and every file waits to be read again (`was_remade`).

        Raises:
            AppError: DISK_FULL, DATABASE_LOCKED, DATA_DIR_UNWRITABLE.
        """
        with as_app_errors(path):
            if not _is_usable(path):
                _delete(path)
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            writer = _connect(path)
            try:
                was_remade = _prepare(writer, path, json.dumps(dict(sorted(versions.items()))))
                reader = _connect(path)
                reader.execute("PRAGMA query_only = ON")
            except BaseException:
                writer.close()
                raise
        return cls(path, writer, reader, was_remade=was_remade)

    @contextlib.contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Give the one writing connection inside a transaction.

        Raises:
            AppError: DISK_FULL, DATABASE_LOCKED, INDEX_DAMAGED, DATA_DIR_UNWRITABLE; nothing was then written.
        """
        with self._write_lock, as_app_errors(self.path):
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Give a connection that cannot write, inside a transaction: one consistent state.

        Raises:
            AppError: DATABASE_LOCKED, INDEX_DAMAGED, DATA_DIR_UNWRITABLE.
        """
        with self._read_lock, as_app_errors(self.path):
            self._reader.execute("BEGIN")
            try:
                yield self._reader
            finally:
                if self._reader.in_transaction:
                    self._reader.execute("ROLLBACK")

    def save_manifest(self) -> None:
        """Write the list of collections and what they are made of beside the index."""
        with self.read() as connection:
            collections = connection.execute("SELECT id, name, created_at, is_paused FROM collections").fetchall()
            sources = connection.execute(
                "SELECT collection_id, path, is_folder, include, exclude FROM sources"
            ).fetchall()
        with as_app_errors(self.path):
            unfinished = manifest_path(self.path).with_suffix(".unfinished")
            with unfinished.open("w", encoding="utf-8") as file:
                json.dump({"collections": collections, "sources": sources}, file)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(manifest_path(self.path))

    def sweep(self) -> None:
        """Take what was deleted out of the file and its log for good."""
        with self.write() as connection:
            connection.execute("INSERT INTO words(words) VALUES('optimize')")
        with self._write_lock, self._read_lock, as_app_errors(self.path):
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Close both connections. A second call does nothing."""
        with self._write_lock, self._read_lock:
            self._reader.close()
            self._writer.close()


def manifest_path(path: Path) -> Path:
    """Return where the collections of the index at `path` are kept a second time."""
    return path.with_name(path.name + ".collections.json")


@contextlib.contextmanager
def as_app_errors(path: Path) -> Iterator[None]:
    """Turn the errors of SQLite and of the file system into codes; a damaged index is made again at the next start."""
    try:
        yield
    except sqlite3.Error as exc:
        match (getattr(exc, "sqlite_errorcode", None) or 0) & 0xFF:
            case sqlite3.SQLITE_FULL:
                raise AppError(ErrorCode.DISK_FULL, path=path) from exc
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
                raise AppError(ErrorCode.DATABASE_LOCKED, path=path) from exc
            case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
                with contextlib.suppress(OSError):
                    _damage_mark(path).touch()
                raise AppError(ErrorCode.INDEX_DAMAGED, path=path) from exc
            case code if code in _NO_FILE:
                raise AppError(ErrorCode.DATA_DIR_UNWRITABLE, path=path.parent, reason=str(exc)) from exc
            case _:
                raise
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise AppError(ErrorCode.DISK_FULL, path=path) from exc
        raise AppError(ErrorCode.DATA_DIR_UNWRITABLE, path=path.parent, reason=exc.strerror or str(exc)) from exc


def _damage_mark(path: Path) -> Path:
    return path.with_name(path.name + ".damaged")


def _is_usable(path: Path) -> bool:
    """Tell from the header, without SQLite, whether this version of Tern wrote the file; a missing one is usable."""
    if _damage_mark(path).exists():
        return False
    if not path.exists() or path.stat().st_size == 0:
        return True
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES)
    if len(header) < _HEADER_BYTES or not header.startswith(b"SQLite format 3\0"):
        return False
    # user_version and application_id, https://www.sqlite.org/fileformat.html#the_database_header. Both are 0 where a
    # process was killed before its first transaction had left the log.
    return struct.unpack_from(">I", header, 60)[0] in (0, SCHEMA_VERSION) and (
        struct.unpack_from(">I", header, 68)[0] in (0, APPLICATION_ID)
    )


def _delete(path: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    _damage_mark(path).unlink(missing_ok=True)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        for pragma in _PRAGMAS:
            connection.execute(pragma).fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path, versions: str) -> bool:
    """Create what is missing and drop what is of other versions, in one transaction; True where something was."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        known = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
        was_remade = False
        if "meta" not in known:
            connection.execute("CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")
            _execute_all(connection, _COLLECTIONS + _CONTENTS)
            was_remade = _restore(connection, path)
        elif meta(connection, "versions") != versions:
            drop_contents(connection)
            was_remade = True
        set_meta(connection, "versions", versions)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return was_remade


def drop_contents(connection: sqlite3.Connection) -> None:
    """Empty the index within a transaction; every file waits to be read again."""
    for table in _DROPPED:
        connection.execute(f"DROP TABLE IF EXISTS {table}")
    _execute_all(connection, _CONTENTS)
    connection.execute("UPDATE files SET state = 'queued', reason = NULL, text_id = NULL WHERE state != 'left_out'")


def meta(connection: sqlite3.Connection, key: str) -> str | None:
    """Return a value of the table `meta`; None where it is not set."""
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else str(row[0])


def set_meta(connection: sqlite3.Connection, key: str, value: str) -> None:
    """Set a value of the table `meta`."""
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))


def _execute_all(connection: sqlite3.Connection, statements: tuple[str, ...]) -> None:
    for statement in statements:
        connection.execute(statement)


def _restore(connection: sqlite3.Connection, path: Path) -> bool:
    """Fill the empty list of collections from the manifest; a manifest that cannot be read is as none."""
    try:
        kept = json.loads(manifest_path(path).read_text(encoding="utf-8"))
        collections, sources = [tuple(row) for row in kept["collections"]], [tuple(row) for row in kept["sources"]]
        connection.execute("SAVEPOINT restoring")
        connection.executemany(
            "INSERT INTO collections(id, name, created_at, is_paused) VALUES (?, ?, ?, ?)", collections
        )
        connection.executemany(
            "INSERT INTO sources(collection_id, path, is_folder, include, exclude) VALUES (?, ?, ?, ?, ?)", sources
        )
    except (OSError, ValueError, TypeError, KeyError):
        return False
    except sqlite3.Error:
        connection.execute("ROLLBACK TO restoring")
        return False
    return bool(collections)
