"""From files to the index: what changed is found by size and time, then by content; each file is done once.

Knows the order of the steps and what is committed when; must not know formats (a function that reads a file is given).
Runs in a lane of its own. Killed at any moment, the next run goes on with the file that was in work.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from core.errors import AppError, ErrorCode
from core.events import CancelToken, Emit, IndexProgress, IndexStage, Interrupted
from core.library.extracted import Extracted
from core.library.index import languages
from core.library.index.chunks import ChunkSize, chunk
from core.library.index.collections import CollectionId, Collections, FileState, full_path, problem_as_json
from core.library.index.contents import Analysers, PreparedText, TextId, find_text, prepare, write_text
from core.library.index.database import IndexDatabase, meta, set_meta
from core.library.index.scan import FoundFile, Walk, walk

MAX_FILE_BYTES: Final = 100_000_000  # larger ones are refused before a byte is read
_BATCH_CHARS: Final = 1_000_000  # written in one transaction
_BATCH_FILES: Final = 64
_BATCH_S: Final = 1.0
_HASHED_AT_ONCE: Final = 1 << 20
_EMIT_EVERY_S: Final = 0.1
_FILE_COST_BYTES: Final = 20_000  # what opening a file costs, as bytes that could be read meanwhile
_STANDARD_RATE: Final = 2_000_000.0  # bytes a second, until this computer's own is known
_RATE: Final = "rate"
# Nothing is wrong with the file: the run ends and the file goes on waiting.
_OURS: Final = frozenset(
    {ErrorCode.DISK_FULL, ErrorCode.DATABASE_LOCKED, ErrorCode.INDEX_DAMAGED, ErrorCode.EXTRACTOR_FAILED}
)

ReadFile = Callable[[Path, CancelToken], Extracted]


@dataclass(frozen=True, slots=True)
class Preview:
    """What adding would read: files and bytes, seconds as this computer read so far, and what is left out and why."""

    n_files: int
    n_bytes: int
    seconds: float
    n_other_kinds: int
    unreadable: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Changes:
    """What a rescan found. `missing` are sources that are not there (a drive that is not connected): all is kept."""

    n_new: int = 0
    n_changed: int = 0
    n_gone: int = 0
    unreadable: tuple[str, ...] = ()
    missing: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """What a run did."""

    n_indexed: int
    n_failed: int
    n_removed: int


@dataclass(frozen=True, slots=True)
class _Job:
    file_id: int
    path: Path
    size: int


@dataclass
class _Batch:
    """Files that are done but not written."""

    texts: dict[str, PreparedText] = field(default_factory=dict)
    done: list[tuple[int, str, str]] = field(default_factory=list)  # file, hash, key
    failed: list[tuple[int, AppError]] = field(default_factory=list)
    n_chars: int = 0

    def __len__(self) -> int:
        return len(self.done) + len(self.failed)


class Indexer:
    """Brings the index up to date with the files; one at a time."""

    def __init__(
        self,
        database: IndexDatabase,
        read: ReadFile,
        size: ChunkSize | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._collections = Collections(database)
        self._read = read
        self._size = size or ChunkSize()
        self._clock = clock
        self._analysers = Analysers()

    def preview(
        self,
        paths: Sequence[Path],
        cancel: CancelToken,
        emit: Emit,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
    ) -> Preview:
        """Return what adding `paths` would read, without reading a file; emits IndexProgress (LOOKING).

        Raises:
            Interrupted: `cancel` was cancelled.
        """
        report = Walk()
        progress = _Progress(IndexStage.LOOKING, emit, self._clock)
        for path in paths:
            for found in walk(
                path.expanduser().absolute(), is_folder=path.is_dir(), include=include, exclude=exclude, report=report,
                cancel=cancel,
            ):  # fmt: skip
                progress.step(found.path, found.size)
        n_files, n_bytes = progress.done_files, progress.done_bytes
        with self._database.read() as connection:
            rate = float(meta(connection, _RATE) or _STANDARD_RATE)
        seconds = (n_bytes + n_files * _FILE_COST_BYTES) / rate
        return Preview(n_files, n_bytes, seconds, report.n_other_kinds, tuple(report.unreadable))

    def rescan(self, cancel: CancelToken, emit: Emit, collection_id: CollectionId | None = None) -> Changes:
        """Look at all files from outside and queue what is new or changed; quick enough for a timer.

        A file whose size and time are as they were is taken to be unchanged. What has gone is marked and taken out by
        run(), which first sees whether it came back under another name.

        Raises:
            Interrupted: `cancel` was cancelled; sources that were looked at whole are up to date.
        """
        with self._database.read() as connection:
            sources = connection.execute(
                """SELECT id, path, is_folder, include, exclude, collection_id FROM sources
                   WHERE ?1 IS NULL OR collection_id = ?1 ORDER BY id""",
                (collection_id,),
            ).fetchall()
        changes = Changes()
        progress = _Progress(IndexStage.LOOKING, emit, self._clock)
        by_id = {each.id: each for collection in self._collections.all() for each in collection.sources}
        for row in sources:
            source = by_id.get(row[0])
            if source is None:
                continue
            report = Walk()
            found: list[FoundFile] = []
            for each in walk(
                source.path, is_folder=source.is_folder, include=source.include, exclude=source.exclude, report=report,
                cancel=cancel,
            ):  # fmt: skip
                found.append(each)
                progress.step(each.path, each.size)
            changes = _sum(changes, self._apply(row[0], source.path, found, report))
        return changes

    def run(self, cancel: CancelToken, emit: Emit) -> Done:
        """Read all queued files of collections that are not paused, then take out what has gone.

        A file that cannot be read becomes FAILED with its reason, and the others go on. Emits IndexProgress.

        Raises:
            AppError: DISK_FULL, DATABASE_LOCKED, INDEX_DAMAGED, DATA_DIR_UNWRITABLE, EXTRACTOR_FAILED.
            Interrupted: `cancel` was cancelled; what was read is written.
        """
        jobs = self._queued()
        progress = _Progress(IndexStage.READING, emit, self._clock, len(jobs), sum(job.size for job in jobs))
        batch = _Batch()
        n_indexed = n_failed = 0
        written_at = self._clock()
        try:
            for job in jobs:
                progress.start(job.path.name)
                self._take(job, batch, cancel)
                progress.step(job.path.name, job.size)
                is_due = self._clock() - written_at > _BATCH_S
                if batch.n_chars >= _BATCH_CHARS or len(batch) >= _BATCH_FILES or is_due:
                    n_indexed, n_failed = n_indexed + len(batch.done), n_failed + len(batch.failed)
                    self._write(batch)
                    batch = _Batch()
                    written_at = self._clock()
        finally:
            n_indexed, n_failed = n_indexed + len(batch.done), n_failed + len(batch.failed)
            self._write(batch)
        progress.keep_rate(self._database)
        return Done(n_indexed, n_failed, self._remove_gone(cancel, emit))

    def _apply(self, source_id: int, root: Path, found: Sequence[FoundFile], report: Walk) -> Changes:
        """Write down what a walk found of one source."""
        if report.is_missing:
            return Changes(missing=(root,))
        with self._database.write() as connection:
            rows = connection.execute(
                "SELECT path, id, size, mtime_ns, state FROM files WHERE source_id = ?", (source_id,)
            ).fetchall()
            known = {row[0]: row[1:] for row in rows}
            new = [each for each in found if each.path not in known]
            changed = [
                each
                for each in found
                if each.path in known
                and ((each.size, each.mtime_ns) != known[each.path][1:3] or known[each.path][3] == FileState.GONE)
            ]
            there = {each.path for each in found}
            # What lies in a folder that cannot be opened just now has not gone.
            shut = tuple(f"{path}/" for path in report.unreadable)
            gone = [
                row
                for row in rows
                if row[0] not in there
                and row[4] != FileState.GONE
                and not (row[0] in report.unreadable or row[0].startswith(shut))
            ]
            if str(root) in report.unreadable:
                gone = []
            connection.executemany(
                "INSERT INTO files(source_id, path, size, mtime_ns, state) VALUES (?, ?, ?, ?, 'queued')",
                [(source_id, each.path, each.size, each.mtime_ns) for each in new],
            )
            connection.executemany(
                "UPDATE files SET size = ?, mtime_ns = ?, state = 'queued', reason = NULL WHERE id = ?",
                [(each.size, each.mtime_ns, known[each.path][0]) for each in changed],
            )
            connection.executemany("UPDATE files SET state = 'gone' WHERE id = ?", [(row[1],) for row in gone])
        return Changes(len(new), len(changed), len(gone), tuple(report.unreadable))

    def _queued(self) -> list[_Job]:
        with self._database.read() as connection:
            rows = connection.execute(
                """SELECT f.id, s.path, f.path, f.size FROM files AS f
                   JOIN sources AS s ON s.id = f.source_id JOIN collections AS c ON c.id = s.collection_id
                   WHERE f.state = 'queued' AND NOT c.is_paused ORDER BY f.id"""
            ).fetchall()
        return [_Job(row[0], full_path(row[1], row[2]), row[3]) for row in rows]

    def _take(self, job: _Job, batch: _Batch, cancel: CancelToken) -> None:
        """Read one file into the batch; a content that is known already is not read again."""
        if cancel.is_cancelled:
            raise Interrupted
        try:
            sha256 = _hash(job.path, cancel)
            key = f"{sha256}{job.path.suffix.lower()[:16]}"
            if key not in batch.texts and not self._is_known(key):
                document = self._read(job.path, cancel)
                prepared = self._prepare(key, document)
                batch.texts[key] = prepared
                batch.n_chars += len(document.text)
            batch.done.append((job.file_id, sha256, key))
        except AppError as error:
            if error.code in _OURS:
                raise
            batch.failed.append((job.file_id, error))

    def _is_known(self, key: str) -> bool:
        with self._database.read() as connection:
            return find_text(connection, key) is not None

    def _prepare(self, key: str, document: Extracted) -> PreparedText:
        language = languages.detect(document.text)
        return prepare(key, document, language, chunk(document, self._size), self._analysers.of(language))

    def _write(self, batch: _Batch) -> None:
        """Write a batch in one transaction: texts and the states of their files, or nothing."""
        if not len(batch):
            return
        with self._database.write() as connection:
            for file_id, sha256, key in batch.done:
                text_id: TextId | None
                if key in batch.texts:
                    text_id = write_text(connection, batch.texts[key])
                else:
                    text_id = find_text(connection, key)
                if text_id is None:  # its last other file was forgotten meanwhile: it is read in the next run
                    continue
                connection.execute(
                    "UPDATE files SET state = 'indexed', reason = NULL, sha256 = ?, text_id = ? WHERE id = ?",
                    (sha256, text_id, file_id),
                )
            connection.executemany(
                "UPDATE files SET state = 'failed', reason = ?, sha256 = NULL, text_id = NULL WHERE id = ?",
                [(problem_as_json(error), file_id) for file_id, error in batch.failed],
            )

    def _remove_gone(self, cancel: CancelToken, emit: Emit) -> int:
        with self._database.write() as connection:
            n_gone = connection.execute("DELETE FROM files WHERE state = 'gone'").rowcount
        if n_gone:
            emit(IndexProgress(IndexStage.REMOVING, 0, n_gone, 0, 0, "", None))
        self._collections.remove_orphans(cancel)
        return n_gone


class _Progress:
    """Counts and tells, at most every _EMIT_EVERY_S."""

    def __init__(
        self, stage: IndexStage, emit: Emit, clock: Callable[[], float], total_files: int = 0, total_bytes: int = 0
    ) -> None:
        self.done_files = 0
        self.done_bytes = 0
        self._stage = stage
        self._emit = emit
        self._clock = clock
        self._total_files = total_files
        self._total_bytes = total_bytes
        self._began_at = clock()
        self._told_at: float | None = None

    def start(self, name: str) -> None:
        """Tell which file is next."""
        now = self._clock()
        if self._told_at is None or now - self._told_at >= _EMIT_EVERY_S:
            self._tell(name, now)

    def step(self, name: str, size: int) -> None:
        """Count a file."""
        self.done_files += 1
        self.done_bytes += size
        now = self._clock()
        is_last = self.done_files == self._total_files
        if is_last or self._told_at is None or now - self._told_at >= _EMIT_EVERY_S:
            self._tell(name, now)

    def keep_rate(self, database: IndexDatabase) -> None:
        """Remember how fast this computer reads, for the next estimate; not from a trifle."""
        elapsed = self._clock() - self._began_at
        if self._done_cost() > 1_000_000 and elapsed > 0:
            with database.write() as connection:
                set_meta(connection, _RATE, str(self._done_cost() / elapsed))

    def _tell(self, name: str, now: float) -> None:
        self._told_at = now
        total = self._total_bytes + self._total_files * _FILE_COST_BYTES
        done = self._done_cost()
        left = (now - self._began_at) * (total - done) / done if done and total and now > self._began_at else None
        self._emit(
            IndexProgress(
                self._stage, self.done_files, self._total_files or self.done_files, self.done_bytes,
                self._total_bytes or self.done_bytes, name, left,
            )
        )  # fmt: skip

    def _done_cost(self) -> int:
        return self.done_bytes + self.done_files * _FILE_COST_BYTES


def _sum(one: Changes, other: Changes) -> Changes:
    return Changes(
        one.n_new + other.n_new,
        one.n_changed + other.n_changed,
        one.n_gone + other.n_gone,
        one.unreadable + other.unreadable,
        one.missing + other.missing,
    )


def _hash(path: Path, cancel: CancelToken) -> str:
    digest = hashlib.sha256()
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise AppError(ErrorCode.DOCUMENT_TOO_LARGE, path=path, found_bytes=size, limit_bytes=MAX_FILE_BYTES)
        for block in _blocks(path):
            if cancel.is_cancelled:
                raise Interrupted
            digest.update(block)
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or "there is no such file"
        raise AppError(ErrorCode.DOCUMENT_UNREADABLE, path=path, reason=reason) from exc
    return digest.hexdigest()


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_HASHED_AT_ONCE):
            yield block
