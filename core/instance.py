"""One running instance for a data directory, and how a second one asks the first to show itself.

Knows a lock file and a request file; must not know windows. The operating system holds the lock and drops it with the
process, so a killed instance never blocks the next one. No sockets.
"""

import contextlib
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from core.errors import AppError, ErrorCode

# Windows locks are mandatory: lock a byte far behind the text, so that others can read who holds the file.
_LOCKED_BYTE: Final = 1 << 30
MAX_HANDED_OVER: Final = 64
_MAX_REQUEST_BYTES: Final = 1 << 20


class InstanceLock:
    """Held from acquire() to release() or to the end of the process, however that comes."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor: int | None = descriptor

    @classmethod
    def acquire(cls, path: Path) -> "InstanceLock":
        """Take the lock file at `path` (AppPaths.lock) and write this process into it.

        Raises:
            AppError: ALREADY_RUNNING, DATA_DIR_UNWRITABLE.
        """
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as exc:
            reason = exc.strerror or str(exc)
            raise AppError(ErrorCode.DATA_DIR_UNWRITABLE, path=path.parent, reason=reason) from exc
        try:
            _lock(descriptor)
            # Only for people who look into the file: the lock itself is the operating system's.
            owner = json.dumps({"pid": os.getpid(), "started_at": round(_process_start(), 2)}) + "\n"
            os.ftruncate(descriptor, 0)
            os.write(descriptor, owner.encode("ascii"))
            _request_path(path).unlink(missing_ok=True)  # meant for an instance that is gone
        except BlockingIOError as exc:
            os.close(descriptor)
            raise AppError(ErrorCode.ALREADY_RUNNING, path=path.parent) from exc
        except OSError as exc:
            os.close(descriptor)
            reason = exc.strerror or str(exc)
            raise AppError(ErrorCode.DATA_DIR_UNWRITABLE, path=path.parent, reason=reason) from exc
        return cls(path, descriptor)

    @property
    def directory(self) -> Path:
        """Where requests of other instances appear."""
        return self._path.parent

    def take_raise_request(self) -> tuple[Path, ...] | None:
        """Return the files that other instances handed over when they asked this one to show itself.

        None when none asked; empty when they brought no files.
        """
        request = _request_path(self._path)
        taken = request.with_name(request.name + ".taken")
        try:
            request.replace(taken)  # whoever asks from here on writes a new file
            with taken.open("rb") as file:
                lines = file.read(_MAX_REQUEST_BYTES).splitlines()
            taken.unlink()
        except OSError:
            return None
        return tuple(path for line in lines for path in _handed_over(line))[:MAX_HANDED_OVER]

    def release(self) -> None:
        """Let the next instance in. The file stays: removing it would let two instances lock two files."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def leave_raise_request(lock_path: Path, files: Sequence[Path] = ()) -> None:
    """Ask the running instance to show itself and `files`; nothing happens where that cannot be written."""
    line = json.dumps([str(path.absolute()) for path in files]).encode("ascii") + b"\n"
    with contextlib.suppress(OSError):
        descriptor = os.open(_request_path(lock_path), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)


def _handed_over(line: bytes) -> list[Path]:
    """Return the paths in one line of a request; none where it is no list of absolute paths."""
    try:
        names = json.loads(line)
    except (ValueError, RecursionError):
        return []
    if not isinstance(names, list):
        return []
    paths = [Path(name) for name in names if isinstance(name, str) and "\0" not in name]
    return [path for path in paths if path.is_absolute()]


def _request_path(lock_path: Path) -> Path:
    return lock_path.with_name(lock_path.name + ".raise")


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError as exc:
            raise BlockingIOError(*exc.args) from exc
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _process_start() -> float:
    """Return when this process started, in seconds since 1970; the time of the call where that is not cheap to know."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, ValueError, IndexError):
            # Field 22 in clock ticks since boot, counted after the name in parentheses; proc(5).
            stat = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace")
            uptime_s = float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
            started_s = int(stat.rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
            return time.time() - (uptime_s - started_s)
    return time.time()
