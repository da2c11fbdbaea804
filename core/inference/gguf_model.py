"""GGUF files of ternary models -> ModelConfig and ModelWeights: names, shapes and types checked against the header.

Knows the keys and tensor names of the architectures bitnet-b1.58 (also spelt bitnet-25) and llama, as llama.cpp and
microsoft/BitNet write them. Must not know the container's bytes (gguf.py) nor the layouts of tensor types
(ternary_formats.py).

What differs from safetensors: the factor of the weights is the file's float32 and always multiplies; queries and keys
of llama files have their rows permuted for RoPE on adjacent pairs, which is undone; the embedding is turned into
bfloat16, the form of the kernels, and where a value is not exactly representable it is rounded to the nearest one and
counted. Block scales of TQ1_0 and TQ2_0 that differ within a tensor are kept as they are.
"""

from collections.abc import Mapping
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from core.errors import AppError
from core.events import CancelToken, Emit
from core.inference.assembly import CHUNK_VALUES, LoadedWeights, LoadMeter, TakeRows, assemble
from core.inference.config import (
    ARCHITECTURES,
    MAX_HEAD_DIM,
    MAX_HEADS,
    MAX_LAYERS,
    MAX_POSITIONS,
    MAX_VOCAB,
    MAX_WIDTH,
    ConfigKeys,
    ModelConfig,
    TokenId,
    check_sizes,
)
from core.inference.gguf import GgufFile, GgufTensor
from core.inference.gguf_tensors import (
    NORM_TYPES,
    TERNARY_TYPES,
    TernaryReader,
    check_expected,
    read_vector,
)
from core.inference.gguf_vocabulary import CONTROL
from core.inference.i2s_layout import foreign_layout
from core.inference.rows import RowSource
from core.inference.ternary_formats import FLOAT_DECODERS, bf16_bits
from core.inference.weights import linear_shapes
from cython_kernels import Shape, aligned_zeros

# Tokens that end an answer whatever else the file names as its end.
END_TOKENS = ("<|eot_id|>", "<|end_of_text|>", "<|endoftext|>", "<|im_end|>")

_T = TypeVar("_T", np.uint8, np.float32)

_FAMILIES: Mapping[str, Literal["bitnet", "llama"]] = {
    "bitnet-b1.58": "bitnet",
    "bitnet-25": "bitnet",
    "llama": "llama",
}
# Keys that change the numbers, and the one value under which they do not.
_NEUTRAL: Mapping[str, object] = {
    "rope.scaling.type": "none",
    "rope.scaling.factor": 1.0,
    "rope.scale_linear": 1.0,
    "attention.sliding_window": 0,
    "expert_count": 0,
    "attention.scale": None,
    "logit_scale": None,
    "embedding_scale": None,
    "residual_scale": None,
}
_LINEARS: Mapping[str, str] = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_OTHERS: Mapping[str, str] = {
    "model.embed_tokens": "token_embd",
    "lm_head": "output",
    "model.norm": "output_norm",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.attn_sub_norm": "attn_sub_norm",
    "mlp.ffn_sub_norm": "ffn_sub_norm",
}


def gguf_config(file: GgufFile) -> ModelConfig:
    """Return the configuration that the header of `file` tells.

    Raises:
        AppError: MODEL_DAMAGED, MODEL_UNSUPPORTED.
    """
    keys = ConfigKeys(file.path, "header", file.metadata)
    family, prefix = _family(file)
    _refuse_variants(keys, prefix)
    heads = keys.integer(f"{prefix}attention.head_count", 1, MAX_HEADS)
    kv_key = f"{prefix}attention.head_count_kv"
    hidden = keys.integer(f"{prefix}embedding_length", 16, MAX_WIDTH)
    vocab = _vocab_size(keys, prefix)
    ends = keys.token_ids("tokenizer.ggml.eos_token_id", vocab)
    if not ends:
        raise keys.damaged("tokenizer.ggml.eos_token_id is missing")
    config = ModelConfig(
        model_type=family,
        architecture=ARCHITECTURES[family],
        hidden_size=hidden,
        intermediate_size=keys.integer(f"{prefix}feed_forward_length", 16, MAX_WIDTH),
        num_hidden_layers=keys.integer(f"{prefix}block_count", 1, MAX_LAYERS),
        num_attention_heads=heads,
        num_key_value_heads=keys.integer(kv_key, 1, heads) if kv_key in file.metadata else heads,
        head_dim=_head_dim(keys, prefix, hidden, heads),
        vocab_size=vocab,
        max_position_embeddings=keys.integer(f"{prefix}context_length", 16, MAX_POSITIONS),
        rms_norm_eps=keys.number(f"{prefix}attention.layer_norm_rms_epsilon", 1e-12, 1.0),
        rope_theta=keys.number(f"{prefix}rope.freq_base", 1.0, 1e12),
        hidden_act="relu2" if family == "bitnet" else "silu",
        tie_word_embeddings="output.weight" not in file.tensors,
        has_sub_norms=family == "bitnet",
        scale_divides=False,
        bos_token_id=min(keys.token_ids("tokenizer.ggml.bos_token_id", vocab) or ends),  # unused where there is none
        stop_ids=frozenset(ends | _named_stops(keys, vocab)),
    )
    check_sizes(keys, config)
    return config


def check_gguf_tensors(file: GgufFile, config: ModelConfig) -> None:
    """Compare names, types and shapes with what the header promises.

    Raises:
        AppError: MODEL_INCOMPLETE, MODEL_DAMAGED, MODEL_UNSUPPORTED.
    """
    check_expected(file, _expected(config))


def load_gguf_weights(
    file: GgufFile,
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
    check_gguf_tensors(file, config)
    reader = GgufReader(file, config, cancel, emit)
    reader.check_layout()
    return assemble(reader, config, shape, screen_with)


def format_name(file: GgufFile) -> str:
    """Return what the file's weights are stored as, such as "GGUF, I2_S weights, F16 embedding"."""
    kinds = {tensor.kind.name for tensor in file.tensors.values()}
    ternary = [kind for kind in TERNARY_TYPES if kind in kinds]
    embedding = file.tensors.get("token_embd.weight")
    shown = "" if embedding is None else f", {embedding.kind.name} embedding"
    return f"GGUF, {' and '.join(ternary) or 'no ternary'} weights{shown}"


class GgufReader:
    """Checked values of one file's tensors: a WeightSource. Keeps scratch memory of the largest one."""

    def __init__(self, file: GgufFile, config: ModelConfig, cancel: CancelToken, emit: Emit) -> None:
        """`check_gguf_tensors` must have passed."""
        self._file = file
        self._config = config
        self._meter = LoadMeter(file.tensor_bytes, cancel, emit)
        linears = [file.tensors[name] for name in _expected(config) if name in file.tensors and _is_linear(name)]
        self._ternary = TernaryReader(file, linears, self._meter.on_slice)
        self.grouped: list[str] = []  # ternary tensors whose blocks have scales of their own
        self.n_rounded: dict[str, int] = {}  # tensor -> values that were not exactly representable in bfloat16

    def bits(self, name: str) -> NDArray[np.uint16]:
        """Return a large tensor as bfloat16 bits; finite."""
        tensor = self._tensor(name)
        bits: NDArray[np.uint16] = aligned_zeros(tensor.shape, np.uint16)  # type: ignore[assignment]

        def keep(first: int, rows: NDArray[np.uint16]) -> None:
            bits[first : first + len(rows)] = rows

        self._convert(tensor, keep)
        return bits

    def each_rows(self, name: str, take: TakeRows) -> None:
        """Give a large tensor in order, some rows at a time; see WeightSource.each_rows."""
        self._convert(self._tensor(name), take)

    def open_rows(self, name: str) -> RowSource:
        """Return the rows of a large tensor; see WeightSource.open_rows."""
        tensor = self._tensor(name)
        decode = FLOAT_DECODERS[tensor.kind.name]
        return self._file.open_rows(tensor, lambda raw: bf16_bits(decode(raw)).bits)

    def check_bits(self, name: str) -> None:
        """Read a large tensor, keeping nothing, and refuse what `bits` would refuse."""
        self._convert(self._tensor(name), lambda first, bits: None)

    def floats(self, name: str) -> NDArray[np.float32]:
        """Return a vector as float32; finite."""
        return read_vector(self._file, _gguf_name(name), self._meter.on_slice)

    def ternary(self, name: str) -> tuple[NDArray[np.uint8], float | NDArray[np.float32]]:
        """Return codes and factors of a projection, see WeightSource.ternary: a byte a code, groups of 256 columns."""
        tensor = self._tensor(f"{name}.weight")
        codes, scale = self._ternary.read(tensor)
        if isinstance(scale, float):
            return self._in_order(name, codes), scale
        self.grouped.append(tensor.name)
        return self._in_order(name, codes), self._in_order(name, scale)

    def check_codes(self, name: str) -> None:
        """Read a projection, keeping nothing, and refuse what loading would refuse."""
        codes, _ = self.ternary(name)
        if codes.max() > 2:
            raise self.damaged(self._tensor(f"{name}.weight").name, "code 3")

    def check_layout(self) -> None:
        """Refuse i2_s weights that were evidently packed in another order; see i2s_layout.

        Raises:
            AppError: MODEL_UNSUPPORTED.
        """
        layout = foreign_layout(self._file, self._config)
        if layout is not None:
            raise self._file.unsupported(f"the I2_S weights are packed in the order of {layout}")

    def damaged(self, part: str, reason: str) -> AppError:
        """Return the error that names the file, a tensor and what is wrong there."""
        return self._file.damaged(_gguf_name(part) or part, reason)

    def _tensor(self, name: str) -> GgufTensor:
        return self._file.tensors[_gguf_name(name)]

    def _convert(self, tensor: GgufTensor, take: TakeRows) -> None:
        """Turn a matrix into bfloat16 bits, some rows at a time."""
        rows, cols = tensor.shape
        row_bytes = cols // tensor.kind.block_values * tensor.kind.block_bytes
        step = max(CHUNK_VALUES // cols, 1)
        raw = np.empty(step * row_bytes, np.uint8)
        for first in range(0, rows, step):
            n = min(step, rows - first)
            part = raw[: n * row_bytes]
            self._file.read_into(tensor, part, self._meter.on_slice, offset=first * row_bytes)
            with np.errstate(all="ignore"):
                converted = bf16_bits(FLOAT_DECODERS[tensor.kind.name](part))
            if (converted.bits & 0x7FFF).max() >= 0x7F80:
                raise self.damaged(tensor.name, "NaN or infinity")
            self.n_rounded[tensor.name] = self.n_rounded.get(tensor.name, 0) + converted.n_rounded
            take(first, converted.bits.reshape(n, cols))

    def _in_order(self, name: str, rows: NDArray[_T]) -> NDArray[_T]:
        """Undo the order of query and key rows of llama files: pairs (i, i + head_dim / 2) lie side by side there.

        LlamaModel.permute in llama.cpp's convert_hf_to_gguf.py.
        """
        if self._config.model_type != "llama" or not name.endswith(("q_proj", "k_proj")):
            return rows
        half = self._config.head_dim // 2
        pairs = rows.reshape(-1, half, 2, rows.shape[1])
        return np.ascontiguousarray(pairs.swapaxes(1, 2)).reshape(rows.shape)


def _family(file: GgufFile) -> tuple[Literal["bitnet", "llama"], str]:
    """Return the family and the prefix of its keys."""
    name = file.metadata.get("general.architecture")
    if not isinstance(name, str):
        raise file.damaged("header", "general.architecture is missing")
    if name not in _FAMILIES:
        known = "the bitnet models of 2024 (SiLU) are not" if name == "bitnet" else "only bitnet-b1.58 and llama are"
        raise file.unsupported(f"the architecture is {name[:40]!r}; {known} implemented")
    return _FAMILIES[name], f"{name}."


def _refuse_variants(keys: ConfigKeys, prefix: str) -> None:
    for key, neutral in _NEUTRAL.items():
        value = keys.get(prefix + key)
        if value is not None and (isinstance(value, np.ndarray | list) or value != neutral):
            raise keys.unsupported(f"{prefix}{key} is {keys.shown(prefix + key)}")
    if "split.count" in keys.values and keys.integer("split.count", 0, MAX_LAYERS) > 1:
        raise keys.unsupported("the model is split into several files")


def _vocab_size(keys: ConfigKeys, prefix: str) -> int:
    """Return the number of tokens; the key of that name, where there is one, must say the same."""
    tokens = keys.get("tokenizer.ggml.tokens")
    if not isinstance(tokens, list) or not 1 <= len(tokens) <= MAX_VOCAB:
        raise keys.damaged("tokenizer.ggml.tokens is no list of tokens")
    if f"{prefix}vocab_size" in keys.values:
        said = keys.integer(f"{prefix}vocab_size", 1, MAX_VOCAB)
        if said != len(tokens):
            raise keys.damaged(f"{prefix}vocab_size is {said}, and there are {len(tokens)} tokens")
    return len(tokens)


def _head_dim(keys: ConfigKeys, prefix: str, hidden: int, heads: int) -> int:
    """Return the size of a head: key_length, the rotated dimensions, or hidden / heads, which may not disagree."""
    names = ("attention.key_length", "attention.value_length", "rope.dimension_count")
    found = {keys.integer(prefix + name, 16, MAX_HEAD_DIM) for name in names if prefix + name in keys.values}
    if len(found) > 1:
        raise keys.unsupported(f"heads of {' and '.join(map(str, sorted(found)))} values")
    if found:
        return found.pop()
    if hidden % heads:
        raise keys.damaged(f"embedding_length {hidden} is no multiple of head_count {heads}")
    return hidden // heads


def _named_stops(keys: ConfigKeys, vocab: int) -> set[TokenId]:
    """Return eot_token_id and the control tokens that end an answer by their name."""
    stops = keys.token_ids("tokenizer.ggml.eot_token_id", vocab)
    tokens, types = keys.get("tokenizer.ggml.tokens"), keys.get("tokenizer.ggml.token_type")
    assert isinstance(tokens, list)
    if not isinstance(types, np.ndarray) or types.dtype.kind not in "iu" or len(types) != vocab:
        raise keys.damaged("tokenizer.ggml.token_type is no list of one type for each token")
    return stops | {TokenId(int(i)) for i in np.flatnonzero(types == CONTROL) if tokens[i] in END_TOKENS}


def _expected(config: ModelConfig) -> dict[str, tuple[tuple[str, ...], tuple[int, ...]]]:
    """Return types and shape of every tensor that such a file must hold."""
    dense = tuple(FLOAT_DECODERS)
    hidden, heads = config.hidden_size, config.num_attention_heads * config.head_dim
    expected: dict[str, tuple[tuple[str, ...], tuple[int, ...]]] = {
        "token_embd.weight": (dense, (config.vocab_size, hidden)),
        "output_norm.weight": (NORM_TYPES, (hidden,)),
    }
    if not config.tie_word_embeddings:
        expected["output.weight"] = (dense, (config.vocab_size, hidden))
    norms = {"attn_norm": hidden, "ffn_norm": hidden}
    if config.has_sub_norms:
        norms |= {"attn_sub_norm": heads, "ffn_sub_norm": config.intermediate_size}
    for layer in range(config.num_hidden_layers):
        for name, size in norms.items():
            expected[f"blk.{layer}.{name}.weight"] = (NORM_TYPES, (size,))
        for name, shape in linear_shapes(config).items():
            expected[f"blk.{layer}.{_LINEARS[name]}.weight"] = (TERNARY_TYPES, shape)
    return expected


def _is_linear(name: str) -> bool:
    return name.split(".")[-2] in _LINEARS.values()


def _gguf_name(name: str) -> str:
    """Return the GGUF name of a tensor that is named as in safetensors files."""
    stem = name.removesuffix(".weight")
    if stem in _OTHERS:
        return f"{_OTHERS[stem]}.weight"
    if not stem.startswith("model.layers."):
        return name
    layer, _, rest = stem.removeprefix("model.layers.").partition(".")
    return f"blk.{layer}.{_LINEARS.get(rest) or _OTHERS[rest]}.weight"
