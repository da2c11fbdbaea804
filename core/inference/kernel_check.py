"""Whether the compiled kernels compute what their numpy twin computes, on this very processor, in under a second.

Builds a made-up model that is never shown to anybody; must not know files or real models. It is the check of the
self-test: `tests/kernels` looks far closer, but is not there where Tern is installed.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.inference.assembly import rope_tables
from cython_kernels import (
    LayerWeights,
    ModelWeights,
    Shape,
    TernaryMatrix,
    Transformer,
    kernel_sets,
    new_kv,
    new_ternary,
    pack,
    padded_rows,
    ternary_sums,
)
from cython_kernels.reference import ReferenceTransformer, unpack

N_TOKENS: Final = 21
# Float sums are in another order in numpy; a quantised value on the edge may then fall to the other side.
LARGEST_RELATIVE_DIFFERENCE: Final = 0.02
_SHAPE: Final = Shape(
    hidden=192, intermediate=320, n_layers=2, n_heads=6, n_kv_heads=2, head_dim=32, vocab=97, rms_eps=1e-5,
    activation="relu2", max_context=32,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class KernelCheck:
    """What was compared: kernel sets best first, and what is wrong with which; nothing where all is well."""

    kernel_sets: tuple[str, ...]
    problems: tuple[str, ...]
    relative_difference: float  # of the best set's logits from the reference, in standard deviations of the logits


def check_kernels() -> KernelCheck:
    """Run every kernel set that this processor has, and the reference, on the same made-up model."""
    sets = kernel_sets()
    random = np.random.Generator(np.random.SFC64(58))
    weights = _weights(random)
    ids = random.integers(0, _SHAPE.vocab, N_TOKENS, dtype=np.int32)
    want = np.empty((N_TOKENS, _SHAPE.vocab), np.float32)
    ReferenceTransformer(_SHAPE, weights, new_kv(_SHAPE)).forward(ids, 0, want)
    found = {name: _logits(weights, ids, name) for name in sets}
    problems = [f"{name}: sums of integers" for name in sets if not _sums_are_exact(random, name)]
    problems += [f"{name}: other bits than scalar" for name in sets if _bits(found[name]) != _bits(found["scalar"])]
    difference = float(np.abs(found[sets[0]] - want).max() / want.std())
    if not difference <= LARGEST_RELATIVE_DIFFERENCE:  # also where it is no number
        problems.append(f"{sets[0]}: {difference:.3g} away from the reference")
    return KernelCheck(sets, tuple(problems), difference)


def _bits(logits: NDArray[np.float32]) -> bytes:
    return logits.tobytes()


def _logits(weights: ModelWeights, ids: NDArray[np.int32], kernels: str) -> NDArray[np.float32]:
    """Return float32 (n, vocab): the first ids in one go, the last ones singly, as prompt and answer are read."""
    logits = np.empty((len(ids), _SHAPE.vocab), np.float32)
    model = Transformer(_SHAPE, weights, new_kv(_SHAPE), n_threads=2, kernels=kernels)
    try:
        n_first = len(ids) - 4
        model.forward(ids[:n_first], 0, logits[:n_first])
        for at in range(n_first, len(ids)):
            model.forward(ids[at : at + 1], at, logits[at : at + 1])
    finally:
        model.close()
    return logits


def _sums_are_exact(random: np.random.Generator, kernels: str) -> bool:
    matrix = _ternary(random, 192, 256)
    x = random.integers(-128, 128, (5, 256), dtype=np.int16).astype(np.int8)
    exact = x.astype(np.int32) @ unpack(matrix).astype(np.int32).T
    return np.array_equal(ternary_sums(matrix, x, kernels), exact)


def _ternary(random: np.random.Generator, rows: int, cols: int) -> TernaryMatrix:
    matrix = new_ternary(rows, cols)
    pack(matrix, random.integers(0, 3, (rows, cols), dtype=np.uint8), rows, (2 / 3 * cols) ** -0.5)
    return matrix


def _weights(random: np.random.Generator) -> ModelWeights:
    s = _SHAPE

    def norm(n: int) -> NDArray[np.float32]:
        return random.uniform(0.5, 1.5, n).astype(np.float32)

    layers = tuple(
        LayerWeights(
            qkv=_ternary(random, s.q_rows + 2 * s.kv_rows, s.hidden),
            o=_ternary(random, s.hidden, s.n_heads * s.head_dim),
            gate_up=_ternary(random, 2 * padded_rows(s.intermediate), s.hidden),
            down=_ternary(random, s.hidden, s.intermediate),
            input_norm=norm(s.hidden),
            post_attention_norm=norm(s.hidden),
            attn_sub_norm=norm(s.n_heads * s.head_dim),
            ffn_sub_norm=norm(s.intermediate),
        )
        for _ in range(s.n_layers)
    )
    values = random.standard_normal((s.vocab, s.hidden)).astype(np.float32)
    embedding = (values.view(np.uint32) >> 16).astype(np.uint16)
    cos, sin = rope_tables(10_000.0, s.head_dim, s.max_context)
    return ModelWeights(embedding, embedding, norm(s.hidden), layers, cos, sin)
