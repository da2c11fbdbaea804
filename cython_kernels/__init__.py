"""Numbers only: the ternary transformer on this CPU. Knows no files, no text and no settings.

This facade is the only import path. It checks dtype, shape and contiguity once; below it nothing is checked again
and nothing is allocated. `reference.py` is the numpy twin that tests compare with.

Packed ternary layout ("A1"), one 64-byte line for every 4 consecutive inputs k of a block of 64 output rows:
byte[r * 4 + j], r = 0..15, j = 0..3, holds four 2-bit codes (weight + 1); bits 2p..2p+1 belong to row 16 p + r and
input k + j. Lines of a block follow each other in k; blocks follow each other in rows. Rows are padded to 64 with
code 1 (weight 0).
"""

import mmap
from dataclasses import dataclass, replace
from math import prod
from typing import Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from cython_kernels import transformer as _c

BLOCK_ROWS = 64
GROUP_COLS = (128, 256)  # columns that share a factor, where the factor is not that of a whole matrix
KV_BLOCK = 16  # positions that share one transposed block of keys
HEAD_TILE = 64  # rows of the head whose bounds are summed up
SCREEN_BLOCK = 16  # rows of a block of the screened head

Activation = Literal["relu2", "silu"]
KVPrecision = Literal["f32", "f16", "int8"]
_KV_TYPES = {"f32": np.float32, "f16": np.float16, "int8": np.int8}


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a model; hidden, intermediate and head_dim are multiples of 16."""

    hidden: int
    intermediate: int
    n_layers: int
    n_heads: int
    n_kv_heads: int
    head_dim: int
    vocab: int
    rms_eps: float
    activation: Activation
    max_context: int  # positions that the KV cache and the RoPE tables hold; a multiple of KV_BLOCK

    @property
    def q_rows(self) -> int:
        """Rows of the query projection inside the fused qkv matrix, padded to whole blocks."""
        return padded_rows(self.n_heads * self.head_dim)

    @property
    def kv_rows(self) -> int:
        """Rows of the key (or value) projection inside the fused qkv matrix, padded to whole blocks."""
        return padded_rows(self.n_kv_heads * self.head_dim)


@dataclass(frozen=True, slots=True)
class TernaryMatrix:
    """Packed weights in layout A1: y[row] = block_scales[row // 64] / activation_scale * sum_k w[row, k] x[k].

    lines: uint8 (n_blocks, cols / 4, 64), 64-byte aligned. block_scales: float32 (n_blocks,), always multiplied.
    group_scales: None, or float32 (n_blocks, cols / group_cols, 64) for the blocks whose block_scales is 0: there the
    factor belongs to a row and a group of columns; what is added in which order is in src/grouped.h.
    """

    lines: NDArray[np.uint8]
    block_scales: NDArray[np.float32]
    cols: int
    group_scales: NDArray[np.float32] | None = None

    @property
    def n_blocks(self) -> int:
        """Blocks of 64 rows."""
        return int(self.lines.shape[0])

    @property
    def group_cols(self) -> int:
        """Columns that share a factor; all of them where no block has group_scales."""
        return self.cols if self.group_scales is None else self.cols // int(self.group_scales.shape[1])


@dataclass(frozen=True, slots=True)
class LayerWeights:
    """One transformer layer. Norm weights are float32; the two sub-norms are None where the model has none.

    qkv: q rows, then k, then v, each padded to whole blocks. gate_up: blocks alternate gate, up, gate, up.
    """

    qkv: TernaryMatrix
    o: TernaryMatrix
    gate_up: TernaryMatrix
    down: TernaryMatrix
    input_norm: NDArray[np.float32]
    post_attention_norm: NDArray[np.float32]
    attn_sub_norm: NDArray[np.float32] | None
    ffn_sub_norm: NDArray[np.float32] | None


@dataclass(frozen=True, slots=True)
class ScreenedHead:
    """The head in eight bits a weight, with what bounds the error of each row; see screen_ops.h for layout and proof.

    lines: uint8 (rows / 16, hidden / 4, 64). scales, residuals, norms: float32 (rows,). rows is the vocabulary, padded
    to whole tiles of HEAD_TILE. Fill it by screen_rows().
    """

    lines: NDArray[np.uint8]
    scales: NDArray[np.float32]
    residuals: NDArray[np.float32]
    norms: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class HeadBounds:
    """Between what a logit lies for certain, float32: lower, upper (n, rows), tile_lower, tile_upper (n, rows / 64).

    Those of a tile are the largest of its rows. Rows past the vocabulary have -infinity; where nothing is known, as
    with a hidden state that is not finite, -infinity and infinity.
    """

    lower: NDArray[np.float32]
    upper: NDArray[np.float32]
    tile_lower: NDArray[np.float32]
    tile_upper: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ModelWeights:
    """A whole model. embedding and head: bfloat16 bits as uint16 (vocab, hidden); head is the embedding when tied.

    Without an embedding its rows are handed to forward(); without a head there is a screened one, and exact logits
    come from rows handed to score_rows(). rope_cos, rope_sin: float32 (max_context, head_dim / 2), rotate-half pairing.
    """

    embedding: NDArray[np.uint16] | None
    head: NDArray[np.uint16] | None
    final_norm: NDArray[np.float32]
    layers: tuple[LayerWeights, ...]
    rope_cos: NDArray[np.float32]
    rope_sin: NDArray[np.float32]
    screen: ScreenedHead | None = None


@dataclass(frozen=True, slots=True)
class KVArrays:
    """Keys and values of all positions, float32, float16 or int8, zero at first.

    keys: (n_layers, n_kv_heads, max_context / 16, head_dim, 16), positions innermost so that one load serves 16
    positions. values: (n_layers, n_kv_heads, max_context, head_dim). key_scales, value_scales: the factors of int8,
    float32 (n_layers, n_kv_heads, max_context); None with the others.
    """

    keys: NDArray[np.generic]
    values: NDArray[np.generic]
    key_scales: NDArray[np.float32] | None = None
    value_scales: NDArray[np.float32] | None = None

    @property
    def precision(self) -> KVPrecision:
        """How a number is kept."""
        if self.keys.dtype == np.int8:
            return "int8"
        return "f16" if self.keys.dtype == np.float16 else "f32"


def padded_rows(rows: int) -> int:
    """Round `rows` up to whole blocks of 64."""
    return -(-rows // BLOCK_ROWS) * BLOCK_ROWS


def aligned_zeros(shape: tuple[int, ...], dtype: DTypeLike, *, is_filled: bool = True) -> NDArray[np.generic]:
    """Return a zeroed, page-aligned array in private memory; pages become resident when first touched.

    is_filled: all of it is going to be used, so that large pages pay; without it only what is touched takes memory.
    """
    item = np.dtype(dtype).itemsize
    n_bytes = max(prod(shape) * item, 1)
    buffer = mmap.mmap(-1, n_bytes)
    if n_bytes >= 4 << 20 and hasattr(mmap, "MADV_HUGEPAGE"):
        buffer.madvise(mmap.MADV_HUGEPAGE if is_filled else mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(buffer, dtype=dtype, count=prod(shape)).reshape(shape)


def new_ternary(rows: int, cols: int) -> TernaryMatrix:
    """Return an empty matrix of `rows` (padded to blocks of 64) by `cols` (a multiple of 4); fill it by pack()."""
    if cols % 4:
        raise ValueError(f"cols must be a multiple of 4, not {cols}")
    n_blocks = padded_rows(rows) // BLOCK_ROWS
    lines = aligned_zeros((n_blocks, cols // 4, 64), np.uint8)
    return TernaryMatrix(lines, np.ones(n_blocks, np.float32), cols)  # type: ignore[arg-type]


def with_groups(matrix: TernaryMatrix, group_cols: int) -> TernaryMatrix:
    """Return `matrix`, made able to hold a factor for each row and each `group_cols` columns (of GROUP_COLS)."""
    if matrix.group_scales is not None and matrix.group_cols == group_cols:
        return matrix
    if matrix.group_scales is not None or group_cols not in GROUP_COLS or matrix.cols % group_cols:
        raise ValueError(f"groups of {group_cols} columns in a matrix of {matrix.cols}")
    scales = aligned_zeros((matrix.n_blocks, matrix.cols // group_cols, BLOCK_ROWS), np.float32)
    return replace(matrix, group_scales=scales)  # type: ignore[arg-type]


def pack(
    matrix: TernaryMatrix,
    source: NDArray[np.uint8],
    rows: int,
    scale: float | NDArray[np.float32],
    *,
    first_block: int = 0,
    block_step: int = 1,
) -> bool:
    """Write `rows` rows of 2-bit codes into `matrix`, from block `first_block` on, every `block_step`-th block.

    source: uint8 (source_rows, cols), rows % source_rows == 0, at most 4 planes: row r is bits 2p..2p+1 of
    source[r % source_rows] with p = r // source_rows. So a byte a code (source_rows == rows) and the packed
    safetensors layout (source_rows == rows / 4) are read alike.
    scale: of all these rows; or float32 (rows, cols / matrix.group_cols), after with_groups().

    Returns:
        False when some code is 3, which is no ternary weight; the matrix is then unusable.
    """
    if source.dtype != np.uint8 or source.ndim != 2 or not source.flags.c_contiguous:
        raise ValueError("source must be a contiguous uint8 matrix")
    if source.shape[1] != matrix.cols:
        raise ValueError(f"source has {source.shape[1]} columns, the matrix {matrix.cols}")
    if rows % source.shape[0] or rows // source.shape[0] > 4:
        raise ValueError(f"{rows} rows cannot come from {source.shape[0]} source rows")
    n_blocks = padded_rows(rows) // BLOCK_ROWS
    if first_block < 0 or block_step < 1 or first_block + (n_blocks - 1) * block_step >= matrix.n_blocks:
        raise ValueError("blocks reach past the matrix")
    blocks = slice(first_block, first_block + n_blocks * block_step, block_step)
    if isinstance(scale, np.ndarray):
        _set_group_scales(matrix, scale, rows, blocks)
    matrix.block_scales[blocks] = 0 if isinstance(scale, np.ndarray) else scale
    return bool(_c.pack(matrix.lines, source, rows, first_block, block_step))


def _set_group_scales(matrix: TernaryMatrix, scales: NDArray[np.float32], rows: int, blocks: slice) -> None:
    if matrix.group_scales is None or scales.shape != (rows, matrix.group_scales.shape[1]):
        raise ValueError(f"factors {scales.shape} for {rows} rows")
    padded = np.zeros((padded_rows(rows), scales.shape[1]), np.float32)
    padded[:rows] = scales
    matrix.group_scales[blocks] = padded.reshape(-1, BLOCK_ROWS, scales.shape[1]).swapaxes(1, 2)


def new_screen(vocab: int, hidden: int) -> ScreenedHead:
    """Return an empty screened head; fill it by screen_rows()."""
    rows = -(-vocab // HEAD_TILE) * HEAD_TILE
    lines = aligned_zeros((rows // SCREEN_BLOCK, hidden // 4, 64), np.uint8)
    scales, residuals, norms = (np.zeros(rows, np.float32) for _ in range(3))
    return ScreenedHead(lines, scales, residuals, norms)  # type: ignore[arg-type]


def screen_rows(head: ScreenedHead, first: int, rows: NDArray[np.uint16], kernels: str) -> None:
    """Quantise `rows`, bfloat16 bits of finite values (n, hidden), into `head` from row `first` on."""
    if rows.dtype != np.uint16 or rows.ndim != 2 or not rows.flags.c_contiguous or not len(rows):
        raise ValueError("rows must be a contiguous uint16 matrix")
    if rows.shape[1] != head.lines.shape[1] * 4 or rows.shape[1] % 16:
        raise ValueError(f"rows of {rows.shape[1]} values in a head of {head.lines.shape[1] * 4}")
    if first < 0 or first + len(rows) > len(head.scales):
        raise ValueError("rows reach past the head")
    _c.screen_rows(kernels, rows, first, head)


def new_bounds(shape: Shape, n: int = 1) -> HeadBounds:
    """Return room for the bounds of `n` positions."""
    tiles = -(-shape.vocab // HEAD_TILE)
    lower, upper = (np.empty((n, tiles * HEAD_TILE), np.float32) for _ in range(2))
    tile_lower, tile_upper = (np.empty((n, tiles), np.float32) for _ in range(2))
    return HeadBounds(lower, upper, tile_lower, tile_upper)


def new_kv(shape: Shape, precision: KVPrecision = "f32") -> KVArrays:
    """Return an empty KV cache for `shape.max_context` positions; memory is used as positions are filled."""
    dtype, heads = _KV_TYPES[precision], (shape.n_layers, shape.n_kv_heads)
    blocks = shape.max_context // KV_BLOCK
    keys = aligned_zeros((*heads, blocks, shape.head_dim, KV_BLOCK), dtype, is_filled=False)
    values = aligned_zeros((*heads, shape.max_context, shape.head_dim), dtype, is_filled=False)
    if precision != "int8":
        return KVArrays(keys, values)
    key_scales, value_scales = (np.zeros((*heads, shape.max_context), np.float32) for _ in range(2))
    return KVArrays(keys, values, key_scales, value_scales)


def kv_bytes_per_token(shape: Shape, precision: KVPrecision) -> int:
    """Return the bytes that a position takes in a KV cache."""
    n_vectors = 2 * shape.n_layers * shape.n_kv_heads
    return n_vectors * (shape.head_dim * np.dtype(_KV_TYPES[precision]).itemsize + (4 if precision == "int8" else 0))


def kernel_sets() -> tuple[str, ...]:
    """Return the kernel sets that this CPU can run, best first; the last is always "scalar"."""
    return tuple(_c.kernel_sets())


def choose_kernels(name: str | None) -> str:
    """Return the kernel set to use: `name` (from TERN_KERNELS), or the best one for None or "".

    Raises:
        ValueError: `name` is unknown or cannot run on this CPU.
    """
    known = kernel_sets()
    if not name:
        return known[0]
    if name not in known:
        raise ValueError(name)
    return name


def ternary_sums(matrix: TernaryMatrix, x: NDArray[np.int8], kernels: str) -> NDArray[np.int32]:
    """Return sum_k w[row, k] x[t, k] as int32 (n, rows padded to 64), exact: one linear by itself.

    x: int8 (n, cols), n >= 1.
    """
    if x.dtype != np.int8 or x.ndim != 2 or x.shape[0] < 1 or x.shape[1] != matrix.cols or not x.flags.c_contiguous:
        raise ValueError(f"x must be a contiguous int8 (n, {matrix.cols})")
    sums = np.empty((x.shape[0], matrix.n_blocks * BLOCK_ROWS), np.int32)
    _c.ternary_sums(kernels, matrix.lines, x, np.empty(x.size, np.int8), sums)
    return sums


def ternary_values(
    matrix: TernaryMatrix, x: NDArray[np.int8], scales: NDArray[np.float32], kernels: str
) -> NDArray[np.float32]:
    """Return float32 (n, rows padded to 64), what a forward pass makes of one linear by itself.

    x: int8 (n, cols), n >= 1; scales: float32 (n,), the factors that x was quantised with.
    """
    n = x.shape[0]
    if x.dtype != np.int8 or x.ndim != 2 or n < 1 or x.shape[1] != matrix.cols or not x.flags.c_contiguous:
        raise ValueError(f"x must be a contiguous int8 (n, {matrix.cols})")
    _expect("scales", scales, np.float32, (n,))
    _expect_ternary("matrix", matrix, matrix.n_blocks * BLOCK_ROWS, matrix.cols)
    values = np.empty((n, matrix.n_blocks * BLOCK_ROWS), np.float32)
    sums = np.empty(4 * (matrix.cols // matrix.group_cols), np.int32)
    _c.ternary_values(kernels, matrix, x, scales, np.empty(x.size, np.int8), sums, values)
    return values


def sequential_read_gb_per_s(n_threads: int, data: NDArray[np.generic] | None = None) -> float:
    """Measure a plain sequential read by `n_threads` threads, in 1e9 bytes a second (best of 3).

    data: what to read, contiguous and much larger than the caches (a model's own weights cost no further memory);
    None allocates 256 MiB for the purpose.
    """
    if data is None:
        data = aligned_zeros((1 << 28,), np.uint8)
        data[:] = 1
    flat = data.reshape(-1).view(np.uint8)
    return float(_c.sequential_read(flat[: len(flat) // 64 * 64], n_threads, 3))


class Transformer:
    """The forward pass on one model and one KV cache. Not thread-safe: one owner, except for interrupt()."""

    def __init__(self, shape: Shape, weights: ModelWeights, kv: KVArrays, *, n_threads: int, kernels: str) -> None:
        _check(shape, weights, kv)
        if n_threads < 1:
            raise ValueError("n_threads must be at least 1")
        self.shape = shape
        self.kernels = kernels
        self.n_threads = n_threads
        self._has_embedding, self._has_head = weights.embedding is not None, weights.head is not None
        self._has_screen = weights.screen is not None
        self._is_interrupted = False
        self._step = _c.Step(shape, weights, kv, n_threads, kernels)

    def forward(
        self,
        ids: NDArray[np.int32],
        start: int,
        logits: NDArray[np.float32] | None,
        *,
        embedded: NDArray[np.uint16] | None = None,
        hidden: NDArray[np.float32] | None = None,
        bounds: HeadBounds | None = None,
    ) -> bool:
        """Run `ids` at positions start, start + 1, ... and write their keys and values into the cache.

        What is given of `logits`, `hidden` and `bounds` is for one position, the last, or for all n of them.

        Args:
            ids: int32 (n,), n >= 1, each in [0, vocab).
            start: position of the first id; positions before it must have been run already.
            logits: None, or float32 (1 or n, vocab) to be filled; needs weights with a head.
            embedded: bfloat16 bits (n, hidden), the embedding's rows of `ids`; None where the weights hold it.
            hidden: None, or float32 (1 or n, hidden) to be filled with what the head multiplies.
            bounds: None, or room for the bounds of the logits; needs `hidden` and weights with a screened head.

        Returns:
            False when interrupt() stopped it; the cache then holds nothing new that counts.
        """
        n = len(ids)
        if ids.dtype != np.int32 or ids.ndim != 1 or not ids.flags.c_contiguous or n < 1:
            raise ValueError("ids must be a contiguous, non-empty int32 vector")
        if start < 0 or start + n > self.shape.max_context:
            raise ValueError(f"positions {start}..{start + n} do not fit {self.shape.max_context}")
        if int(ids.min()) < 0 or int(ids.max()) >= self.shape.vocab:
            raise ValueError("a token id is outside the vocabulary")
        self._check_output(n, logits, embedded, hidden, bounds)
        return bool(self._step.forward(ids, start, logits, embedded, hidden, bounds))

    def score_rows(
        self, rows: NDArray[np.uint16], hidden: NDArray[np.float32], out: NDArray[np.float32], first: int = 0
    ) -> None:
        """Write the logits of `rows` into out[:, first : first + m], with the bits of a plain head that has those rows.

        Args:
            rows: bfloat16 bits (m, hidden), m >= 1.
            hidden: float32 (n, hidden), as forward() gives it.
            out: float32 (n, at least first + m).
            first: column of the first row's logit.
        """
        _expect("rows", rows, np.uint16, (len(rows), self.shape.hidden))
        _expect("hidden", hidden, np.float32, (len(hidden), self.shape.hidden))
        _expect("out", out, np.float32, (len(hidden), *out.shape[1:]))
        if not len(rows) or not len(hidden) or out.ndim != 2 or not 0 <= first <= out.shape[1] - len(rows):
            raise ValueError("rows do not fit the output")
        self._step.head_rows(rows, hidden, out, first)

    def _check_output(
        self,
        n: int,
        logits: NDArray[np.float32] | None,
        embedded: NDArray[np.uint16] | None,
        hidden: NDArray[np.float32] | None,
        bounds: HeadBounds | None,
    ) -> None:
        width = self.shape.hidden
        if (embedded is None) != self._has_embedding:
            raise ValueError("rows of the embedding are handed in where the weights have none")
        if embedded is not None:
            _expect("embedded", embedded, np.uint16, (n, width))
        wanted = logits if logits is not None else hidden
        count = n if wanted is None or len(wanted) == n else 1
        if logits is not None:
            if not self._has_head:
                raise ValueError("the weights have no head")
            _expect("logits", logits, np.float32, (count, self.shape.vocab))
        if hidden is not None:
            _expect("hidden", hidden, np.float32, (count, width))
        if bounds is not None:
            if hidden is None or not self._has_screen:
                raise ValueError("bounds need a hidden state and a screened head")
            tiles = -(-self.shape.vocab // HEAD_TILE)
            for name in ("lower", "upper"):
                _expect(name, getattr(bounds, name), np.float32, (count, tiles * HEAD_TILE))
                _expect(f"tile_{name}", getattr(bounds, f"tile_{name}"), np.float32, (count, tiles))

    @property
    def is_interrupted(self) -> bool:
        """True from interrupt() to clear_interrupt(), for work that goes on behind forward()."""
        return self._is_interrupted

    def interrupt(self) -> None:
        """Make a running forward() return False at the next layer; callable from any thread."""
        self._is_interrupted = True
        self._step.interrupt()

    def clear_interrupt(self) -> None:
        """Forget an earlier interrupt(), before a new request."""
        self._is_interrupted = False
        self._step.clear_interrupt()

    def close(self) -> None:
        """Stop the threads; the object cannot be used afterwards."""
        self._step.close()


def _check(shape: Shape, weights: ModelWeights, kv: KVArrays) -> None:
    """Raise ValueError unless every array has the dtype, shape and contiguity that the C code takes for granted."""
    for name in ("hidden", "intermediate", "head_dim", "max_context"):
        if getattr(shape, name) < 16 or getattr(shape, name) % 16:
            raise ValueError(f"{name} must be a positive multiple of 16")
    if shape.n_kv_heads < 1 or shape.n_heads % shape.n_kv_heads:
        raise ValueError("n_heads must be a multiple of n_kv_heads")
    if len(weights.layers) != shape.n_layers:
        raise ValueError("number of layers")
    s = shape
    expect = _expect
    if weights.embedding is not None:
        expect("embedding", weights.embedding, np.uint16, (s.vocab, s.hidden))
    if weights.head is not None:
        expect("head", weights.head, np.uint16, (s.vocab, s.hidden))
    if weights.screen is not None:
        _check_screen(weights.screen, s)
    expect("final_norm", weights.final_norm, np.float32, (s.hidden,))
    expect("rope_cos", weights.rope_cos, np.float32, (s.max_context, s.head_dim // 2))
    expect("rope_sin", weights.rope_sin, np.float32, (s.max_context, s.head_dim // 2))
    _check_kv(kv, s)
    attn = s.n_heads * s.head_dim
    for layer in weights.layers:
        _expect_ternary("qkv", layer.qkv, s.q_rows + 2 * s.kv_rows, s.hidden)
        _expect_ternary("o", layer.o, padded_rows(s.hidden), attn)
        _expect_ternary("gate_up", layer.gate_up, 2 * padded_rows(s.intermediate), s.hidden)
        _expect_ternary("down", layer.down, padded_rows(s.hidden), s.intermediate)
        expect("input_norm", layer.input_norm, np.float32, (s.hidden,))
        expect("post_attention_norm", layer.post_attention_norm, np.float32, (s.hidden,))
        if layer.attn_sub_norm is not None:
            expect("attn_sub_norm", layer.attn_sub_norm, np.float32, (attn,))
        if layer.ffn_sub_norm is not None:
            expect("ffn_sub_norm", layer.ffn_sub_norm, np.float32, (s.intermediate,))


def _check_kv(kv: KVArrays, s: Shape) -> None:
    heads, dtype = (s.n_layers, s.n_kv_heads), _KV_TYPES[kv.precision]
    _expect("keys", kv.keys, dtype, (*heads, s.max_context // KV_BLOCK, s.head_dim, KV_BLOCK))
    _expect("values", kv.values, dtype, (*heads, s.max_context, s.head_dim))
    for scales in (kv.key_scales, kv.value_scales):
        if (scales is None) != (kv.precision != "int8"):
            raise ValueError("factors belong to a cache of int8 and to no other")
        if scales is not None:
            _expect("factors of the cache", scales, np.float32, (*heads, s.max_context))


def _check_screen(screen: ScreenedHead, shape: Shape) -> None:
    rows = -(-shape.vocab // HEAD_TILE) * HEAD_TILE
    _expect("screen", screen.lines, np.uint8, (rows // SCREEN_BLOCK, shape.hidden // 4, 64))
    for name in ("scales", "residuals", "norms"):
        _expect(f"screen {name}", getattr(screen, name), np.float32, (rows,))
    if screen.lines.ctypes.data % 64:
        raise ValueError("the screened head is not 64-byte aligned")


def _expect(name: str, array: NDArray[np.generic], dtype: DTypeLike, shape: tuple[int, ...]) -> None:
    if array.dtype != np.dtype(dtype) or array.shape != shape or not array.flags.c_contiguous:
        raise ValueError(f"{name} must be contiguous {np.dtype(dtype)} {shape}, not {array.dtype} {array.shape}")


def _expect_ternary(name: str, matrix: TernaryMatrix, rows: int, cols: int) -> None:
    _expect(name, matrix.lines, np.uint8, (rows // BLOCK_ROWS, cols // 4, 64))
    _expect(name + " scales", matrix.block_scales, np.float32, (rows // BLOCK_ROWS,))
    if matrix.group_scales is not None:
        if matrix.group_scales.ndim != 3 or cols not in [matrix.group_scales.shape[1] * size for size in GROUP_COLS]:
            raise ValueError(f"{name} has groups of columns of another size than {GROUP_COLS}")
        _expect(name + " scales", matrix.group_scales, np.float32, (rows // BLOCK_ROWS, cols // matrix.group_cols, 64))
    if matrix.cols != cols or matrix.lines.ctypes.data % 64:
        raise ValueError(f"{name} has the wrong number of columns or is not 64-byte aligned")
