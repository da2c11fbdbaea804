"""Where Tern keeps its files: the platform's own directories, with one override for all of them.

Knows names of directories; creates them on request; must not know what is written in them.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from core.errors import AppError, ErrorCode

DATA_DIR_VARIABLE = "TERN_DATA_DIR"
PORTABLE_MARKERS = ("portable", "portable.txt")
PORTABLE_DATA = "tern-data"


@dataclass(frozen=True, slots=True)
class AppPaths:
    """All places that Tern writes to; `data` is never a cache directory, so no cleaner empties it."""

    data: Path

    @property
    def database(self) -> Path:
        """The history, one SQLite file."""
        return self.data / "history.sqlite3"

    @property
    def index(self) -> Path:
        """The search index over collections of documents; disposable."""
        return self.data / "index.db"

    @property
    def settings(self) -> Path:
        """Preferences as JSON."""
        return self.data / "settings.json"

    @property
    def models(self) -> Path:
        """One directory a model."""
        return self.data / "models"

    @property
    def logs(self) -> Path:
        """Rotating logs without any chat text."""
        return self.data / "logs"

    @property
    def connections(self) -> Path:
        """What the download child has ever connected to, one JSON line each."""
        return self.data / "connections.jsonl"

    @property
    def quarantine(self) -> Path:
        """Documents that have killed the extraction child, by their hashes."""
        return self.data / "quarantine.json"

    @property
    def lock(self) -> Path:
        """Held by the one running instance."""
        return self.data / "tern.lock"

    def create(self) -> None:
        """Make the directories, private to the user, and prove that they can be written.

        Raises:
            AppError: DATA_DIR_UNWRITABLE.
        """
        try:
            for directory in (self.data, self.models, self.logs):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            probe = self.data / f".write-probe-{os.getpid()}"
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as exc:
            raise AppError(ErrorCode.DATA_DIR_UNWRITABLE, path=self.data, reason=exc.strerror or str(exc)) from exc


def resolve(
    override: Path | None = None, environ: Mapping[str, str] = os.environ, program: Path | None = None
) -> AppPaths:
    """Return the paths: `override` first, then TERN_DATA_DIR, then beside a portable program, then the user's own.

    program: the folder that the frozen program lies in; None: looked up. A file called `portable` in it (or
    `portable.txt`, as Windows may call it without showing that) keeps all data in the folder `tern-data` beside it.
    """
    if override is not None:
        return AppPaths(override.expanduser().absolute())
    named = environ.get(DATA_DIR_VARIABLE, "")
    if named:
        return AppPaths(Path(named).expanduser().absolute())
    program = program or program_directory()
    if program is not None and any((program / name).is_file() for name in PORTABLE_MARKERS):
        return AppPaths(program / PORTABLE_DATA)
    return AppPaths(Path(platformdirs.user_data_dir("Tern", appauthor=False, roaming=False)))


def program_directory() -> Path | None:
    """Return the folder that a person sees the frozen program in; None when Tern runs from source.

    On macOS that is the folder with Tern.app, not one inside it.
    """
    if not getattr(sys, "frozen", False):
        return None
    folder = Path(sys.executable).resolve().parent
    if sys.platform == "darwin" and folder.parent.name == "Contents":
        return folder.parent.parent.parent
    return folder
