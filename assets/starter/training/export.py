"""Write a trained checkpoint as a model directory in the layout of the official packed model.

`python export.py --run DIR --out ../` reads DIR/checkpoint.pt and DIR/tokenizer.json.
"""

import argparse
import hashlib
import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from model import BitNet, Size
from tokens import SPECIALS, Encoder

TEMPLATE = (
    "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = message['role'] | capitalize + ': '+ "
    "message['content'] | trim + '<|eot_id|>' %}{{ content }}{% endfor %}{% if add_generation_prompt %}{{ 'Assistant: ' }}"
    "{% endif %}"
)
BLOCKS = {"q_proj": "self_attn", "k_proj": "self_attn", "v_proj": "self_attn", "o_proj": "self_attn", "attn_sub_norm": "self_attn",
          "gate_proj": "mlp", "up_proj": "mlp", "down_proj": "mlp", "ffn_sub_norm": "mlp"}  # fmt: skip


def pack(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return four rows a byte (a quarter of the matrix apart, lowest bits first) and the scale."""
    mean = weight.abs().mean().clamp(min=1e-5)
    codes = ((weight / mean).round().clamp(-1, 1) + 1).to(torch.uint8)
    quarters = codes.chunk(4)
    packed = quarters[0] | quarters[1] << 2 | quarters[2] << 4 | quarters[3] << 6
    return packed.contiguous(), mean.bfloat16().reshape(1)


def tensors_of(model: BitNet, *, packed: bool = True) -> dict[str, Tensor]:
    """Return the tensors by their published names; `packed` false gives the bfloat16 masters."""
    out = {"model.embed_tokens.weight": model.embed, "model.norm.weight": model.norm.weight}
    for i, layer in enumerate(model.layers):
        for name, value in layer.named_parameters():
            short = name.removesuffix(".weight")
            block = f"{BLOCKS[short]}." if short in BLOCKS else ""
            out[f"model.layers.{i}.{block}{short}.weight"] = value
    result = {}
    for name, value in out.items():
        if packed and name.endswith("_proj.weight"):
            result[name], result[f"{name}_scale"] = pack(value.detach())
        else:
            result[name] = value.detach().bfloat16().contiguous()
    return result


def config_of(size: Size, encoder: Encoder) -> dict[str, object]:
    """Return config.json."""
    return {
        "architectures": ["BitNetForCausalLM"],
        "bos_token_id": encoder.bos,
        "eos_token_id": encoder.eos,
        "hidden_act": "relu2",
        "hidden_size": size.hidden_size,
        "initializer_range": 0.02,
        "intermediate_size": size.intermediate_size,
        "max_position_embeddings": size.max_position_embeddings,
        "model_type": "bitnet",
        "rms_norm_eps": size.rms_norm_eps,
        "num_attention_heads": size.num_attention_heads,
        "num_hidden_layers": size.num_hidden_layers,
        "num_key_value_heads": size.num_key_value_heads,
        "rope_theta": size.rope_theta,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "use_cache": True,
        "vocab_size": size.vocab_size,
        "quantization_config": {
            "quant_method": "bitnet",
            "linear_class": "autobitlinear",
            "quantization_mode": "offline",
        },
    }


def tokenizer_config(encoder: Encoder, context: int) -> dict[str, object]:
    """Return tokenizer_config.json."""
    flags = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}
    ids = {encoder.tokenizer.token_to_id(name): name for name in SPECIALS}
    return {
        "added_tokens_decoder": {str(i): {"content": name, **flags} for i, name in sorted(ids.items())},
        "bos_token": SPECIALS[0],
        "chat_template": TEMPLATE,
        "clean_up_tokenization_spaces": False,
        "eos_token": SPECIALS[1],
        "model_input_names": ["input_ids", "attention_mask"],
        "model_max_length": context,
        "tokenizer_class": "PreTrainedTokenizerFast",
    }


def write_json(path: Path, value: object) -> None:
    """Write readable JSON."""
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1])
    options = parser.parse_args()
    size = Size()
    model = BitNet(size)
    state = torch.load(options.run / "checkpoint.pt", weights_only=True)
    model.load_state_dict(state["model"])
    options.out.mkdir(parents=True, exist_ok=True)
    save_file(tensors_of(model), options.out / "model.safetensors", metadata={"format": "pt"})
    shutil.copy(options.run / "tokenizer.json", options.out / "tokenizer.json")
    encoder = Encoder(options.out / "tokenizer.json")
    write_json(options.out / "config.json", config_of(size, encoder))
    generation = {
        "bos_token_id": encoder.bos,
        "eos_token_id": [encoder.eos, encoder.eot],
        "do_sample": True,
        "temperature": 0.6,
        "max_length": size.max_position_embeddings,
        "top_p": 0.9,
    }
    write_json(options.out / "generation_config.json", generation)
    write_json(options.out / "tokenizer_config.json", tokenizer_config(encoder, size.max_position_embeddings))
    flags = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
    names = {"bos_token": {"content": SPECIALS[0], **flags}, "eos_token": {"content": SPECIALS[1], **flags}}
    write_json(options.out / "special_tokens_map.json", names)
    lines = []
    for path in sorted(options.out.glob("*.json")) + [options.out / "model.safetensors"]:
        lines.append(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n")
    (options.out / "model.safetensors").chmod(0o644)
    (options.out / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")
    print(f"exported after step {state['step']}: {(options.out / 'model.safetensors').stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
