"""The encoder on every kernel set: equal bits however it is run, and nothing seen that a token may not see."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import cython_kernels as ck
from cython_kernels.encoder import Encoder, EncoderLayer, EncoderShape, EncoderWeights, Projection

pytestmark = pytest.mark.kernels

SETS = ck.kernel_sets()
SHAPE = EncoderShape(
    hidden=48, intermediate=80, n_layers=2, n_heads=6, n_kv_heads=2, head_dim=16, rms_eps=1e-6, attention_scale=0.3,
    activation="gelu", max_tokens=160,
)  # fmt: skip
WIDE = replace(SHAPE, hidden=192, intermediate=320, n_heads=4, n_kv_heads=1, head_dim=80, activation="silu")


def build(s: EncoderShape, *, post_norms: bool, windows: tuple[int, int] = (0, 23), seed: int = 3) -> EncoderWeights:
    rng = np.random.default_rng(seed)

    def norm(n: int) -> np.ndarray:
        return rng.uniform(0.5, 1.5, n).astype(np.float32)

    def projection(rows: int, cols: int) -> Projection:
        matrix = ck.new_ternary(rows, cols)
        assert ck.pack(matrix, rng.integers(0, 3, (rows, cols), dtype=np.uint8), rows, 0.05)
        return Projection(matrix, norm(cols))

    attention, kv = s.n_heads * s.head_dim, s.n_kv_heads * s.head_dim
    angles = np.outer(np.arange(s.max_tokens), 10000.0 ** -(np.arange(s.head_dim // 2) / (s.head_dim // 2)))
    layers = tuple(
        EncoderLayer(
            q=projection(attention, s.hidden),
            k=projection(kv, s.hidden),
            v=projection(kv, s.hidden),
            o=projection(s.hidden, attention),
            gate=projection(s.intermediate, s.hidden),
            up=projection(s.intermediate, s.hidden),
            down=projection(s.hidden, s.intermediate),
            attn_norm=norm(s.hidden),
            ffn_norm=norm(s.hidden),
            q_head_norm=norm(s.head_dim),
            k_head_norm=norm(s.head_dim),
            post_attn_norm=norm(s.hidden) if post_norms else None,
            post_ffn_norm=norm(s.hidden) if post_norms else None,
            rope_cos=np.cos(angles).astype(np.float32),
            rope_sin=np.sin(angles).astype(np.float32),
            window=window,
        )
        for window in windows
    )
    return EncoderWeights(layers, norm(s.hidden))


def states(s: EncoderShape, n: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, s.hidden)).astype(np.float32)


def run(s: EncoderShape, weights: EncoderWeights, x: np.ndarray, kernels: str = SETS[0], n_threads: int = 1) -> Any:
    encoder = Encoder(s, weights, n_threads=n_threads, kernels=kernels)
    x = x.copy()
    assert encoder.run(x)
    encoder.close()
    return x


@pytest.mark.parametrize(("shape", "post_norms"), [(SHAPE, True), (WIDE, False)])
def test_states_have_the_same_bits_however_they_are_made(shape: EncoderShape, post_norms: bool) -> None:
    weights = build(shape, post_norms=post_norms)
    x = states(shape, 137)
    want = run(shape, weights, x, "scalar").tobytes()
    for kernels in SETS:
        for n_threads in (1, 2, 3, 5):
            assert run(shape, weights, x, kernels, n_threads).tobytes() == want, (kernels, n_threads)


@pytest.mark.parametrize("n", [1, 15, 16, 17, 63, 64, 65, 137])
def test_a_prefix_is_independent_of_what_follows(n: int) -> None:
    """Causal: the states of the first n tokens have the same bits whether or not others come after them."""
    weights = build(SHAPE, post_norms=True)
    x = states(SHAPE, 137)
    assert np.array_equal(run(SHAPE, weights, x)[:n], run(SHAPE, weights, x[:n]))


def test_a_sequence_leaves_nothing_behind() -> None:
    weights = build(SHAPE, post_norms=True)
    encoder = Encoder(SHAPE, weights, n_threads=2, kernels=SETS[0])
    long, short = states(SHAPE, 160), states(SHAPE, 9, seed=5)
    assert encoder.run(long)
    again = short.copy()
    assert encoder.run(again)
    encoder.close()
    assert np.array_equal(again, run(SHAPE, weights, short))


def test_a_window_hides_exactly_what_lies_before_it() -> None:
    """With one layer and a window of w, token t depends on the tokens t - w + 1 .. t and on no other."""
    shape, window, t = replace(SHAPE, n_layers=1), 23, 70
    weights = build(shape, post_norms=True, windows=(window,))  # type: ignore[arg-type]
    x = states(shape, 90)
    want = run(shape, weights, x)
    for changed, is_seen in [(t - window, False), (t - window + 1, True), (t, True), (t + 1, False)]:
        other = x.copy()
        other[changed] += 1.0
        assert np.array_equal(run(shape, weights, other)[t], want[t]) != is_seen, changed


def test_a_window_as_long_as_the_sequence_hides_nothing() -> None:
    x = states(SHAPE, 100)
    all_seen = run(SHAPE, build(SHAPE, post_norms=True, windows=(0, 0)), x)
    assert np.array_equal(all_seen, run(SHAPE, build(SHAPE, post_norms=True, windows=(100, 160)), x))


def test_interrupt_stops_and_can_be_cleared() -> None:
    encoder = Encoder(SHAPE, build(SHAPE, post_norms=True), n_threads=2, kernels=SETS[0])
    encoder.interrupt()
    assert not encoder.run(states(SHAPE, 8))
    encoder.clear_interrupt()
    assert encoder.run(states(SHAPE, 8))
    encoder.close()
    encoder.interrupt()
    with pytest.raises(ValueError, match="closed"):
        encoder.run(states(SHAPE, 8))


def test_the_facade_refuses_what_c_would_take_for_granted() -> None:
    weights = build(SHAPE, post_norms=True)
    encoder = Encoder(SHAPE, weights, n_threads=1, kernels="scalar")
    for bad in [states(SHAPE, 161), states(SHAPE, 4).astype(np.float64), states(SHAPE, 4)[:, :16], states(SHAPE, 0)]:
        with pytest.raises(ValueError):
            encoder.run(bad)
    first = weights.layers[0]
    for layer in [
        replace(first, q=first.k),
        replace(first, down=replace(first.down, norm=first.attn_norm)),
        replace(first, attn_norm=first.attn_norm.astype(np.float64)),
        replace(first, rope_cos=first.rope_cos[:8]),
        replace(first, window=-1),
    ]:
        with pytest.raises(ValueError):
            Encoder(SHAPE, replace(weights, layers=(layer, layer)), n_threads=1, kernels="scalar")
    for shape in [replace(SHAPE, hidden=50), replace(SHAPE, n_layers=1), replace(SHAPE, n_kv_heads=4)]:
        with pytest.raises(ValueError):
            Encoder(shape, weights, n_threads=1, kernels="scalar")
    with pytest.raises(ValueError):
        Encoder(SHAPE, weights, n_threads=0, kernels="scalar")
    with pytest.raises(ValueError):
        Encoder(SHAPE, weights, n_threads=1, kernels="nonsense")
