"""Import, verify and remove models; what belongs to the person is never changed.

A model comes in as a copy, complete or not at all, or as a reference that only names it; either way with the SHA-256
of every file. Knows files and receipts; must not know what is in a model: whoever imports has inspected it and says
which files its weights are.
"""

import contextlib
import errno
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from core.errors import AppError, ErrorCode
from core.events import CancelToken, Emit, Interrupted, LoadProgress
from core.instance import InstanceLock
from core.models.catalogue import CatalogueModel, by_hashes, by_repository, catalogue, is_safe_name
from core.models.hub_cache import HubSnapshot, snapshot_at
from core.models.installed import InstalledModel, is_gguf_file
from core.models.receipts import (
    REFERENCE_SUFFIX,
    PinnedFile,
    Receipt,
    is_component,
    read_receipt,
    receipt_path,
    reference_path,
)
from core.settings import sync_directory, write_atomically

SLICE_BYTES: Final = 4 << 20
SPARE_BYTES: Final = 64 << 20  # left free on the disk by a copy
# What is copied beside the weights, where it is there. No code: none would be run.
SIDE_FILES: Final = (
    "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
    "chat_template.jinja", "LICENSE", "LICENSE.txt", "LICENSE.md",
)  # fmt: skip
_SINGLE_FILE: Final = "model.safetensors"
_INDEX_FILE: Final = "model.safetensors.index.json"
_LOCK_FILE: Final = ".import.lock"
_UNFINISHED: Final = ".importing-"
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class FileCheck:
    """One file against what it must be."""

    name: str
    ok: bool
    is_published: bool  # compared with the catalogue's hash, else with that of the import
    problem: str  # a fact, empty when ok


def import_name(path: Path) -> str:
    """Return what a model at `path` is called once it is imported: as its repository, else as its directory or file."""
    snapshot = snapshot_at(path)
    absolute = path.expanduser().absolute()
    if snapshot is not None:
        return snapshot.repository.partition("/")[2]
    name = absolute.stem if absolute.suffix.lower() == ".gguf" and absolute.is_file() else absolute.name
    return _UNSAFE.sub("-", name).strip("-._")[:96]


def import_model(
    path: Path,
    weights: Sequence[str],
    models: Path,
    *,
    name: str,
    as_reference: bool = False,
    is_embedding: bool = False,
    cancel: CancelToken,
    emit: Emit,
) -> InstalledModel:
    """Bring an inspected model into `models` (AppPaths.models, which must exist); emits LoadProgress.

    Args:
        path: a model directory or a .gguf file; links are followed, as the hub's cache is made of them.
        weights: the names of the files that hold its weights.
        models: where it goes.
        name: what it is called from now on.
        as_reference: record where it is and its hashes; copy nothing.
        is_embedding: it is for searching documents.
        cancel: leaves everything as it was.
        emit: gets LoadProgress.

    Raises:
        AppError: MODEL_NAME_INVALID, MODEL_NAME_TAKEN, MODEL_DAMAGED, MODEL_INCOMPLETE, DISK_FULL,
            DATA_DIR_UNWRITABLE, ALREADY_RUNNING.
        Interrupted: `cancel` was cancelled.
    """
    if not is_safe_name(name):
        raise AppError(ErrorCode.MODEL_NAME_INVALID, name=name)
    absolute = path.expanduser().absolute()
    directory = absolute if absolute.is_dir() else absolute.parent
    job = _Import(directory, _file_names(directory, weights), snapshot_at(path), is_embedding, cancel, emit)
    lock = InstanceLock.acquire(models / _LOCK_FILE)
    try:
        if name.casefold() in _taken(models):
            raise AppError(ErrorCode.MODEL_NAME_TAKEN, name=name)
        _clear_unfinished(models)
        if as_reference:
            target = reference_path(models, name)
            write_atomically(target, job.receipt(absolute, job.hash_all()).encoded())
            return InstalledModel(name, absolute, False, target, is_embedding)
        return InstalledModel(name, _copy(job, absolute, models, name), False, None, is_embedding)
    finally:
        lock.release()


def receipt_of(model: InstalledModel) -> Receipt | None:
    """Return what is kept about `model`; None for one that was not imported."""
    return read_receipt(model.reference or receipt_path(model.path))


def verify_model(model: InstalledModel, *, cancel: CancelToken, emit: Emit) -> tuple[FileCheck, ...]:
    """Compare every file with its published hash, or with that of the import; none where there is nothing to compare.

    Raises:
        Interrupted: `cancel` was cancelled.
    """
    directory = model.path if model.path.is_dir() else model.path.parent
    receipt = receipt_of(model)
    entry = _entry(model, receipt)
    if receipt is not None:
        imported = {file.name: file.sha256 for file in receipt.files}
    elif entry is not None:
        imported = {}
    else:
        entry, imported = _recognised(model, cancel, emit), {}
    published = {} if entry is None else {file.name: file.sha256 for file in entry.files if file.sha256}
    if not model.is_starter:  # what was never there is not missed
        there = imported if receipt is not None else {name for name in published if (directory / name).is_file()}
        published = {name: sha256 for name, sha256 in published.items() if name in there}
    meter = _Meter(sum(_size(directory / name) for name in {**imported, **published}), cancel, emit)
    return tuple(
        _checked(directory / name, sha256, name in published, meter)
        for name, sha256 in sorted({**imported, **published}.items())
    )


def remove_model(model: InstalledModel, models: Path) -> tuple[str, ...]:
    """Remove an imported model and return the names in its directory that were not part of it and so remain.

    Of a reference only the reference goes. A directory without a receipt is not ours and stays.

    Raises:
        AppError: MODEL_NOT_OURS, DATA_DIR_UNWRITABLE.
    """
    receipt = receipt_of(model)
    if model.reference is None and (model.path.parent != models or model.path.is_symlink() or receipt is None):
        raise AppError(ErrorCode.MODEL_NOT_OURS, name=model.name, path=model.path)
    try:
        if model.reference is not None:
            model.reference.unlink()
            return ()
        assert receipt is not None
        for file in receipt.files:
            (model.path / file.name).unlink(missing_ok=True)
        receipt_path(model.path).unlink()  # last: until then removing can be done again
        rest = tuple(sorted(entry.name for entry in model.path.iterdir()))
        if not rest:
            model.path.rmdir()
        return rest
    except OSError as exc:
        reason = exc.strerror or type(exc).__name__
        raise AppError(ErrorCode.DATA_DIR_UNWRITABLE, path=model.path, reason=reason) from exc


class _Meter:
    """Tells how far a job is and stops it on request."""

    def __init__(self, total_bytes: int, cancel: CancelToken, emit: Emit) -> None:
        self._total, self._done = total_bytes, 0
        self._cancel, self._emit = cancel, emit

    def on_slice(self, n_bytes: int) -> None:
        if self._cancel.is_cancelled:
            raise Interrupted
        self._done += n_bytes
        self._emit(LoadProgress(self._done, self._total))


class _Import:
    """Reads the files of one model, each once and through one descriptor."""

    def __init__(
        self,
        directory: Path,
        names: Sequence[str],
        origin: HubSnapshot | None,
        is_embedding: bool,
        cancel: CancelToken,
        emit: Emit,
    ) -> None:
        self._directory = directory
        self._is_embedding = is_embedding
        self._names = names
        self._origin = origin
        self._entry = None if origin is None else by_repository(origin.repository)
        self.n_bytes = sum(_size(directory / name) for name in names)
        self._meter = _Meter(self.n_bytes, cancel, emit)

    def receipt(self, source: Path, files: tuple[PinnedFile, ...]) -> Receipt:
        """Return what to keep about the model; recognises a published one by its weights, too."""
        origin = self._origin
        if origin is not None:
            return Receipt(source, origin.repository, origin.revision, files, self._is_embedding)
        entry = by_hashes({file.name: file.sha256 for file in files})
        if entry is None:
            return Receipt(source, None, None, files, self._is_embedding)
        is_whole = all(entry.sha256_of(file.name) in (None, file.sha256) for file in files)
        return Receipt(source, entry.repository, entry.revision if is_whole else None, files, self._is_embedding)

    def hash_all(self) -> tuple[PinnedFile, ...]:
        return tuple(self._pin(name, lambda _data: None) for name in self._names)

    def copy_all(self, target: Path) -> tuple[PinnedFile, ...]:
        return tuple(self._copied(name, target / name) for name in self._names)

    def _copied(self, name: str, target: Path) -> PinnedFile:
        with _writing(target) as file:
            return self._pin(name, file.write)

    def _pin(self, name: str, use: Callable[[bytes], object]) -> PinnedFile:
        path = self._directory / name
        n_bytes, digest = _read(path, use, self._meter)
        expected = _published(self._entry, self._origin, name)
        if expected is not None and expected != digest:
            reason = f"not the published file (SHA-256 {digest[:12]}… instead of {expected[:12]}…)"
            raise AppError(ErrorCode.MODEL_DAMAGED, path=self._directory, part=name, reason=reason)
        return PinnedFile(name, n_bytes, digest)


def _copy(job: _Import, source: Path, models: Path, name: str) -> Path:
    """Copy into a directory that nobody looks at and give it its name when all is there and on disk."""
    unfinished, target = models / f"{_UNFINISHED}{name}", models / name
    try:
        if shutil.disk_usage(models).free < job.n_bytes + SPARE_BYTES:
            raise AppError(ErrorCode.DISK_FULL, path=target)
        unfinished.mkdir(mode=0o700)
        receipt = job.receipt(source, job.copy_all(unfinished))
        with _writing(receipt_path(unfinished)) as file:
            file.write(receipt.encoded())
        sync_directory(unfinished)
        unfinished.rename(target)
        sync_directory(models)
    except OSError as exc:
        code = ErrorCode.DISK_FULL if exc.errno in (errno.ENOSPC, errno.EDQUOT) else ErrorCode.DATA_DIR_UNWRITABLE
        raise AppError(code, path=target, reason=exc.strerror or type(exc).__name__) from exc
    finally:
        _clear_unfinished(models)
    return target


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[BinaryIO]:
    """Open a new private file for writing; it is on disk afterwards."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    with open(descriptor, "wb") as file:  # noqa: PTH123 (a descriptor, for the mode)
        yield file
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path, use: Callable[[bytes], object], meter: _Meter) -> tuple[int, str]:
    """Give the bytes of `path` to `use`, slice by slice; return their number and hash.

    Raises:
        AppError: MODEL_DAMAGED when it cannot be read or changes meanwhile.
    """
    digest, n_bytes = hashlib.sha256(), 0
    try:
        file = path.open("rb")
    except OSError as exc:
        reason = exc.strerror or type(exc).__name__
        raise AppError(ErrorCode.MODEL_DAMAGED, path=path.parent, part=path.name, reason=reason) from exc
    with file:
        before = _stamp(file)
        while data := _next_slice(file, path):
            digest.update(data)
            use(data)
            n_bytes += len(data)
            meter.on_slice(len(data))
        if _stamp(file) != before:
            reason = "changed while it was read"
            raise AppError(ErrorCode.MODEL_DAMAGED, path=path.parent, part=path.name, reason=reason)
    return n_bytes, digest.hexdigest()


def _stamp(file: BinaryIO) -> tuple[int, int]:
    status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns


def _next_slice(file: BinaryIO, path: Path) -> bytes:
    try:
        return file.read(SLICE_BYTES)
    except OSError as exc:
        reason = exc.strerror or type(exc).__name__
        raise AppError(ErrorCode.MODEL_DAMAGED, path=path.parent, part=path.name, reason=reason) from exc


def _file_names(directory: Path, weights: Sequence[str]) -> tuple[str, ...]:
    """Return what belongs to the model: the weights and, for safetensors, the small files that are there."""
    if not weights or not all(is_component(name) for name in weights):
        raise AppError(ErrorCode.MODEL_INCOMPLETE, path=directory, missing="weights")
    if any(name.lower().endswith(".gguf") for name in weights):
        return tuple(weights)
    index = () if _SINGLE_FILE in weights else (_INDEX_FILE,)
    return (*(name for name in (*SIDE_FILES, *index) if (directory / name).is_file()), *weights)


def _taken(models: Path) -> set[str]:
    """Return the names in use, in lower case: not every system tells cases apart."""
    paths = list(models.iterdir())
    names = {path.name.removesuffix(REFERENCE_SUFFIX).casefold() for path in paths}
    return names | {path.stem.casefold() for path in paths if is_gguf_file(path)} | {"starter"}


def _clear_unfinished(models: Path) -> None:
    """Remove what an import that was killed left behind; the caller holds the lock."""
    for path in models.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(path, ignore_errors=True)


def _entry(model: InstalledModel, receipt: Receipt | None) -> CatalogueModel | None:
    """Return the catalogue's entry whose hashes hold for `model`; None where there is none or of another revision."""
    if model.is_starter:
        return next((entry for entry in catalogue() if entry.repository is None), None)
    entry = by_repository(receipt.repository) if receipt is not None and receipt.repository else None
    return entry if entry is not None and receipt is not None and receipt.revision == entry.revision else None


def _recognised(model: InstalledModel, cancel: CancelToken, emit: Emit) -> CatalogueModel | None:
    """Return the published model that one without a receipt is, by the hash of its weights."""
    paths = [model.path] if model.path.is_file() else sorted(model.path.iterdir())
    weights = [path for path in paths if path.suffix in (".gguf", ".safetensors") and path.is_file()]
    meter = _Meter(sum(map(_size, weights)), cancel, emit)
    return by_hashes({path.name: _read(path, lambda _data: None, meter)[1] for path in weights})


def _published(entry: CatalogueModel | None, origin: HubSnapshot | None, name: str) -> str | None:
    """Return the hash that the catalogue promises for a file of this very revision."""
    same = entry is not None and origin is not None and entry.revision == origin.revision
    return entry.sha256_of(name) if same and entry is not None else None


def _checked(path: Path, sha256: str, is_published: bool, meter: _Meter) -> FileCheck:
    if not path.is_file():
        return FileCheck(path.name, False, is_published, "missing")
    try:
        _, found = _read(path, lambda _data: None, meter)
    except AppError as error:
        return FileCheck(path.name, False, is_published, str(error.facts["reason"]))
    if found == sha256:
        return FileCheck(path.name, True, is_published, "")
    kind = "published" if is_published else "imported"
    return FileCheck(path.name, False, is_published, f"not the {kind} file (SHA-256 {found[:12]}…, not {sha256[:12]}…)")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
