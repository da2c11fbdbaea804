"""Checked tensors, whatever container they come from -> ModelWeights, packed once into private memory.

Knows the places of the projections in the fused matrices, and RoPE. Must not know files or formats: a WeightSource
hands out each tensor by its name in safetensors files (`model.layers.0.self_attn.q_proj`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from core.errors import AppError
from core.events import CancelToken, Emit, Interrupted, LoadProgress
from core.inference.config import ModelConfig
from core.inference.rows import RowSource
from cython_kernels import (
    BLOCK_ROWS,
    LayerWeights,
    ModelWeights,
    ScreenedHead,
    Shape,
    TernaryMatrix,
    new_screen,
    new_ternary,
    pack,
    padded_rows,
    screen_rows,
    with_groups,
)

EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"
PROGRESS_BYTES = 4 << 20  # between two LoadProgress events
CHUNK_VALUES = 1 << 20  # of a large tensor looked at at once, so that temporaries stay small


TakeRows = Callable[[int, NDArray[np.uint16]], None]


class WeightSource(Protocol):
    """Where tensors come from. What it returns has the right shape and holds no NaN and no infinity."""

    def bits(self, name: str) -> NDArray[np.uint16]:
        """Return a large tensor, bfloat16 bits (rows, cols), in memory of its own."""

    def each_rows(self, name: str, take: TakeRows) -> None:
        """Give a large tensor in order, some rows at a time: take(first row, bfloat16 bits), valid during the call."""

    def open_rows(self, name: str) -> RowSource:
        """Return the rows of a large tensor, to be read as long as the model is used; nothing is checked yet."""

    def floats(self, name: str) -> NDArray[np.float32]:
        """Return a vector."""

    def ternary(self, name: str) -> tuple[NDArray[np.uint8], float | NDArray[np.float32]]:
        """Return the codes of a projection as `cython_kernels.pack` reads them, and the factor of its weights.

        The factor is one number, or float32 (rows, groups of columns). The codes are valid until the next call; code 3
        is not yet refused.
        """

    def damaged(self, part: str, reason: str) -> AppError:
        """Return the error that names the file, a part of it and what is wrong there."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One projection of the file and its place in a fused matrix."""

    name: str
    rows: int
    first_block: int
    block_step: int = 1


class LoadMeter:
    """Counts the bytes that were read: reports them, and raises Interrupted when asked to stop."""

    def __init__(self, total: int, cancel: CancelToken, emit: Emit) -> None:
        self._cancel = cancel
        self._emit = emit
        self._done = 0
        self._told = 0
        self._total = total

    def on_slice(self, n_bytes: int) -> None:
        """Take note of `n_bytes` more.

        Raises:
            Interrupted: the work is to stop.
        """
        if self._cancel.is_cancelled:
            raise Interrupted
        self._done += n_bytes
        if self._done - self._told >= PROGRESS_BYTES or self._done == self._total:
            self._told = self._done
            self._emit(LoadProgress(self._done, self._total))


@dataclass(slots=True)
class LoadedWeights:
    """Weights for the kernels and, where the head is screened, the rows behind it; both are one where they are tied.

    Models that compute with different numbers of threads share them: the last one to close() closes the files.
    """

    weights: ModelWeights
    embedding: RowSource | None = None  # None: in the weights
    head: RowSource | None = None
    n_users: int = 1

    def shared(self) -> "LoadedWeights":
        """Return these weights for one more user."""
        self.n_users += 1
        return self

    def close(self) -> None:
        """End one use of the rows."""
        self.n_users -= 1
        for rows in (self.embedding, self.head) if self.n_users == 0 else ():
            if rows is not None:
                rows.close()


def assemble(source: WeightSource, config: ModelConfig, shape: Shape, screen_with: str | None = None) -> LoadedWeights:
    """Read all tensors of `source` and pack them.

    screen_with: the kernel set that makes a screened head; embedding and head are then not kept in memory. None for
    both as they are.
    """
    layers = tuple(_layer(source, f"model.layers.{i}.", config, shape) for i in range(shape.n_layers))
    final_norm = source.floats("model.norm.weight")
    cos, sin = rope_tables(config.rope_theta, shape.head_dim, shape.max_context)
    head_name = EMBEDDING if config.tie_word_embeddings else HEAD
    if screen_with is None:
        embedding = source.bits(EMBEDDING)
        head = embedding if head_name == EMBEDDING else source.bits(HEAD)
        return LoadedWeights(ModelWeights(embedding, head, final_norm, layers, cos, sin))
    embedding_rows = source.open_rows(EMBEDDING)
    try:
        screen = _screened(source, head_name, shape, screen_with)
        if head_name == EMBEDDING:
            head_rows = embedding_rows
        else:
            source.each_rows(EMBEDDING, lambda first, rows: None)  # checks its values
            head_rows = source.open_rows(HEAD)
    except BaseException:
        embedding_rows.close()
        raise
    return LoadedWeights(ModelWeights(None, None, final_norm, layers, cos, sin, screen), embedding_rows, head_rows)


def _screened(source: WeightSource, name: str, shape: Shape, kernels: str) -> ScreenedHead:
    screen = new_screen(shape.vocab, shape.hidden)
    source.each_rows(name, lambda first, rows: screen_rows(screen, first, rows, kernels))
    return screen


def _layer(source: WeightSource, prefix: str, config: ModelConfig, shape: Shape) -> LayerWeights:
    q, kv, inner = shape.q_rows // BLOCK_ROWS, shape.kv_rows // BLOCK_ROWS, padded_rows(shape.intermediate)
    heads, kv_heads = shape.n_heads * shape.head_dim, shape.n_kv_heads * shape.head_dim
    qkv = new_ternary(shape.q_rows + 2 * shape.kv_rows, shape.hidden)
    qkv = _packed(source, qkv, _Part(f"{prefix}self_attn.q_proj", heads, 0))
    qkv = _packed(source, qkv, _Part(f"{prefix}self_attn.k_proj", kv_heads, q))
    qkv = _packed(source, qkv, _Part(f"{prefix}self_attn.v_proj", kv_heads, q + kv))
    o = new_ternary(shape.hidden, heads)
    o = _packed(source, o, _Part(f"{prefix}self_attn.o_proj", shape.hidden, 0))
    gate_up = new_ternary(2 * inner, shape.hidden)
    gate_up = _packed(source, gate_up, _Part(f"{prefix}mlp.gate_proj", shape.intermediate, 0, 2))
    gate_up = _packed(source, gate_up, _Part(f"{prefix}mlp.up_proj", shape.intermediate, 1, 2))
    down = new_ternary(shape.hidden, shape.intermediate)
    down = _packed(source, down, _Part(f"{prefix}mlp.down_proj", shape.hidden, 0))
    return LayerWeights(
        qkv=qkv,
        o=o,
        gate_up=gate_up,
        down=down,
        input_norm=source.floats(f"{prefix}input_layernorm.weight"),
        post_attention_norm=source.floats(f"{prefix}post_attention_layernorm.weight"),
        attn_sub_norm=source.floats(f"{prefix}self_attn.attn_sub_norm.weight") if config.has_sub_norms else None,
        ffn_sub_norm=source.floats(f"{prefix}mlp.ffn_sub_norm.weight") if config.has_sub_norms else None,
    )


def _packed(source: WeightSource, matrix: TernaryMatrix, part: _Part) -> TernaryMatrix:
    """Return `matrix` with one more part in it."""
    codes, scale = source.ternary(part.name)
    if isinstance(scale, np.ndarray):
        matrix = with_groups(matrix, matrix.cols // scale.shape[1])
    if not pack(matrix, codes, part.rows, scale, first_block=part.first_block, block_step=part.block_step):
        raise source.damaged(f"{part.name}.weight", "code 3")
    return matrix


def rope_tables(theta: float, head_dim: int, n_positions: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return cos and sin, float32 (n_positions, head_dim / 2).

    Angles are rounded as torch's float32 does (modeling_bitnet.BitNetRotaryEmbedding), cos and sin of them are exact.
    """
    exponents = np.arange(0, head_dim, 2).astype(np.float32) / np.float32(head_dim)
    powers = np.power(theta, exponents.astype(np.float64)).astype(np.float32)
    inverse = np.float32(1) / powers  # (head_dim / 2,)
    cos = np.empty((n_positions, head_dim // 2), np.float32)
    sin = np.empty_like(cos)
    rows = max(CHUNK_VALUES // head_dim, 1)
    for first in range(0, n_positions, rows):
        positions = np.arange(first, min(first + rows, n_positions)).astype(np.float32)
        angles = (positions[:, None] * inverse).astype(np.float64)
        cos[first : first + rows], sin[first : first + rows] = np.cos(angles), np.sin(angles)
    return cos, sin


def chunks(n: int) -> Iterator[slice]:
    """Cut `n` values into slices of at most CHUNK_VALUES."""
    for start in range(0, n, CHUNK_VALUES):
        yield slice(start, min(start + CHUNK_VALUES, n))
