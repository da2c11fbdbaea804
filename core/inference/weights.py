"""Safetensors files -> ModelWeights: every tensor checked; also seeded random weights.

Knows the names of the tensors and their packed form (two bits a weight, four planes of rows). Must not know the
container's bytes (safetensors.py) nor what is computed with the weights.
"""

import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from math import isfinite, prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.errors import AppError, ErrorCode
from core.events import CancelToken, Emit, Interrupted
from core.inference.assembly import CHUNK_VALUES, LoadedWeights, LoadMeter, TakeRows, assemble, chunks, rope_tables
from core.inference.config import ModelConfig
from core.inference.kv_cache import DEFAULT_KV, KVPrecision
from core.inference.rows import FileRows, MemoryRows, RowSource
from core.inference.safetensors import TensorFiles
from core.inference.weight_file import WeightFile
from cython_kernels import (
    BLOCK_ROWS,
    KV_BLOCK,
    LayerWeights,
    ModelWeights,
    ScreenedHead,
    Shape,
    TernaryMatrix,
    aligned_zeros,
    kv_bytes_per_token,
    new_screen,
    new_ternary,
    screen_rows,
)

SCREENED_FROM_BYTES = 32 << 20  # of the head in bfloat16
QUANTIZE_FLOOR = 1e-5  # AutoBitLinear's WeightQuant clamps mean|W| to it

__all__ = [
    "Interrupted",
    "TensorReader",
    "TensorSpec",
    "check_tensors",
    "expected_tensors",
    "is_screened",
    "linear_shapes",
    "load_weights",
    "memory_bytes",
    "rope_tables",
    "round_to_bf16",
    "shape_for",
    "synthetic_weights",
]

_BITS = ("BF16",)
_FLOATS = ("BF16", "F16", "F32")
_CODES = ("U8",)
_BF16_INFINITY = 0x7F80


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """What a tensor must be."""

    dtypes: tuple[str, ...]
    shape: tuple[int, ...]


def shape_for(config: ModelConfig, context_length: int) -> Shape:
    """Return the kernels' shape; the context is clamped to the model's and rounded down to whole key blocks."""
    context = max(min(context_length, config.max_position_embeddings) // KV_BLOCK, 1) * KV_BLOCK
    return Shape(
        hidden=config.hidden_size,
        intermediate=config.intermediate_size,
        n_layers=config.num_hidden_layers,
        n_heads=config.num_attention_heads,
        n_kv_heads=config.num_key_value_heads,
        head_dim=config.head_dim,
        vocab=config.vocab_size,
        rms_eps=config.rms_norm_eps,
        activation=config.hidden_act,
        max_context=context,
    )


def memory_bytes(config: ModelConfig, shape: Shape, kv: KVPrecision = DEFAULT_KV) -> int:
    """Return about how much memory the packed weights and a full KV cache of that precision take."""
    ternary = sum(rows * cols // 4 for rows, cols in linear_shapes(config).values()) * shape.n_layers
    n_dense = shape.vocab * shape.hidden
    dense = n_dense if is_screened(config) else (1 if config.tie_word_embeddings else 2) * n_dense * 2
    return ternary + dense + kv_bytes_per_token(shape, kv) * shape.max_context


def is_screened(config: ModelConfig) -> bool:
    """Tell whether a head of this size is screened in eight bits; a small one is read faster as it is, from a cache."""
    return config.vocab_size * config.hidden_size * 2 >= SCREENED_FROM_BYTES


def linear_shapes(config: ModelConfig) -> dict[str, tuple[int, int]]:
    """Return (rows, cols) of each ternary projection of a layer, by its name below `model.layers.N.`."""
    hidden, inner = config.hidden_size, config.intermediate_size
    attention = config.num_attention_heads * config.head_dim
    kv = config.num_key_value_heads * config.head_dim
    return {
        "self_attn.q_proj": (attention, hidden),
        "self_attn.k_proj": (kv, hidden),
        "self_attn.v_proj": (kv, hidden),
        "self_attn.o_proj": (hidden, attention),
        "mlp.gate_proj": (inner, hidden),
        "mlp.up_proj": (inner, hidden),
        "mlp.down_proj": (hidden, inner),
    }


def expected_tensors(config: ModelConfig) -> dict[str, TensorSpec]:
    """Return every tensor that the files of such a model must hold."""
    hidden = config.hidden_size
    specs = {"model.embed_tokens.weight": TensorSpec(_BITS, (config.vocab_size, hidden))}
    if not config.tie_word_embeddings:
        specs["lm_head.weight"] = TensorSpec(_BITS, (config.vocab_size, hidden))
    specs["model.norm.weight"] = TensorSpec(_FLOATS, (hidden,))
    norms = {"input_layernorm": hidden, "post_attention_layernorm": hidden}
    if config.has_sub_norms:
        norms["self_attn.attn_sub_norm"] = config.num_attention_heads * config.head_dim
        norms["mlp.ffn_sub_norm"] = config.intermediate_size
    for layer in range(config.num_hidden_layers):
        prefix = f"model.layers.{layer}."
        for name, size in norms.items():
            specs[f"{prefix}{name}.weight"] = TensorSpec(_FLOATS, (size,))
        for name, (rows, cols) in linear_shapes(config).items():
            if config.is_packed:
                specs[f"{prefix}{name}.weight"] = TensorSpec(_CODES, (rows // 4, cols))
                specs[f"{prefix}{name}.weight_scale"] = TensorSpec(_FLOATS, (1,))
            else:
                specs[f"{prefix}{name}.weight"] = TensorSpec(_BITS, (rows, cols))
    return specs


def check_tensors(files: TensorFiles, config: ModelConfig) -> None:
    """Compare names, dtypes and shapes with what the configuration promises.

    Raises:
        AppError: MODEL_INCOMPLETE, MODEL_DAMAGED, MODEL_UNSUPPORTED.
    """
    specs = expected_tensors(config)
    for name, spec in specs.items():
        info = files.tensors.get(name)
        if info is None:
            raise AppError(ErrorCode.MODEL_INCOMPLETE, path=files.directory, missing=name)
        if info.dtype not in spec.dtypes:
            raise AppError(ErrorCode.MODEL_UNSUPPORTED, path=files.directory, reason=f"{name} is {info.dtype}")
        if info.shape != spec.shape and not (spec.shape == (1,) and info.shape == ()):
            reason = f"shape {info.shape} instead of {spec.shape}"
            raise AppError(ErrorCode.MODEL_DAMAGED, path=files.directory, part=name, reason=reason)
    for name in files.tensors.keys() - specs.keys():
        if not name.endswith(".rotary_emb.inv_freq"):  # an old buffer; it follows from rope_theta
            raise AppError(ErrorCode.MODEL_UNSUPPORTED, path=files.directory, reason=f"unknown tensor {name}")


def load_weights(
    directory: Path,
    config: ModelConfig,
    shape: Shape,
    cancel: CancelToken,
    emit: Emit,
    *,
    screen_with: str | None = None,
) -> LoadedWeights:
    """Read, check and pack the weights; emits LoadProgress. See assemble for `screen_with`.

    Raises:
        AppError: MODEL_INCOMPLETE, MODEL_DAMAGED, MODEL_UNSUPPORTED.
        Interrupted: `cancel` was cancelled.
    """
    with TensorFiles(directory) as files:
        check_tensors(files, config)
        return assemble(TensorReader(files, config, cancel, emit), config, shape, screen_with)


class TensorReader:
    """Checked values of one model's tensors. Scratch memory of the largest packed tensor is kept while it lives."""

    def __init__(self, files: TensorFiles, config: ModelConfig, cancel: CancelToken, emit: Emit) -> None:
        self._files = files
        self._config = config
        total = sum(files.tensors[name].n_bytes for name in expected_tensors(config))
        self._meter = LoadMeter(total, cancel, emit)
        largest = max(prod(spec) for spec in linear_shapes(config).values())
        self._codes = np.empty(largest // 4 if config.is_packed else largest, np.uint8)
        self._masters = np.empty(0 if config.is_packed else largest, np.uint16)

    def floats(self, name: str) -> NDArray[np.float32]:
        """Return a small tensor as float32; finite."""
        info = self._files.tensors[name]
        kind = {"BF16": np.uint16, "F16": np.float16, "F32": np.float32}[info.dtype]
        raw = np.empty(prod(info.shape), kind)
        self._files.read_into(info, raw, self._meter.on_slice)
        values = _bf16_to_f32(raw.view(np.uint16)) if info.dtype == "BF16" else raw.astype(np.float32)
        if not np.isfinite(values).all():
            raise self.damaged(name, "NaN or infinity")
        return values

    def bits(self, name: str) -> NDArray[np.uint16]:
        """Return a large bfloat16 tensor as its bits, in its own memory; finite."""
        info = self._files.tensors[name]
        bits: NDArray[np.uint16] = aligned_zeros(info.shape, np.uint16)  # type: ignore[assignment]
        self._files.read_into(info, bits, self._meter.on_slice)
        self._check_finite(name, bits)
        return bits

    def scale(self, name: str) -> float:
        """Return the factor of the ternary weights of `name`: its weight_scale, or one over it."""
        stored = self.floats(f"{name}.weight_scale")[0]
        with np.errstate(divide="ignore", over="ignore"):
            factor = np.float32(1) / stored if self._config.scale_divides else stored
        if not (stored > 0 and isfinite(factor) and factor > 0):
            raise self.damaged(f"{name}.weight_scale", f"{stored:g} is no scale")
        return float(factor)

    def codes(self, name: str) -> NDArray[np.uint8]:
        """Return the packed codes of `name`, (rows / 4, cols), valid until the next call; code 3 is not yet refused."""
        info = self._files.tensors[f"{name}.weight"]
        codes = self._codes[: info.n_bytes].reshape(info.shape)
        self._files.read_into(info, codes, self._meter.on_slice)
        return codes

    def quantized(self, name: str) -> tuple[NDArray[np.uint8], float]:
        """Return bfloat16 masters as codes, a byte each, (rows, cols), and their scale; valid until the next call.

        As AutoBitLinear does: scale = mean|W|, W = clamp(rint(W / scale), -1, 1) with the half to even.
        """
        info = self._files.tensors[f"{name}.weight"]
        n = prod(info.shape)
        bits, codes = self._masters[:n], self._codes[:n]
        self._files.read_into(info, bits, self._meter.on_slice)
        self._check_finite(f"{name}.weight", bits)
        total = sum(float(np.abs(_bf16_to_f32(bits[at])).sum(dtype=np.float64)) for at in chunks(n))
        factor = np.float32(1) / max(np.float32(total / n), np.float32(QUANTIZE_FLOOR))
        for at in chunks(n):
            codes[at] = np.clip(np.rint(_bf16_to_f32(bits[at]) * factor), -1, 1) + 1
        return codes.reshape(info.shape), float(round_to_bf16(np.float32(1) / factor))

    def check_codes(self, name: str) -> None:
        """Read the packed weights of `name` and refuse code 3."""
        codes = self.codes(name).reshape(-1)
        for at in chunks(len(codes)):
            part = codes[at]
            if (part & part >> 1 & 0x55).any():
                raise self.damaged(f"{name}.weight", "code 3")

    def check_bits(self, name: str) -> None:
        """Read a large bfloat16 tensor, keeping nothing, and refuse NaN and infinity."""
        self.each_rows(name, lambda first, rows: None)

    def each_rows(self, name: str, take: TakeRows) -> None:
        """Give a large bfloat16 tensor in order, some rows at a time; finite. See WeightSource.each_rows."""
        info = self._files.tensors[name]
        n_rows, cols = info.shape
        step = max(CHUNK_VALUES // cols, 1)
        bits = np.empty((step, cols), np.uint16)
        for first in range(0, n_rows, step):
            part = bits[: min(step, n_rows - first)]
            self._files.read_into(info, part, self._meter.on_slice, offset=2 * cols * first)
            self._check_finite(name, part)
            take(first, part)

    def open_rows(self, name: str) -> RowSource:
        """Return the rows of a large bfloat16 tensor; see WeightSource.open_rows."""
        return self._files.open_rows(self._files.tensors[name])

    def ternary(self, name: str) -> tuple[NDArray[np.uint8], float]:
        """Return codes and factor of a projection; see WeightSource.ternary."""
        return (self.codes(name), self.scale(name)) if self._config.is_packed else self.quantized(name)

    def _check_finite(self, name: str, bits: NDArray[np.uint16]) -> None:
        flat = bits.reshape(-1)
        for at in chunks(len(flat)):
            if (flat[at] & 0x7FFF).max() >= _BF16_INFINITY:
                raise self.damaged(name, "NaN or infinity")

    def damaged(self, part: str, reason: str) -> AppError:
        """Return the error that names the directory, a tensor or file and what is wrong there."""
        return AppError(ErrorCode.MODEL_DAMAGED, path=self._files.directory, part=part, reason=reason)


def synthetic_weights(config: ModelConfig, shape: Shape, seed: int, *, screen_with: str | None = None) -> LoadedWeights:
    """Return seeded random weights, drawn in the packed form; norms are ones and scales keep values near one.

    Where the head is screened (see assemble), the embedding, which is the head as well, goes to a temporary file that
    takes the place of a model's; without room for it, it stays in memory.

    Raises:
        ValueError: a matrix has rows that are no multiple of 64.
    """
    random = np.random.Generator(np.random.SFC64(seed))
    size = (config.vocab_size, config.hidden_size)
    norm = np.ones(shape.hidden, np.float32)
    cos, sin = rope_tables(config.rope_theta, shape.head_dim, shape.max_context)
    if screen_with is None:
        embedding: NDArray[np.uint16] = aligned_zeros(size, np.uint16)  # type: ignore[assignment]
        _random_rows(random, embedding)
        layers = tuple(_random_layer(random, config, shape) for _ in range(shape.n_layers))
        return LoadedWeights(ModelWeights(embedding, embedding, norm, layers, cos, sin))
    screen = new_screen(*size)
    rows = _random_file(random, size, screen, screen_with)
    layers = tuple(_random_layer(random, config, shape) for _ in range(shape.n_layers))
    return LoadedWeights(ModelWeights(None, None, norm, layers, cos, sin, screen), rows, rows)


def _random_file(random: np.random.Generator, size: tuple[int, int], screen: ScreenedHead, kernels: str) -> RowSource:
    n_rows, cols = size
    step = max(CHUNK_VALUES // cols, 1)
    part = np.empty((step, cols), np.uint16)
    kept: list[NDArray[np.uint16]] = []
    descriptor, name = tempfile.mkstemp(prefix="tern-synthetic-")
    path = Path(name)
    with os.fdopen(descriptor, "wb") as file:
        for first in range(0, n_rows, step):
            rows = part[: min(step, n_rows - first)]
            _random_rows(random, rows)
            screen_rows(screen, first, rows, kernels)
            try:
                if kept:
                    raise OSError
                file.write(rows.data)
                file.flush()
            except OSError:
                if not kept and first:
                    kept.append(np.fromfile(path, np.uint16, first * cols).reshape(first, cols))
                kept.append(rows.copy())
    try:
        return MemoryRows(np.concatenate(kept), "synthetic") if kept else _unnamed(path, n_rows, 2 * cols)
    finally:
        with suppress(OSError):  # Windows keeps an open file's name; the system's clean-up of temporary files takes it
            path.unlink()


def _unnamed(path: Path, n_rows: int, row_bytes: int) -> FileRows:
    return FileRows(WeightFile(path), "embedding", 0, n_rows, row_bytes)


def _random_layer(random: np.random.Generator, config: ModelConfig, shape: Shape) -> LayerWeights:
    shapes = linear_shapes(config)
    if any(rows % BLOCK_ROWS for rows, _ in shapes.values()):
        raise ValueError(f"rows must be multiples of {BLOCK_ROWS}")
    heads, sub = shape.n_heads * shape.head_dim, config.has_sub_norms
    return LayerWeights(
        qkv=_random_ternary(random, shape.q_rows + 2 * shape.kv_rows, shape.hidden),
        o=_random_ternary(random, shape.hidden, heads),
        gate_up=_random_ternary(random, 2 * shape.intermediate, shape.hidden),
        down=_random_ternary(random, shape.hidden, shape.intermediate),
        input_norm=np.ones(shape.hidden, np.float32),
        post_attention_norm=np.ones(shape.hidden, np.float32),
        attn_sub_norm=np.ones(heads, np.float32) if sub else None,
        ffn_sub_norm=np.ones(shape.intermediate, np.float32) if sub else None,
    )


def _random_ternary(random: np.random.Generator, rows: int, cols: int) -> TernaryMatrix:
    """Return random codes 0..2; the scale gives outputs of inputs near one a variance near one."""
    matrix = new_ternary(rows, cols)
    matrix.block_scales[:] = (2 / 3 * cols) ** -0.5
    digits = [b % 81 if b < 243 else 40 for b in range(256)]  # four base-3 digits a byte; 40: four zeros, no bias
    table = bytes(d % 3 | d // 3 % 3 << 2 | d // 9 % 3 << 4 | d // 27 << 6 for d in digits)
    flat = matrix.lines.reshape(-1)
    for at in chunks(len(flat)):
        flat[at] = np.frombuffer(random.bytes(at.stop - at.start).translate(table), np.uint8)
    return matrix


def _random_rows(random: np.random.Generator, bits: NDArray[np.uint16]) -> None:
    """Fill `bits`, bfloat16, with random values of magnitude 2^-7 to 2^-5, the same in whatever pieces it is done."""
    n_rows, cols = bits.shape
    step = max(CHUNK_VALUES // cols, 1)
    for first in range(0, n_rows, step):
        part = bits[first : first + step]
        drawn = np.frombuffer(random.bytes(2 * part.size), np.uint16).reshape(part.shape)
        np.bitwise_or(drawn & 0x80FF, 0x3C00, out=part)


def round_to_bf16(value: np.float32) -> np.float32:
    """Return the nearest bfloat16, ties to even."""
    bits = int(value.view(np.uint32))
    return np.uint32((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).view(np.float32)


def _bf16_to_f32(bits: NDArray[np.uint16]) -> NDArray[np.float32]:
    return (bits.astype(np.uint32) << 16).view(np.float32)
