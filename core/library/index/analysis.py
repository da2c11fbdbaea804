"""Texts to the words that the index holds: folded, stemmed for their language, East Asian writing in pairs.

Knows characters and Snowball; must not know the database. What comes out of here is a part of the index: a change
needs a new VERSION. Nothing but letters and digits comes out, so that no word is ever read as a command of the index.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

import Stemmer

VERSION: Final = f"1/{Stemmer.version()}"

MAX_WORD_CHARS: Final = 48  # longer ones are hashes and encoded bytes: as much of them is compared
_MEMO_WORDS: Final = 200_000
# Written without spaces between words, or (Korean) with endings grown on: every two neighbours count as a word.
PAIRED: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
    "\U00020000-\U0003134f"
)
_MARKS: Final = "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0963\u0966-\u0dff"
_WORD: Final = re.compile(rf"[{PAIRED}]+|(?:[^\W_{PAIRED}]|[{_MARKS}])+")
_IS_PAIRED: Final = re.compile(rf"[{PAIRED}]")
_NOT_INDEXED: Final = re.compile(rf"[^\w{_MARKS}]+|_")


def words_in(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield the words of `text` as they stand there, with their range; a run of paired characters is one word."""
    for match in _WORD.finditer(text):
        yield match[0], match.start(), match.end()


def is_paired(word: str) -> bool:
    """True for a run of characters that is compared by pairs."""
    return _IS_PAIRED.match(word) is not None


class Analyser:
    """The words of texts in one language as the index holds them; keeps what it has stemmed. One thread at a time."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._stemmer = Stemmer.Stemmer(language) if language in Stemmer.algorithms() else None
        self._memo: dict[str, tuple[str, ...]] = {}

    def words(self, text: str) -> list[str]:
        """Return the words of `text`, each in the form in which it is compared."""
        found: list[str] = []
        memo = self._memo
        for word in _WORD.findall(text.lower() if text.isascii() else text):
            terms = memo.get(word)
            if terms is None:
                terms = self._analysed(word)
            found += terms
        return found

    def _analysed(self, word: str) -> tuple[str, ...]:
        if len(self._memo) >= _MEMO_WORDS:
            self._memo.clear()
        terms = tuple(self._terms(word))
        self._memo[word] = terms
        return terms

    def _terms(self, word: str) -> Iterator[str]:
        folded = word.lower() if word.isascii() else unicodedata.normalize("NFKC", word).casefold()
        if is_paired(folded):
            yield from pairs(folded)
            return
        for part in _WORD.findall(folded[: 4 * MAX_WORD_CHARS]):
            part = part[:MAX_WORD_CHARS]
            stem = self._stemmer.stemWord(part) if self._stemmer is not None else part
            plain = without_accents(stem)
            if plain:
                yield plain


def pairs(run: str) -> list[str]:
    """Return the neighbours of a run of paired characters, two by two; a single character stays alone."""
    return [run[at : at + 2] for at in range(len(run) - 1)] or [run]


def folded(word: str) -> str:
    """Return `word` as the index compares it but unstemmed: for the beginning of a word that is being typed."""
    return without_accents(unicodedata.normalize("NFKC", word).casefold())[:MAX_WORD_CHARS]


def without_accents(word: str) -> str:
    """Return `word` without marks over Latin, Greek and Cyrillic letters and without anything that is no letter."""
    if word.isascii():
        return word
    if word < "\u0400":  # Latin and Greek; in Cyrillic a mark makes another letter
        word = "".join(char for char in unicodedata.normalize("NFKD", word) if not unicodedata.combining(char))
    return _NOT_INDEXED.sub("", word)
