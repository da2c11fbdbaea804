"""Collections of documents: which files and folders a person put together, and what became of each file.

Knows the index's tables; must not know how files are read or found. Calls block on the disk, none belongs on the
window's thread; any thread may make them.
"""

import json
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, NewType

from core.errors import AppError, ErrorCode
from core.events import CancelToken, Interrupted
from core.library.extracted import Structure
from core.library.index.contents import Analysers, TextId, delete_text, read_structure, read_text
from core.library.index.database import IndexDatabase, meta, set_meta

CollectionId = NewType("CollectionId", int)
SourceId = NewType("SourceId", int)
FileId = NewType("FileId", int)

MAX_NAME_CHARS: Final = 100
_NEEDS_SWEEP: Final = "needs_sweep"
_REMOVED_AT_ONCE: Final = 50  # texts in one transaction


class FileState(StrEnum):
    """How far a file is."""

    QUEUED = "queued"  # waits to be read; what was read of it before stays searchable
    INDEXED = "indexed"
    FAILED = "failed"  # `problem` says why; tried again when it changes
    LEFT_OUT = "left_out"  # the person cancelled before it was read
    GONE = "gone"  # not there any more; taken out by the next run


@dataclass(frozen=True, slots=True)
class Source:
    """A file or folder of a collection; `include` and `exclude` are patterns like "*.pdf" or "drafts/*"."""

    id: SourceId
    path: Path
    is_folder: bool
    include: tuple[str, ...]
    exclude: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection and how far it is."""

    id: CollectionId
    name: str
    is_paused: bool
    sources: tuple[Source, ...]
    n_indexed: int
    n_queued: int
    n_failed: int
    n_left_out: int
    n_bytes: int


@dataclass(frozen=True, slots=True)
class IndexedFile:
    """A file of a collection; `problem` is why it could not be read, None where it was."""

    id: FileId
    path: Path
    size: int
    state: FileState
    problem: AppError | None
    text_id: TextId | None


@dataclass(frozen=True, slots=True)
class Forgetting:
    """What forget() deletes from Tern's data; the files themselves always stay.

    `n_shared` texts stay because other collections hold the same content.
    """

    n_files: int
    n_texts: int
    n_chars: int
    n_chunks: int
    n_vectors: int
    n_shared: int


class Collections:
    """The collections in an index."""

    def __init__(self, database: IndexDatabase, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def create(self, name: str) -> CollectionId:
        """Add an empty collection.

        Raises:
            AppError: COLLECTION_NAME_TAKEN, COLLECTION_NAME_INVALID.
        """
        name = _checked_name(name)
        with _unique(name), self._database.write() as connection:
            cursor = connection.execute(
                "INSERT INTO collections(name, created_at) VALUES (?, ?)", (name, self._clock())
            )
        self._database.save_manifest()
        return CollectionId(cursor.lastrowid or 0)

    def rename(self, collection_id: CollectionId, name: str) -> None:
        """Give a collection another name.

        Raises:
            AppError: COLLECTION_NAME_TAKEN, COLLECTION_NAME_INVALID.
        """
        name = _checked_name(name)
        with _unique(name), self._database.write() as connection:
            connection.execute("UPDATE collections SET name = ? WHERE id = ?", (name, collection_id))
        self._database.save_manifest()

    def all(self) -> list[Collection]:
        """Return all collections by name."""
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT id, name, is_paused FROM collections ORDER BY name COLLATE NOCASE"
            ).fetchall()
            return [_collection(connection, row) for row in rows]

    def find(self, name: str) -> Collection:
        """Return the collection of this name, without regard to case.

        Raises:
            AppError: COLLECTION_NOT_FOUND.
        """
        for each in self.all():
            if each.name.casefold() == name.strip().casefold():
                return each
        raise AppError(ErrorCode.COLLECTION_NOT_FOUND, name=name)

    def add(
        self,
        collection_id: CollectionId,
        paths: Sequence[Path],
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
    ) -> None:
        """Add files and folders; nothing is read until Indexer.rescan() and run(). One that is there stays as it is.

        Raises:
            AppError: PATH_NOT_FOUND for the first that is not there; nothing was added then.
        """
        rows = []
        for path in paths:
            absolute = path.expanduser().absolute()
            try:
                is_folder, is_file = absolute.is_dir(), absolute.is_file()
                str(absolute).encode("utf-8")
            except (OSError, ValueError) as exc:
                raise AppError(ErrorCode.PATH_NOT_FOUND, path=path) from exc
            if not is_folder and not is_file:
                raise AppError(ErrorCode.PATH_NOT_FOUND, path=path)
            patterns = (json.dumps(list(include)), json.dumps(list(exclude))) if is_folder else ("[]", "[]")
            rows.append((collection_id, str(absolute), int(is_folder), *patterns))
        with self._database.write() as connection:
            connection.executemany(
                """INSERT OR IGNORE INTO sources(collection_id, path, is_folder, include, exclude)
                   VALUES (?, ?, ?, ?, ?)""",
                rows,
            )
        self._database.save_manifest()

    def set_patterns(self, source_id: SourceId, include: Sequence[str], exclude: Sequence[str]) -> None:
        """Change what a folder takes in; the next rescan applies it."""
        with self._database.write() as connection:
            connection.execute(
                "UPDATE sources SET include = ?, exclude = ? WHERE id = ?",
                (json.dumps(list(include)), json.dumps(list(exclude)), source_id),
            )
        self._database.save_manifest()

    def remove_source(self, source_id: SourceId) -> None:
        """Take a file or folder out of its collection; remove_orphans() deletes what was made from it."""
        with self._database.write() as connection:
            connection.execute("DELETE FROM sources WHERE id = ?", (source_id,))
            set_meta(connection, _NEEDS_SWEEP, "1")
        self._database.save_manifest()

    def set_paused(self, collection_id: CollectionId, *, is_paused: bool) -> None:
        """Hold the reading of a collection until it is resumed, also over restarts."""
        with self._database.write() as connection:
            connection.execute("UPDATE collections SET is_paused = ? WHERE id = ?", (int(is_paused), collection_id))
        self._database.save_manifest()

    def cancel_queued(self, collection_id: CollectionId) -> int:
        """Leave out the files that wait; what is searchable stays. Returns how many."""
        return self._move(collection_id, FileState.QUEUED, FileState.LEFT_OUT)

    def requeue(self, collection_id: CollectionId, state: FileState = FileState.LEFT_OUT) -> int:
        """Let the files in `state` (LEFT_OUT or FAILED) be read after all. Returns how many."""
        return self._move(collection_id, state, FileState.QUEUED)

    def files(
        self, collection_id: CollectionId, state: FileState | None = None, *, limit: int = 1000, offset: int = 0
    ) -> list[IndexedFile]:
        """Return the files of a collection in the order of their paths, only those in `state` where one is given."""
        with self._database.read() as connection:
            rows = connection.execute(
                """SELECT f.id, s.path, f.path, f.size, f.state, f.reason, f.text_id
                   FROM files AS f JOIN sources AS s ON s.id = f.source_id
                   WHERE s.collection_id = ?1 AND (?2 IS NULL OR f.state = ?2)
                   ORDER BY s.path, f.path LIMIT ?3 OFFSET ?4""",
                (collection_id, state, limit, offset),
            ).fetchall()
        return [
            IndexedFile(
                FileId(row[0]), full_path(row[1], row[2]), row[3], FileState(row[4]), problem_from(row[5]),
                None if row[6] is None else TextId(row[6]),
            )
            for row in rows
        ]  # fmt: skip

    def languages(self) -> tuple[str, ...]:
        """Return the languages of the texts, that of most texts first."""
        with self._database.read() as connection:
            return languages_in(connection)

    def text(self, text_id: TextId, start: int = 0, end: int = 1 << 40) -> str:
        """Return what was read of a file, or its characters from `start` to `end`; empty where it is gone."""
        with self._database.read() as connection:
            return read_text(connection, text_id, start, end)

    def structure(self, text_id: TextId, start: int = 0, end: int = 1 << 40) -> Structure:
        """Return what stands where in a stored text, at least around `start` to `end`."""
        with self._database.read() as connection:
            return read_structure(connection, text_id, start, end)

    def forgetting(self, collection_id: CollectionId) -> Forgetting:
        """Return what forget() would delete."""
        with self._database.read() as connection:
            n_files = connection.execute(
                "SELECT count(*) FROM files WHERE source_id IN (SELECT id FROM sources WHERE collection_id = ?)",
                (collection_id,),
            ).fetchone()[0]
            rows = connection.execute(
                """SELECT t.id, t.n_chars, t.n_chunks, EXISTS(
                     SELECT 1 FROM files AS g JOIN sources AS o ON o.id = g.source_id
                     WHERE g.text_id = t.id AND o.collection_id != ?1)
                   FROM texts AS t WHERE t.id IN (
                     SELECT f.text_id FROM files AS f JOIN sources AS s ON s.id = f.source_id WHERE s.collection_id =
                     ?1)""",
                (collection_id,),
            ).fetchall()
            own = [row for row in rows if not row[3]]
            n_vectors = sum(
                connection.execute(
                    "SELECT count(*) FROM chunks JOIN vectors ON chunk_id = chunks.id WHERE text_id = ?", (row[0],)
                ).fetchone()[0]
                for row in own
            )
        return Forgetting(
            n_files, len(own), sum(row[1] for row in own), sum(row[2] for row in own), n_vectors, len(rows) - len(own)
        )

    def forget(self, collection_id: CollectionId, cancel: CancelToken) -> None:
        """Delete a collection and all that was made from its files; cancelled or killed, the next run goes on with it.

        Raises:
            Interrupted: `cancel` was cancelled; the collection is gone, some of what was made from it is still there.
        """
        with self._database.write() as connection:
            connection.execute("DELETE FROM collections WHERE id = ?", (collection_id,))
            set_meta(connection, _NEEDS_SWEEP, "1")
        self._database.save_manifest()
        self.remove_orphans(cancel)

    def remove_orphans(self, cancel: CancelToken) -> int:
        """Delete the texts that no file has any more, for good. Returns how many.

        Raises:
            Interrupted: `cancel` was cancelled.
        """
        analysers = Analysers()
        n_removed = 0
        while True:
            if cancel.is_cancelled:
                raise Interrupted
            with self._database.write() as connection:
                rows = connection.execute(
                    """SELECT id FROM texts WHERE NOT EXISTS(SELECT 1 FROM files WHERE text_id = texts.id) LIMIT ?""",
                    (_REMOVED_AT_ONCE,),
                ).fetchall()
                for row in rows:
                    delete_text(connection, TextId(row[0]), analysers)
                if rows:
                    set_meta(connection, "epoch", str(int(meta(connection, "epoch") or 0) + 1))
                needs_sweep = meta(connection, _NEEDS_SWEEP) == "1"
            n_removed += len(rows)
            if not rows:
                break
        if needs_sweep:
            self._database.sweep()
            with self._database.write() as connection:
                set_meta(connection, _NEEDS_SWEEP, "0")
        return n_removed

    def _move(self, collection_id: CollectionId, before: FileState, after: FileState) -> int:
        with self._database.write() as connection:
            return connection.execute(
                """UPDATE files SET state = ?, reason = NULL
                   WHERE state = ? AND source_id IN (SELECT id FROM sources WHERE collection_id = ?)""",
                (after, before, collection_id),
            ).rowcount


def full_path(source: str, path: str) -> Path:
    """Return where a file lies; `path` is as the table has it."""
    return Path(source, path) if path else Path(source)


def problem_as_json(error: AppError) -> str:
    """Return what the column `reason` holds."""
    facts = {key: value if isinstance(value, int | float) else str(value) for key, value in error.facts.items()}
    return json.dumps({"code": error.code.value, "facts": facts}).encode("utf-8", "replace").decode("utf-8")


def problem_from(column: str | None) -> AppError | None:
    """Return why a file could not be read; an unknown reason is that it cannot be read."""
    if not column:
        return None
    try:
        kept = json.loads(column)
        return AppError(ErrorCode(kept["code"]), **kept["facts"])
    except (ValueError, TypeError, KeyError):
        return AppError(ErrorCode.DOCUMENT_UNREADABLE)


def languages_in(connection: sqlite3.Connection) -> tuple[str, ...]:
    """Return the languages of the texts, that of most texts first."""
    rows = connection.execute("SELECT language FROM texts GROUP BY language ORDER BY count(*) DESC")
    return tuple(str(row[0]) for row in rows)


def _collection(connection: sqlite3.Connection, row: tuple[int, str, int]) -> Collection:
    sources = connection.execute(
        "SELECT id, path, is_folder, include, exclude FROM sources WHERE collection_id = ? ORDER BY path", (row[0],)
    ).fetchall()
    counts: dict[str, tuple[int, int]] = {
        state: (n_files, n_bytes)
        for state, n_files, n_bytes in connection.execute(
            """SELECT state, count(*), sum(size) FROM files
               WHERE source_id IN (SELECT id FROM sources WHERE collection_id = ?) GROUP BY state""",
            (row[0],),
        )
    }
    n = {state: counts.get(state.value, (0, 0))[0] for state in FileState}
    return Collection(
        CollectionId(row[0]),
        row[1],
        bool(row[2]),
        tuple(
            Source(SourceId(each[0]), Path(each[1]), bool(each[2]), _patterns(each[3]), _patterns(each[4]))
            for each in sources
        ),
        n[FileState.INDEXED],
        n[FileState.QUEUED],
        n[FileState.FAILED],
        n[FileState.LEFT_OUT],
        sum(n_bytes for _, n_bytes in counts.values()),
    )


def _patterns(column: str) -> tuple[str, ...]:
    return tuple(str(each) for each in json.loads(column))


def _checked_name(name: str) -> str:
    cleaned = " ".join(name.encode("utf-8", "replace").decode("utf-8").split())
    if not 0 < len(cleaned) <= MAX_NAME_CHARS or not cleaned.isprintable():
        raise AppError(ErrorCode.COLLECTION_NAME_INVALID, name=cleaned[:MAX_NAME_CHARS])
    return cleaned


class _unique:  # noqa: N801 - used as a statement
    """Turns a name that is there already into its error."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, sqlite3.IntegrityError):
            raise AppError(ErrorCode.COLLECTION_NAME_TAKEN, name=self._name) from error
