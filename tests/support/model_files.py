"""Tiny random models as plain values: spoil a tensor or a key, then write the directory."""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FIXTURES = Path(__file__).parents[1] / "fixtures"
HIDDEN, INNER, LAYERS, HEADS, KV_HEADS, HEAD_DIM, VOCAB = 32, 48, 2, 2, 1, 16, 512
BF16_NAN, BF16_ONE = 0x7FC0, 0x3F80
DTYPES = {"uint8": "U8", "uint16": "BF16", "float16": "F16", "float32": "F32", "int64": "I64"}


@dataclass
class ModelFiles:
    """A model directory in memory; uint16 arrays are bfloat16 bits."""

    config: dict[str, Any]
    generation: dict[str, Any] | None
    tensors: dict[str, NDArray[Any]]
    n_shards: int = 1
    header_edits: dict[str, dict[str, Any]] = field(default_factory=dict)  # tensor -> keys to replace

    def write(self, directory: Path) -> Path:
        directory.mkdir(parents=True)
        (directory / "config.json").write_text(json.dumps(self.config))
        if self.generation is not None:
            (directory / "generation_config.json").write_text(json.dumps(self.generation))
        for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
            shutil.copyfile(FIXTURES / "tied-h128" / "hf-packed" / name, directory / name)
        if self.n_shards == 1:
            write_safetensors(directory / "model.safetensors", self.tensors, self.header_edits)
        else:
            self._write_shards(directory)
        return directory

    def _write_shards(self, directory: Path) -> None:
        weight_map = {}
        for shard in range(self.n_shards):
            file = f"model-{shard + 1:05}-of-{self.n_shards:05}.safetensors"
            names = list(self.tensors)[shard :: self.n_shards]
            weight_map.update(dict.fromkeys(names, file))
            write_safetensors(directory / file, {name: self.tensors[name] for name in names}, self.header_edits)
        index = {"metadata": {}, "weight_map": weight_map}
        (directory / "model.safetensors.index.json").write_text(json.dumps(index))


def write_safetensors(
    path: Path, tensors: dict[str, NDArray[Any]], edits: dict[str, dict[str, Any]] | None = None
) -> None:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, array in tensors.items():
        entry = {"dtype": DTYPES[str(array.dtype)], "shape": array.shape, "data_offsets": [end, end + array.nbytes]}
        header[name] = entry | (edits or {}).get(name, {})
        end += array.nbytes
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(a.tobytes() for a in tensors.values()))


def tiny_model(family: str = "bitnet", *, masters: bool = False, seed: int = 7) -> ModelFiles:
    """Return a valid tiny model: "bitnet" (tied, sub-norms) or "llama" (untied, no sub-norms, scales divide)."""
    random = np.random.default_rng(seed)
    tensors: dict[str, NDArray[Any]] = {"model.embed_tokens.weight": _bf16(random.normal(0, 1, (VOCAB, HIDDEN)))}
    if family == "llama":
        tensors["lm_head.weight"] = _bf16(random.normal(0, 1, (VOCAB, HIDDEN)))
    for layer in range(LAYERS):
        tensors |= _layer(random, f"model.layers.{layer}.", family, masters)
    tensors["model.norm.weight"] = _bf16(random.uniform(0.5, 1.5, HIDDEN))
    generation = {"bos_token_id": 496, "eos_token_id": [497, 505]}
    return ModelFiles(_config(family, masters), generation, tensors)


def _layer(random: np.random.Generator, prefix: str, family: str, masters: bool) -> dict[str, NDArray[Any]]:
    norms = {"input_layernorm": HIDDEN, "post_attention_layernorm": HIDDEN}
    if family == "bitnet":
        norms |= {"self_attn.attn_sub_norm": HEADS * HEAD_DIM, "mlp.ffn_sub_norm": INNER}
    attention, kv = HEADS * HEAD_DIM, KV_HEADS * HEAD_DIM
    linears = {
        "self_attn.q_proj": (attention, HIDDEN),
        "self_attn.k_proj": (kv, HIDDEN),
        "self_attn.v_proj": (kv, HIDDEN),
        "self_attn.o_proj": (HIDDEN, attention),
        "mlp.gate_proj": (INNER, HIDDEN),
        "mlp.up_proj": (INNER, HIDDEN),
        "mlp.down_proj": (HIDDEN, INNER),
    }
    tensors = {f"{prefix}{name}.weight": _bf16(random.uniform(0.5, 1.5, size)) for name, size in norms.items()}
    for name, (rows, cols) in linears.items():
        if masters:
            tensors[f"{prefix}{name}.weight"] = _bf16(random.normal(0, 1, (rows, cols)))
            continue
        codes = random.integers(0, 3, (4, rows // 4, cols), np.uint8)
        tensors[f"{prefix}{name}.weight"] = codes[0] | codes[1] << 2 | codes[2] << 4 | codes[3] << 6
        tensors[f"{prefix}{name}.weight_scale"] = _bf16(random.uniform(0.5, 2, 1))
    return tensors


def _config(family: str, masters: bool) -> dict[str, Any]:
    config: dict[str, Any] = {
        "architectures": ["BitNetForCausalLM"],
        "model_type": "bitnet",
        "hidden_act": "relu2",
        "hidden_size": HIDDEN,
        "intermediate_size": INNER,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "vocab_size": VOCAB,
        "max_position_embeddings": 64,
        "rms_norm_eps": 1e-5,
        "rope_theta": 500000.0,
        "tie_word_embeddings": True,
        "bos_token_id": 496,
        "eos_token_id": 497,
        "torch_dtype": "bfloat16",
        "quantization_config": {
            "quant_method": "bitnet",
            "linear_class": "autobitlinear",
            "quantization_mode": "online" if masters else "offline",
        },
    }
    if family == "llama":
        config |= {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu"}
        config |= {"tie_word_embeddings": False, "quantization_config": {"quant_method": "bitnet"}}
        config |= {"head_dim": HEAD_DIM, "attention_bias": False, "mlp_bias": False, "rope_scaling": None}
    return config


def _bf16(values: NDArray[np.float64]) -> NDArray[np.uint16]:
    return (values.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
