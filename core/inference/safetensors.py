"""Bounded reader of safetensors files: every offset is checked before a byte of data is read.

Knows the container (https://github.com/huggingface/safetensors, "Format"): u64 header length, JSON, data. Must not know
which tensors a model needs. Files are read, never mapped, so a file that shrinks is an error and not a crash.
"""

import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from types import TracebackType
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from core.errors import AppError, ErrorCode
from core.inference.config import parse_json_object, read_json_object
from core.inference.rows import FileRows
from core.inference.weight_file import FileStamp, WeightFile, stamp_of

SINGLE_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
HEADER_LIMIT_BYTES = 1 << 20  # the format allows 100 MB; the headers of models that are supported take 61 kB
INDEX_LIMIT_BYTES = 4 << 20
SLICE_BYTES = 4 << 20  # read at once; between slices the reader is asked to go on
MAX_DIMENSIONS = 8
MAX_SIZE = 1 << 48  # of one dimension; keeps products far from overflow in any language
MAX_SHARDS = 512

ITEM_BYTES: Mapping[str, int] = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1, "U16": 2, "I16": 2, "F16": 2, "BF16": 2,
    "U32": 4, "I32": 4, "F32": 4, "U64": 8, "I64": 8, "F64": 8,
}  # fmt: skip

_SHARD_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\.safetensors")


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """Where one tensor lies: `start` is an offset from the beginning of `file`."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: str
    start: int
    n_bytes: int


class TensorFiles:
    """The tensors of a model directory, in one file or in shards; one descriptor is open at a time."""

    def __init__(self, directory: Path) -> None:
        """Check all headers.

        Raises:
            AppError: MODEL_INCOMPLETE, MODEL_DAMAGED.
        """
        self.directory = directory
        self.tensors: dict[str, TensorInfo] = {}
        self._stamps: dict[str, FileStamp] = {}
        self._open_name = ""
        self._open_file: io.FileIO | None = None
        try:
            if (directory / SINGLE_FILE).exists() or not (directory / INDEX_FILE).exists():
                self._add_file(SINGLE_FILE)
            else:
                self._add_shards()
        except BaseException:
            self.close()
            raise

    @property
    def total_bytes(self) -> int:
        """Bytes of all tensors, headers not counted."""
        return sum(info.n_bytes for info in self.tensors.values())

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files."""
        return tuple(self._stamps)

    def read_into(
        self, info: TensorInfo, target: NDArray[np.generic], on_slice: Callable[[int], None], *, offset: int = 0
    ) -> None:
        """Fill `target` slice by slice with the bytes of a tensor from `offset` on.

        Args:
            info: one of `tensors`.
            target: contiguous, any dtype; the bytes are those of the file (little endian).
            offset: in bytes.
            on_slice: called after each slice with its number of bytes; may raise to stop.

        Raises:
            AppError: MODEL_DAMAGED when the file ends early or has changed.
        """
        n_bytes = target.nbytes
        if not 0 <= offset <= info.n_bytes - n_bytes or not target.flags.c_contiguous:
            raise ValueError(f"{info.name} has {info.n_bytes} bytes, the target {n_bytes}")
        view = memoryview(target.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
        try:
            file = self._use(info.file)
            file.seek(info.start + offset)
            done = 0
            while done < n_bytes:
                n_read = file.readinto(view[done : done + SLICE_BYTES])
                if not n_read:
                    raise self._damaged(info.file, f"ends inside {info.name}")
                done += n_read
                on_slice(n_read)
        except OSError as exc:
            raise self._damaged(info.file, exc.strerror or type(exc).__name__) from exc

    def open_rows(self, info: TensorInfo) -> FileRows:
        """Return the rows of a bfloat16 matrix, over a descriptor of their own that outlives this object.

        Raises:
            AppError: MODEL_DAMAGED when the file is not the one whose header was checked.
        """
        file = WeightFile(self.directory / info.file)
        if file.stamp != self._stamps[info.file]:
            file.close()
            raise self._damaged(info.file, "changed while it was read")
        return FileRows(file, info.name, info.start, info.shape[0], info.n_bytes // info.shape[0])

    def close(self) -> None:
        """Close the descriptor; idempotent."""
        if self._open_file is not None:
            self._open_file.close()
        self._open_file, self._open_name = None, ""

    def __enter__(self) -> "TensorFiles":
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _damaged(self, part: str, reason: str) -> AppError:
        return AppError(ErrorCode.MODEL_DAMAGED, path=self.directory, part=part, reason=reason)

    def _use(self, name: str) -> io.FileIO:
        """Return the open file `name`, proven to be the one whose header was checked."""
        if self._open_file is None or self._open_name != name:
            self.close()
            self._open_file, self._open_name = io.FileIO(self.directory / name), name
        if stamp_of(self._open_file) != self._stamps[name]:
            raise self._damaged(name, "changed while it was read")
        return self._open_file

    def _add_file(self, name: str) -> None:
        path = self.directory / name
        try:
            if not path.is_file():  # a fifo or a device would block
                raise AppError(ErrorCode.MODEL_INCOMPLETE, path=self.directory, missing=name)
            self.close()
            self._open_file, self._open_name = io.FileIO(path), name
            self._stamps[name] = stamp_of(self._open_file)
            self._read_header(name, self._open_file)
        except OSError as exc:
            raise self._damaged(name, exc.strerror or type(exc).__name__) from exc

    def _read_header(self, name: str, file: io.FileIO) -> None:
        file_bytes = self._stamps[name].n_bytes
        header_bytes = int.from_bytes(_read_exactly(file, 8), "little")
        if file_bytes < 8 or header_bytes > min(file_bytes - 8, HEADER_LIMIT_BYTES):
            raise self._damaged(name, "header length")
        entries = parse_json_object(_read_exactly(file, header_bytes), self.directory, name)
        entries.pop("__metadata__", None)
        infos = [self._tensor(name, key, entry, 8 + header_bytes) for key, entry in entries.items()]
        end = 8 + header_bytes
        for info in sorted(infos, key=lambda info: (info.start, info.n_bytes)):
            if info.start != end:
                raise self._damaged(info.name, "offsets leave a hole or overlap")
            if info.name in self.tensors:
                raise self._damaged(info.name, "in two files")
            end += info.n_bytes
            self.tensors[info.name] = info
        if end != file_bytes:
            raise self._damaged(name, f"{file_bytes} bytes instead of {end}")

    def _tensor(self, file: str, name: str, entry: object, data_start: int) -> TensorInfo:
        if not isinstance(entry, dict):
            raise self._damaged(name, "no tensor description")
        dtype, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
        if not isinstance(dtype, str) or dtype not in ITEM_BYTES:
            raise self._damaged(name, "unknown dtype")
        if not _are_sizes(shape) or len(shape) > MAX_DIMENSIONS:
            raise self._damaged(name, "shape")
        if not _are_sizes(offsets) or len(offsets) != 2:
            raise self._damaged(name, "offsets")
        n_bytes = prod(shape) * ITEM_BYTES[dtype]
        if offsets[1] - offsets[0] != n_bytes:
            raise self._damaged(name, "offsets do not fit the shape")
        return TensorInfo(name, dtype, tuple(shape), file, data_start + offsets[0], n_bytes)

    def _add_shards(self) -> None:
        """Read the index: {"weight_map": {tensor: file}}; map and files must tell the same."""
        weight_map = read_json_object(self.directory, INDEX_FILE, INDEX_LIMIT_BYTES).get("weight_map")
        if not isinstance(weight_map, dict) or not weight_map:
            raise self._damaged(INDEX_FILE, "weight_map is missing")
        if not all(isinstance(name, str) and _SHARD_NAME.fullmatch(name) for name in weight_map.values()):
            raise self._damaged(INDEX_FILE, "a file name that may not be used")
        names = sorted(set(weight_map.values()))
        if len(names) > MAX_SHARDS:
            raise self._damaged(INDEX_FILE, "too many files")
        for name in names:
            self._add_file(name)
        for tensor, info in self.tensors.items():
            if weight_map.get(tensor) != info.file:
                raise self._damaged(INDEX_FILE, f"{tensor} is in another file")
        missing = sorted(weight_map.keys() - self.tensors.keys())
        if missing:
            raise AppError(ErrorCode.MODEL_INCOMPLETE, path=self.directory, missing=missing[0])


def _read_exactly(file: io.FileIO, n_bytes: int) -> bytes:
    """Return `n_bytes`, or fewer at the end of the file."""
    parts = bytearray()
    while len(parts) < n_bytes:
        part = file.read(n_bytes - len(parts))
        if not part:
            break
        parts += part
    return bytes(parts)


def _are_sizes(value: object) -> TypeGuard[list[int]]:
    """Tell whether `value` is a list of sane, non-negative whole numbers."""
    return isinstance(value, list) and all(type(item) is int and 0 <= item <= MAX_SIZE for item in value)
