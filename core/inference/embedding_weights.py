"""Tensors of an embedding model's GGUF file -> EncoderWeights, packed once into private memory.

Knows the tensor names of qwen3 and gemma3 with a norm before each projection (`*_norm_in`), and Gemma's norms: the
converter stores 1 + w for Gemma's own and w for `*_norm_in`, so that here all of them are plain factors. Must not know
the container's bytes, the layouts of tensor types or what is computed.
"""

from dataclasses import dataclass
from math import isfinite, prod

import numpy as np
from numpy.typing import NDArray

from core.errors import AppError, ErrorCode
from core.events import CancelToken, Emit
from core.inference.assembly import CHUNK_VALUES, LoadMeter, rope_tables
from core.inference.embedding_config import EmbeddingConfig
from core.inference.gguf import GgufFile
from core.inference.ternary_formats import FLOAT_DECODERS, I2S_BLOCK, decode_i2s, i2s_scale
from cython_kernels import aligned_zeros, new_ternary, pack
from cython_kernels.encoder import EncoderLayer, EncoderShape, EncoderWeights, Projection

NORM_TYPES = ("F16", "F32", "BF16")
_TAIL_BYTES = 32  # behind the codes of an i2_s tensor, with the scale


@dataclass(frozen=True, slots=True)
class TokenRows:
    """The embedding matrix as it is stored, uint8 (vocab, bytes of a row)."""

    raw: NDArray[np.uint8]
    kind: str
    scale: float

    def of(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the embeddings of `ids`, float32 (n, hidden), times the model's factor."""
        rows = FLOAT_DECODERS[self.kind](np.ascontiguousarray(self.raw[ids]).reshape(-1)).reshape(len(ids), -1)
        return np.multiply(rows, np.float32(self.scale), dtype=np.float32)


def encoder_shape(config: EmbeddingConfig) -> EncoderShape:
    """Return the kernels' shape."""
    return EncoderShape(
        hidden=config.hidden_size,
        intermediate=config.intermediate_size,
        n_layers=config.n_layers,
        n_heads=config.n_heads,
        n_kv_heads=config.n_kv_heads,
        head_dim=config.head_dim,
        rms_eps=config.rms_norm_eps,
        attention_scale=config.attention_scale,
        activation="gelu" if config.family == "gemma3" else "silu",
        max_tokens=config.max_tokens,
    )


def memory_bytes(file: GgufFile, config: EmbeddingConfig) -> int:
    """Return about how much memory the weights and a run over the longest text take."""
    run = config.max_tokens * 4 * (config.hidden_size + 4 * config.n_kv_heads * config.head_dim)
    return file.tensor_bytes + run


def load_embedding_weights(
    file: GgufFile, config: EmbeddingConfig, cancel: CancelToken, emit: Emit
) -> tuple[TokenRows, EncoderWeights]:
    """Read, check and pack the weights; emits LoadProgress.

    Raises:
        AppError: MODEL_INCOMPLETE, MODEL_DAMAGED, MODEL_UNSUPPORTED.
        Interrupted: `cancel` was cancelled.
    """
    _check_tensors(file, config)
    reader = _Reader(file, config, LoadMeter(file.tensor_bytes, cancel, emit))
    rows = reader.rows("token_embd.weight")
    tables = {theta: rope_tables(theta, config.head_dim, config.max_tokens) for theta in set(config.thetas)}
    layers = tuple(_layer(reader, config, i, tables[config.thetas[i]]) for i in range(config.n_layers))
    return rows, EncoderWeights(layers, reader.floats("output_norm.weight"))


def _projections(config: EmbeddingConfig) -> dict[str, tuple[int, int]]:
    """Return rows and columns of the ternary tensors of a layer."""
    hidden, inner, heads = config.hidden_size, config.intermediate_size, config.n_heads * config.head_dim
    kv = config.n_kv_heads * config.head_dim
    return {
        "attn_q": (heads, hidden),
        "attn_k": (kv, hidden),
        "attn_v": (kv, hidden),
        "attn_output": (hidden, heads),
        "ffn_gate": (inner, hidden),
        "ffn_up": (inner, hidden),
        "ffn_down": (hidden, inner),
    }


def _expected(config: EmbeddingConfig) -> dict[str, tuple[tuple[str, ...], tuple[int, ...]]]:
    """Return types and shape of every tensor that such a file must hold."""
    hidden = config.hidden_size
    norms = {"attn_norm": hidden, "ffn_norm": hidden, "attn_q_norm": config.head_dim, "attn_k_norm": config.head_dim}
    if config.has_post_norms:
        norms |= {"post_attention_norm": hidden, "post_ffw_norm": hidden}
    norms |= {f"{name}_norm_in": cols for name, (_, cols) in _projections(config).items()}
    expected: dict[str, tuple[tuple[str, ...], tuple[int, ...]]] = {
        "token_embd.weight": (tuple(FLOAT_DECODERS), (config.vocab_size, hidden)),
        "output_norm.weight": (NORM_TYPES, (hidden,)),
    }
    for layer in range(config.n_layers):
        expected |= {f"blk.{layer}.{name}.weight": (NORM_TYPES, (size,)) for name, size in norms.items()}
        expected |= {f"blk.{layer}.{name}.weight": (("I2_S",), size) for name, size in _projections(config).items()}
    return expected


def _check_tensors(file: GgufFile, config: EmbeddingConfig) -> None:
    """Compare names, types and shapes with what the header promises."""
    expected = _expected(config)
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


def _layer(
    reader: "_Reader", config: EmbeddingConfig, index: int, tables: tuple[NDArray[np.float32], NDArray[np.float32]]
) -> EncoderLayer:
    prefix = f"blk.{index}."

    def norm(name: str) -> NDArray[np.float32]:
        return reader.floats(f"{prefix}{name}.weight")

    return EncoderLayer(
        q=reader.projection(f"{prefix}attn_q"),
        k=reader.projection(f"{prefix}attn_k"),
        v=reader.projection(f"{prefix}attn_v"),
        o=reader.projection(f"{prefix}attn_output"),
        gate=reader.projection(f"{prefix}ffn_gate"),
        up=reader.projection(f"{prefix}ffn_up"),
        down=reader.projection(f"{prefix}ffn_down"),
        attn_norm=norm("attn_norm"),
        ffn_norm=norm("ffn_norm"),
        q_head_norm=norm("attn_q_norm"),
        k_head_norm=norm("attn_k_norm"),
        post_attn_norm=norm("post_attention_norm") if config.has_post_norms else None,
        post_ffn_norm=norm("post_ffw_norm") if config.has_post_norms else None,
        rope_cos=tables[0],
        rope_sin=tables[1],
        window=config.windows[index],
    )


class _Reader:
    """Checked values of one file's tensors. Keeps scratch memory of the largest projection."""

    def __init__(self, file: GgufFile, config: EmbeddingConfig, meter: LoadMeter) -> None:
        self._file = file
        self._config = config
        self._meter = meter
        self._codes = np.empty(max(rows * cols for rows, cols in _projections(config).values()), np.uint8)
        self._raw = np.empty(len(self._codes) // 4 + _TAIL_BYTES, np.uint8)

    def rows(self, name: str) -> TokenRows:
        """Return the embedding as it is stored; finite."""
        tensor = self._file.tensors[name]
        row_bytes = tensor.n_bytes // tensor.shape[0]
        raw: NDArray[np.uint8] = aligned_zeros((tensor.shape[0], row_bytes), np.uint8)  # type: ignore[assignment]
        step = max(CHUNK_VALUES // tensor.shape[1], 1)
        for first in range(0, tensor.shape[0], step):
            part = raw[first : first + step].reshape(-1)
            self._file.read_into(tensor, part, self._meter.on_slice, offset=first * row_bytes)
            self._finite(name, tensor.kind.name, part)
        return TokenRows(raw, tensor.kind.name, self._config.embedding_scale)

    def floats(self, name: str) -> NDArray[np.float32]:
        """Return a vector as float32; finite."""
        tensor = self._file.tensors[name]
        raw = np.empty(tensor.n_bytes, np.uint8)
        self._file.read_into(tensor, raw, self._meter.on_slice)
        return self._finite(name, tensor.kind.name, raw)

    def projection(self, name: str) -> Projection:
        """Return a packed linear with the norm of its inputs."""
        tensor = self._file.tensors[f"{name}.weight"]
        raw, codes = self._raw[: tensor.n_bytes], self._codes[: prod(tensor.shape)]
        self._file.read_into(tensor, raw, self._meter.on_slice)
        decode_i2s(raw[: len(codes) // 4], codes)
        scale = i2s_scale(raw[len(codes) // 4 :])
        if not (isfinite(scale) and scale > 0):
            raise self._file.damaged(tensor.name, f"{scale:g} is no scale")
        rows, cols = tensor.shape
        matrix = new_ternary(rows, cols)
        if not pack(matrix, codes.reshape(rows, cols), rows, scale):
            raise self._file.damaged(tensor.name, "code 3")
        return Projection(matrix, self.floats(f"{name}_norm_in.weight"))

    def _finite(self, name: str, kind: str, raw: NDArray[np.uint8]) -> NDArray[np.float32]:
        with np.errstate(all="ignore"):
            values = FLOAT_DECODERS[kind](raw)
        if not np.isfinite(values).all():
            raise self._file.damaged(name, "NaN or infinity")
        return values
