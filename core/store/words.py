"""Text as words to search by: without case and accents, and scripts without spaces as pairs of characters.

Knows letters; must not know SQL or chats. What is searched and what is searched for go through the same functions, and
folding keeps every character in its place, so that a match in folded text is a match in the text that is shown.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

MAX_TERM_CHARS: Final = 40
MAX_MARKS: Final = 50
# Thai to Myanmar, Khmer, kana, Han and Hangul: written without spaces, or with endings on every word.
_NO_SPACES: Final = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"  # noqa: E501
_RUN: Final = re.compile(rf"[{_NO_SPACES}]+|[^\W_{_NO_SPACES}]+")
_STARTS_WITHOUT_SPACES: Final = re.compile(rf"[{_NO_SPACES}]")
_SPECIAL: Final = {"ø": "o", "Ø": "o", "ł": "l", "Ł": "l", "đ": "d", "Đ": "d", "ı": "i", "ħ": "h", "Ħ": "h"}


class _Folding(dict[int, str]):
    """Character -> the character it is searched as, made when it is first met."""

    def __missing__(self, code: int) -> str:
        self[code] = folded = _folded_char(chr(code))
        return folded


def _folded_char(char: str) -> str:
    if _STARTS_WITHOUT_SPACES.match(char):
        return char
    bare = "".join(part for part in unicodedata.normalize("NFD", char) if unicodedata.category(part) != "Mn")
    lower = _SPECIAL.get(char, bare if len(bare) == 1 else char).lower()
    return lower if len(lower) == 1 else char


_FOLDING: Final = _Folding()


def composed(text: str) -> str:
    """Return `text` with every accent joined to its letter; only this form can be folded in place."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def folded(text: str) -> str:
    """Return composed text without case and accents, character for character."""
    return text.lower() if text.isascii() else text.translate(_FOLDING)


def terms_of(text: str) -> str:
    """Return the terms to index `text` by, each once, with spaces between them."""
    terms: dict[str, None] = {}
    for match in _RUN.finditer(folded(composed(text))):
        run = match.group()
        if _STARTS_WITHOUT_SPACES.match(run):
            # The last character alone too, so that one character finds every place where it stands.
            terms.update((run[at : at + 2], None) for at in range(len(run)))
        else:
            terms[run[:MAX_TERM_CHARS]] = None
    return " ".join(terms)


@dataclass(frozen=True, slots=True)
class Query:
    """What a person typed: all words must be there, the last one may go on."""

    runs: tuple[str, ...]
    is_open: bool  # the last word is still being typed

    @property
    def is_empty(self) -> bool:
        """True when nothing can be searched for."""
        return not self.runs

    def match(self) -> str:
        """Return the query in the language of FTS5; every term is quoted, so that none is an operator."""
        terms: dict[str, None] = {}
        for number, run in enumerate(self.runs):
            may_go_on = self.is_open and number == len(self.runs) - 1
            terms.update((term, None) for term in _match_terms(run, may_go_on=may_go_on))
        return " ".join(terms)

    def pattern(self) -> re.Pattern[str]:
        """Return what matches any of the words in folded text."""
        parts = [self._part(number) for number in range(len(self.runs))]
        return re.compile("|".join(sorted(parts, key=len, reverse=True)))

    def is_in(self, text: str) -> bool:
        """Tell whether runs of scripts without spaces stand in folded text: their pairs alone could stand apart."""
        return all(run in text for run in self.runs if _STARTS_WITHOUT_SPACES.match(run))

    def _part(self, number: int) -> str:
        run = self.runs[number]
        if _STARTS_WITHOUT_SPACES.match(run):
            return re.escape(run)
        start = rf"(?<![^\W_{_NO_SPACES}]){re.escape(run)}"
        may_go_on = (self.is_open and number == len(self.runs) - 1) or len(run) > MAX_TERM_CHARS
        return start if may_go_on else rf"{start}(?![^\W_{_NO_SPACES}])"


def _match_terms(run: str, *, may_go_on: bool) -> Iterator[str]:
    if not _STARTS_WITHOUT_SPACES.match(run):
        yield f'"{run[:MAX_TERM_CHARS]}"{"*" if may_go_on and len(run) <= MAX_TERM_CHARS else ""}'
    elif len(run) == 1:
        yield f'"{run}"*'
    else:
        for at in range(len(run) - 1):
            yield f'"{run[at : at + 2]}"'


def query_of(text: str) -> Query:
    """Read what a person typed; at most 16 words of it."""
    runs = tuple(match.group() for match in _RUN.finditer(folded(composed(text[:1000]))))[:16]
    return Query(runs, is_open=not text[-1:].isspace())


def marks_in(folded_text: str, pattern: re.Pattern[str]) -> tuple[tuple[int, int], ...]:
    """Return where words of the query stand, as (start, end), in order; the first MAX_MARKS."""
    return tuple(match.span() for match in islice(pattern.finditer(folded_text), MAX_MARKS))


def snippet_of(text: str, marks: Sequence[tuple[int, int]], width: int) -> tuple[str, tuple[tuple[int, int], ...]]:
    """Cut about `width` characters around the first mark, on one line; returns them and the marks in them."""
    first = marks[0][0] if marks else 0
    start = max(0, first - width // 3)
    if start > 0:
        space = max(text.find(" ", start, first), text.find("\n", start, first))
        start = space + 1 if space >= 0 else start
    end = min(len(text), start + width)
    lead = "…" if start > 0 else ""
    cut = "".join(char if char.isprintable() else " " for char in text[start:end])
    tail = "…" if end < len(text) else ""
    shift = len(lead) - start
    kept = tuple((low + shift, high + shift) for low, high in marks if start <= low and high <= end)
    return lead + cut + tail, kept
