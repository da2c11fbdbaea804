import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.inference.choices import Choice, Choices
from core.inference.config import TokenId
from core.inference.tokenizer import Tokenizer

TEXTS = st.lists(st.text(st.sampled_from('ab "[1]é€🚀'), min_size=1, max_size=12), min_size=1, max_size=5)


def told(choices: Choices, tokenizer: Tokenizer, rng: np.random.Generator, *, use_forced: bool) -> str:
    """Answer with random logits until the end."""
    ids: list[TokenId] = []
    while not choices.is_complete:
        run = choices.forced() if use_forced else []
        for token_id in run or [choices.pick(rng.standard_normal(512).astype(np.float32))]:
            choices.take(token_id)
            if token_id in tokenizer.stop_ids:
                return tokenizer.decode(ids)
            ids.append(token_id)
    return tokenizer.decode(ids)


@settings(max_examples=150)
@given(TEXTS, st.integers(0, 2**32 - 1), st.booleans())
def test_an_answer_is_always_one_of_the_texts(tokenizer: Tokenizer, texts: list[str], seed: int, use_forced) -> None:
    choices = Choices([Choice(text) for text in texts], tokenizer)
    assert told(choices, tokenizer, np.random.default_rng(seed), use_forced=use_forced) in texts


def test_the_model_decides_between_texts_that_are_equally_likely(tokenizer: Tokenizer) -> None:
    for wanted in ("yes", "no"):
        choices = Choices([Choice("yes"), Choice("no")], tokenizer)
        logits = np.zeros(512, np.float32)
        logits[tokenizer.encode_text(wanted[0])] = 5.0
        first = choices.pick(logits)
        choices.take(first)
        assert wanted.startswith(tokenizer.decode([first]))


def test_a_prior_outweighs_logits_that_differ_by_less(tokenizer: Tokenizer) -> None:
    logits = np.zeros(512, np.float32)
    logits[tokenizer.encode_text("y")] = 5.0
    for prior, wanted in ((4.0, "y"), (6.0, "n")):
        choices = Choices([Choice("y"), Choice("n", prior)], tokenizer)
        assert tokenizer.decode([choices.pick(logits)]) == wanted


def test_where_one_text_begins_another_the_answer_may_end_or_go_on(tokenizer: Tokenizer) -> None:
    choices = Choices([Choice("a"), Choice("ab")], tokenizer)
    choices.take(tokenizer.encode_text("a")[0])
    ids, _ = choices.allowed()
    assert set(ids) == {min(tokenizer.stop_ids), tokenizer.encode_text("b")[0]}
    assert choices.forced() == []
    choices.take(min(tokenizer.stop_ids))
    assert choices.is_complete


def test_what_is_left_of_the_only_text_is_forced(tokenizer: Tokenizer) -> None:
    choices = Choices([Choice("The rent."), Choice("No.")], tokenizer)
    assert choices.forced() == []
    choices.take(tokenizer.encode_text("T")[0])
    assert tokenizer.decode(choices.forced()) == "he rent."


def test_there_must_be_something_to_choose(tokenizer: Tokenizer) -> None:
    with pytest.raises(ValueError, match="no choices"):
        Choices([Choice("")], tokenizer)
