"""The header of an embedding model's GGUF file -> EmbeddingConfig: what is not implemented is refused by name.

Knows the keys of the architectures qwen3 and gemma3 as microsoft/BitNet's convert-bitnet-embedding-to-gguf.py writes
them, and what Gemma 3 means where that converter writes nothing. Must not know tensors or tokens.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np

from core.inference.config import (
    MAX_HEAD_DIM,
    MAX_HEADS,
    MAX_LAYERS,
    MAX_POSITIONS,
    MAX_VOCAB,
    MAX_WIDTH,
    ConfigKeys,
)
from core.inference.gguf import GgufFile

MAX_TOKENS = 2048  # of one text; the memory of a run grows with it
# google/gemma-3-270m, config.json: the backbone, for files that say nothing about it.
GEMMA_WINDOW = 512
GEMMA_PATTERN = 6  # each sixth layer sees everything
GEMMA_LOCAL_THETA = 10_000.0

_CARD_SAYS_LAST_TOKEN = re.compile(r"bitnet-embeddings?-(270m|0\.6b)\b", re.IGNORECASE)
_POOLING_KEYS = {1: "mean", 3: "last_token"}  # llama_pooling_type of llama.h
# Keys that change the numbers, and the values under which they do not.
_NEUTRAL: Mapping[str, tuple[object, ...]] = {
    "rope.scaling.type": ("none",),
    "rope.scaling.factor": (1, 0),
    "rope.scale_linear": (1, 0),
    "attention.causal": (True,),
    "attention.scale": (),
    "attn_logit_softcapping": (0,),
    "embedding_scale": (),
    "expert_count": (0,),
    "logit_scale": (),
    "residual_scale": (),
}


class Pooling(StrEnum):
    """How the states of the tokens become one vector."""

    MEAN = "mean"
    LAST_TOKEN = "last_token"


@dataclass(frozen=True, slots=True)
class EmbeddingConfig:
    """What an embedding model is.

    windows: for each layer the number of positions a token sees, 0 for all up to its own; thetas: its RoPE base.
    """

    family: Literal["qwen3", "gemma3"]
    name: str
    hidden_size: int
    intermediate_size: int
    n_heads: int
    n_kv_heads: int
    head_dim: int
    vocab_size: int
    max_tokens: int
    rms_norm_eps: float
    attention_scale: float
    embedding_scale: float
    windows: tuple[int, ...]
    thetas: tuple[float, ...]
    pooling: Pooling

    @property
    def n_layers(self) -> int:
        """Number of layers."""
        return len(self.windows)

    @property
    def has_post_norms(self) -> bool:
        """Whether what a half of a layer adds goes through a norm first."""
        return self.family == "gemma3"


def embedding_config(file: GgufFile, pooling: Pooling | None = None) -> EmbeddingConfig:
    """Return the configuration that the header of `file` tells; `pooling` overrules what it says about pooling.

    Raises:
        AppError: MODEL_DAMAGED, MODEL_UNSUPPORTED.
    """
    keys = ConfigKeys(file.path, "header", file.metadata)
    family = _family(keys)
    prefix = f"{family}."
    _refuse_variants(keys, prefix)
    hidden = keys.integer(f"{prefix}embedding_length", 16, MAX_WIDTH)
    heads = keys.integer(f"{prefix}attention.head_count", 1, MAX_HEADS)
    head_dim = _head_dim(keys, prefix)
    windows, thetas = _layers(keys, family, keys.integer(f"{prefix}block_count", 1, MAX_LAYERS))
    config = EmbeddingConfig(
        family=family,
        name=_name(keys),
        hidden_size=hidden,
        intermediate_size=keys.integer(f"{prefix}feed_forward_length", 16, MAX_WIDTH),
        n_heads=heads,
        n_kv_heads=keys.integer(f"{prefix}attention.head_count_kv", 1, heads),
        head_dim=head_dim,
        vocab_size=_vocab_size(keys, prefix),
        max_tokens=min(keys.integer(f"{prefix}context_length", 1, MAX_POSITIONS), MAX_TOKENS),
        rms_norm_eps=keys.number(f"{prefix}attention.layer_norm_rms_epsilon", 1e-12, 1.0),
        attention_scale=_attention_scale(keys, prefix, head_dim),
        embedding_scale=float(np.float32(hidden**0.5)) if family == "gemma3" else 1.0,  # Gemma3TextScaledWordEmbedding
        windows=windows,
        thetas=thetas,
        pooling=pooling or _pooling(keys, prefix),
    )
    _check_sizes(keys, config)
    return config


def _family(keys: ConfigKeys) -> Literal["qwen3", "gemma3"]:
    match keys.get("general.architecture"):
        case str("qwen3"):
            return "qwen3"
        case str("gemma3"):
            return "gemma3"
        case _:
            shown = keys.shown("general.architecture")
            raise keys.unsupported(f"the architecture is {shown}; of embedding models only qwen3 and gemma3 are known")


def _name(keys: ConfigKeys) -> str:
    name = keys.get("general.name")
    return name[:100] if isinstance(name, str) else ""


def _refuse_variants(keys: ConfigKeys, prefix: str) -> None:
    for key, neutral in _NEUTRAL.items():
        value = keys.get(prefix + key)
        if value is not None and not _is_one_of(value, neutral):
            raise keys.unsupported(f"{prefix}{key} is {keys.shown(prefix + key)}")


def _is_one_of(value: object, allowed: tuple[object, ...]) -> bool:
    """Compare without stumbling over arrays, which are never allowed."""
    return not isinstance(value, np.ndarray | list) and value in allowed


def _head_dim(keys: ConfigKeys, prefix: str) -> int:
    """Return attention.key_length; hidden / heads would be wrong for both models."""
    head_dim = keys.integer(f"{prefix}attention.key_length", 16, MAX_HEAD_DIM)
    for key in ("attention.value_length", "rope.dimension_count"):
        if prefix + key in keys.values and not _is_one_of(keys.get(prefix + key), (head_dim,)):
            raise keys.unsupported(f"{prefix}{key} is {keys.shown(prefix + key)}, the key length {head_dim}")
    return head_dim


def _vocab_size(keys: ConfigKeys, prefix: str) -> int:
    tokens = keys.get("tokenizer.ggml.tokens")
    if not isinstance(tokens, list) or not 1 <= len(tokens) <= MAX_VOCAB:
        raise keys.damaged("tokenizer.ggml.tokens is no list of tokens")
    if not _is_one_of(keys.get(f"{prefix}vocab_size"), (None, len(tokens))):
        raise keys.damaged(f"{prefix}vocab_size is {keys.shown(prefix + 'vocab_size')}, and there are {len(tokens)}")
    return len(tokens)


def _attention_scale(keys: ConfigKeys, prefix: str, head_dim: int) -> float:
    """Return 1 / sqrt(query_pre_attn_scalar), which is the head's size where the file does not say otherwise."""
    key = f"{prefix}attention.query_pre_attn_scalar"
    scalar = keys.number(key, 1e-3, 1e6) if key in keys.values else float(head_dim)
    return float(scalar**-0.5)


def _layers(keys: ConfigKeys, family: str, n_layers: int) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Return window and RoPE base of each layer."""
    theta = keys.number(f"{family}.rope.freq_base", 1.0, 1e12)
    window_key, pattern_key = f"{family}.attention.sliding_window", f"{family}.attention.sliding_window_pattern"
    if family == "qwen3":
        if not _is_one_of(keys.get(window_key), (None, 0)):
            raise keys.unsupported(f"{window_key} is {keys.shown(window_key)}")
        return (0,) * n_layers, (theta,) * n_layers
    window = keys.integer(window_key, 1, MAX_POSITIONS) if window_key in keys.values else GEMMA_WINDOW
    pattern = keys.integer(pattern_key, 1, MAX_LAYERS) if pattern_key in keys.values else GEMMA_PATTERN
    local_key = f"{family}.rope.freq_base_swa"
    local = keys.number(local_key, 1.0, 1e12) if local_key in keys.values else GEMMA_LOCAL_THETA
    sees_all = [(layer + 1) % pattern == 0 for layer in range(n_layers)]
    return tuple(0 if full else window for full in sees_all), tuple(theta if full else local for full in sees_all)


def _pooling(keys: ConfigKeys, prefix: str) -> Pooling:
    """Return how this file's states become a vector.

    The files of microsoft/BitNet-embedding-270M and -0.6B say MEAN (1), their converter's default where a model has no
    sentence-transformers directory; their card, their guide (bitnet-embeddings-i2s-guide.md, FAQ 3) and their training
    say last token. For those two the card counts, for all other files the key. (The sample vector on the card of -0.6B
    was made with the key, by MEAN; who wants to compare with it asks for that.)
    """
    if _CARD_SAYS_LAST_TOKEN.match(_name(keys)):
        return Pooling.LAST_TOKEN
    key = f"{prefix}pooling_type"
    value = keys.get(key)
    if value is None:
        return Pooling.LAST_TOKEN
    if not isinstance(value, int) or isinstance(value, bool) or value not in _POOLING_KEYS:
        raise keys.unsupported(f"{key} is {keys.shown(key)}; mean (1) and last token (3) are implemented")
    return Pooling(_POOLING_KEYS[value])


def _check_sizes(keys: ConfigKeys, config: EmbeddingConfig) -> None:
    """Refuse sizes that the kernels cannot hold; they work on 16 lanes."""
    for key in ("hidden_size", "intermediate_size", "head_dim"):
        if getattr(config, key) % 16:
            raise keys.unsupported(f"{key} is {getattr(config, key)}, no multiple of 16")
    if config.n_heads * config.head_dim > MAX_WIDTH:
        raise keys.unsupported(f"{config.n_heads} heads of {config.head_dim} values")
    if config.n_heads % config.n_kv_heads:
        raise keys.damaged("attention.head_count is no multiple of attention.head_count_kv")
