"""Configurations of the families that share the core, as far as they are known without their files."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf_files import U32, Typed, as_gguf, as_safetensors, random_weights

from core.errors import AppError, ErrorCode
from core.events import CancelToken
from core.inference.config import TokenId, load_config
from core.inference.model import load_model, score_ids

LLAMA: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "attention_bias": False,
    "attention_dropout": 0.0, "mlp_bias": False, "pretraining_tp": 1, "rope_scaling": None, "torch_dtype": "bfloat16",
    "tie_word_embeddings": False, "use_cache": True,
}  # fmt: skip
FALCON3_7B = LLAMA | {
    "hidden_size": 3072, "intermediate_size": 23040, "num_hidden_layers": 28, "num_attention_heads": 12,
    "num_key_value_heads": 4, "head_dim": 256, "vocab_size": 131080, "max_position_embeddings": 32768,
    "rms_norm_eps": 1e-6, "rope_theta": 1000042, "bos_token_id": 11, "eos_token_id": 11,
    "quantization_config": {"modules_to_not_convert": None, "quant_method": "bitnet"},
}  # fmt: skip
LLAMA3_8B = LLAMA | {
    "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 8, "vocab_size": 128256, "max_position_embeddings": 8192, "rms_norm_eps": 1e-5,
    "rope_theta": 500000.0, "bos_token_id": 128000, "eos_token_id": 128009,
    "quantization_config": {"modules_to_not_convert": ["lm_head"], "quant_method": "bitnet"},
}  # fmt: skip
FALCON_E = LLAMA | {
    "hidden_size": 2048, "intermediate_size": 5632, "num_hidden_layers": 24, "num_attention_heads": 16,
    "num_key_value_heads": 2, "head_dim": 128, "vocab_size": 32768, "max_position_embeddings": 32768,
    "rms_norm_eps": 1e-5, "rope_theta": 500042, "bos_token_id": 1, "eos_token_id": 11,
    "quantization_config": {"quant_method": "bitnet", "linear_class": "bitlinear", "quantization_mode": "offline"},
}  # fmt: skip
IDS = [TokenId(i) for i in (496, 3, 200, 41)]


def directory_of(config: dict[str, Any], tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(config))
    return tmp_path


@pytest.mark.parametrize(
    ("config", "head_dim", "theta", "stops"),
    [(FALCON3_7B, 256, 1000042.0, {11}), (LLAMA3_8B, 128, 500000.0, {128009}), (FALCON_E, 128, 500042.0, {11})],
    ids=["Falcon3", "Llama3-8B-1.58", "Falcon-E"],
)
def test_relatives_have_silu_no_sub_norms_and_a_scale_that_divides(
    tmp_path: Path, config: dict[str, Any], head_dim: int, theta: float, stops: set[int]
) -> None:
    read = load_config(directory_of(config, tmp_path))
    assert (read.hidden_act, read.has_sub_norms, read.scale_divides) == ("silu", False, True)
    assert (read.head_dim, read.rope_theta, read.tie_word_embeddings) == (head_dim, theta, False)
    assert read.stop_ids == stops


def test_the_scaled_rope_of_llama_3_1_is_refused(tmp_path: Path) -> None:
    scaling = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    with pytest.raises(AppError, match="rope_type") as caught:
        load_config(directory_of(LLAMA3_8B | {"rope_scaling": scaling}, tmp_path))
    assert caught.value.code is ErrorCode.MODEL_UNSUPPORTED


@pytest.mark.parametrize("head_dim", [64, 256])
def test_a_tiny_falcon3_gives_the_same_bits_from_both_containers(tmp_path: Path, head_dim: int) -> None:
    """Heads wider than hidden / heads, an own head, an end of text that is also its begin."""
    weights = random_weights("llama", hidden=256, heads=4, kv_heads=2, head_dim=head_dim, tied=False)
    packed = as_safetensors(weights)
    packed.config |= {"rope_theta": 1000042, "rms_norm_eps": 1e-6, "bos_token_id": 497, "eos_token_id": 497}
    gguf = as_gguf(weights)
    gguf.metadata["llama.rope.freq_base"].value = 1000042.0
    gguf.metadata["llama.attention.layer_norm_rms_epsilon"].value = 1e-6
    for name in ("key_length", "value_length"):
        gguf.metadata[f"llama.attention.{name}"] = Typed(U32, head_dim)
    paths = packed.write(tmp_path / "packed"), gguf.write(tmp_path / "tiny.gguf")
    logits = []
    for path in paths:
        model = load_model(path, n_threads=1, cancel=CancelToken(), emit=lambda event: None)
        logits.append(score_ids(model, IDS, None))
        model.close()
    assert np.array_equal(*logits)


def test_query_rows_of_a_llama_file_are_in_another_order() -> None:
    """So that the equality above means something."""
    weights = random_weights("llama")
    permuted = as_gguf(weights).tensors
    weights.family = "bitnet"
    plain = as_gguf(weights).tensors
    for name, same in {"attn_q": False, "attn_k": False, "attn_v": True, "attn_output": True}.items():
        assert (permuted[f"blk.0.{name}.weight"].data == plain[f"blk.0.{name}.weight"].data) is same
