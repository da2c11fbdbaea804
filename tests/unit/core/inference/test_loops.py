import random
import time

import pytest

from core.inference.config import TokenId
from core.inference.loops import MAX_PERIOD, MIN_SPAN, LoopDetector, required_span
from core.inference.tokenizer import Tokenizer

HONEST = {
    "counting": "".join(f"{i}, " for i in range(1, 300)),
    "list": "".join(f"{i}. The {word} is {i * 7} cm tall.\n" for i, word in enumerate(["oak", "elm", "fir"] * 20)),
    "table": "| name | size | colour |\n|------|------|--------|\n"
    + "".join(f"| item {i} | {i * 13 % 17} | {'red' if i % 3 else 'blue'} |\n" for i in range(40)),
    "code": "\n".join(f"    if kind == {i}:\n        return handlers[{i}](event)\n" for i in range(40)),
    "rule": "Title\n" + "=" * 70 + "\nText follows here.\n" + "-" * 70 + "\n",
    "matrix": "[[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]\nis the zero matrix of order four.",
    "poem": "\n\n".join(
        f"{verse}\nRow, row, row your boat,\nGently down the stream,\n"
        "Merrily, merrily, merrily, merrily,\nLife is but a dream."
        for verse in ["The sun was up", "The moon was down", "The night was long", "The wind was still"]
    ),
    "chorus": "We will, we will rock you!\n" * 4 + "Buddy, you are a young man, hard man\n" + "We will rock you!\n" * 4,
    "laughter": "That was funny: " + "ha" * 20 + "! And now to something else.",
    "json": ",\n".join(f'{{"id": {i}, "name": "user{i}", "active": true, "tags": []}}' for i in range(40)),
    "squares": "\n".join(f"{i} squared is {i * i}." for i in range(60)),
}

LOOPS = {
    "one token": "!",
    "phrase": " and so on",
    "sentence": " I am sorry, but I cannot help with that.",
    "list item": "\n- The first thing to know is that it is important to know the first thing.",
    "paragraph": "\n\nIn conclusion, the answer depends on many things. Some of them matter more than others, and "
    "it is up to the reader to decide which of them to weigh. There is no rule that holds in all cases.",
}


def first_hit(ids: list[TokenId]) -> int | None:
    detector = LoopDetector()
    return next((n for n, token_id in enumerate(ids, 1) if detector.push(token_id)), None)


@pytest.mark.parametrize("name", HONEST)
def test_honest_repetition_goes_on(name: str, tokenizer: Tokenizer) -> None:
    assert first_hit(tokenizer.encode_text(HONEST[name])) is None


@pytest.mark.parametrize("name", HONEST)
def test_honest_repetition_goes_on_in_the_real_vocabulary(name: str, llama3: Tokenizer) -> None:
    assert first_hit(llama3.encode_text(HONEST[name])) is None


@pytest.mark.parametrize("name", LOOPS)
def test_an_endless_loop_is_found_within_its_span(name: str, tokenizer: Tokenizer) -> None:
    lead = tokenizer.encode_text("Here is what I think about your question.")
    block = tokenizer.encode_text(LOOPS[name])
    n = first_hit(lead + block * 100)
    assert n is not None
    assert n <= len(lead) + required_span(len(block)) + 2


@pytest.mark.parametrize("period", [1, 2, 7, 32, 33, 64, 65, 256, 257, MAX_PERIOD])
def test_a_loop_counts_exactly_when_it_covers_the_span(period: int) -> None:
    block = [TokenId(1000 + i) for i in range(period)]
    assert first_hit(block * (required_span(period) // period + 2)) == required_span(period)


def test_no_loop_is_found_before_the_shortest_span() -> None:
    assert first_hit([TokenId(5)] * (MIN_SPAN - 1)) is None


def test_a_loop_longer_than_the_largest_period_is_not_found() -> None:
    assert first_hit([TokenId(i) for i in range(MAX_PERIOD + 1)] * 5) is None


def test_one_different_token_starts_the_count_again() -> None:
    almost = [TokenId(1)] * (MIN_SPAN - 1)
    assert first_hit([*almost, TokenId(2), *almost]) is None


def test_agrees_with_a_plain_search() -> None:
    def plain(ids: list[TokenId]) -> int | None:
        for n in range(1, len(ids) + 1):
            for period in range(1, MAX_PERIOD + 1):
                span = required_span(period)
                if span <= n and all(ids[i] == ids[i - period] for i in range(n - 1, n - 1 - span + period, -1)):
                    return n
        return None

    chance = random.Random(3)
    for _ in range(6):
        block = [TokenId(chance.randrange(2)) for _ in range(chance.randrange(1, 40))]
        noise = [TokenId(chance.randrange(2)) for _ in range(chance.randrange(0, 60))]
        ids = noise + block * 30
        assert first_hit(ids) == plain(ids)


def test_a_token_costs_microseconds() -> None:
    detector = LoopDetector()
    started = time.perf_counter()
    for i in range(2000):
        detector.push(TokenId(i % 1777))
    assert (time.perf_counter() - started) / 2000 < 0.001
