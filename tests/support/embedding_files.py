"""Embedding models as GGUF files in memory, laid out as microsoft/BitNet's converter writes them, without torch."""

from typing import Any

import numpy as np
from embedding_vocabulary import Vocabulary, gemma_vocabulary, qwen_vocabulary
from gguf_files import ARRAY, BOOL, F32, I32, STRING, TYPE_IDS, U32, GgufFiles, Stored, Typed, pack_i2s
from numpy.typing import NDArray

HIDDEN, INNER, HEADS, KV_HEADS, HEAD_DIM, LAYERS = 128, 256, 4, 2, 32, 2


def embedding_metadata(
    arch: str, name: str, numbers: dict[str, int], vocabulary: Vocabulary, keys: dict[str, Typed]
) -> dict[str, Typed]:
    """Return the header's keys; `numbers` and `keys` are put in as they are."""
    metadata = {
        "general.architecture": Typed(STRING, arch),
        "general.name": Typed(STRING, name),
        **{f"{arch}.{key}": Typed(U32, value) for key, value in numbers.items()},
        **keys,
        f"{arch}.attention.layer_norm_rms_epsilon": Typed(F32, 1e-6),
        "general.file_type": Typed(U32, 40),
        "tokenizer.ggml.model": Typed(STRING, vocabulary.kind),
        "tokenizer.ggml.pre": Typed(STRING, vocabulary.pre),
        "tokenizer.ggml.tokens": Typed(ARRAY, vocabulary.tokens, STRING),
        "tokenizer.ggml.token_type": Typed(ARRAY, vocabulary.types, I32),
        **{f"tokenizer.ggml.{name}_token_id": Typed(U32, i) for name, i in vocabulary.ids.items()},
        **{f"tokenizer.ggml.{name}": Typed(BOOL, value) for name, value in vocabulary.flags.items()},
    }
    if vocabulary.kind == "gpt2":
        merges = [" ".join(merge) for merge in vocabulary.merges]
        metadata["tokenizer.ggml.merges"] = Typed(ARRAY, merges, STRING)
    else:
        metadata["tokenizer.ggml.scores"] = Typed(ARRAY, vocabulary.scores, F32)
    return metadata


def half(values: NDArray[Any]) -> Stored:
    """Return a tensor of F16."""
    return Stored(TYPE_IDS["F16"], values.shape[::-1], values.astype("<f2").tobytes())


def projection(codes: NDArray[np.uint8], scale: float) -> Stored:
    """Return a tensor of I2_S."""
    return Stored(TYPE_IDS["I2_S"], codes.shape[::-1], pack_i2s(codes, scale))


def tiny_embedding(arch: str = "qwen3", seed: int = 9) -> GgufFiles:
    """Return a valid random model of two layers."""
    random = np.random.default_rng(seed)
    vocabulary = gemma_vocabulary() if arch == "gemma3" else qwen_vocabulary()
    numbers = {
        "block_count": LAYERS, "context_length": 2048, "embedding_length": HIDDEN, "feed_forward_length": INNER,
        "attention.head_count": HEADS, "attention.head_count_kv": KV_HEADS, "vocab_size": len(vocabulary.tokens),
        "rope.dimension_count": HEAD_DIM, "attention.key_length": HEAD_DIM, "attention.value_length": HEAD_DIM,
        "pooling_type": 1,
    }  # fmt: skip
    keys = {f"{arch}.rope.freq_base": Typed(F32, 1e6)}
    tensors = {
        "token_embd.weight": half(random.normal(0, 0.3, (len(vocabulary.tokens), HIDDEN))),
        "output_norm.weight": half(random.uniform(0.5, 1.5, HIDDEN)),
    }
    for layer in range(LAYERS):
        tensors |= _layer(random, f"blk.{layer}.", arch)
    return GgufFiles(embedding_metadata(arch, "tiny", numbers, vocabulary, keys), tensors)


def _layer(random: np.random.Generator, prefix: str, arch: str) -> dict[str, Stored]:
    attention, kv = HEADS * HEAD_DIM, KV_HEADS * HEAD_DIM
    shapes = {
        "attn_q": (attention, HIDDEN), "attn_k": (kv, HIDDEN), "attn_v": (kv, HIDDEN),
        "attn_output": (HIDDEN, attention), "ffn_gate": (INNER, HIDDEN), "ffn_up": (INNER, HIDDEN),
        "ffn_down": (HIDDEN, INNER),
    }  # fmt: skip
    norms = {"attn_norm": HIDDEN, "ffn_norm": HIDDEN, "attn_q_norm": HEAD_DIM, "attn_k_norm": HEAD_DIM}
    if arch == "gemma3":
        norms |= {"post_attention_norm": HIDDEN, "post_ffw_norm": HIDDEN}
    norms |= {f"{name}_norm_in": cols for name, (_, cols) in shapes.items()}
    tensors = {f"{prefix}{name}.weight": half(random.uniform(0.5, 1.5, size)) for name, size in norms.items()}
    for name, shape in shapes.items():
        tensors[f"{prefix}{name}.weight"] = projection(random.integers(0, 3, shape, np.uint8), 0.05)
    return tensors
