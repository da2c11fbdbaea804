"""Answers made of quotes alone: the sentences that a model may give, word for word, and how well each fits.

Knows sentences and words; must not know tokens or models. An answer that is one of these quotes stands in its passage
by construction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from core.events import Passage
from core.library.chunking import sentences
from core.library.cite import on_one_line
from core.library.ranking import Index, scores

ABSENT: Final = "That is not in the passages."  # the words that the starter model is trained on


@dataclass(frozen=True, slots=True)
class Quote:
    """An answer that may be given; `score` is the BM25 score of its sentence for the question, 0 for ABSENT."""

    text: str
    score: float


def quotes_for(passages: Sequence[Passage], question: str) -> tuple[Quote, ...]:
    """Return every sentence of `passages` as a numbered quote, once each, and ABSENT.

    Where no sentence shares a word with the question, ABSENT is all that may be said.
    """
    texts: list[str] = []
    answers: list[str] = []
    for passage in passages:
        for span in sentences(passage.text):
            sentence = on_one_line(passage.text[span.start : span.end])
            if sentence and sentence not in texts:
                texts.append(sentence)
                answers.append(f'[{passage.number}] "{sentence}"')
    found = scores([Index(texts)], question)
    absent = Quote(ABSENT, 0.0)
    if not found:
        return (absent,)
    return (*(Quote(answer, found.get((0, number), 0.0)) for number, answer in enumerate(answers)), absent)
