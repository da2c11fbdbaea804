"""Text files: prose, Markdown and source code. Their text stays as it is; only its structure is told.

Knows lines; must not know encodings.
"""

import re
from collections.abc import Iterator
from typing import Final

from core.events import Unit
from core.library.characters import clean
from core.library.extract.builder import Builder
from core.library.extracted import BlockKind

_CODE_LINES: Final = 10  # of one block
_HEADING: Final = re.compile(r" {0,3}(#{1,6})[ \t]+\S")
_UNDERLINE: Final = re.compile(r" {0,3}(=+|-{2,})[ \t]*$")
_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})")
_ITEM: Final = re.compile(r"([ \t]*)(?:[-*+•]|\d{1,3}[.)])[ \t]+\S")
_BREAK: Final = re.compile(r" {0,3}([-*_][ \t]*){3,}$")
_MAX_NAME_CHARS: Final = 120
_DEFINITION: Final = re.compile(
    r"[ \t]*(?:export |default |public |private |protected |static |async |pub |abstract |final )*"
    r"(?:def|class|func|function|fn|struct|enum|trait|impl|interface|module|namespace|type|sub|procedure)\s+\w"
)


def read_text(builder: Builder, text: str) -> None:
    """Add prose: what stands between blank lines is a paragraph."""
    text = clean(text)
    builder.verbatim(text)
    for lines in _paragraphs(text):
        builder.mark(BlockKind.PARAGRAPH, lines[0][0], lines[-1][1])


def read_code(builder: Builder, text: str) -> None:
    """Add source code or a log: blocks of a few lines, each with the number of its first."""
    builder.unit = Unit.LINE
    text = clean(text)
    builder.verbatim(text)
    number = 1
    counted_to = 0
    for lines in _paragraphs(text):
        for first in range(0, len(lines), _CODE_LINES):
            group = lines[first : first + _CODE_LINES]
            start = group[0][0]
            number += text.count("\n", counted_to, start)
            counted_to = start
            builder.at(number, _name_of(text, group), keeps_headings=True)
            builder.mark(BlockKind.CODE, start, group[-1][1])


def read_markdown(builder: Builder, text: str) -> None:
    """Add Markdown as it is written; headings, lists and code are told apart."""
    text = clean(text)
    builder.verbatim(text)
    for lines in _paragraphs_of_markdown(text):
        _mark_markdown(builder, text, lines)


Lines = list[tuple[int, int]]  # start and end of each line, without the white space around


def _paragraphs(text: str) -> Iterator[Lines]:
    """Yield the lines between blank ones."""
    lines: Lines = []
    position = 0
    while position <= len(text):
        stop = text.find("\n", position)
        stop = len(text) if stop < 0 else stop
        line = text[position:stop]
        stripped = line.strip()
        if stripped:
            lines.append((position + line.index(stripped[0]), position + len(line.rstrip())))
        elif lines:
            yield lines
            lines = []
        position = stop + 1
    if lines:
        yield lines


def _name_of(text: str, lines: Lines) -> str:
    """Return the first definition in a block of code; "" where it has none."""
    for start, end in lines:
        if _DEFINITION.match(text, start, end):
            return text[start : min(end, start + _MAX_NAME_CHARS)].rstrip("{: (")
    return ""


def _paragraphs_of_markdown(text: str) -> Iterator[Lines]:
    """Yield paragraphs, with the code between two fences as one."""
    fence = ""
    kept: Lines = []
    for lines in _paragraphs(text):
        for start, end in lines:
            match = _FENCE.match(text, start, end)
            if fence:
                kept.append((start, end))
                if match and match[1].startswith(fence) and text[start:end].strip(fence[0]) == "":
                    yield kept
                    kept, fence = [], ""
            elif match:
                if kept:
                    yield kept
                kept, fence = [(start, end)], match[1]
            else:
                kept.append((start, end))
        if kept and not fence:
            yield kept
            kept = []
    if kept:
        yield kept


def _mark_markdown(builder: Builder, text: str, lines: Lines) -> None:
    if _FENCE.match(text, *lines[0]):
        builder.mark(BlockKind.CODE, lines[0][0], lines[-1][1])
        return
    first = 0
    for index, (start, end) in enumerate(lines):
        heading = _HEADING.match(text, start, end)
        underline = _UNDERLINE.match(text, start, end) if index == first + 1 else None
        if heading:
            _mark_lines(builder, text, lines[first:index])
            builder.mark(BlockKind.HEADING, start, end, level=len(heading[1]))
        elif underline and not _ITEM.match(text, *lines[first]):
            builder.mark(BlockKind.HEADING, lines[first][0], end, level=1 if "=" in underline[1] else 2)
        else:
            continue
        first = index + 1
    _mark_lines(builder, text, lines[first:])


def _mark_lines(builder: Builder, text: str, lines: Lines) -> None:
    """Mark the lines of a paragraph: items of a list, rows of a table, or a paragraph."""
    group: Lines = []
    level = 0
    for start, end in lines:
        item = _ITEM.match(text, start, end)
        is_row = text.startswith("|", start)
        if item or is_row:
            _mark_group(builder, group, level)
            group, level = [], 0
            if is_row:
                builder.mark(BlockKind.ROW, start, end)
                continue
            level = 1 + (start - text.rfind("\n", 0, start) - 1) // 2
        if not (_BREAK.match(text, start, end) and not item):
            group.append((start, end))
    _mark_group(builder, group, level)


def _mark_group(builder: Builder, group: Lines, level: int) -> None:
    if group:
        kind = BlockKind.LIST_ITEM if level else BlockKind.PARAGRAPH
        builder.mark(kind, group[0][0], group[-1][1], level=level)
