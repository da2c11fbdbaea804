from pathlib import Path

import numpy as np
import pytest

from core.events import CancelToken
from core.inference.engine import Engine, open_engine
from core.inference.sampling import SamplingParams, make_sampler, next_token_probabilities

MODEL_DIR = Path(__file__).parents[3] / "fixtures" / "tied-h256" / "hf-packed"


@pytest.fixture
def engine():
    made = open_engine(MODEL_DIR, context_length=128, n_threads=1, kernels=None, cancel=CancelToken(), emit=print)
    yield made
    made.close()


@pytest.mark.parametrize(
    "params",
    [
        SamplingParams(),
        SamplingParams(temperature=0.0),
        SamplingParams(top_k=0, top_p=1.0, min_p=0.0),
        SamplingParams(temperature=2.0, top_k=3, min_p=0.0),
        SamplingParams(temperature=1.5, top_k=0, top_p=0.8, repeat_penalty=1.5),
    ],
)
def test_the_shares_are_those_with_which_the_sampler_picks(params: SamplingParams) -> None:
    logits = np.random.default_rng(3).normal(size=50).astype(np.float32)
    recent = [1, 2, 3]
    ids, shares = next_token_probabilities(logits, recent, params)
    assert shares.sum() == pytest.approx(1)
    assert (np.diff(shares) <= 1e-12).all()
    sampler = make_sampler(params, 5)
    drawn = np.bincount([sampler(logits, recent) for _ in range(4000)], minlength=50) / 4000
    assert set(np.flatnonzero(drawn)) <= set(ids)
    assert np.abs(drawn[ids] - shares).max() < 0.03


def test_a_sample_text_is_read_where_nothing_was_said_yet(engine: Engine) -> None:
    outlook = engine.outlook()
    assert "sea" in outlook.before
    best, n = outlook.candidates(SamplingParams(top_k=5, top_p=1.0, min_p=0.0), 8)
    assert n == 5
    assert len(best) == 5
    assert best[0].share >= best[-1].share


def test_looking_does_not_disturb_the_conversation(engine: Engine) -> None:
    prompt = engine.tokenizer.encode_text("The tide comes in twice a day, and the birds know it well. " * 3)
    params = SamplingParams(seed=4, max_tokens=6)
    first = engine.generate(prompt, params, CancelToken(), lambda _event: None)
    before = engine.cached_ids
    engine.outlook()
    assert engine.cached_ids == before
    engine.set_threads(2)  # the same cache under other threads
    again = engine.generate(prompt, params, CancelToken(), lambda _event: None)
    assert again.token_ids == first.token_ids
    assert again.stats.cached_tokens > 0
