"""Which passages hold the words of a question: BM25 over an index in memory.

Knows words and counts; must not know documents or models. k1 and b are those of Robertson and Zaragoza, "The
Probabilistic Relevance Framework" (2009), section 3.2; the inverse document frequency is never negative (as in Lucene).
"""

import math
import re
import unicodedata
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

K1: Final = 1.2
B: Final = 0.75
CJK: Final = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"  # written without spaces: every character is a word
_WORD: Final = re.compile(rf"[{CJK}]|[^\W_{CJK}]+")
# Words that say nothing about what is asked; passed over in a question that has others.
_COMMON_WORDS: Final = (
    "a an and any are as at be by can could did do does for from had has have how i in is it its me my of on or our "
    "please should tell than that the their them then there these they this those to was we were what when where "
    "which who whom whose why will with would you your"
)
_PASSED_OVER: Final = frozenset(_COMMON_WORDS.split())


def words_of(text: str) -> list[str]:
    """Return the words of `text` in the form in which they are compared: small letters, no plural s."""
    return [_stem(word) for word in _WORD.findall(unicodedata.normalize("NFKC", text).casefold())]


class Index:
    """Passages by their words; a passage is known by its position in `texts`."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._postings: dict[str, array[int]] = {}  # word -> passage, count, passage, count, ...
        self._lengths = array("I")
        for number, text in enumerate(texts):
            words = words_of(text)
            self._lengths.append(len(words))
            for word, count in Counter(words).items():
                self._postings.setdefault(word, array("I")).extend((number, count))

    def __len__(self) -> int:
        return len(self._lengths)

    @property
    def n_words(self) -> int:
        """Words in all passages."""
        return sum(self._lengths)

    def count_of(self, word: str) -> int:
        """Return how many passages hold `word`."""
        return len(self._postings.get(word, ())) // 2

    def frequencies(self, word: str) -> Iterable[tuple[int, int, int]]:
        """Yield (passage, how often it holds `word`, words in the passage)."""
        found = self._postings.get(word, array("I"))
        for number, count in zip(found[::2], found[1::2], strict=True):
            yield number, count, self._lengths[number]


def rank(indexes: Sequence[Index], question: str) -> list[tuple[int, int]]:
    """Return (index, passage) of all passages that share a word with `question`, the best first.

    Equal scores stay in the order of the documents.
    """
    found = scores(indexes, question)
    return sorted(found, key=lambda place: (-found[place], place))


def scores(indexes: Sequence[Index], question: str) -> dict[tuple[int, int], float]:
    """Return the BM25 score of every (index, passage) that shares a word with `question`; all are above 0."""
    n_passages = sum(len(index) for index in indexes)
    mean_length = sum(index.n_words for index in indexes) / max(n_passages, 1)
    found: dict[tuple[int, int], float] = {}
    for word in _asked_words(question):
        n_holding = sum(index.count_of(word) for index in indexes)
        weight = math.log(1 + (n_passages - n_holding + 0.5) / (n_holding + 0.5))
        for which, index in enumerate(indexes):
            for number, count, length in index.frequencies(word):
                damped = count * (K1 + 1) / (count + K1 * (1 - B + B * length / mean_length))
                found[which, number] = found.get((which, number), 0.0) + weight * damped
    return found


def _asked_words(question: str) -> list[str]:
    words = list(dict.fromkeys(words_of(question)))
    return [word for word in words if word not in _PASSED_OVER] or words


def _stem(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word
