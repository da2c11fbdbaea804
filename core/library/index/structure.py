"""The blocks of plain text, found in the text itself: headings by their marks or as lines that stand alone.

Knows characters; must not know files or the index. It stands in where no extractor tells what a document is made of.
"""

import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import Final

from core.events import Unit
from core.library.chunking import is_line_based
from core.library.extracted import Block, BlockKind, Extracted, Format, Structure
from core.library.reading import DocumentText

_MAX_HEADING_CHARS: Final = 120
_MAX_HEADING_WORDS: Final = 12
_TABLE_SUFFIXES: Final = frozenset({".csv", ".tsv", ".tab"})
_MARKED: Final = re.compile(r"(#{1,6}|={1,6}|\*{1,6})\s+\S")
_NUMBERED: Final = re.compile(r"(\d{1,3}(?:\.\d{1,3}){0,4})\.?\s+\S")
_UNDERLINE: Final = re.compile(r"[=\-~^\"'*#+]{3,}$")
_NO_HEADING_END: Final = (".", "!", "?", "…", ";", ",", ":", '"', "。", "！", "？", "、")

_Line = tuple[int, int]


def with_structure(document: DocumentText) -> Extracted:
    """Return a plain text with the blocks that can be told."""
    suffix = PurePath(document.name).suffix.lower()
    if suffix in _TABLE_SUFFIXES:
        kind, found = Format.CSV, _rows(document.text)
    elif is_line_based(document.name):
        kind, found = Format.CODE, _lines(document.text)
    else:
        kind, found = Format.TEXT, _under_headings(document.text, _paragraphs(document.text))
    unit = Unit.LINE if kind is Format.CODE else Unit.NONE
    return Extracted(document.name, document.sha256, kind, document.text, Structure(unit, tuple(found)))


def _rows(text: str) -> Iterator[Block]:
    for number, (start, end) in enumerate(_filled_lines(text), 1):
        yield Block(BlockKind.ROW, start, end, row=number)


def _lines(text: str) -> Iterator[Block]:
    for number, line in enumerate(_all_lines(text), 1):
        if line[0] < line[1]:
            yield Block(BlockKind.CODE, *line, number=number)


def _filled_lines(text: str) -> Iterator[_Line]:
    return (line for line in _all_lines(text) if line[0] < line[1])


def _all_lines(text: str) -> Iterator[_Line]:
    """Yield each line's range without the spaces around it; an empty range for an empty line."""
    position = 0
    for line in text.splitlines(keepends=True):
        stripped = line.strip()
        start = position + (line.index(stripped[0]) if stripped else 0)
        yield start, start + len(stripped)
        position += len(line)


def _under_headings(text: str, blocks: Iterator[Block]) -> Iterator[Block]:
    """Give every block the headings above it."""
    path: list[tuple[int, str]] = []
    for block in blocks:
        is_heading = block.kind is BlockKind.HEADING
        while is_heading and path and path[-1][0] >= block.level:
            path.pop()
        titles = tuple(title for _, title in path)
        yield Block(block.kind, block.start, block.end, row=block.row, headings=titles, level=block.level)
        if is_heading:
            path.append((block.level, " ".join(text[block.start : block.end].split()).strip("#=* ")))


def _paragraphs(text: str) -> Iterator[Block]:
    lines: list[_Line] = []
    for line in (*_all_lines(text), (0, 0)):
        if line[0] < line[1]:
            lines.append(line)
        elif lines:
            yield from _paragraph(text, lines)
            lines = []


def _paragraph(text: str, lines: list[_Line]) -> Iterator[Block]:
    first = text[slice(*lines[0])]
    if _MARKED.match(first) and len(first) <= _MAX_HEADING_CHARS:
        yield Block(BlockKind.HEADING, *lines[0], level=len(first) - len(first.lstrip(first[0])))
        lines = lines[1:]
    elif len(lines) >= 2 and len(first) <= _MAX_HEADING_CHARS and _UNDERLINE.match(text[slice(*lines[1])]):
        level = 1 if text[lines[1][0]] in "=*#" else 2
        yield Block(BlockKind.HEADING, lines[0][0], lines[1][1], level=level)
        lines = lines[2:]
    elif len(lines) == 1 and _looks_like_heading(first):
        numbered = _NUMBERED.match(first)
        yield Block(BlockKind.HEADING, *lines[0], level=2 + numbered[1].count(".") if numbered else 2)
        return
    if len(lines) > 1 and all(text[start] == "|" for start, _ in lines):
        for number, line in enumerate(lines, 1):
            yield Block(BlockKind.ROW, *line, row=number)
    elif lines:
        yield Block(BlockKind.PARAGRAPH, lines[0][0], lines[-1][1])


def _looks_like_heading(line: str) -> bool:
    return (
        len(line) <= _MAX_HEADING_CHARS
        and not line.endswith(_NO_HEADING_END)
        and len(line.split()) <= _MAX_HEADING_WORDS
        and any(char.isalpha() for char in line)
    )
