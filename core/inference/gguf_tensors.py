"""Checked values of tensors in GGUF files, whatever the model: against what is expected, vectors, ternary matrices.

Knows which tensor types may stand for what; must not know names of tensors, configurations (gguf_model.py,
embedding_weights.py) or the container's bytes (gguf.py).
"""

from collections.abc import Callable, Iterable, Mapping
from math import isfinite, prod
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.errors import AppError, ErrorCode
from core.inference.gguf import GgufFile, GgufTensor
from core.inference.ternary_formats import (
    FLOAT_DECODERS,
    I2S_BLOCK,
    TQ_BLOCK,
    common_scale,
    decode_i2s,
    decode_tq1_0,
    decode_tq2_0,
    i2s_scale,
)

TERNARY_TYPES: Final = ("I2_S", "TQ2_0", "TQ1_0")
NORM_TYPES: Final = ("F32", "F16", "BF16")

OnSlice = Callable[[int], None]  # is told how many bytes were read
Expected = Mapping[str, tuple[tuple[str, ...], tuple[int, ...]]]  # name -> allowed types, shape


def check_expected(file: GgufFile, expected: Expected) -> None:
    """Refuse a file that lacks one of the `expected` tensors, has another one, or one of another type or shape.

    Raises:
        AppError: MODEL_INCOMPLETE, MODEL_DAMAGED, MODEL_UNSUPPORTED.
    """
    for name, (types, shape) in expected.items():
        tensor = file.tensors.get(name)
        if tensor is None:
            raise AppError(ErrorCode.MODEL_INCOMPLETE, path=file.path, missing=name)
        if tensor.shape != shape:
            raise file.damaged(name, f"shape {tensor.shape} instead of {shape}")
        if tensor.kind.name not in types:
            raise file.unsupported(f"{name} is {tensor.kind.name}")
        if tensor.kind.name == "I2_S" and shape[-1] % I2S_BLOCK:
            raise file.unsupported(f"{name} is I2_S with rows of {shape[-1]} weights, no multiple of {I2S_BLOCK}")
    for name in file.tensors.keys() - expected.keys():
        raise file.unsupported(f"unknown tensor {name}")


def finite_floats(file: GgufFile, tensor: GgufTensor, raw: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the values of `raw`, whole blocks of `tensor`.

    Raises:
        AppError: MODEL_DAMAGED for NaN and infinity.
    """
    with np.errstate(all="ignore"):
        values = FLOAT_DECODERS[tensor.kind.name](raw)
    if not np.isfinite(values).all():
        raise file.damaged(tensor.name, "NaN or infinity")
    return values


def read_vector(file: GgufFile, name: str, on_slice: OnSlice) -> NDArray[np.float32]:
    """Return a small tensor as float32; finite.

    Raises:
        AppError: MODEL_DAMAGED.
    """
    tensor = file.tensors[name]
    raw = np.empty(tensor.n_bytes, np.uint8)
    file.read_into(tensor, raw, on_slice)
    return finite_floats(file, tensor, raw)


class TernaryReader:
    """Reads ternary matrices one after the other. Keeps scratch memory of the largest one."""

    def __init__(self, file: GgufFile, tensors: Iterable[GgufTensor], on_slice: OnSlice) -> None:
        """`tensors`: all that are going to be read."""
        sizes = [(prod(tensor.shape), tensor.n_bytes) for tensor in tensors]
        self._file = file
        self._on_slice = on_slice
        self._codes = np.empty(max(n_values for n_values, _ in sizes), np.uint8)
        self._raw = np.empty(max(n_bytes for _, n_bytes in sizes), np.uint8)

    def read(self, tensor: GgufTensor) -> tuple[NDArray[np.uint8], float | NDArray[np.float32]]:
        """Return the codes of a matrix, a byte each (rows, cols), and the factor of its weights.

        The factor is one number where all blocks have the same, else float32 (rows, cols / 256), none below 0. The
        codes are valid until the next call; code 3 is not yet refused.

        Raises:
            AppError: MODEL_DAMAGED when a factor is none.
        """
        raw, codes = self._raw[: tensor.n_bytes], self._codes[: prod(tensor.shape)]
        self._file.read_into(tensor, raw, self._on_slice)
        if tensor.kind.name == "I2_S":
            decode_i2s(raw[: len(codes) // 4], codes)
            factor = i2s_scale(raw[len(codes) // 4 :])
            if not (isfinite(factor) and factor > 0):
                raise self._file.damaged(tensor.name, f"{factor:g} is no scale")
            return codes.reshape(tensor.shape), factor
        with np.errstate(all="ignore"):
            scales = (decode_tq2_0 if tensor.kind.name == "TQ2_0" else decode_tq1_0)(raw, codes)
        if not np.isfinite(scales).all() or (scales < 0).any() or not scales.any():
            raise self._file.damaged(tensor.name, "a block scale is NaN, infinite or negative, or all are 0")
        scale = common_scale(scales)
        rows, cols = tensor.shape
        return codes.reshape(tensor.shape), scales.reshape(rows, cols // TQ_BLOCK) if scale is None else scale
