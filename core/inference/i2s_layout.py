"""Which of three orders the bits of an i2_s tensor are in, as far as the weights themselves tell.

Builds of microsoft/BitNet wrote three orders under one type id, and nothing in the file names the one: A (x86, and all
published files), B (ARM since November 2025: blocks of 64 instead of 128) and C (x86 without ACT_PARALLEL: rows in
fours). Read in a wrong order the weights are still valid codes, in wrong places.

In trained models some channels are special: how many weights of a channel are not zero goes along with the size of
that channel's norm weight, and with how dense the rows are that feed it. Norms and rows are in the right order
whatever the bits are in, so the order that shows the connection is the true one. The test only ever speaks against A
where another order shows a clear connection (CLEAR) and A shows none beside it: a file in order A is refused only if
its own weights show no such connection while a shuffled reading does, which independent noise of n channels reaches
with a correlation of about n ** -0.5, far from CLEAR. A file without any such structure is read as A.
"""

from collections.abc import Callable, Mapping
from math import prod

import numpy as np
from numpy.typing import NDArray

from core.inference.config import ModelConfig
from core.inference.gguf import GgufFile, GgufTensor
from core.inference.ternary_formats import FLOAT_DECODERS, decode_i2s

CLEAR = 0.3  # mean rank correlation over the layers looked at
MAX_LAYERS_READ = 3
MIN_CHANNELS = 512  # below, chance alone comes too near to CLEAR

Decoder = Callable[[NDArray[np.uint8], tuple[int, int]], NDArray[np.uint8]]


def foreign_layout(file: GgufFile, config: ModelConfig) -> str | None:
    """Return what wrote the i2_s weights of `file` if that is evidently not the order that is implemented, else None.

    Reads a few tensors, from the first, a middle and the last layer. `check_gguf_tensors` must have passed.
    """
    channels = min(config.hidden_size, config.intermediate_size)
    if file.tensors["blk.0.ffn_down.weight"].kind.name != "I2_S" or channels < MIN_CHANNELS:
        return None
    last = config.num_hidden_layers - 1
    layers = sorted({0, last // 2, last})[:MAX_LAYERS_READ]
    strength = {name: _strength(file, layers, decode) for name, decode in _ORDERS.items()}
    of_a = strength.pop(_A)
    rival = max(strength, key=lambda name: strength[name])
    return rival if strength[rival] >= CLEAR and of_a < strength[rival] / 2 else None


def _strength(file: GgufFile, layers: list[int], decode: Decoder) -> float:
    """Return the clearest connection, 0 to 1, that the weights of `layers` show when read by `decode`."""
    found = [_connections(file, f"blk.{layer}.", decode) for layer in layers]
    means: list[float] = [abs(sum(pair)) / len(found) for pair in zip(*found, strict=True)]
    return max(means)


def _connections(file: GgufFile, prefix: str, decode: Decoder) -> tuple[float, ...]:
    """Return rank correlations between the density of input channels and what is known of those channels."""
    up, down = (_used(file, f"{prefix}{name}.weight", decode) for name in ("ffn_up", "ffn_down"))
    known_down = [up.mean(axis=1)]  # row n of up makes input n of down
    if f"{prefix}ffn_sub_norm.weight" in file.tensors:
        known_down.append(np.abs(_vector(file, f"{prefix}ffn_sub_norm.weight")))
    known_up = np.abs(_vector(file, f"{prefix}ffn_norm.weight"))
    density = down.mean(axis=0)
    return (*(_correlation(density, known) for known in known_down), _correlation(up.mean(axis=0), known_up))


def _used(file: GgufFile, name: str, decode: Decoder) -> NDArray[np.bool_]:
    """Return which weights are not zero, bool (rows, cols)."""
    tensor = file.tensors[name]
    raw = np.empty(prod(tensor.shape) // 4, np.uint8)
    file.read_into(tensor, raw, _unheard)
    rows, cols = tensor.shape
    used: NDArray[np.bool_] = decode(raw, (rows, cols)) != 1
    return used


def _vector(file: GgufFile, name: str) -> NDArray[np.float32]:
    tensor: GgufTensor = file.tensors[name]
    raw = np.empty(tensor.n_bytes, np.uint8)
    file.read_into(tensor, raw, _unheard)
    with np.errstate(all="ignore"):
        return np.nan_to_num(FLOAT_DECODERS[tensor.kind.name](raw))


def _correlation(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Return the rank correlation, 0 where one of the two does not vary."""
    ranks = [np.unique(values, return_inverse=True)[1].astype(np.float64) for values in (one, other)]
    centred = [values - values.mean() for values in ranks]
    norm = float(np.sqrt((centred[0] ** 2).sum() * (centred[1] ** 2).sum()))
    return float((centred[0] * centred[1]).sum()) / norm if norm > 0 else 0.0


def decode_a(raw: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the codes of order A, blocks of 128 values in 32 bytes."""
    codes = np.empty(shape, np.uint8)
    decode_i2s(raw, codes.reshape(-1))
    return codes


def decode_b(raw: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the codes of order B, blocks of 64 values in 16 bytes."""
    return _planes(raw.reshape(-1, 1, 16), axis=1).reshape(shape)


def decode_c(raw: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the codes of order C, four rows in one row of bytes; a rest of rows that fills no four is left as zero."""
    rows, cols = shape
    codes = np.ones(shape, np.uint8)
    codes[: rows // 4 * 4] = _planes(raw[: rows // 4 * cols].reshape(-1, 1, cols), axis=1).reshape(-1, cols)
    return codes


def _planes(raw: NDArray[np.uint8], axis: int) -> NDArray[np.uint8]:
    """Return the four codes of each byte, top bits first, side by side along `axis`."""
    return np.concatenate([raw >> shift & 3 for shift in (6, 4, 2, 0)], axis=axis)


_A = "x86 builds"
_ORDERS: Mapping[str, Decoder] = {
    _A: decode_a,
    "ARM builds (layout B)": decode_b,
    "x86 builds without ACT_PARALLEL (layout C)": decode_c,
}


def _unheard(n_bytes: int) -> None:
    """Nobody counts these bytes."""
