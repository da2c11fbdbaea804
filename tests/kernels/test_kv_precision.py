"""The KV cache in every precision: what it holds, and that nothing but the precision changes a bit."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

import cython_kernels as ck
from cython_kernels.reference import ReferenceTransformer
from tests.support.tiny_transformer import SHAPE, bf16, weights_of

pytestmark = pytest.mark.kernels

DEEP = replace(SHAPE, max_context=608)  # two whole blocks of positions and a part of one
IDS = (np.arange(600, dtype=np.int32) * 37) % SHAPE.vocab
PRECISIONS: tuple[ck.KVPrecision, ...] = ("f32", "f16", "int8")


def build(seed: int) -> ck.ModelWeights:
    rng = np.random.default_rng(seed)
    return weights_of(DEEP, bf16(rng.standard_normal((DEEP.vocab, DEEP.hidden))), np.ones(DEEP.hidden, np.float32))


def run(
    weights: ck.ModelWeights, kv: ck.KVArrays, pieces: list[tuple[int, int]], n_threads: int = 1, kernels: str = ""
) -> NDArray[np.float32]:
    """Logits after the last id of `pieces`, the positions (from, to) that are read one after the other."""
    model = ck.Transformer(DEEP, weights, kv, n_threads=n_threads, kernels=ck.choose_kernels(kernels))
    logits = np.empty((1, DEEP.vocab), np.float32)
    for first, end in pieces:
        assert model.forward(IDS[first:end], first, logits)
    model.close()
    return logits


@pytest.mark.parametrize("precision", PRECISIONS)
def test_fresh_reused_and_truncated_caches_give_the_same_bits(precision: ck.KVPrecision) -> None:
    weights = build(3)
    fresh = run(weights, ck.new_kv(DEEP, precision), [(0, 600)])
    for n_threads in (1, 3):
        cache = ck.new_kv(DEEP, precision)
        in_parts = [(at, at + 100) for at in range(0, 600, 100)]
        assert run(weights, cache, in_parts, n_threads).tobytes() == fresh.tobytes()
        again = [(250, 261), (261, 590), *((at, at + 1) for at in range(590, 600))]
        assert run(weights, cache, again, n_threads).tobytes() == fresh.tobytes()
    if "avx2" in ck.kernel_sets():
        assert run(weights, ck.new_kv(DEEP, precision), [(0, 600)], 2, "avx2").tobytes() == fresh.tobytes()


def test_half_precision_is_rounded_as_numpy_does() -> None:
    weights = build(4)
    exact = ck.new_kv(DEEP)
    run(weights, exact, [(0, 40)])
    for kernels in ck.kernel_sets():
        halves = ck.new_kv(DEEP, "f16")
        run(weights, halves, [(0, 40)], kernels=kernels)
        # the first layer's keys and values come before any attention: they are those of the exact cache
        assert (halves.keys[0] == exact.keys[0].astype(np.float16)).all()
        assert (halves.values[0] == exact.values[0].astype(np.float16)).all()


def test_eight_bits_are_within_half_a_step() -> None:
    weights = build(5)
    exact, small = ck.new_kv(DEEP), ck.new_kv(DEEP, "int8")
    run(weights, exact, [(0, 40)])
    run(weights, small, [(0, 40)])
    assert small.value_scales is not None
    steps = small.value_scales[0, :, :40, None]
    wanted = np.asarray(exact.values[0, :, :40], np.float32)
    assert np.allclose(steps[..., 0], np.abs(wanted).max(axis=-1) / 127, rtol=1e-6)
    assert (np.abs(np.asarray(small.values[0, :, :40], np.float32) * steps - wanted) <= steps * 0.501).all()


@pytest.mark.parametrize("n", [256, 257, 600])
def test_blocks_of_positions_agree_with_the_definition(n: int) -> None:
    weights = build(6)
    wanted = np.empty((1, DEEP.vocab), np.float32)
    ReferenceTransformer(DEEP, weights, ck.new_kv(DEEP)).forward(IDS[:n], 0, wanted)
    got = run(weights, ck.new_kv(DEEP), [(0, n)])
    assert np.abs(got - wanted).max() <= 2e-4 * max(1.0, float(np.abs(wanted).max()))


def test_memory_of_a_position_is_what_is_allocated() -> None:
    for precision in PRECISIONS:
        kv = ck.new_kv(DEEP, precision)
        arrays = [kv.keys, kv.values, *(a for a in (kv.key_scales, kv.value_scales) if a is not None)]
        assert sum(a.nbytes for a in arrays) == ck.kv_bytes_per_token(DEEP, precision) * DEEP.max_context


def test_a_cache_of_mixed_arrays_is_refused() -> None:
    weights, kv = build(7), ck.new_kv(DEEP, "int8")
    for bad in (replace(kv, key_scales=None), replace(kv, values=ck.new_kv(DEEP, "f16").values)):
        with pytest.raises(ValueError, match=r"factors|values"):
            ck.Transformer(DEEP, weights, bad, n_threads=1, kernels="scalar")
