"""Bounded reader of GGUF files in plain Python and numpy: every number is checked before it is used.

Knows the container (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md): magic, version, key-value pairs, tensor
descriptions, padding, data. Must not know what a model needs. Counts, strings, arrays, dimensions, alignment and
offsets have caps; arrays do not nest; sizes are products of checked numbers and lie inside the file; tensors lie back
to back with nothing but padding between them, so no byte has two meanings and none is left over.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from core.errors import AppError, ErrorCode
from core.inference.rows import Decode, FileRows
from core.inference.weight_file import WeightFile

MAGIC = b"GGUF"
VERSIONS = (2, 3)  # little endian both; 1 had 32-bit counts
HEADER_LIMIT_BYTES = 32 << 20  # the official 2B4T file has 8 MB, a vocabulary of 262,144 entries with merges about 17
MAX_KEYS = 1024
MAX_TENSORS = 8192
MAX_DIMENSIONS = 4  # GGML_MAX_DIMS
MAX_SIZE = 1 << 40  # of one dimension
MAX_NAME_BYTES = 256
MAX_STRING_BYTES = 1 << 20  # a chat template
MAX_ELEMENT_BYTES = 4096  # one token or merge
MAX_STRINGS = 3 << 18  # elements of all string arrays together: 408,403 tokens and merges in the official file
MAX_NUMBERS = 1 << 20  # elements of one array of numbers
MAX_ALIGNMENT = 1 << 16
DEFAULT_ALIGNMENT = 32

Metadata = int | float | bool | str | list[str] | NDArray[np.generic]

_SCALARS: Mapping[int, str] = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    10: "<Q",
    11: "<q",
    12: "<d",
}
_BOOL, _STRING, _ARRAY = 7, 8, 9


@dataclass(frozen=True, slots=True)
class TensorType:
    """How values of one type are stored: `block_values` of them in `block_bytes`, plus `tail_bytes` at the end."""

    name: str
    block_values: int
    block_bytes: int
    tail_bytes: int = 0


# ggml_type of ggml.h; 36 is the i2_s of microsoft/BitNet's llama.cpp: 2 bits a value, then a float32 and 28 bytes.
TENSOR_TYPES: Mapping[int, TensorType] = {
    0: TensorType("F32", 1, 4),
    1: TensorType("F16", 1, 2),
    8: TensorType("Q8_0", 32, 34),
    14: TensorType("Q6_K", 256, 210),
    30: TensorType("BF16", 1, 2),
    34: TensorType("TQ1_0", 256, 54),
    35: TensorType("TQ2_0", 256, 66),
    36: TensorType("I2_S", 4, 1, 32),
}


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """Where one tensor lies: `shape` is rows first, as in numpy; `start` counts from the beginning of the file."""

    name: str
    kind: TensorType
    shape: tuple[int, ...]
    start: int
    n_bytes: int


class GgufFile:
    """A checked header and the open file behind it."""

    def __init__(self, path: Path) -> None:
        """Read and check the header.

        Raises:
            AppError: MODEL_NOT_FOUND, MODEL_DAMAGED, MODEL_UNSUPPORTED.
        """
        self.path = path
        self._file = WeightFile(path)
        try:
            header = _Header(self._file)
            self.metadata: Mapping[str, Metadata] = header.metadata
            self.tensors: Mapping[str, GgufTensor] = header.tensors
        except BaseException:
            self.close()
            raise

    @property
    def file_bytes(self) -> int:
        """Length of the file."""
        return self._file.n_bytes

    @property
    def tensor_bytes(self) -> int:
        """Bytes of all tensors, header and padding not counted."""
        return sum(tensor.n_bytes for tensor in self.tensors.values())

    def read_into(
        self, tensor: GgufTensor, target: NDArray[np.generic], on_slice: Callable[[int], None], *, offset: int = 0
    ) -> None:
        """Fill `target` with the bytes of a tensor from `offset` on; see WeightFile.read_into."""
        if not 0 <= offset <= tensor.n_bytes - target.nbytes:
            raise ValueError(f"{tensor.name} has {tensor.n_bytes} bytes, the target {target.nbytes}")
        self._file.read_into(tensor.start + offset, target, on_slice, tensor.name)

    def open_rows(self, tensor: GgufTensor, decode: Decode) -> FileRows:
        """Return the rows of a matrix, over a descriptor of their own that outlives this object.

        Raises:
            AppError: MODEL_DAMAGED when the file is not the one whose header was checked.
        """
        file = WeightFile(self.path)
        if file.stamp != self._file.stamp:
            file.close()
            raise self.damaged(self.path.name, "changed while it was read")
        return FileRows(file, tensor.name, tensor.start, tensor.shape[0], tensor.n_bytes // tensor.shape[0], decode)

    def damaged(self, part: str, reason: str) -> AppError:
        """Return the error that names this file, a part of it and what is wrong there."""
        return self._file.damaged(part, reason)

    def unsupported(self, reason: str) -> AppError:
        """Return the error that says what of this file is not implemented."""
        return AppError(ErrorCode.MODEL_UNSUPPORTED, path=self.path, reason=reason)

    def close(self) -> None:
        """Close the descriptor; idempotent."""
        self._file.close()

    def __enter__(self) -> "GgufFile":
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


class _Header:
    """Reads the header once, front to back."""

    def __init__(self, file: WeightFile) -> None:
        self._file = file
        self._bytes = _Bytes(file)
        self._strings_left = MAX_STRINGS
        self.metadata: dict[str, Metadata] = {}
        self.tensors: dict[str, GgufTensor] = {}
        n_tensors, n_keys = self._read_counts()
        for _ in range(n_keys):
            self._read_key()
        described = [self._read_tensor() for _ in range(n_tensors)]
        self._place(described, self._alignment())

    def _read_counts(self) -> tuple[int, int]:
        if self._bytes.take(4, "header") != MAGIC:
            raise self._file.damaged("header", "does not begin with GGUF")
        version = self._bytes.integer("<I", "version")
        if version not in VERSIONS:
            big = " (big endian)" if int.from_bytes(version.to_bytes(4, "little"), "big") in VERSIONS else ""
            raise AppError(ErrorCode.MODEL_UNSUPPORTED, path=self._file.path, reason=f"GGUF version {version}{big}")
        n_tensors = self._bytes.count("<Q", MAX_TENSORS, "number of tensors")
        return n_tensors, self._bytes.count("<Q", MAX_KEYS, "number of keys")

    def _read_key(self) -> None:
        key = self._bytes.text(MAX_NAME_BYTES, "a key")
        if not key or key in self.metadata:
            raise self._file.damaged(key or "header", "twice in the header" if key else "a key without a name")
        kind = self._bytes.integer("<I", key)
        self.metadata[key] = self._array(key) if kind == _ARRAY else self._value(kind, key)

    def _value(self, kind: int, key: str) -> Metadata:
        if kind == _STRING:
            return self._bytes.text(MAX_STRING_BYTES, key)
        if kind == _BOOL:
            return self._bytes.count("<B", 1, key) == 1
        if kind not in _SCALARS:
            raise self._file.damaged(key, f"unknown type {kind}")
        return self._bytes.number(_SCALARS[kind], key)

    def _array(self, key: str) -> Metadata:
        kind = self._bytes.integer("<I", key)
        if kind == _ARRAY:
            raise self._file.damaged(key, "an array inside an array")
        if kind == _STRING:
            texts = self._bytes.texts(self._bytes.count("<Q", self._strings_left, key), key)
            self._strings_left -= len(texts)
            return texts
        if kind != _BOOL and kind not in _SCALARS:
            raise self._file.damaged(key, f"unknown type {kind}")
        dtype = np.dtype("<u1" if kind == _BOOL else _SCALARS[kind])
        n = self._bytes.count("<Q", MAX_NUMBERS, key)
        return np.frombuffer(self._bytes.take(n * dtype.itemsize, key), dtype)

    def _alignment(self) -> int:
        alignment = self.metadata.get("general.alignment", DEFAULT_ALIGNMENT)
        if type(alignment) is not int or not 1 <= alignment <= MAX_ALIGNMENT or alignment & (alignment - 1):
            raise self._file.damaged("general.alignment", "no power of two up to 65536")
        return alignment

    def _read_tensor(self) -> GgufTensor:
        """Read one description; `start` is still relative to the data."""
        name = self._bytes.text(MAX_NAME_BYTES, "a tensor's name")
        if not name:
            raise self._file.damaged("header", "a tensor without a name")
        n_dimensions = self._bytes.count("<I", MAX_DIMENSIONS, name)
        sizes = [self._bytes.count("<Q", MAX_SIZE, name) for _ in range(n_dimensions)]
        type_id = self._bytes.integer("<I", name)
        start = self._bytes.count("<Q", self._file.n_bytes, name)
        kind = TENSOR_TYPES.get(type_id)
        if kind is None:
            reason = f"{name} has the tensor type {type_id}"
            raise AppError(ErrorCode.MODEL_UNSUPPORTED, path=self._file.path, reason=reason)
        if n_dimensions < 1 or 0 in sizes or sizes[0] % kind.block_values:
            raise self._file.damaged(name, f"{sizes} is no shape of {kind.name}")
        n_bytes = prod(sizes) // kind.block_values * kind.block_bytes + kind.tail_bytes
        if n_bytes > self._file.n_bytes - start:
            raise self._file.damaged(name, "reaches past the end of the file")
        return GgufTensor(name, kind, tuple(reversed(sizes)), start, n_bytes)

    def _place(self, described: list[GgufTensor], alignment: int) -> None:
        """Turn relative into absolute offsets; tensors follow each other, padded to `alignment`."""
        data = _padded(self._bytes.position, alignment)
        end = 0  # of the tensors so far, relative to the data
        for tensor in sorted(described, key=lambda tensor: tensor.start):
            if tensor.start != _padded(end, alignment):
                raise self._file.damaged(tensor.name, "offsets leave a hole or overlap")
            if tensor.name in self.tensors:
                raise self._file.damaged(tensor.name, "twice in the file")
            end = tensor.start + tensor.n_bytes
            placed = GgufTensor(tensor.name, tensor.kind, tensor.shape, data + tensor.start, tensor.n_bytes)
            self.tensors[tensor.name] = placed
        if not data + end <= self._file.n_bytes <= data + _padded(end, alignment):
            raise self._file.damaged(self._file.path.name, f"{self._file.n_bytes} bytes instead of {data + end}")


class _Bytes:
    """The first bytes of a file, read in steps as they are asked for, up to a limit."""

    def __init__(self, file: WeightFile) -> None:
        self._file = file
        self._data = bytearray()
        self.position = 0

    def take(self, n_bytes: int, part: str) -> bytes:
        """Return the next `n_bytes`."""
        self._need(n_bytes, part)
        self.position += n_bytes
        return bytes(self._data[self.position - n_bytes : self.position])

    def number(self, form: str, part: str) -> int | float:
        """Return the next number of the struct format `form`."""
        value: int | float = struct.unpack(form, self.take(struct.calcsize(form), part))[0]
        return value

    def integer(self, form: str, part: str) -> int:
        """Return the next number of a whole-number format."""
        return int(self.number(form, part))

    def count(self, form: str, limit: int, part: str) -> int:
        """Return the next whole number, at most `limit`."""
        value = self.integer(form, part)
        if value > limit:
            raise self._file.damaged(part, f"{value} where at most {limit} is possible")
        return value

    def text(self, limit: int, part: str) -> str:
        """Return the next string of at most `limit` bytes."""
        return self._decoded(self.take(self.count("<Q", limit, part), part), part)

    def texts(self, n: int, part: str) -> list[str]:
        """Return the next `n` strings; a loop of its own, as vocabularies have hundreds of thousands."""
        found: list[str] = []
        data, position = self._data, self.position
        for _ in range(n):
            if position + 8 > len(data):
                position = self._more(position, 8, part)
            length = int.from_bytes(data[position : position + 8], "little")
            if length > MAX_ELEMENT_BYTES:
                raise self._file.damaged(part, f"a string of {length} bytes")
            end = position + 8 + length
            if end > len(data):
                position = self._more(position, 8 + length, part)
            found.append(self._decoded(data[position + 8 : end], part))
            position = end
        self.position = position
        return found

    def _decoded(self, data: bytes | bytearray, part: str) -> str:
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError as exc:
            raise self._file.damaged(part[:40], "no UTF-8") from exc

    def _more(self, position: int, n_bytes: int, part: str) -> int:
        self.position = position
        self._need(n_bytes, part)
        return position

    def _need(self, n_bytes: int, part: str) -> None:
        """Have `n_bytes` after the position, reading ahead; what the file cannot hold is refused unread."""
        end = self.position + n_bytes
        if end <= len(self._data):
            return
        if end > self._file.n_bytes:
            raise self._file.damaged(part, "the file ends inside it")
        if end > HEADER_LIMIT_BYTES:
            raise self._file.damaged(part, f"the header is larger than {HEADER_LIMIT_BYTES >> 20} MiB")
        ahead = max(end - len(self._data), 1 << 16, len(self._data))  # doubling keeps the copies few
        self._data += self._file.read(len(self._data), min(ahead, HEADER_LIMIT_BYTES))
        if end > len(self._data):
            raise self._file.damaged(part, "the file ends inside it")


def _padded(n: int, alignment: int) -> int:
    return -(-n // alignment) * alignment
