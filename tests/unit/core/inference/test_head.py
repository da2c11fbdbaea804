"""The proof test: whatever sampling asks of the screened head, it gets what the plain head would have given."""

import numpy as np
import pytest
from tiny_transformer import SHAPE, heads, norms, screened, weights_of

import cython_kernels as ck
from core.errors import AppError, ErrorCode
from core.events import Interrupted
from core.inference import head as head_module
from core.inference.config import TokenId
from core.inference.head import ExactHead
from core.inference.logits import HeadQuery
from core.inference.rows import MemoryRows
from core.inference.sampling import SamplingParams, make_sampler

pytestmark = pytest.mark.kernels

SETS = ck.kernel_sets()
RNG = np.random.default_rng(4)
HEADS, NORMS = heads(RNG), norms(RNG)
RECENT = [TokenId(int(i)) for i in RNG.integers(0, SHAPE.vocab, 40)]
SETTINGS = {
    "greedy": SamplingParams.greedy(),
    "greedy with penalty": SamplingParams(temperature=0, repeat_penalty=2.0),
    "top-k 1": SamplingParams(top_k=1),
    "top-k 40": SamplingParams(),
    "top-k 100, bonus": SamplingParams(top_k=100, repeat_penalty=0.5, temperature=2.0, top_p=1.0, min_p=0.0),
    "top-k 1000": SamplingParams(top_k=1000, top_p=0.99, min_p=0.0, repeat_penalty=3.0, repeat_window=1000),
    "top-k over all": SamplingParams(top_k=2000),
    "top-p": SamplingParams(top_k=0, top_p=0.9, min_p=0.0),
    "min-p": SamplingParams(top_k=0, top_p=1.0, min_p=0.1, temperature=1.5),
    "top-p, min-p": SamplingParams(top_k=0, top_p=0.8, min_p=0.02, repeat_penalty=1.3),
    "no filter": SamplingParams(top_k=0, top_p=1.0, min_p=0.0, temperature=0.3),
}


class Pair:
    """One model with both heads, at the same position."""

    def __init__(self, head: str, norm: str, kernels: str) -> None:
        weights = weights_of(SHAPE, HEADS[head], NORMS[norm])
        self._plain = ck.Transformer(SHAPE, weights, ck.new_kv(SHAPE), n_threads=1, kernels="scalar")
        screen = screened(weights, SHAPE, kernels)
        self.screened = ck.Transformer(SHAPE, screen, ck.new_kv(SHAPE), n_threads=2, kernels=kernels)
        self.head = ExactHead(self.screened, MemoryRows(HEADS[head], "test"))
        self.logits = np.empty((1, SHAPE.vocab), np.float32)

    def step(self, ids: list[int], start: int) -> None:
        numbers = np.array(ids, np.int32)
        assert self._plain.forward(numbers, start, self.logits)
        assert self.screened.forward(numbers, start, None, hidden=self.head.hidden, bounds=self.head.bounds)


@pytest.mark.parametrize("kernels", SETS)
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("head", HEADS)
def test_every_choice_is_that_of_the_plain_head(head: str, norm: str, kernels: str) -> None:
    pair = Pair(head, norm, kernels)
    for name, params in SETTINGS.items():
        mine, plain = make_sampler(params, 3), make_sampler(params, 3)
        said = list(RECENT)
        for position in range(3):
            pair.step([int(said[-1])], position)
            with np.errstate(all="ignore"):  # heads with values of 1e30 on purpose
                expected = plain(pair.logits[0], said)
                top = pair.head.top(mine.query(said))
                chosen = None
                if top is not None:
                    exact = pair.logits[0, top.ids]
                    assert top.logits.tobytes() == exact.tobytes(), name
                    chosen = mine.choose(top, said)
                if chosen is None:
                    assert pair.head.all_logits().tobytes() == pair.logits.tobytes()
                    chosen = mine(pair.head.all_logits()[0], said)
            assert chosen == expected, name
            said.append(chosen)


def test_few_rows_are_scored() -> None:
    pair = Pair("random", "outliers", SETS[0])
    for position in range(8):
        pair.step([position], position)
        assert pair.head.top(HeadQuery(40)) is not None
    counts = pair.head.counts
    assert (counts.n_queries, counts.n_full) == (8, 0)
    assert 40 <= counts.n_rows / 8 < 160


def test_equal_logits_at_the_cut_are_all_there() -> None:
    """31 rows are the same: the sampler breaks ties by the lowest id, so it has to see them."""
    pair = Pair("equal rows", "even", SETS[0])
    pair.step([1], 0)
    top = pair.head.top(HeadQuery(5))
    assert top is not None
    worst_kept = np.sort(pair.logits[0])[-5]
    assert set(np.flatnonzero(pair.logits[0] >= worst_kept)) <= set(top.ids.tolist())


def test_too_many_that_might_matter_are_left_to_the_whole_head(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head_module, "MAX_SCORED", 20)
    pair = Pair("random", "even", SETS[0])
    pair.step([1], 0)
    assert pair.head.top(HeadQuery(40)) is None
    assert pair.head.all_logits().tobytes() == pair.logits.tobytes()
    assert pair.head.counts.n_full == 1


def test_a_hidden_state_that_is_not_finite_is_left_to_the_whole_head() -> None:
    pair = Pair("random", "even", SETS[0])
    pair.step([1], 0)
    pair.head.bounds.upper[:] = np.inf
    pair.head.bounds.tile_upper[:] = np.inf
    assert pair.head.top(HeadQuery(1)) is None


def test_rows_that_are_not_those_that_were_loaded_are_noticed() -> None:
    pair = Pair("random", "even", SETS[0])
    other = ExactHead(pair.screened, MemoryRows(np.roll(HEADS["random"], 1, axis=0), "test"))
    assert pair.screened.forward(np.zeros(1, np.int32), 0, None, hidden=other.hidden, bounds=other.bounds)
    with pytest.raises(AppError) as caught:
        other.top(HeadQuery(40))
    assert caught.value.code is ErrorCode.MODEL_DAMAGED


def test_reading_the_whole_head_can_be_interrupted() -> None:
    pair = Pair("random", "even", SETS[0])
    pair.step([1], 0)
    pair.screened.interrupt()
    with pytest.raises(Interrupted):
        pair.head.all_logits()
    pair.screened.clear_interrupt()
    assert pair.head.all_logits().tobytes() == pair.logits.tobytes()
