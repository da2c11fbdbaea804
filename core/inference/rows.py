"""Rows of the embedding and of the head, wherever they are kept: in memory, or in the model's file.

A model of 128,256 tokens has 657 MB of them in bfloat16, and a token needs a few: one for its embedding, some dozens to
score exactly. So they stay in the file, whose descriptor is open as long as the model is. (On Windows an open file can
be neither replaced nor deleted; elsewhere the open one is read on.) Knows files through WeightFile only and no tensor
names.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from core.errors import AppError, ErrorCode
from core.inference.weight_file import WeightFile

Decode = Callable[[NDArray[np.uint8]], NDArray[np.uint16]]
"""The bytes of whole rows -> their bfloat16 bits, flat."""


class RowSource(Protocol):
    """A matrix of bfloat16 bits, read by rows. One owner."""

    @property
    def n_rows(self) -> int:
        """How many rows there are."""

    def read(self, ids: NDArray[np.int64], target: NDArray[np.uint16]) -> None:
        """Write row ids[i] into target[i]; target is uint16 (n, cols), contiguous.

        Raises:
            AppError: MODEL_DAMAGED when the rows cannot be read any more.
        """

    def damaged(self, reason: str) -> AppError:
        """Return the error that names the file, the matrix and what is wrong there."""

    def close(self) -> None:
        """Let go of the file or the memory; idempotent."""


class MemoryRows:
    """Rows in memory, uint16 (n, cols)."""

    def __init__(self, bits: NDArray[np.uint16], name: str) -> None:
        self._bits = bits
        self._name = name

    @property
    def n_rows(self) -> int:
        """How many rows there are."""
        return len(self._bits)

    def read(self, ids: NDArray[np.int64], target: NDArray[np.uint16]) -> None:
        """Copy rows; see RowSource.read."""
        np.take(self._bits, ids, axis=0, out=target)

    def damaged(self, reason: str) -> AppError:
        """Return the error that names the matrix and what is wrong there."""
        return AppError(ErrorCode.MODEL_DAMAGED, path=self._name, part="rows in memory", reason=reason)

    def close(self) -> None:
        """Let go of the memory."""
        self._bits = self._bits[:0]


class FileRows:
    """Rows in a file that stays open; what is stored in another form than bfloat16 is converted as it is read."""

    def __init__(
        self, file: WeightFile, part: str, start: int, n_rows: int, row_bytes: int, decode: Decode | None = None
    ) -> None:
        """Take over `file`; row i lies at `start` + i * `row_bytes`."""
        self.n_rows = n_rows
        self._file = file
        self._part = part
        self._start = start
        self._row_bytes = row_bytes
        self._decode = decode

    def read(self, ids: NDArray[np.int64], target: NDArray[np.uint16]) -> None:
        """Read rows, neighbours at once; see RowSource.read."""
        if len(ids) == 0 or int(ids.min()) < 0 or int(ids.max()) >= self.n_rows:
            raise ValueError("no such rows")
        raw = target.view(np.uint8) if self._decode is None else np.empty((len(ids), self._row_bytes), np.uint8)
        firsts = np.flatnonzero(np.diff(ids, prepend=-2) != 1)
        ends = np.append(firsts[1:], len(ids))
        starts = self._start + ids[firsts] * self._row_bytes
        begins_ends = np.stack([firsts, ends]) * self._row_bytes
        pieces = [(start, begin, end) for start, begin, end in np.vstack([starts, begins_ends]).T.tolist()]
        self._file.read_pieces(pieces, raw.reshape(-1), self._part)
        if self._decode is not None:
            with np.errstate(all="ignore"):
                target[:] = self._decode(raw.reshape(-1)).reshape(target.shape)

    def damaged(self, reason: str) -> AppError:
        """Return the error that names the file, the matrix and what is wrong there."""
        return self._file.damaged(self._part, reason)

    def close(self) -> None:
        """Close the file; idempotent."""
        self._file.close()
