from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from core.errors import AppError, ErrorCode
from core.inference import sampling
from core.inference.config import TokenId
from core.inference.logits import HeadQuery, TopLogits
from core.inference.sampling import (
    SamplingParams,
    count_min_p,
    count_top_p,
    make_sampler,
    most_likely,
    penalize_repeats,
    pick,
    rank,
    weights_of,
)

OFF = SamplingParams(temperature=1.0, top_k=0, top_p=1.0, min_p=0.0, repeat_penalty=1.0, seed=0)
FROM_SEED_7 = [38, 23, 32, 46, 45, 26, 49, 29]
LOGITS = st.lists(st.sampled_from([-3.0, -1.0, 0.0, 0.5, 1.0, 2.0, 2.5, 30.0]), min_size=1, max_size=40)
PARAMS = st.builds(
    SamplingParams,
    temperature=st.sampled_from([0.0, 0.01, 0.7, 1.0, 5.0]),
    top_k=st.sampled_from([0, 1, 2, 5, 100]),
    top_p=st.sampled_from([0.001, 0.5, 0.9, 1.0]),
    min_p=st.sampled_from([0.0, 0.05, 0.5, 1.0]),
    repeat_penalty=st.sampled_from([1.0, 1.1, 2.0]),
    repeat_window=st.sampled_from([0, 1, 64]),
)


def f32(*values: float) -> NDArray[np.float32]:
    return np.array(values, dtype=np.float32)


def f64(*values: float) -> NDArray[np.float64]:
    return np.array(values, dtype=np.float64)


def logits_of(*shares: float) -> NDArray[np.float32]:
    """Logits whose softmax is `shares`."""
    return np.log(np.array(shares, dtype=np.float64)).astype(np.float32)


def ids(*values: int) -> list[TokenId]:
    return [TokenId(value) for value in values]


def draws(logits: NDArray[np.float32], params: SamplingParams, n: int, seed: int = 1) -> list[TokenId]:
    sampler = make_sampler(params, seed)
    return [sampler(logits, []) for _ in range(n)]


# each function on its own


def test_penalty_divides_positive_logits_and_multiplies_negative_ones() -> None:
    logits = f32(2.0, -2.0, 0.0, 4.0)
    assert penalize_repeats(logits, ids(0, 1, 2), 2.0).tolist() == [1.0, -4.0, 0.0, 4.0]
    assert logits.tolist() == [2.0, -2.0, 0.0, 4.0], "the logits are not ours"


def test_penalty_counts_a_repeated_id_once() -> None:
    assert penalize_repeats(f32(8.0, 1.0), ids(0, 0, 0), 2.0).tolist() == [4.0, 1.0]


def test_most_likely_takes_the_lowest_of_equal_ids() -> None:
    assert most_likely(f32(1.0, 3.0, 3.0, 2.0)) == 1


@pytest.mark.parametrize(
    ("n_best", "expected"),
    [(1, [3]), (2, [3, 1]), (3, [3, 1, 2]), (4, [3, 1, 2, 4]), (6, [3, 1, 2, 4, 5, 0]), (9, [3, 1, 2, 4, 5, 0])],
)
def test_rank_orders_ties_by_id_also_at_the_cut(n_best: int, expected: list[int]) -> None:
    assert rank(f32(-1.0, 2.0, 2.0, 5.0, 2.0, 1.0), n_best).tolist() == expected


@given(LOGITS, st.integers(1, 50))
def test_rank_is_the_beginning_of_the_full_order(values: list[float], n_best: int) -> None:
    expected = sorted(range(len(values)), key=lambda i: (-values[i], i))
    assert rank(f32(*values), n_best).tolist() == expected[:n_best]


def test_temperature_divides_the_logits() -> None:
    weights = weights_of(f32(0.0, 1.0, 3.0), 2.0)
    np.testing.assert_allclose(weights, [np.exp(-1.5), np.exp(-1.0), 1.0], rtol=1e-15)


def test_tiny_temperatures_do_not_overflow() -> None:
    assert weights_of(f32(-1e30, 0.0, 1e30), 1e-6).tolist() == [0.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("top_p", "n_kept"), [(0.0001, 1), (0.5, 1), (0.5001, 2), (0.75, 2), (0.76, 3), (0.9, 4), (0.9999, 4), (1.0, 4)]
)
def test_top_p_keeps_the_fewest_that_reach_the_share(top_p: float, n_kept: int) -> None:
    assert count_top_p(f64(4.0, 2.0, 1.0, 1.0), top_p, 8.0) == n_kept


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=20), st.floats(1e-9, 1.0))
def test_top_p_keeps_at_least_one_token(values: list[float], top_p: float) -> None:
    weights = np.sort(f64(*values))[::-1]
    n_kept = count_top_p(weights, top_p, float(weights.sum()))
    assert 1 <= n_kept <= len(weights)


@pytest.mark.parametrize(("min_p", "n_kept"), [(0.0, 4), (0.25, 4), (0.26, 2), (0.5, 2), (0.51, 1), (1.0, 1)])
def test_min_p_is_relative_to_the_best(min_p: float, n_kept: int) -> None:
    assert count_min_p(f64(4.0, 2.0, 1.0, 1.0), min_p) == n_kept


def test_min_p_one_keeps_all_that_equal_the_best() -> None:
    assert count_min_p(f64(1.0, 1.0, 0.5), 1.0) == 2


@pytest.mark.parametrize(("point", "index"), [(0.0, 0), (3.99, 0), (4.0, 1), (5.99, 1), (6.0, 3), (7.0, 3), (9.0, 3)])
def test_pick_lays_the_weights_end_to_end(point: float, index: int) -> None:
    assert pick(f64(4.0, 2.0, 0.0, 1.0), point) == index


# composed


def test_draws_follow_the_probabilities() -> None:
    counts = Counter(draws(logits_of(0.1, 0.6, 0.3), OFF, 4000))
    assert counts[TokenId(0)] / 4000 == pytest.approx(0.1, abs=0.03)
    assert counts[TokenId(1)] / 4000 == pytest.approx(0.6, abs=0.03)
    assert counts[TokenId(2)] / 4000 == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({"top_k": 2}, {3, 0}),
        ({"top_p": 0.55}, {3, 0}),
        ({"top_p": 0.39}, {3}),
        ({"min_p": 0.49}, {3, 0, 2}),
        ({"min_p": 0.49, "top_k": 2}, {3, 0}),
        ({"top_k": 3, "top_p": 0.7}, {3, 0}),  # of the three that top-k left, two have 70 %
        ({"temperature": 0.0}, {3}),
    ],
)
def test_filters_leave_exactly_these(changes: dict[str, Any], kept: set[int]) -> None:
    logits = logits_of(0.3, 0.1, 0.2, 0.4)
    assert set(draws(logits, replace(OFF, **changes), 300)) == kept


def test_an_id_without_probability_is_never_drawn() -> None:
    logits = f32(-np.inf, 1.0, -np.inf, 1.0)
    assert set(draws(logits, OFF, 200)) == {1, 3}


def test_the_penalty_looks_at_its_window_only() -> None:
    logits = f32(3.0, 2.9, 0.0)
    params = replace(OFF, temperature=0.0, repeat_penalty=2.0, repeat_window=2)
    sampler = make_sampler(params, 0)
    assert sampler(logits, []) == 0
    assert sampler(logits, ids(0)) == 1
    assert sampler(logits, ids(0, 2, 2)) == 0, "it left the window"
    assert make_sampler(replace(params, repeat_window=0), 0)(logits, ids(0)) == 0


def test_greedy_takes_the_models_word_without_a_penalty() -> None:
    sampler = make_sampler(SamplingParams.greedy(), 0)
    assert sampler(f32(1.0, 3.0, 2.9), ids(1, 1, 1)) == 1


@given(LOGITS)
def test_a_temperature_close_to_zero_is_greedy(values: list[float]) -> None:
    logits = f32(*values)
    best = float(logits.max())
    for token_id in draws(logits, replace(OFF, temperature=1e-6), 5):
        assert logits[token_id] == best
    if values.count(best) == 1:
        assert draws(logits, replace(OFF, temperature=1e-6), 3) == [most_likely(logits)] * 3


@given(LOGITS, PARAMS, st.integers(0, 2**63 - 1))
def test_equal_seeds_draw_equal_tokens(values: list[float], params: SamplingParams, seed: int) -> None:
    logits = f32(*values)
    logits.flags.writeable = False  # never written to
    one, other = make_sampler(params, seed), make_sampler(params, seed)
    said: list[TokenId] = []
    for _ in range(5):
        token_id = one(logits, said)
        assert token_id == other(logits, said)
        assert 0 <= token_id < len(values)
        said.append(token_id)


def test_different_seeds_draw_different_tokens() -> None:
    logits = f32(*[0.0] * 100)
    assert len({tuple(draws(logits, OFF, 8, seed)) for seed in range(20)}) == 20


def test_draws_are_those_of_every_machine_and_version() -> None:
    logits = np.linspace(0.0, 4.0, 50, dtype=np.float32)
    assert draws(logits, OFF, 8, seed=7) == FROM_SEED_7


@pytest.mark.parametrize(
    "changes", [{}, {"top_p": 0.9}, {"top_p": 0.999}, {"min_p": 0.001}, {"min_p": 0.3, "top_p": 0.5}]
)
@pytest.mark.parametrize("temperature", [0.2, 1.0, 5.0])
def test_ranking_a_few_candidates_gives_what_ranking_all_gives(
    changes: dict[str, Any], temperature: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    logits = (np.random.default_rng(0).standard_normal(3000) * 3).astype(np.float32)
    params = replace(OFF, temperature=temperature, **changes)
    all_ranked = draws(logits, replace(params, top_k=3000), 60)
    monkeypatch.setattr(sampling, "_FIRST_GUESS", 4)
    assert draws(logits, params, 60) == all_ranked


def test_a_large_vocabulary_is_not_sorted_for_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = (np.random.default_rng(0).standard_normal(128_256) * 3).astype(np.float32)
    ranked: list[int] = []

    def watched(values: NDArray[np.float32], n_best: int) -> NDArray[np.int64]:
        ranked.append(n_best)
        return rank(values, n_best)

    monkeypatch.setattr(sampling, "rank", watched)
    draws(logits, SamplingParams(), 5)
    draws(logits, SamplingParams(top_k=0), 5)
    assert max(ranked) <= 1024


# settings


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("temperature", value) for value in (-0.1, 5.1, float("nan"), float("inf"), True, "1", None)),
        *(("top_k", value) for value in (-1, 1.5, True, None)),
        *(("top_p", value) for value in (0.0, 1.1, float("nan"))),
        *(("min_p", value) for value in (-0.1, 1.1)),
        *(("repeat_penalty", value) for value in (0.0, 0.49, 3.1)),
        *(("repeat_window", value) for value in (-1,)),
        *(("seed", value) for value in (-1, 2**63, 1.0, True)),
        *(("max_tokens", value) for value in (0, -5, 2.5)),
        *(("stop", value) for value in (("",), ("x" * 257,), ("x",) * 17)),
    ],
)
def test_values_out_of_range_are_refused_by_name(key: str, value: Any) -> None:
    with pytest.raises(AppError) as caught:
        SamplingParams(**{key: value})
    assert caught.value.code is ErrorCode.SETTING_INVALID
    assert caught.value.facts["key"] == key
    assert set(caught.value.facts) == {"key", "value", "allowed"}


def test_the_ends_of_the_ranges_are_allowed() -> None:
    SamplingParams(temperature=0, top_k=0, top_p=1, min_p=0, repeat_penalty=0.5, repeat_window=0, seed=0, max_tokens=1)
    SamplingParams(temperature=5, top_p=1e-6, min_p=1, repeat_penalty=3, seed=2**63 - 1, stop=("x" * 256,) * 16)


# a part of the logits


@given(
    st.integers(0, 2**32 - 1),
    PARAMS,
    st.sampled_from([0.3, 3.0, 30.0]),
    st.sampled_from([0.0, 1e-3, 0.5]),
)
def test_a_part_gives_what_all_give_or_says_that_it_cannot(
    seed: int, params: SamplingParams, spread: float, slack: float
) -> None:
    """The part is as poor as the contract allows: nothing more than was asked for, bounds off by `slack`."""
    random = np.random.default_rng(seed)
    logits = (random.standard_normal(600) * spread).astype(np.float32).round(1)
    part, full = make_sampler(params, seed), make_sampler(params, seed)
    said = ids(*random.integers(0, 600, 5).tolist())
    for _ in range(4):
        chosen = part.choose(asked(logits, part.query(said), slack), said)
        if chosen is None:
            assert params.top_k == 0
            chosen = part.choose(TopLogits.of_all(logits), said)
        assert chosen == full(logits, said)
        assert chosen is not None
        said.append(chosen)


def asked(logits: NDArray[np.float32], query: HeadQuery, slack: float) -> TopLogits:
    if query.wants_all:
        return TopLogits.of_all(logits)
    after = TopLogits.of_all(logits).penalized(query.recent_ids, query.penalty)
    is_kept = after >= after.max() - query.gap
    if query.n_best:
        is_kept &= after >= np.sort(after)[-min(query.n_best, len(after))]
    if query.temperature is None:
        return TopLogits(np.flatnonzero(is_kept), logits[is_kept], is_all=False)
    rest = float(np.exp((after[~is_kept].astype(np.float64) - after.max()) / query.temperature).sum())
    return TopLogits(np.flatnonzero(is_kept), logits[is_kept], False, rest * (1 - slack), rest * (1 + slack))


def test_usual_settings_ask_for_few_logits() -> None:
    assert make_sampler(SamplingParams(), 0).query(ids(4)).n_best == 40
    assert make_sampler(SamplingParams.greedy(), 0).query(()).n_best == 1
    assert make_sampler(SamplingParams(top_k=5000), 0).query(()).wants_all


def test_a_penalty_finds_its_ids_in_a_part() -> None:
    top = TopLogits(np.array([2, 5, 9]), f32(1.0, -2.0, 4.0), is_all=False)
    assert top.penalized(ids(9, 9, 5, 3, 100), 2.0).tolist() == [1.0, -4.0, 2.0]
