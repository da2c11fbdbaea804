"""Text to passages: paragraphs and sentences as character ranges, about as long as a person would quote.

Knows where sentences end; must not know what is asked or who reads. A passage never crosses a paragraph (but a heading
goes with what it heads), so that what belongs together in the document stays together in the prompt.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

from core.library.ranking import CJK

TARGET_WORDS: Final = 40
MAX_SENTENCE_WORDS: Final = 80  # a longer one is cut: tables and lists without a full stop
_MAX_WORD_CHARS: Final = 40  # of what is written without spaces, such as paths, as much counts as one word
_HEADING_WORDS: Final = 12
_SHORT_LINE: Final = 0.75  # of the longest line of a passage: wrapped lines are nearly as long as each other
# Files whose lines are the records; everything else is prose, where a line break may stand inside a sentence.
_PROSE_SUFFIXES: Final = frozenset({"", ".txt", ".text", ".md", ".markdown", ".rst", ".adoc", ".org", ".tex"})

# Possessive, and only where a run of marks begins: a megabyte of full stops is read once, not once for each of them.
_SENTENCE_END: Final = re.compile(
    r"(?<![.!?…])[.!?…]++[\"'”’»)\]]*+(?=\s++[^\sa-z])|(?<![。！？])[。！？]++[」』”]*+\s*+(?=\S)"
)
_LIST_ITEM: Final = re.compile(r"\n(?=[ \t]*(?:[-*+•]|\d{1,3}[.)])[ \t])")
_NO_END: Final = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|Nr|No|Art|Fig|Sec|Abs|vs|etc|e\.g|i\.e|z\.B|d\.h|ca|approx|Inc|Ltd)"
    r"|\b[^\W\d_]|(?:\n[ \t]*|(?:^|[.!?…])\s*)\d{1,3})\.$"
)
_WORD: Final = re.compile(rf"[{CJK}]{{1,2}}|[^\s{CJK}]{{1,{_MAX_WORD_CHARS}}}")
_SPACE: Final = re.compile(r"\s")


@dataclass(frozen=True, slots=True)
class Span:
    """A range of characters; `end` is exclusive."""

    start: int
    end: int


def is_line_based(name: str) -> bool:
    """Whether the lines of a document of this name are its records (tables, logs, source code)."""
    return PurePath(name).suffix.lower() not in _PROSE_SUFFIXES


def split(text: str, *, is_lines: bool = False) -> Iterator[Span]:
    """Yield the passages of `text` in order; each begins and ends with a visible character."""
    heading: Span | None = None
    for paragraph in _paragraphs(text):
        is_heading = not is_lines and _is_heading(text, paragraph)
        spans = [paragraph] if is_heading else list(_grouped(text, _units(text, paragraph, is_lines=is_lines)))
        if heading is not None:
            if not is_heading and _n_words(text, Span(heading.start, spans[0].end)) <= MAX_SENTENCE_WORDS:
                spans[0] = Span(heading.start, spans[0].end)
            else:
                yield heading
            heading = None
        if is_heading:
            heading = paragraph
        else:
            yield from spans
    if heading is not None:
        yield heading


def sentences(text: str) -> Iterator[Span]:
    """Yield the sentences, list items and headings of a passage in order, as a person would quote them."""
    whole = Span(0, len(text))
    longest = max((len(line.strip()) for line in text.splitlines()), default=0)
    cuts = {*_sentence_cuts(text), *_heading_cuts(text, longest)}
    start = 0
    for cut in (*sorted(cuts), whole.end):
        span = _trimmed(text, start, cut)
        start = cut
        if span.start < span.end:
            yield span


def _heading_cuts(text: str, longest: int) -> Iterator[int]:
    """Yield the line breaks where no sentence goes on: blank lines, and after a line much shorter than the others.

    A small letter at the beginning of the next line says that it does go on.
    """
    for match in re.finditer(r"[^\n]+\n\s*", text):
        is_short = len(match[0].strip()) < _SHORT_LINE * longest
        if match[0].count("\n") > 1 or (is_short and not text[match.end() : match.end() + 1].islower()):
            yield match.end()


def _paragraphs(text: str) -> Iterator[Span]:
    """Yield what stands between blank lines."""
    start: int | None = None
    end = position = 0
    for line in text.splitlines(keepends=True):
        stripped = line.strip()
        if stripped:
            first = position + line.index(stripped[0])
            start = first if start is None else start
            end = first + len(stripped)
        elif start is not None:
            yield Span(start, end)
            start = None
        position += len(line)
    if start is not None:
        yield Span(start, end)


def _is_heading(text: str, span: Span) -> bool:
    piece = text[span.start : span.end]
    return (
        "\n" not in piece
        and not piece.endswith((".", "!", "?", "…", ";", ",", '"', "。", "！", "？"))
        and (_n_words(text, span) <= _HEADING_WORDS)
    )


def _units(text: str, paragraph: Span, *, is_lines: bool) -> Iterator[Span]:
    """Yield what is never cut: sentences, list items or lines; only overlong ones come in pieces."""
    piece = text[paragraph.start : paragraph.end]
    cuts = [match.end() for match in re.finditer("\n", piece)] if is_lines else _sentence_cuts(piece)
    start = 0
    for cut in (*cuts, len(piece)):
        span = _trimmed(text, paragraph.start + start, paragraph.start + cut)
        start = cut
        if span.start < span.end:
            yield from _pieces(text, span)


def _sentence_cuts(piece: str) -> list[int]:
    ends = [
        match.end()
        for match in _SENTENCE_END.finditer(piece)
        if not _NO_END.search(piece, max(0, match.end() - 12), match.end())
    ]
    return sorted({*ends, *(match.end() for match in _LIST_ITEM.finditer(piece))})


def _pieces(text: str, unit: Span) -> Iterator[Span]:
    """Cut an overlong unit at its lines, and lines at their words."""
    if _n_words(text, unit) <= MAX_SENTENCE_WORDS:
        yield unit
        return
    words = [match.span() for match in _WORD.finditer(text, unit.start, unit.end)]
    first = 0
    while first < len(words):
        last = min(first + TARGET_WORDS, len(words)) - 1
        ends_line = [
            i for i in range(first + TARGET_WORDS // 2, last) if "\n" in text[words[i][1] : words[i + 1][0]]
        ]  # fmt: skip
        if ends_line and last < len(words) - 1:
            last = ends_line[-1]
        yield Span(words[first][0], words[last][1])
        first = last + 1


def _grouped(text: str, units: Iterator[Span]) -> Iterator[Span]:
    """Join neighbouring units up to about TARGET_WORDS."""
    current: Span | None = None
    n_current = 0
    for unit in units:
        n_unit = _n_words(text, unit)
        if current is not None and n_current + n_unit > TARGET_WORDS:
            yield current
            current, n_current = None, 0
        current = Span(current.start if current else unit.start, unit.end)
        n_current += n_unit
    if current is not None:
        yield current


def _n_words(text: str, span: Span) -> int:
    return sum(1 for _ in _WORD.finditer(text, span.start, span.end))


def _trimmed(text: str, start: int, end: int) -> Span:
    while start < end and _SPACE.match(text, start):
        start += 1
    while end > start and _SPACE.match(text, end - 1):
        end -= 1
    return Span(start, end)
