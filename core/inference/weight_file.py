"""One model file, read through one descriptor: never mapped, and refused as soon as it is no longer the same file.

Knows descriptors and slices; must not know any format. A file that shrinks or is replaced while it is read is an error
and never a crash, and nothing is allocated here that the caller did not size against `n_bytes`.
"""

import io
import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from core.errors import AppError, ErrorCode

SLICE_BYTES = 4 << 20  # read at once; between slices the reader is asked to go on


@dataclass(frozen=True, slots=True)
class FileStamp:
    """What tells that a file is still the one whose header was checked."""

    n_bytes: int
    modified_ns: int
    inode: int


class WeightFile:
    """An open file of known length; `path` is what errors name."""

    def __init__(self, path: Path) -> None:
        """Open `path`.

        Raises:
            AppError: MODEL_NOT_FOUND, MODEL_UNSUPPORTED when it is no ordinary file, MODEL_DAMAGED.
        """
        self.path = path
        try:
            if not stat.S_ISREG(path.stat().st_mode):  # a fifo or a device would block
                raise AppError(ErrorCode.MODEL_UNSUPPORTED, path=path, reason="not a file")
            self._file = io.FileIO(path)
        except (FileNotFoundError, NotADirectoryError, ValueError) as exc:
            raise AppError(ErrorCode.MODEL_NOT_FOUND, path=path) from exc
        except OSError as exc:
            raise self.damaged(path.name, exc.strerror or type(exc).__name__) from exc
        self._stamp = stamp_of(self._file)

    @property
    def n_bytes(self) -> int:
        """Length of the file when it was opened."""
        return self._stamp.n_bytes

    @property
    def stamp(self) -> FileStamp:
        """What the file was when it was opened."""
        return self._stamp

    def damaged(self, part: str, reason: str) -> AppError:
        """Return the error that names this file, a part of it and what is wrong there."""
        return AppError(ErrorCode.MODEL_DAMAGED, path=self.path, part=part, reason=reason)

    def read(self, start: int, n_bytes: int) -> bytes:
        """Return up to `n_bytes` from `start` on; fewer at the end of the file only."""
        parts = bytearray()
        try:
            self._check_same()
            self._file.seek(start)
            while len(parts) < n_bytes:
                part = self._file.read(min(n_bytes - len(parts), SLICE_BYTES))
                if not part:
                    break
                parts += part
        except OSError as exc:
            raise self.damaged(self.path.name, exc.strerror or type(exc).__name__) from exc
        return bytes(parts)

    def read_into(self, start: int, target: NDArray[np.generic], on_slice: Callable[[int], None], part: str) -> None:
        """Fill `target` (contiguous, any dtype) with the bytes from `start` on.

        Args:
            start: offset in the file.
            target: the bytes are those of the file (little endian).
            on_slice: called after each slice with its number of bytes; may raise to stop.
            part: name of what is read, for errors.

        Raises:
            AppError: MODEL_DAMAGED when the file ends early or has changed.
        """
        if not target.flags.c_contiguous or start < 0 or start + target.nbytes > self.n_bytes:
            raise ValueError(f"{part}: {target.nbytes} bytes from {start} on")
        view = memoryview(target.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
        done = 0
        try:
            self._check_same()
            self._file.seek(start)
            while done < len(view):
                n_read = self._file.readinto(view[done : done + SLICE_BYTES])
                if not n_read:
                    raise self.damaged(part, "the file ends inside it")
                done += n_read
                on_slice(n_read)
        except OSError as exc:
            raise self.damaged(part, exc.strerror or type(exc).__name__) from exc

    def read_pieces(self, pieces: Sequence[tuple[int, int, int]], target: NDArray[np.uint8], part: str) -> None:
        """Fill target[begin:end] with the bytes from `start` on, for each (start, begin, end); all lie in the file.

        Raises:
            AppError: MODEL_DAMAGED when the file has changed, ends early or cannot be read.
        """
        view = memoryview(target)  # type: ignore[arg-type]
        try:
            self._check_same()
            for start, begin, end in pieces:
                while begin < end:
                    n_read = self._read_at(start, view[begin:end])
                    if not n_read:
                        raise self.damaged(part, "the file ends inside it")
                    start, begin = start + n_read, begin + n_read
        except (OSError, ValueError) as exc:  # ValueError: the descriptor is closed
            raise self.damaged(part, str(getattr(exc, "strerror", None) or exc)) from exc

    def _read_at(self, start: int, view: memoryview) -> int:
        if hasattr(os, "preadv"):  # not on Windows
            return os.preadv(self._file.fileno(), [view], start)
        self._file.seek(start)
        return self._file.readinto(view) or 0

    def close(self) -> None:
        """Close the descriptor; idempotent."""
        self._file.close()

    def __enter__(self) -> "WeightFile":
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _check_same(self) -> None:
        if stamp_of(self._file) != self._stamp:
            raise self.damaged(self.path.name, "changed while it was read")


def stamp_of(file: io.FileIO) -> FileStamp:
    """Return the stamp of an open file."""
    status = os.fstat(file.fileno())
    return FileStamp(status.st_size, status.st_mtime_ns, status.st_ino)
