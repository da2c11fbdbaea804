"""One SQLite file, opened so that what was committed stays: checked, migrated, one writer, readers of their own.

Knows files, pragmas, transactions and SQLite's errors; must not know chats. Damage is never hidden: a damaged file is
copied aside, what can be read is salvaged (salvage.py) and the loss is reported as `Database.recovery`.
"""

import contextlib
import errno
import os
import shutil
import sqlite3
import struct
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from core.errors import AppError, ErrorCode
from core.store import migrations
from core.store.salvage import Recovery, decode_leniently, salvage

BUSY_TIMEOUT_MS: Final = 5_000
RESERVE_BYTES: Final = 4 << 20  # freed on a full disk, so that deleting (which writes to the log) still works
_HEADER_BYTES: Final = 100
_MAGIC: Final = b"SQLite format 3\0"

# (name, value to set, value that must be read back); see https://www.sqlite.org/pragma.html
_PRAGMAS: Final[tuple[tuple[str, str, int | str], ...]] = (
    ("busy_timeout", str(BUSY_TIMEOUT_MS), BUSY_TIMEOUT_MS),
    ("journal_mode", "WAL", "wal"),
    ("synchronous", "FULL", 2),  # NORMAL loses acknowledged commits at a power cut
    ("foreign_keys", "ON", 1),
    ("trusted_schema", "OFF", 0),
    ("secure_delete", "ON", 1),
)
# macOS: fsync() leaves the data in the drive's cache without these.
_PRAGMAS_MACOS: Final[tuple[tuple[str, str, int | str], ...]] = (
    ("fullfsync", "ON", 1),
    ("checkpoint_fullfsync", "ON", 1),
)

# Errors that say nothing about what the file holds.
_NOT_DAMAGE: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_FULL,
    }
)


class Database:
    """The open history. Usable from any thread: one lock guards the writer, another the reader.

    Calls block on the disk, so none belongs on the window's thread.
    """

    def __init__(self, path: Path, writer: sqlite3.Connection, reader: sqlite3.Connection, recovery: Recovery | None):
        self.path = path
        self.recovery = recovery
        self._writer = writer
        self._reader = reader
        self._is_closed = False
        self._write_lock = threading.Lock()
        self._read_lock = threading.Lock()

    @classmethod
    def open(cls, path: Path, steps: Sequence[migrations.Step] = migrations.STEPS) -> "Database":
        """Open or create the file, check it, salvage it when it is damaged, and migrate it.

        `recovery` of the result says what was salvaged; None when the file was sound or new.

        Raises:
            AppError: DATABASE_NEWER (the file is untouched), DATABASE_DAMAGED (nothing could be written beside it),
                DATABASE_LOCKED, DISK_FULL, DATA_DIR_UNWRITABLE.
        """
        with as_app_errors(path):
            is_sound = _is_untouched(path, len(steps)) or _is_sound(path, len(steps))
            mark_path(path).unlink(missing_ok=True)
            recovery = None if is_sound else salvage(path, steps)
            _make_private(path)
            writer = _connect(path)
            try:
                migrations.migrate(writer, path, steps)
                reader = _connect(path)
                reader.execute("PRAGMA query_only = ON")
            except BaseException:
                writer.close()
                raise
        _keep_reserve(path)
        return cls(path, writer, reader, recovery)

    @contextlib.contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Give the one writing connection inside a transaction, which is on disk when the block has ended.

        Raises:
            AppError: DISK_FULL, DATABASE_LOCKED, DATABASE_DAMAGED, DATA_DIR_UNWRITABLE; nothing was then written.
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
    def write_attached(self, other: Path, name: str) -> Iterator[sqlite3.Connection]:
        """Like `write`, with another database at hand as `name`.

        Raises:
            AppError: as `write`; DATABASE_DAMAGED also for the other one.
        """
        with self._write_lock, as_app_errors(self.path):
            self._writer.execute(f"ATTACH ? AS {name}", (str(other),))
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                try:
                    yield self._writer
                    self._writer.execute("COMMIT")
                except BaseException:
                    if self._writer.in_transaction:
                        self._writer.execute("ROLLBACK")
                    raise
            finally:
                self._writer.execute(f"DETACH {name}")

    @contextlib.contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Give a connection that cannot write, inside a transaction: one consistent state.

        Raises:
            AppError: DATABASE_LOCKED, DATABASE_DAMAGED, DATA_DIR_UNWRITABLE.
        """
        with self._read_lock, as_app_errors(self.path):
            self._reader.execute("BEGIN")
            try:
                yield self._reader
            finally:
                if self._reader.in_transaction:
                    self._reader.execute("ROLLBACK")

    def empty_log(self) -> None:
        """Move everything from the write-ahead log into the file and cut the log to nothing.

        Deleted text leaves the disk's files with this. When another process is reading, the log stays until the next
        call or close().
        """
        with self._write_lock, self._read_lock, as_app_errors(self.path):
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def free_reserve(self) -> bool:
        """Give the room of the reserve file back to the disk, until the next start; False when there is none left."""
        try:
            reserve_path(self.path).unlink()
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Close both connections; the log is emptied into the file. A second call does nothing."""
        with self._write_lock, self._read_lock:
            if self._is_closed:
                return
            self._is_closed = True
            self._reader.close()
            self._writer.close()
            _mark_closed(self.path)


def mark_path(path: Path) -> Path:
    """Return where it is noted in which state the database at `path` was closed."""
    return path.with_name(path.name + ".closed")


def _is_untouched(path: Path, supported: int) -> bool:
    """Tell whether the file is as a sound database was closed: then it need not be read through before it is opened.

    Anything that writes to a file changes its time. What changes on the disk by itself is found by the daily check
    (backups.damaged_messages).
    """
    try:
        version, state = _state_of(path)
        return version <= supported and not _has_log(path) and mark_path(path).read_text("ascii") == state
    except (OSError, ValueError):
        return False


def _mark_closed(path: Path) -> None:
    with contextlib.suppress(OSError):  # without the mark the next start looks closer, that is all
        if not _has_log(path):
            mark_path(path).write_text(_state_of(path)[1], "ascii")


def _state_of(path: Path) -> tuple[int, str]:
    """Return the schema version in the header, and what changes with every writing to the file."""
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES)
        found = os.fstat(file.fileno())
    if len(header) < _HEADER_BYTES:
        raise ValueError("no header")
    counter, version = struct.unpack_from(">I", header, 24)[0], struct.unpack_from(">I", header, 60)[0]
    return version, f"{version} {counter} {found.st_size} {found.st_mtime_ns}"


def _has_log(path: Path) -> bool:
    return any(path.with_name(path.name + suffix).exists() for suffix in ("-wal", "-journal"))


def reserve_path(path: Path) -> Path:
    """Return where the reserve file of the database at `path` lies."""
    return path.with_name(path.name + ".reserve")


def _keep_reserve(path: Path) -> None:
    """Set the reserve file aside where it is missing and the disk has room enough."""
    reserve = reserve_path(path)
    try:
        if not reserve.exists() and shutil.disk_usage(path.parent).free > 4 * RESERVE_BYTES:
            reserve.touch(mode=0o600)
            reserve.write_bytes(bytes(RESERVE_BYTES))
    except OSError:
        with contextlib.suppress(OSError):
            reserve.unlink(missing_ok=True)


def _make_private(path: Path) -> None:
    """Create the file when there is none, readable by its owner only (-wal and -shm take its mode over)."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    if os.name == "posix":
        path.chmod(0o600)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.text_factory = decode_leniently
    try:
        pragmas = _PRAGMAS + (_PRAGMAS_MACOS if sys.platform == "darwin" else ())
        for name, value, expected in pragmas:
            connection.execute(f"PRAGMA {name} = {value}").fetchall()
            found = connection.execute(f"PRAGMA {name}").fetchone()[0]
            if found != expected:
                raise AppError(ErrorCode.DATA_DIR_UNWRITABLE, path=path.parent, reason=f"{name} stays {found}")
    except BaseException:
        connection.close()
        raise
    return connection


def _is_sound(path: Path, supported: int) -> bool:
    """Check the file without writing to it; a missing or an empty one is sound.

    Raises:
        AppError: DATABASE_NEWER.
    """
    if not path.exists() or path.stat().st_size == 0:
        return True
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES)
    # Bytes 18 and 19 are the file format's write and read version, 1 or 2; SQLite opens a higher one read-only.
    if len(header) < _HEADER_BYTES or not header.startswith(_MAGIC) or not {*header[18:20]} <= {1, 2}:
        return False
    # user_version and application_id, https://www.sqlite.org/fileformat.html#the_database_header
    version, application = struct.unpack_from(">I", header, 60)[0], struct.unpack_from(">I", header, 68)[0]
    if application == migrations.APPLICATION_ID:
        _refuse_newer(path, version, supported)
    _finish_rollback(path)
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    try:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        is_ours = connection.execute("PRAGMA application_id").fetchone()[0] in (0, migrations.APPLICATION_ID)
        if is_ours:
            _refuse_newer(path, migrations.version_of(connection), supported)
        return is_ours and connection.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
    except sqlite3.DatabaseError as exc:
        if _primary_code(exc) in _NOT_DAMAGE:
            raise
        return False
    finally:
        connection.close()


def _finish_rollback(path: Path) -> None:
    """Let SQLite undo what a process that was killed in its very first transaction, before WAL, left half done."""
    if path.with_name(path.name + "-journal").exists():
        with contextlib.closing(sqlite3.connect(path)) as connection, contextlib.suppress(sqlite3.DatabaseError):
            connection.execute("PRAGMA schema_version").fetchone()  # reading is enough; damage is judged by the caller


def _refuse_newer(path: Path, found: int, supported: int) -> None:
    if found > supported:
        raise AppError(ErrorCode.DATABASE_NEWER, path=path, found=found, supported=supported)


def _primary_code(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code (the low byte), https://www.sqlite.org/rescode.html; 0 when unknown."""
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


@contextlib.contextmanager
def as_app_errors(path: Path) -> Iterator[None]:
    """Turn the errors of SQLite and of the file system into codes."""
    try:
        yield
    except sqlite3.Error as exc:
        match _primary_code(exc):
            case sqlite3.SQLITE_FULL:
                raise AppError(ErrorCode.DISK_FULL, path=path) from exc
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
                raise AppError(ErrorCode.DATABASE_LOCKED, path=path) from exc
            case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
                # Found while running: the file stays where it is, and the next start salvages it.
                raise AppError(ErrorCode.DATABASE_DAMAGED, path=path, kept_as=path) from exc
            case sqlite3.SQLITE_IOERR | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
                raise AppError(ErrorCode.DATA_DIR_UNWRITABLE, path=path.parent, reason=str(exc)) from exc
            case _:
                raise  # a mistake of ours: wrong SQL, a violated constraint
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise AppError(ErrorCode.DISK_FULL, path=path) from exc
        raise AppError(ErrorCode.DATA_DIR_UNWRITABLE, path=path.parent, reason=exc.strerror or str(exc)) from exc
