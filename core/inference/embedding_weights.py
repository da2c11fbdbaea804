"""Tensors of an embedding model's GGUF file -> EncoderWeights, packed once into private memory.

Knows the tensor names of qwen3 and gemma3 with a norm before each projection (`*_norm_in`), and Gemma's norms: the
converter stores 1 + w for Gemma's own and w for `*_norm_in`, so that here all of them are plain factors. Must not know
the container's bytes, the layouts of tensor types or what is computed.
"""

from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from core.events import CancelToken, Emit
from core.inference.assembly import CHUNK_VALUES, LoadMeter, rope_tables
from core.inference.embedding_config import EmbeddingConfig
from core.inference.gguf import GgufFile
from core.inference.gguf_tensors import NORM_TYPES, TernaryReader, check_expected, finite_floats, read_vector
from core.inference.ternary_formats import FLOAT_DECODERS
from cython_kernels import aligned_zeros, new_ternary, pack
from cython_kernels.encoder import EncoderLayer, EncoderShape, EncoderWeights, Projection

_PROJECTION_TYPES = ("I2_S",)


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
    check_embedding_tensors(file, config)
    reader = _Reader(file, config, LoadMeter(file.tensor_bytes, cancel, emit))
    rows = reader.rows("token_embd.weight")
    tables = {theta: rope_tables(theta, config.head_dim, config.max_tokens) for theta in set(config.thetas)}
    layers = tuple(_layer(reader, config, i, tables[config.thetas[i]]) for i in range(config.n_layers))
    return rows, EncoderWeights(layers, reader.floats("output_norm.weight"))


def is_embedding_file(file: GgufFile) -> bool:
    """Tell whether `file` is one of these models at all, by its architecture and the norms before its projections."""
    known = file.metadata.get("general.architecture") in ("qwen3", "gemma3")
    return known and "blk.0.attn_q_norm_in.weight" in file.tensors


def count_parameters(config: EmbeddingConfig) -> int:
    """Return the number of weights."""
    return sum(prod(shape) for _, shape in _expected(config).values())


def check_embedding_values(file: GgufFile, config: EmbeddingConfig, cancel: CancelToken, emit: Emit) -> None:
    """Read every tensor as loading does, keeping none; emits LoadProgress. `check_embedding_tensors` must have passed.

    Raises:
        AppError: MODEL_DAMAGED.
        Interrupted: `cancel` was cancelled.
    """
    reader = _Reader(file, config, LoadMeter(file.tensor_bytes, cancel, emit))
    for name, (types, shape) in _expected(config).items():
        if types == _PROJECTION_TYPES:
            reader.codes(name)
        elif len(shape) == 1:
            reader.floats(name)
        else:
            reader.read_rows(name, None)


def check_embedding_tensors(file: GgufFile, config: EmbeddingConfig) -> None:
    """Compare names, types and shapes with what the header promises.

    Raises:
        AppError: MODEL_INCOMPLETE, MODEL_DAMAGED, MODEL_UNSUPPORTED.
    """
    check_expected(file, _expected(config))


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
        expected |= {
            f"blk.{layer}.{name}.weight": (_PROJECTION_TYPES, size) for name, size in _projections(config).items()
        }
    return expected


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
    """Checked values of one file's tensors."""

    def __init__(self, file: GgufFile, config: EmbeddingConfig, meter: LoadMeter) -> None:
        self._file = file
        self._config = config
        self._meter = meter
        names = [name for name, (types, _) in _expected(config).items() if types == _PROJECTION_TYPES]
        self._ternary = TernaryReader(file, [file.tensors[name] for name in names], meter.on_slice)

    def rows(self, name: str) -> TokenRows:
        """Return the embedding as it is stored; finite."""
        tensor = self._file.tensors[name]
        shape = (tensor.shape[0], tensor.n_bytes // tensor.shape[0])
        raw: NDArray[np.uint8] = aligned_zeros(shape, np.uint8)  # type: ignore[assignment]
        self.read_rows(name, raw)
        return TokenRows(raw, tensor.kind.name, self._config.embedding_scale)

    def read_rows(self, name: str, target: NDArray[np.uint8] | None) -> None:
        """Read a matrix as it is stored into `target`, (rows, bytes of a row), or only look at it; finite."""
        tensor = self._file.tensors[name]
        rows, row_bytes = tensor.shape[0], tensor.n_bytes // tensor.shape[0]
        step = max(CHUNK_VALUES // tensor.shape[1], 1)
        scratch = np.empty((step if target is None else 0, row_bytes), np.uint8)
        for first in range(0, rows, step):
            n = min(step, rows - first)
            part = (scratch[:n] if target is None else target[first : first + n]).reshape(-1)
            self._file.read_into(tensor, part, self._meter.on_slice, offset=first * row_bytes)
            finite_floats(self._file, tensor, part)

    def floats(self, name: str) -> NDArray[np.float32]:
        """Return a vector as float32; finite."""
        return read_vector(self._file, name, self._meter.on_slice)

    def codes(self, name: str) -> tuple[NDArray[np.uint8], float | NDArray[np.float32]]:
        """Return codes, 0 to 2, and factor of a projection; valid until the next call."""
        codes, scale = self._ternary.read(self._file.tensors[name])
        if codes.max() > 2:
            raise self._file.damaged(name, "code 3")
        return codes, scale

    def projection(self, name: str) -> Projection:
        """Return a packed linear with the norm of its inputs."""
        codes, scale = self.codes(f"{name}.weight")
        rows, cols = codes.shape
        matrix = new_ternary(rows, cols)
        pack(matrix, codes, rows, scale)
        return Projection(matrix, self.floats(f"{name}_norm_in.weight"))
