"""What is searched for a question: its words without those that say nothing, and for a follow-up what it refers to.

Knows words; must not know the index. A person sees these words and may change them.
"""

from collections.abc import Collection, Sequence
from typing import Final

from core.library.index.analysis import folded, is_paired, words_in
from core.library.index.languages import STOP_WORDS, detect

MAX_WORDS: Final = 32  # of a long question the first ones
_SHORT_QUESTION: Final = 2  # words with a meaning: fewer of them lean on what was asked before
_MAX_CARRIED: Final = 6
# Words that stand for what was named before.
_POINTING_WORDS: Final = (
    "he him his she her hers it its they them their theirs this that these those there one ones former latter same "
    "er ihm ihn sie ihr ihnen es dies diese dieser dieses diesen davon dafür damit daran dazu darin darüber dort "
    "dessen deren jene jener il elle ils elles lui leur leurs ce cela ça celui celle ceux y en él ella ellos ellas "
    "esto eso ese esa este esta estos estas lo le les su sus allí lei loro esso essa questo questa quello quella ne "
    "ci ele ela eles elas isto isso esse aquilo hij zij hun hen dit dat deze die daar ervan han den det dem он она "
    "оно они его ее её их этот эта это эти там"
)
_POINTING: Final = frozenset(_POINTING_WORDS.split())
_POINTING_SIGNS: Final = ("それ", "これ", "その", "它", "他", "她")
# "And", "what about": a question that begins so goes on from the one before.
_GOING_ON_WORDS: Final = (
    "and but also or then und aber auch oder et mais aussi ou y pero también e ma anche en maar och men а и но"
)
_GOING_ON: Final = frozenset(_GOING_ON_WORDS.split())


def search_words(question: str, before: Sequence[str] = (), *, languages: Collection[str] = ()) -> tuple[str, ...]:
    """Return the words to search for, in the order of the question.

    before: the words that the question before was searched with. Where this one is short or points back ("and when does
    it end?"), those that it does not hold itself are added at the end.
    languages: those of the documents, the commonest first; they settle in doubt what the question is written in.
    """
    all_words = [word for word, _, _ in words_in(question)]
    language = detect(question, languages) or next(iter(languages), "")
    said = [word for word in all_words if not _is_common(word, language)] or all_words
    chosen = list(dict.fromkeys(said))[:MAX_WORDS]
    if not before or not refers_back(question):
        return tuple(chosen)
    held = {folded(word) for word in chosen}
    carried = [word for word in before if folded(word) not in held][:_MAX_CARRIED]
    return (*chosen, *carried)


def refers_back(question: str) -> bool:
    """Tell whether a question can hardly be understood without the one before."""
    words = [word.casefold() for word, _, _ in words_in(question)]
    if not words:
        return False
    language = detect(question)
    n_meaning = sum(not _is_common(word, language) for word in words)
    points = any(word in _POINTING for word in words)
    if any(is_paired(word) for word in words):
        points = any(sign in question for sign in _POINTING_SIGNS)
        return points or sum(len(word) for word in words) <= 6
    return n_meaning < _SHORT_QUESTION or (points and n_meaning <= 4) or (words[0] in _GOING_ON and n_meaning <= 4)


def _is_common(word: str, language: str) -> bool:
    return word.casefold() in STOP_WORDS.get(language or "english", frozenset())
