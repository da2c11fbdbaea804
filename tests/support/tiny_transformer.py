"""A small transformer with a head of one's choice, plain and screened, for what concerns the head alone."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

import cython_kernels as ck

SHAPE = ck.Shape(
    hidden=256, intermediate=64, n_layers=1, n_heads=2, n_kv_heads=1, head_dim=16, vocab=3001, rms_eps=1e-5,
    activation="relu2", max_context=64,
)  # fmt: skip


def bf16(values: NDArray[np.floating]) -> NDArray[np.uint16]:
    """Truncate to bfloat16 bits."""
    return (np.ascontiguousarray(values, np.float32).view(np.uint32) >> 16).astype(np.uint16)


def weights_of(shape: ck.Shape, head: NDArray[np.uint16], final_norm: NDArray[np.float32]) -> ck.ModelWeights:
    """Return weights with a plain head; the embedding is random and independent of it."""
    rng = np.random.default_rng(11)

    def matrix(rows: int, cols: int) -> ck.TernaryMatrix:
        packed = ck.new_ternary(rows, cols)
        assert ck.pack(packed, rng.integers(0, 3, (rows, cols), dtype=np.uint8), rows, 0.05)
        return packed

    layer = ck.LayerWeights(
        qkv=matrix(shape.q_rows + 2 * shape.kv_rows, shape.hidden),
        o=matrix(shape.hidden, shape.n_heads * shape.head_dim),
        gate_up=matrix(2 * ck.padded_rows(shape.intermediate), shape.hidden),
        down=matrix(shape.hidden, shape.intermediate),
        input_norm=np.ones(shape.hidden, np.float32),
        post_attention_norm=np.ones(shape.hidden, np.float32),
        attn_sub_norm=None,
        ffn_sub_norm=None,
    )
    embedding = bf16(rng.standard_normal((shape.vocab, shape.hidden)))
    angles = np.outer(np.arange(shape.max_context), 10000.0 ** -(np.arange(shape.head_dim // 2) / 8))
    cos, sin = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
    return ck.ModelWeights(embedding, head, final_norm, (layer,), cos, sin)


def screened(weights: ck.ModelWeights, shape: ck.Shape, kernels: str) -> ck.ModelWeights:
    """Return the same weights with a screened head instead of the plain one."""
    assert weights.head is not None
    screen = ck.new_screen(shape.vocab, shape.hidden)
    for first in range(0, shape.vocab, 700):
        ck.screen_rows(screen, first, weights.head[first : first + 700], kernels)
    return replace(weights, head=None, screen=screen)


def heads(rng: np.random.Generator) -> dict[str, NDArray[np.uint16]]:
    """Return heads that are as unkind as possible, by name; all of SHAPE."""
    size = (SHAPE.vocab, SHAPE.hidden)
    normal = rng.standard_normal(size)
    sizes = np.exp(rng.standard_normal((size[0], 1)))
    alike = np.repeat(rng.standard_normal((1, size[1])), size[0], axis=0) + 1e-2 * normal
    extremes = 10.0 ** rng.uniform(-38, 30, (size[0], 1)) * rng.choice([-1.0, 1.0], size)
    extremes[::7] = 0.0
    equal = np.repeat(normal[:100], 31, axis=0)[: size[0]]
    return {
        "random": bf16(normal / 16),
        "rows of very different size": bf16(normal * sizes),
        "heavy tails": bf16(rng.standard_t(1.5, size)),
        "nearly the same row everywhere": bf16(alike),
        "nothing, tiny and huge": bf16(np.clip(extremes, -3e30, 3e30)),
        "equal rows": bf16(equal),
    }


def norms(rng: np.random.Generator) -> dict[str, NDArray[np.float32]]:
    """Return weights of the final norm, which give a hidden state its outliers, by name."""
    outliers = np.ones(SHAPE.hidden, np.float32)
    outliers[[3, 77, 200]] = 300.0, -1000.0, 50.0
    return {
        "even": np.ones(SHAPE.hidden, np.float32),
        "outliers": outliers,
        "wide": np.exp(2 * rng.standard_normal(SHAPE.hidden)).astype(np.float32),
    }
