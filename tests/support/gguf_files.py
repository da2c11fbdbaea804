"""GGUF files as plain values, written independently of the reader: spoil a key or a tensor, then write the file."""

import json
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from model_files import FIXTURES, ModelFiles
from numpy.typing import NDArray

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
FORMS = {U8: "B", I8: "b", U16: "H", I16: "h", U32: "I", I32: "i", F32: "f", BOOL: "B", U64: "Q", I64: "q", F64: "d"}
TYPE_IDS = {"F32": 0, "F16": 1, "Q8_0": 8, "Q6_K": 14, "BF16": 30, "TQ1_0": 34, "TQ2_0": 35, "I2_S": 36}
TOKENIZER = FIXTURES / "tied-h128" / "hf-packed" / "tokenizer.json"
# What microsoft/BitNet's converter puts into every file, whatever the model was trained with.
WRONG_TEMPLATE = (
    "{% for message in messages %}{% if loop.first %}{{ bos_token }}{% endif %}"
    "{% if message['role'] == 'user' %}{{ 'Human: ' + message['content'] + '\\n\\nBITNETAssistant: ' + eos_token }}"
    "{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token }}{% endif %}{% endfor %}"
)


@dataclass
class Typed:
    """A metadata value with its type; for arrays, `items` is the type of the elements."""

    kind: int
    value: Any
    items: int = -1

    def pack(self) -> bytes:
        if self.kind == STRING:
            return packed_text(self.value)
        if self.kind != ARRAY:
            return struct.pack("<" + FORMS[self.kind], self.value)
        head = struct.pack("<IQ", self.items, len(self.value))
        if self.items == STRING:
            return head + b"".join(map(packed_text, self.value))
        return head + struct.pack(f"<{len(self.value)}{FORMS[self.items]}", *self.value)


@dataclass
class Stored:
    """A tensor: sizes as in the file (fastest first)."""

    type_id: int
    sizes: tuple[int, ...]
    data: bytes


@dataclass
class GgufFiles:
    """A GGUF file in memory."""

    metadata: dict[str, Typed]
    tensors: dict[str, Stored]
    alignment: int = 32
    version: int = 3
    offsets: dict[str, int] = field(default_factory=dict)  # tensor -> offset that the header claims
    counts: tuple[int, int] | None = None  # of tensors and keys, if the header is to lie

    def write(self, path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.header() + b"".join(self.padded(tensor.data) for tensor in self.tensors.values()))
        return path

    def header(self) -> bytes:
        counts = self.counts or (len(self.tensors), len(self.metadata))
        parts = [b"GGUF", struct.pack("<IQQ", self.version, *counts)]
        for key, typed in self.metadata.items():
            parts += [packed_text(key), struct.pack("<I", typed.kind), typed.pack()]
        offset = 0
        for name, tensor in self.tensors.items():
            parts += [packed_text(name), struct.pack("<I", len(tensor.sizes))]
            parts += [struct.pack(f"<{len(tensor.sizes)}Q", *tensor.sizes)]
            parts += [struct.pack("<IQ", tensor.type_id, self.offsets.get(name, offset))]
            offset += -(-len(tensor.data) // self.alignment) * self.alignment
        return self.padded(b"".join(parts))

    def padded(self, data: bytes) -> bytes:
        return data + bytes(-len(data) % self.alignment)


def packed_text(text: str | bytes) -> bytes:
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(data)) + data


@dataclass
class Weights:
    """One ternary model, before any format: HF tensor names; codes are weight + 1."""

    family: str
    sizes: dict[str, int]
    codes: dict[str, NDArray[np.uint8]]
    scales: dict[str, Any]  # factors of the weights; float16 (rows, cols / 256) for TQ formats
    vectors: dict[str, NDArray[np.float32]]  # norms, exactly representable in bfloat16
    matrices: dict[str, NDArray[np.float32]]  # embedding and head, exactly representable in bfloat16 and float16


def random_weights(family: str = "bitnet", *, seed: int = 5, tied: bool = True, **sizes: int) -> Weights:
    """Return random weights; scales are powers of two for llama, so that one over them is exact."""
    s = {"hidden": 256, "inner": 512, "layers": 2, "heads": 4, "kv_heads": 2, "head_dim": 64, "vocab": 512} | sizes
    random = np.random.default_rng(seed)
    weights = Weights(family, s, {}, {}, {}, {})
    for name in ["model.embed_tokens", *([] if tied else ["lm_head"])]:
        weights.matrices[name] = _representable(random.normal(0, 1, (s["vocab"], s["hidden"])))
    attention, kv = s["heads"] * s["head_dim"], s["kv_heads"] * s["head_dim"]
    linears = {
        "self_attn.q_proj": (attention, s["hidden"]), "self_attn.k_proj": (kv, s["hidden"]),
        "self_attn.v_proj": (kv, s["hidden"]), "self_attn.o_proj": (s["hidden"], attention),
        "mlp.gate_proj": (s["inner"], s["hidden"]), "mlp.up_proj": (s["inner"], s["hidden"]),
        "mlp.down_proj": (s["hidden"], s["inner"]),
    }  # fmt: skip
    norms = {"input_layernorm": s["hidden"], "post_attention_layernorm": s["hidden"]}
    if family == "bitnet":
        norms |= {"self_attn.attn_sub_norm": attention, "mlp.ffn_sub_norm": s["inner"]}
    for layer in range(s["layers"]):
        for name, size in norms.items():
            weights.vectors[f"model.layers.{layer}.{name}"] = _representable(random.uniform(0.5, 1.5, size))
        for name, shape in linears.items():
            full = f"model.layers.{layer}.{name}"
            weights.codes[full] = random.integers(0, 3, shape, np.uint8)
            scale = 2.0 ** random.integers(-2, 2) if family == "llama" else 1 + random.integers(0, 128) / 128
            weights.scales[full] = float(scale)
    weights.vectors["model.norm"] = _representable(random.uniform(0.5, 1.5, s["hidden"]))
    return weights


def as_safetensors(weights: Weights) -> ModelFiles:
    """Return the weights in the packed form of the 2B4T repository (llama: of Falcon-E, where the scale divides)."""
    s, llama = weights.sizes, weights.family == "llama"
    tensors: dict[str, NDArray[Any]] = {}
    for name, matrix in {**weights.matrices, **weights.vectors}.items():
        tensors[f"{name}.weight"] = bf16(matrix)
    for name, codes in weights.codes.items():
        planes = codes.reshape(4, codes.shape[0] // 4, -1)
        tensors[f"{name}.weight"] = planes[0] | planes[1] << 2 | planes[2] << 4 | planes[3] << 6
        scale = 1 / weights.scales[name] if llama else weights.scales[name]
        tensors[f"{name}.weight_scale"] = bf16(np.array([scale], np.float32))
    config: dict[str, Any] = {
        "architectures": ["LlamaForCausalLM" if llama else "BitNetForCausalLM"],
        "model_type": weights.family, "hidden_act": "silu" if llama else "relu2", "hidden_size": s["hidden"],
        "intermediate_size": s["inner"], "num_hidden_layers": s["layers"], "num_attention_heads": s["heads"],
        "num_key_value_heads": s["kv_heads"], "head_dim": s["head_dim"], "vocab_size": s["vocab"],
        "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "rope_theta": 500000.0,
        "tie_word_embeddings": "lm_head" not in weights.matrices, "bos_token_id": 496, "eos_token_id": [497, 505],
        "quantization_config": {"quant_method": "bitnet"} | ({} if llama else {"linear_class": "autobitlinear"}),
    }  # fmt: skip
    return ModelFiles(config, None, tensors)


def as_gguf(weights: Weights, kind: str = "I2_S", embedding: str = "F16", norms: str = "F32") -> GgufFiles:
    """Return the weights as a converter for llama.cpp writes them."""
    s, llama = weights.sizes, weights.family == "llama"
    tensors: dict[str, Stored] = {}
    for name, matrix in weights.matrices.items():
        tensors[_names(name)] = Stored(TYPE_IDS[embedding], matrix.shape[::-1], FLOATS[embedding](matrix))
    for name, vector in weights.vectors.items():
        tensors[_names(name)] = Stored(TYPE_IDS[norms], vector.shape, FLOATS[norms](vector))
    for name, codes in weights.codes.items():
        order = _in_rows_of_llama(codes, name, s) if llama else codes
        scale = weights.scales[name]
        if isinstance(scale, np.ndarray):
            scale = _in_rows_of_llama(scale, name, s) if llama else scale
        data = TERNARY[kind](order, scale)
        tensors[_names(name)] = Stored(TYPE_IDS[kind], codes.shape[::-1], data)
    return GgufFiles(model_metadata(weights) | vocabulary_metadata(TOKENIZER), tensors)


def _in_rows_of_llama(rows: NDArray[Any], name: str, sizes: dict[str, int]) -> NDArray[Any]:
    """Return rows of queries and keys in the order of LlamaModel.permute (convert_hf_to_gguf.py)."""
    if not name.endswith(("q_proj", "k_proj")):
        return rows
    n_heads = sizes["heads"] if name.endswith("q_proj") else sizes["kv_heads"]
    return rows.reshape(n_heads, 2, sizes["head_dim"] // 2, -1).swapaxes(1, 2).reshape(rows.shape)


def model_metadata(weights: Weights) -> dict[str, Typed]:
    s, llama = weights.sizes, weights.family == "llama"
    arch = "llama" if llama else "bitnet-b1.58"
    numbers = {
        "vocab_size": s["vocab"], "context_length": 128, "embedding_length": s["hidden"], "block_count": s["layers"],
        "feed_forward_length": s["inner"], "rope.dimension_count": s["head_dim"],
        "attention.head_count": s["heads"], "attention.head_count_kv": s["kv_heads"],
    }  # fmt: skip
    return {
        "general.architecture": Typed(STRING, arch),
        **{f"{arch}.{key}": Typed(U32, value) for key, value in numbers.items()},
        f"{arch}.attention.layer_norm_rms_epsilon": Typed(F32, 1e-5),
        f"{arch}.rope.freq_base": Typed(F32, 500000.0),
    }


def vocabulary_metadata(path: Path) -> dict[str, Typed]:
    """Return the keys that describe the byte-level BPE of a tokenizer.json, as in the official file: without a pre."""
    parsed = json.loads(path.read_text("utf-8"))
    tokens = {i: text for text, i in parsed["model"]["vocab"].items()}
    types = dict.fromkeys(tokens, 1)
    for token in parsed["added_tokens"]:
        tokens[token["id"]], types[token["id"]] = token["content"], 3 if token["special"] else 4
    ids = {text: i for i, text in tokens.items()}
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in parsed["model"]["merges"]]
    n = len(tokens)
    return {
        "tokenizer.ggml.add_bos_token": Typed(BOOL, True),
        "tokenizer.ggml.model": Typed(STRING, "gpt2"),
        "tokenizer.ggml.tokens": Typed(ARRAY, [tokens[i] for i in range(n)], STRING),
        "tokenizer.ggml.scores": Typed(ARRAY, [0.0] * n, F32),
        "tokenizer.ggml.token_type": Typed(ARRAY, [types[i] for i in range(n)], I32),
        "tokenizer.ggml.merges": Typed(ARRAY, merges, STRING),
        "tokenizer.ggml.bos_token_id": Typed(U32, ids["<|begin_of_text|>"]),
        "tokenizer.ggml.eos_token_id": Typed(U32, ids["<|end_of_text|>"]),
        "tokenizer.chat_template": Typed(STRING, WRONG_TEMPLATE),
    }


def pack_i2s(codes: NDArray[np.uint8], scale: float, layout: str = "A") -> bytes:
    """Return i2_s in one of the three orders that quantize_i2_s of microsoft/BitNet has written."""
    out = np.zeros(codes.size // 4, np.uint8)
    if layout == "C":
        rows = codes.reshape(-1, 4, codes.shape[1])
        out[:] = (rows[:, 0] << 6 | rows[:, 1] << 4 | rows[:, 2] << 2 | rows[:, 3]).reshape(-1)
    else:
        width = 128 if layout == "A" else 64
        for j in range(width):
            element = codes.reshape(-1, width)[:, j]
            out.reshape(-1, width // 4)[:, j % (width // 4)] |= element << (6 - 2 * (j // (width // 4)))
    return out.tobytes() + struct.pack("<f", scale) + bytes(28)


def with_block_scales(weights: Weights, names: Iterable[str], seed: int = 3) -> Weights:
    """Give each block of 256 weights of the tensors `names` a factor of its own; one in twenty is 0."""
    random = np.random.default_rng(seed)
    for name in names:
        rows, cols = weights.codes[name].shape
        scales = (2.0 ** random.uniform(-3, 1, (rows, cols // 256))).astype(np.float16)
        scales[random.random(scales.shape) < 0.05] = 0
        weights.scales[name] = scales
    return weights


def pack_tq2_0(codes: NDArray[np.uint8], scale: float | NDArray[np.float16]) -> bytes:
    blocks = codes.reshape(-1, 256)
    out = np.zeros((len(blocks), 66), np.uint8)
    for j in range(256):
        out[:, j // 128 * 32 + j % 32] |= blocks[:, j] << (2 * (j % 128 // 32))
    out[:, 64:] = np.broadcast_to(np.float16(scale).reshape(-1), len(blocks)).copy().view(np.uint8).reshape(-1, 2)
    return out.tobytes()


def pack_tq1_0(codes: NDArray[np.uint8], scale: float | NDArray[np.float16]) -> bytes:
    blocks = codes.reshape(-1, 256).astype(np.uint16)
    out = np.zeros((len(blocks), 54), np.uint8)
    for first, width, at, n in ((0, 32, 0, 5), (160, 16, 32, 5), (240, 4, 48, 4)):
        value = np.zeros((len(blocks), width), np.uint16)
        for trit in range(5):
            digit = blocks[:, first + trit * width : first + (trit + 1) * width] if trit < n else 0
            value = value * 3 + digit
        out[:, at : at + width] = (value * 256 + 242) // 243
    out[:, 52:] = np.broadcast_to(np.float16(scale).reshape(-1), len(blocks)).copy().view(np.uint8).reshape(-1, 2)
    return out.tobytes()


def pack_q8_0(values: NDArray[np.float32]) -> bytes:
    blocks = values.reshape(-1, 32)
    scales = (np.abs(blocks).max(axis=1) / 127).astype(np.float16)
    quants = np.rint(blocks / np.maximum(scales.astype(np.float32), 1e-12)[:, None]).astype(np.int8)
    return np.concatenate([scales.view(np.uint8).reshape(-1, 2), quants.view(np.uint8)], axis=1).tobytes()


def unpack_q6_k(data: bytes) -> NDArray[np.float32]:
    """Return the values of Q6_K, one by one as dequantize_row_q6_K of ggml-quants.c walks them."""
    values: list[float] = []
    for start in range(0, len(data), 210):
        low, high = data[start : start + 128], data[start + 128 : start + 192]
        scales = struct.unpack("16b", data[start + 192 : start + 208])
        (d,) = struct.unpack("<e", data[start + 208 : start + 210])
        block = [0.0] * 256
        for half in range(2):
            for i in range(32):
                for part in range(4):
                    nibble = low[half * 64 + i + 32 * (part % 2)] >> (4 * (part // 2)) & 15
                    quant = (nibble | (high[half * 32 + i] >> (2 * part) & 3) << 4) - 32
                    scale = scales[half * 8 + part * 2 + i // 16]
                    block[half * 128 + part * 32 + i] = float(np.float32(d) * np.float32(scale) * np.float32(quant))
        values += block
    return np.array(values, np.float32)


def bf16(values: NDArray[np.floating]) -> NDArray[np.uint16]:
    """Return bfloat16 bits of values that need no rounding."""
    return (values.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)


FLOATS = {
    "F32": lambda values: values.astype("<f4").tobytes(),
    "F16": lambda values: values.astype("<f2").tobytes(),
    "BF16": lambda values: bf16(values).tobytes(),
    "Q8_0": pack_q8_0,
}
TERNARY = {"I2_S": pack_i2s, "TQ2_0": pack_tq2_0, "TQ1_0": pack_tq1_0}
_PARTS = {
    "model.embed_tokens": "token_embd", "lm_head": "output", "model.norm": "output_norm",
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    "self_attn.attn_sub_norm": "attn_sub_norm", "mlp.ffn_sub_norm": "ffn_sub_norm", "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}  # fmt: skip


def _names(name: str) -> str:
    if name in _PARTS:
        return f"{_PARTS[name]}.weight"
    _, _, layer, rest = name.split(".", 3)
    return f"blk.{layer}.{_PARTS[rest]}.weight"


def _representable(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return values cut to 8 significant bits; below 2 ** -14 float16 would lose some, so those become 0."""
    cut = (values.astype(np.float32).view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
    return np.where(np.abs(cut) < 2.0**-14, np.float32(0), cut)
