"""The GGUF files of the fixtures against the committed outputs, by the rules of tests/fixtures/README.md."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from model_files import FIXTURES

from core.events import CancelToken
from core.inference.config import TokenId
from core.inference.engine import open_engine
from core.inference.model import TernaryModel, load_model, score_ids
from core.inference.sampling import SamplingParams

pytestmark = pytest.mark.golden

FILES = sorted(path.relative_to(FIXTURES).as_posix() for path in FIXTURES.glob("tied-*/*.gguf"))
PROMPTS = ("plain", "code", "unicode", "chat", "chat_multi", "bos_only")
N_GREEDY = 64


def ignore(event: object) -> None:
    """Nobody listens."""


@cache
def golden(model: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((model / "golden" / "golden.json").read_text("utf-8"))
    return found


@cache
def loaded(file: str) -> TernaryModel:
    return load_model(FIXTURES / file, n_threads=2, cancel=CancelToken(), emit=ignore)


def test_all_files_are_there() -> None:
    assert len(FILES) == 4


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("prompt", PROMPTS)
def test_logits_agree_where_no_rounding_tie_can_flip(file: str, prompt: str) -> None:
    model = (FIXTURES / file).parent
    facts = golden(model)["prompts"][prompt]
    first = facts["logits_from"]
    wanted = np.load(model / "golden" / f"logits_{prompt}.npy")
    logits = score_ids(loaded(file), [TokenId(i) for i in facts["ids"]], None)
    error = np.abs(logits[first:] - wanted).max(axis=1)
    stable = [position - first for position in facts["stable_positions"] if position >= first]
    assert (error[stable] <= 2e-3).all()
    assert (error <= 0.25 * facts["logit_std"]).all()


@pytest.mark.parametrize("file", FILES)
def test_text_becomes_the_golden_tokens_and_greedy_answers(file: str) -> None:
    facts = golden((FIXTURES / file).parent)["prompts"]
    engine = open_engine(FIXTURES / file, n_threads=2, cancel=CancelToken(), emit=ignore)
    params = SamplingParams(temperature=0, top_k=0, top_p=1, min_p=0, repeat_penalty=1, max_tokens=N_GREEDY)
    try:
        for prompt in PROMPTS:
            ids = tuple(engine.tokenizer.encode_rendered(facts[prompt]["text"]))
            assert list(ids) == facts[prompt]["ids"]
            answer = engine.generate(ids, params, CancelToken(), ignore).token_ids
            n = min(facts[prompt]["robust_greedy_len"], len(answer))
            assert list(answer[:n]) == facts[prompt]["greedy_f32"][:n]
    finally:
        engine.close()
