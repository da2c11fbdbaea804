"""Hidden states of one whole sequence, for embedding models: the second facade beside `Transformer`.

The graphs of Qwen3 and Gemma 3 with an RMS norm before each ternary projection, so that q, k and v (and gate and up)
quantise inputs of their own. Same kernels and same promise as the chat path: equal bits for any number of threads, any
kernel set and any sequence that ran before. It knows no tokens: rows of embeddings go in, normed states come out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from cython_kernels import BLOCK_ROWS, TernaryMatrix, padded_rows
from cython_kernels import transformer as _c

EncoderActivation = Literal["silu", "gelu"]  # gelu in its tanh form


@dataclass(frozen=True, slots=True)
class EncoderShape:
    """Sizes of an encoder; hidden, intermediate and head_dim are multiples of 16."""

    hidden: int
    intermediate: int
    n_layers: int
    n_heads: int
    n_kv_heads: int
    head_dim: int
    rms_eps: float
    attention_scale: float  # of the scores, before the softmax
    activation: EncoderActivation
    max_tokens: int  # of one sequence


@dataclass(frozen=True, slots=True)
class Projection:
    """One ternary linear and the norm weights of its inputs, float32 (cols,)."""

    weights: TernaryMatrix
    norm: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class EncoderLayer:
    """One layer; norm weights are float32, `post_*` are None where a half's output is added as it is.

    rope_cos, rope_sin: float32 (max_tokens, head_dim / 2), rotate-half pairing. window: positions that a token sees,
    its own included; 0 for all up to its own.
    """

    q: Projection
    k: Projection
    v: Projection
    o: Projection
    gate: Projection
    up: Projection
    down: Projection
    attn_norm: NDArray[np.float32]
    ffn_norm: NDArray[np.float32]
    q_head_norm: NDArray[np.float32]
    k_head_norm: NDArray[np.float32]
    post_attn_norm: NDArray[np.float32] | None
    post_ffn_norm: NDArray[np.float32] | None
    rope_cos: NDArray[np.float32]
    rope_sin: NDArray[np.float32]
    window: int


@dataclass(frozen=True, slots=True)
class EncoderWeights:
    """All layers and the norm after the last."""

    layers: tuple[EncoderLayer, ...]
    final_norm: NDArray[np.float32]


class Encoder:
    """The forward pass over one sequence at a time. Not thread-safe: one owner, except for interrupt()."""

    def __init__(self, shape: EncoderShape, weights: EncoderWeights, *, n_threads: int, kernels: str) -> None:
        _check(shape, weights)
        if n_threads < 1:
            raise ValueError("n_threads must be at least 1")
        self.shape = shape
        self.kernels = kernels
        self.n_threads = n_threads
        self._run = _c.EncoderRun(shape, weights, n_threads, kernels)

    def run(self, states: NDArray[np.float32]) -> bool:
        """Turn the embeddings of a sequence, float32 (n, hidden), into its normed last hidden states, in place.

        Returns:
            False when interrupt() stopped it; the content is then undefined.
        """
        if states.dtype != np.float32 or states.ndim != 2 or not states.flags.c_contiguous:
            raise ValueError("states must be a contiguous float32 matrix")
        if states.shape[1] != self.shape.hidden or not 1 <= states.shape[0] <= self.shape.max_tokens:
            raise ValueError(f"states {states.shape} do not fit (1 to {self.shape.max_tokens}, {self.shape.hidden})")
        return bool(self._run.run(states))

    def interrupt(self) -> None:
        """Make a running run() return False within a layer; callable from any thread."""
        self._run.interrupt()

    def clear_interrupt(self) -> None:
        """Forget an earlier interrupt(), before a new sequence."""
        self._run.clear_interrupt()

    def close(self) -> None:
        """Stop the threads; the object cannot be used afterwards."""
        self._run.close()


def _check(shape: EncoderShape, weights: EncoderWeights) -> None:
    """Raise ValueError unless every array has the dtype, shape and contiguity that the C code takes for granted."""
    for name in ("hidden", "intermediate", "head_dim"):
        if getattr(shape, name) < 16 or getattr(shape, name) % 16:
            raise ValueError(f"{name} must be a positive multiple of 16")
    if shape.n_kv_heads < 1 or shape.n_heads < 1 or shape.n_heads % shape.n_kv_heads:
        raise ValueError("n_heads must be a multiple of n_kv_heads")
    if shape.max_tokens < 1 or shape.n_layers < 1 or len(weights.layers) != shape.n_layers:
        raise ValueError("number of tokens or layers")
    if shape.activation not in ("silu", "gelu"):
        raise ValueError(shape.activation)
    _expect("final_norm", weights.final_norm, np.float32, (shape.hidden,))
    for layer in weights.layers:
        for name, array, size in _vectors(shape, layer):
            _expect(name, array, np.float32, size)
        _check_projections(shape, layer)
        if layer.window < 0:
            raise ValueError("window must not be negative")


def _vectors(shape: EncoderShape, layer: EncoderLayer) -> Iterator[tuple[str, NDArray[np.generic], tuple[int, ...]]]:
    yield "attn_norm", layer.attn_norm, (shape.hidden,)
    yield "ffn_norm", layer.ffn_norm, (shape.hidden,)
    yield "q_head_norm", layer.q_head_norm, (shape.head_dim,)
    yield "k_head_norm", layer.k_head_norm, (shape.head_dim,)
    yield "rope_cos", layer.rope_cos, (shape.max_tokens, shape.head_dim // 2)
    yield "rope_sin", layer.rope_sin, (shape.max_tokens, shape.head_dim // 2)
    if layer.post_attn_norm is not None:
        yield "post_attn_norm", layer.post_attn_norm, (shape.hidden,)
    if layer.post_ffn_norm is not None:
        yield "post_ffn_norm", layer.post_ffn_norm, (shape.hidden,)


def _check_projections(shape: EncoderShape, layer: EncoderLayer) -> None:
    attention, kv = shape.n_heads * shape.head_dim, shape.n_kv_heads * shape.head_dim
    sizes = {
        "q": (layer.q, attention, shape.hidden),
        "k": (layer.k, kv, shape.hidden),
        "v": (layer.v, kv, shape.hidden),
        "o": (layer.o, shape.hidden, attention),
        "gate": (layer.gate, shape.intermediate, shape.hidden),
        "up": (layer.up, shape.intermediate, shape.hidden),
        "down": (layer.down, shape.hidden, shape.intermediate),
    }
    for name, (projection, rows, cols) in sizes.items():
        matrix, n_blocks = projection.weights, padded_rows(rows) // BLOCK_ROWS
        _expect(name + " norm", projection.norm, np.float32, (cols,))
        _expect(name, matrix.lines, np.uint8, (n_blocks, cols // 4, 64))
        _expect(name + " scales", matrix.block_scales, np.float32, (n_blocks,))
        if matrix.group_scales is not None:
            raise ValueError(f"{name} has factors for groups of columns")
        if matrix.cols != cols or matrix.lines.ctypes.data % 64:
            raise ValueError(f"{name} has the wrong number of columns or is not 64-byte aligned")


def _expect(name: str, array: NDArray[np.generic], dtype: DTypeLike, shape: tuple[int, ...]) -> None:
    if array.dtype != np.dtype(dtype) or array.shape != shape or not array.flags.c_contiguous:
        raise ValueError(f"{name} must be contiguous {np.dtype(dtype)} {shape}, not {array.dtype} {array.shape}")
