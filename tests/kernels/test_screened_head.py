"""Bounds of the screened head: true for every row and the same bits on every kernel set, whatever it is given."""

from dataclasses import replace

import numpy as np
import pytest
from tiny_transformer import SHAPE, bf16, heads, norms, screened, weights_of

import cython_kernels as ck

pytestmark = pytest.mark.kernels

SETS = ck.kernel_sets()
RNG = np.random.default_rng(2)
HEADS, NORMS = heads(RNG), norms(RNG)
IDS = RNG.integers(0, SHAPE.vocab, 12, dtype=np.int32)


def plain_logits(weights: ck.ModelWeights) -> np.ndarray:
    model = ck.Transformer(SHAPE, weights, ck.new_kv(SHAPE), n_threads=1, kernels="scalar")
    logits = np.empty((len(IDS), SHAPE.vocab), np.float32)
    assert model.forward(IDS, 0, logits)
    model.close()
    return logits


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("head", HEADS)
def test_every_logit_lies_within_its_bounds_on_every_set(head: str, norm: str) -> None:
    weights = weights_of(SHAPE, HEADS[head], NORMS[norm])
    want = plain_logits(weights)
    first: list[bytes] = []
    for kernels in SETS:
        screen = screened(weights, SHAPE, kernels)
        model = ck.Transformer(SHAPE, screen, ck.new_kv(SHAPE), n_threads=2, kernels=kernels)
        hidden, bounds = np.empty((len(IDS), SHAPE.hidden), np.float32), ck.new_bounds(SHAPE, len(IDS))
        assert model.forward(IDS, 0, None, hidden=hidden, bounds=bounds)
        lower, upper = bounds.lower[:, : SHAPE.vocab], bounds.upper[:, : SHAPE.vocab]
        assert (lower <= want).all()
        assert (want <= upper).all()
        assert np.isneginf(bounds.upper[:, SHAPE.vocab :]).all()
        for values, of_tile in ((bounds.lower, bounds.tile_lower), (bounds.upper, bounds.tile_upper)):
            assert np.array_equal(values.reshape(len(IDS), -1, ck.HEAD_TILE).max(axis=2), of_tile)
        assert screen.screen is not None
        parts = (bounds.lower, bounds.upper, screen.screen.lines, screen.screen.residuals, screen.screen.norms)
        first.append(b"".join(part.tobytes() for part in parts))
        assert first[-1] == first[0]
        exact = np.empty_like(want)
        for at in range(0, SHAPE.vocab, 999):
            model.score_rows(HEADS[head][at : at + 999], hidden, exact, at)
        assert exact.tobytes() == want.tobytes()
        model.close()


def test_the_bounds_are_narrow_enough_to_be_useful() -> None:
    weights = screened(weights_of(SHAPE, HEADS["random"], NORMS["outliers"]), SHAPE, SETS[0])
    model = ck.Transformer(SHAPE, weights, ck.new_kv(SHAPE), n_threads=1, kernels=SETS[0])
    hidden, bounds = np.empty((1, SHAPE.hidden), np.float32), ck.new_bounds(SHAPE)
    assert model.forward(IDS, 0, None, hidden=hidden, bounds=bounds)
    half = (bounds.upper[0, : SHAPE.vocab] - bounds.lower[0, : SHAPE.vocab]) / 2
    rows = np.linalg.norm((HEADS["random"].astype(np.uint32) << 16).view(np.float32), axis=1)
    assert (half / (rows * np.linalg.norm(hidden))).max() < 0.02


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nothing_is_claimed_about_a_hidden_state_that_is_not_finite(value: float) -> None:
    norm = NORMS["even"].copy()
    norm[9] = value
    weights = screened(weights_of(SHAPE, HEADS["random"], norm), SHAPE, SETS[0])
    model = ck.Transformer(SHAPE, weights, ck.new_kv(SHAPE), n_threads=1, kernels=SETS[0])
    hidden, bounds = np.empty((1, SHAPE.hidden), np.float32), ck.new_bounds(SHAPE)
    assert model.forward(IDS, 0, None, hidden=hidden, bounds=bounds)
    assert np.isneginf(bounds.lower).all()
    assert np.isposinf(bounds.upper[0, : SHAPE.vocab]).all()


def test_rows_of_the_embedding_can_be_handed_in() -> None:
    weights = weights_of(SHAPE, HEADS["random"], NORMS["even"])
    want = plain_logits(weights)
    assert weights.embedding is not None
    model = ck.Transformer(SHAPE, replace(weights, embedding=None), ck.new_kv(SHAPE), n_threads=2, kernels=SETS[0])
    logits = np.empty_like(want)
    assert model.forward(IDS, 0, logits, embedded=weights.embedding[IDS])
    assert logits.tobytes() == want.tobytes()
    with pytest.raises(ValueError):
        model.forward(IDS, 0, logits)


def test_the_facade_refuses_what_c_would_take_for_granted() -> None:
    plain = weights_of(SHAPE, HEADS["random"], NORMS["even"])
    weights = screened(plain, SHAPE, SETS[0])
    model = ck.Transformer(SHAPE, weights, ck.new_kv(SHAPE), n_threads=1, kernels=SETS[0])
    hidden, bounds = np.empty((1, SHAPE.hidden), np.float32), ck.new_bounds(SHAPE)
    logits = np.empty((1, SHAPE.vocab), np.float32)
    for wrong in [
        {"hidden": hidden[:, :16].copy()},
        {"hidden": hidden.astype(np.float64)},
        {"bounds": bounds},
        {"hidden": hidden, "bounds": ck.new_bounds(SHAPE, 3)},
        {"hidden": hidden, "bounds": ck.new_bounds(replace(SHAPE, vocab=64))},
        {"hidden": hidden, "embedded": plain.embedding},
    ]:
        with pytest.raises(ValueError):
            model.forward(IDS, 0, None, **wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no head"):
        model.forward(IDS, 0, logits)
    rows = HEADS["random"]
    for broken in [(rows[:, :32].copy(), hidden, logits, 0), (rows, hidden, logits, 1), (rows[:0], hidden, logits, 0)]:
        with pytest.raises(ValueError):
            model.score_rows(*broken)
    screen = ck.new_screen(SHAPE.vocab, SHAPE.hidden)
    for first, part in [
        (-1, rows[:4]),
        (SHAPE.vocab + 60, rows[:4]),
        (0, rows[:, :32].copy()),
        (0, rows[:4].astype(int)),
    ]:
        with pytest.raises(ValueError):
            ck.screen_rows(screen, first, part, SETS[0])
    with pytest.raises(ValueError):
        ck.screen_rows(screen, 0, rows[:4], "nonsense")
    for broken_screen in [ck.new_screen(64, SHAPE.hidden), replace(screen, scales=screen.scales[:-1])]:
        with pytest.raises(ValueError):
            ck.Transformer(
                SHAPE, replace(weights, screen=broken_screen), ck.new_kv(SHAPE), n_threads=1, kernels=SETS[0]
            )
    model.close()
    with pytest.raises(ValueError, match="closed"):
        model.score_rows(rows[:4], hidden, logits)


def test_wide_rows_do_not_overflow() -> None:
    """The widest rows and the most extreme values that the sums must hold."""
    shape = replace(SHAPE, hidden=16384, vocab=64)
    head = bf16(np.full((64, 16384), 3.0) * np.where(np.arange(64) % 2, -1.0, 1.0)[:, None])
    weights = weights_of(shape, head, np.ones(shape.hidden, np.float32))
    weights = replace(weights, embedding=bf16(np.full((64, 16384), 1.0)))
    want = np.empty((1, 64), np.float32)
    ids = np.zeros(1, np.int32)
    assert ck.Transformer(shape, weights, ck.new_kv(shape), n_threads=1, kernels="scalar").forward(ids, 0, want)
    for kernels in SETS:
        model = ck.Transformer(shape, screened(weights, shape, kernels), ck.new_kv(shape), n_threads=1, kernels=kernels)
        hidden, bounds = np.empty((1, shape.hidden), np.float32), ck.new_bounds(shape)
        assert model.forward(ids, 0, None, hidden=hidden, bounds=bounds)
        assert (bounds.lower <= want).all()
        assert (want <= bounds.upper).all()
