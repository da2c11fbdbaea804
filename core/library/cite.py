"""How passages are put to a model, and which quotes of its answer really stand in them.

Knows the form of prompt and quote; must not know how passages are found or shown. The form is the one that the starter
model is trained on (assets/starter/training/documents.py): a change here needs a new model.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from core.events import Passage

MAX_CITATIONS: Final = 50
_LABEL_CHARS: Final = 12  # before a quote, in which the number of its passage stands

_SPACES: Final = re.compile(r"\s+")
_LABEL: Final = re.compile(r"\[(\d{1,3})\]\s*$")
_OPENING: Final = '"“„«'
_CLOSING: Final = '"”“»'
_LONGEST_QUOTE: Final = re.compile(rf"[{_OPENING}](.+)[{_CLOSING}]")
_QUOTE: Final = re.compile(rf"[{_OPENING}]([^{_OPENING}{_CLOSING}]+)[{_CLOSING}]")
_ALIKE: Final = str.maketrans("‘’‚‛“”„‟«»‐‑‒–—−", '\'\'\'\'""""""------')
_LAST_MARKS: Final = ".,;:!?… "


@dataclass(frozen=True, slots=True)
class Citation:
    """Words that an answer gives as a quote; `start` and `end` are their range in the passage's document.

    `passage` is the number of the passage that holds them; it and the range are None where none does. `named` is the
    number that the answer gives; None without one.
    """

    text: str
    passage: int | None = None
    start: int | None = None
    end: int | None = None
    named: int | None = None

    @property
    def is_verified(self) -> bool:
        """True when the words stand in a passage, but for spaces, case and the form of quotation marks and dashes."""
        return self.passage is not None


def passage_budget(context_length: int, reserve: int, share_percent: int = 50) -> int:
    """Return how many tokens passages may take: this share of what is left when the answer's room is kept free."""
    return max(0, (context_length - reserve) * share_percent // 100)


def list_passages(passages: Sequence[Passage]) -> str:
    """Return the numbered list, each passage on one line so that none can look like another's beginning."""
    return "\n".join(f"[{passage.number}] {on_one_line(passage.text)}" for passage in passages)


def build_context(passages: Sequence[Passage], question: str) -> str:
    """Return the user's turn as the model reads it."""
    return f"Passages:\n{list_passages(passages)}\nQuestion: {question.strip()}"


def find_refs(answer: str, passages: Sequence[Passage]) -> tuple[Citation, ...]:
    """Return the first MAX_CITATIONS quotes of `answer`, each looked for in the passage that it names, then in all."""
    sources = {passage.number: _Source(passage) for passage in passages}
    found = (citation for line in answer.splitlines() for citation in _refs_of_line(line, sources))
    return tuple(islice(found, MAX_CITATIONS))


class _Source:
    """A passage in the form in which it is compared, with the way back to its own characters."""

    def __init__(self, passage: Passage) -> None:
        self.passage = passage
        self._folded, self._places = _folded(passage.text)

    def find(self, words: str) -> tuple[int, int] | None:
        """Return the range of `words` in the document, where they stand as whole words."""
        for wanted in dict.fromkeys((_folded(words)[0], _folded(words.rstrip(_LAST_MARKS))[0])):
            at = self._folded.find(wanted) if wanted else -1
            while at >= 0:
                end = at + len(wanted)
                if self._is_whole(at, end):
                    offset = self.passage.start
                    first, last = self._places[at], self._places[end - 1]
                    return offset + first, offset + last + 1
                at = self._folded.find(wanted, at + 1)
        return None

    def _is_whole(self, at: int, end: int) -> bool:
        text = self._folded
        cuts_before = at > 0 and _is_one_word(text[at - 1 : at + 1])
        cuts_after = end < len(text) and _is_one_word(text[end - 1 : end + 1])
        return not cuts_before and not cuts_after


def _is_one_word(pair: str) -> bool:
    """True when two neighbours belong to one word; scripts without spaces (from U+2E80 on) may be cut anywhere."""
    return pair[0].isalnum() and pair[1].isalnum() and max(pair) < "\u2e80"


def _refs_of_line(line: str, sources: dict[int, _Source]) -> Iterator[Citation]:
    longest = _LONGEST_QUOTE.search(line)
    if longest is None:
        return
    # A quoted sentence may hold quotation marks of its own.
    whole = _look_up(longest[1], line[: longest.start()], sources)
    if whole.is_verified:
        yield whole
        return
    for match in _QUOTE.finditer(line):
        if any(char.isalnum() for char in match[1]):
            yield _look_up(match[1], line[max(0, match.start() - _LABEL_CHARS) : match.start()], sources)


def _look_up(words: str, before: str, sources: dict[int, _Source]) -> Citation:
    label = _LABEL.search(before[-_LABEL_CHARS:])
    named = int(label[1]) if label else None
    for source in sorted(sources.values(), key=lambda each: each.passage.number != named):
        found = source.find(words)
        if found is not None:
            return Citation(words, source.passage.number, *found, named)
    return Citation(words, named=named)


def _folded(text: str) -> tuple[str, list[int]]:
    """Return `text` as it is compared and, for each of its characters, the position in `text`."""
    characters: list[str] = []
    places: list[int] = []
    for place, char in enumerate(text):
        if char.isascii():
            folded = " " if char.isspace() else char.lower()
        else:
            folded = " " if char.isspace() else unicodedata.normalize("NFKC", char).translate(_ALIKE).casefold()
        if folded == " " and (not characters or characters[-1] == " "):
            continue
        characters += folded
        places += [place] * len(folded)
    while characters and characters[-1] == " ":
        characters.pop()
        places.pop()
    return "".join(characters), places


def on_one_line(text: str) -> str:
    """Return `text` with every run of white space as one space, so that no line of it can look like another passage."""
    return _SPACES.sub(" ", text).strip()
