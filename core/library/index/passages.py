"""The best few sentences of a chunk, and how alike two pieces of text are: what is shown and put to a model.

Knows words and their weights; must not know the index.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from core.library import chunking

K1: Final = 1.2
B: Final = 0.75
_NEAR_EQUAL: Final = 0.85  # share of words in common from which two passages say the same
_WORD_FLOOR: Final = 8  # shorter passages are the same only where all of their words are

Words = Callable[[str], Sequence[str]]
# For each word of the question the forms that it has in the index, each with its weight.
Weights = Mapping[str, Sequence[tuple[str, float]]]


@dataclass(frozen=True, slots=True)
class ScoredSpan:
    """A range within a text, its BM25 score and its coverage.

    coverage: the share of the question's weight whose words stand in it, 0 to 1.
    """

    start: int
    end: int
    score: float
    coverage: float


def score(words: Sequence[str], weights: Weights, mean_length: float) -> ScoredSpan:
    """Score the analysed words of a text.

    Of a word's forms the one that counts most is taken, so that a word which is stemmed in two ways counts once.
    """
    counts = Counter(words)
    norm = K1 * (1 - B + B * len(words) / max(mean_length, 1.0))
    total = met = all_weight = 0.0
    for forms in weights.values():
        best = max((weight for _, weight in forms), default=0.0)
        all_weight += best
        found = [
            (weight * counts[form] * (K1 + 1) / (counts[form] + norm), weight) for form, weight in forms if counts[form]
        ]
        if found:
            total += max(found)[0]
            met += best
    return ScoredSpan(0, 0, total, met / all_weight if all_weight else 0.0)


def best_span(text: str, words_of: Words, weights: Weights, *, is_lines: bool = False) -> ScoredSpan:
    """Return the passage of `text` that answers best; its beginning where none holds a word of the question."""
    spans = list(chunking.split(text, is_lines=is_lines)) or [chunking.Span(0, len(text))]
    best: ScoredSpan | None = None
    for span in spans:
        found = score(words_of(text[span.start : span.end]), weights, chunking.TARGET_WORDS)
        if best is None or found.score > best.score:
            best = ScoredSpan(span.start, span.end, found.score, found.coverage)
    assert best is not None
    return best


def idf(n_holding: int, n_all: int) -> float:
    """Return how much a word says that `n_holding` of `n_all` chunks hold; never negative (as in Lucene)."""
    return math.log(1 + (n_all - n_holding + 0.5) / (n_holding + 0.5))


def are_near_equal(one: frozenset[str], other: frozenset[str]) -> bool:
    """True where two sets of words have nearly all in common."""
    if min(len(one), len(other)) < _WORD_FLOOR:
        return one == other
    return len(one & other) >= _NEAR_EQUAL * len(one | other)
