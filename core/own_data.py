"""All that Tern keeps on this computer: where it is, how large, out of it as one file, and gone for good.

Knows the data directory as a whole; must not know the window. Takes time in proportion to the data: work for a lane.
"""

import os
import shutil
import sqlite3
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from core.errors import AppError, ErrorCode
from core.events import CancelToken, Interrupted
from core.exchange.archive import all_chat_ids
from core.exchange.tern_json import write_json
from core.paths import AppPaths
from core.settings import sync_directory
from core.store.database import Database


class PlaceKind(StrEnum):
    """What is kept; its words are in app/."""

    HISTORY = "history"  # conversations and the text of their documents
    MODELS = "models"
    LOGS = "logs"
    SETTINGS = "settings"
    OTHER = "other"  # the window's place, backups made before an update, what was kept aside


@dataclass(frozen=True, slots=True)
class Place:
    """One part of the data directory and how much room it takes."""

    kind: PlaceKind
    path: Path
    n_bytes: int


def measure(paths: AppPaths, cancel: CancelToken) -> tuple[Place, ...]:
    """Return the size of every part, in the order of PlaceKind; links are not followed.

    Raises:
        Interrupted: `cancel` was cancelled.
    """
    sizes = dict.fromkeys(PlaceKind, 0)
    for path in _files(paths.data):
        if cancel.is_cancelled:
            raise Interrupted
        try:
            sizes[_kind_of(path, paths)] += path.lstat().st_size
        except OSError:
            continue  # gone meanwhile
    where = {
        PlaceKind.HISTORY: paths.database,
        PlaceKind.MODELS: paths.models,
        PlaceKind.LOGS: paths.logs,
        PlaceKind.SETTINGS: paths.settings,
        PlaceKind.OTHER: paths.data,
    }
    return tuple(Place(kind, where[kind], sizes[kind]) for kind in PlaceKind)


def export_all(paths: AppPaths, database: Database, target: Path, cancel: CancelToken) -> int:
    """Write conversations, documents and settings to the ZIP file `target`; returns how many conversations.

    It holds conversations.json for people and programs, and history.sqlite3 and settings.json to put back in place.
    Models are left out: they can be had again. `target` appears whole or not at all.

    Raises:
        AppError: OUTPUT_UNWRITABLE, DATABASE_*.
        Interrupted: `cancel` was cancelled.
    """
    unfinished = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    try:
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as archive:
            n_chats = _write_chats(archive, database, cancel)
            _write_database(archive, database)
            if paths.settings.is_file():
                archive.write(paths.settings, "settings.json")
        unfinished.replace(target)
        sync_directory(target.parent)
    except OSError as exc:
        raise AppError(ErrorCode.OUTPUT_UNWRITABLE, path=target, reason=exc.strerror or str(exc)) from exc
    finally:
        unfinished.unlink(missing_ok=True)
    return n_chats


def erase(paths: AppPaths, *, with_models: bool) -> None:
    """Delete all that is in the data directory but the lock, and the models only where that is wanted.

    The database must be closed. What lies outside the directory (referenced models) is never touched.

    Raises:
        AppError: DATA_DIR_UNWRITABLE: something could not be deleted; all else is gone.
    """
    kept = {paths.lock} if with_models else {paths.lock, paths.models}
    failed: OSError | None = None
    for path in list(paths.data.iterdir()):
        if path in kept:
            continue
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as exc:
            failed = exc
    sync_directory(paths.data)
    if failed is not None:
        reason = failed.strerror or str(failed)
        raise AppError(ErrorCode.DATA_DIR_UNWRITABLE, path=paths.data, reason=reason) from failed


def _files(directory: Path) -> Iterator[Path]:
    for folder, _folders, names in os.walk(directory):
        for name in names:
            yield Path(folder) / name


def _kind_of(path: Path, paths: AppPaths) -> PlaceKind:
    if path.is_relative_to(paths.models):
        return PlaceKind.MODELS
    if path.is_relative_to(paths.logs):
        return PlaceKind.LOGS
    if path == paths.settings:
        return PlaceKind.SETTINGS
    sides = {paths.database.name + suffix for suffix in ("", "-wal", "-shm", "-journal")}
    is_history = path.parent == paths.data and path.name in sides
    return PlaceKind.HISTORY if is_history or path.is_relative_to(paths.data / "backups") else PlaceKind.OTHER


def _write_chats(archive: zipfile.ZipFile, database: Database, cancel: CancelToken) -> int:
    with archive.open("conversations.json", "w", force_zip64=True) as file:
        return write_json(file, database, all_chat_ids(database), cancel, lambda _event: None)


def _write_database(archive: zipfile.ZipFile, database: Database) -> None:
    with tempfile.TemporaryDirectory(dir=database.path.parent) as folder:
        copy_path = Path(folder) / "history.sqlite3"
        with closing(sqlite3.connect(copy_path, isolation_level=None)) as copy:
            with database.read() as connection:
                connection.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
        archive.write(copy_path, "history.sqlite3")
