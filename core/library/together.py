"""The passages for a question out of a conversation's own documents and of collections, ranked as one.

Knows how the two are searched; must not know the database of chats or a model (tokens are counted by a function that is
given). Without collections it is search.py alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from core.events import CancelToken, Interrupted, Passage
from core.library import cite
from core.library.index import gate, languages
from core.library.index.analysis import Analyser
from core.library.index.collections import CollectionId
from core.library.index.passages import Weights, score
from core.library.index.searcher import Searcher
from core.library.reading import DocumentText
from core.library.search import MAX_PASSAGES, Library

CountTokens = Callable[[str], int]
_CANDIDATES: Final = 3  # times as many passages as are wanted, from each of the two
_MEAN_WORDS: Final = 40.0  # of a passage
_MEANING_WEIGHT: Final = 4.0  # of a cosine beside BM25 scores


@dataclass(frozen=True, slots=True)
class FoundPassages:
    """Passages numbered from 1, the best first; the words that were searched for; whether the answer is there.

    is_likely: False where the documents most likely do not say it; always True without collections, where nothing was
    weighed.
    """

    passages: tuple[Passage, ...]
    scores: tuple[float, ...] = ()  # of the passages; empty where nothing was weighed
    words: tuple[str, ...] = ()
    likelihood: float = 1.0
    is_likely: bool = True


@dataclass(frozen=True, slots=True)
class _Weighed:
    passage: Passage
    score: float
    coverage: float
    cosine: float | None


def find_together(
    library: Library,
    documents: Sequence[DocumentText],
    searcher: Searcher | None,
    collections: Sequence[CollectionId],
    question: str,
    words: Sequence[str] | None,
    count_tokens: CountTokens,
    budget: int,
    cancel: CancelToken,
    limit: int = MAX_PASSAGES,
) -> FoundPassages:
    """Return at most `limit` passages that fit into `budget` tokens; none when cancelled.

    words: what collections are searched for, as Searcher.words_for() gave them or a person changed them; None: the
    question's own.

    Raises:
        AppError: DATABASE_LOCKED, INDEX_DAMAGED, DATA_DIR_UNWRITABLE.
    """
    if searcher is None or not collections:
        return FoundPassages(library.find(documents, question, count_tokens, budget, cancel, limit))
    chosen = tuple(words) if words is not None else searcher.words_for(question)
    own = library.find(documents, " ".join(chosen), len, 1 << 40, cancel, _CANDIDATES * limit) if documents else ()
    try:
        found = searcher.search(chosen, limit=_CANDIDATES * limit, collections=collections, cancel=cancel)
    except Interrupted:
        return FoundPassages((), words=chosen)
    weights = searcher.weights_for(chosen)
    weighed = [_weighed(each, weights, None, None) for each in own]
    for hit in found.hits:
        passage = Passage(0, hit.document, hit.start, hit.end, hit.text, hit.place)
        weighed.append(_weighed(passage, weights, hit.coverage, hit.cosine))
    weighed.sort(key=lambda each: -each.score)
    likelihood = gate.likelihood(weighed)
    passages, scores = _fitting(weighed, count_tokens, budget, limit)
    return FoundPassages(passages, scores, chosen, likelihood, likelihood >= gate.THRESHOLD)


def _weighed(passage: Passage, weights: Weights, coverage: float | None, cosine: float | None) -> _Weighed:
    """Score a passage; `coverage` is that of what it was cut out of, where that is known."""
    analyser = Analyser(languages.detect(passage.text))
    found = score(analyser.words(passage.text), weights, _MEAN_WORDS)
    meaning = _MEANING_WEIGHT * cosine if cosine is not None else 0.0
    return _Weighed(passage, found.score + meaning, max(found.coverage, coverage or 0.0), cosine)


def _fitting(
    candidates: Sequence[_Weighed], count_tokens: CountTokens, budget: int, limit: int
) -> tuple[tuple[Passage, ...], tuple[float, ...]]:
    """Return the passages that fit, numbered, and their scores."""
    chosen: list[Passage] = []
    scores: list[float] = []
    for weighed in candidates:
        each = weighed.passage
        numbered = Passage(len(chosen) + 1, each.document, each.start, each.end, each.text, each.place)
        if len(chosen) < limit and count_tokens(cite.list_passages([*chosen, numbered])) <= budget:
            chosen.append(numbered)
            scores.append(weighed.score)
    return tuple(chosen), tuple(scores)
