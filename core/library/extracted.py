"""A document as it was read out of its file: one clean text, and what stands where in it.

Knows values and how they are kept; must not know file formats. The extraction child (core/library/extract) makes them,
core/library/extractor.py hands them out, the store keeps the structure beside the text as the string that is made here.
"""

import json
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Final

from core.events import Place, Unit

# In the key of every index: another version reads some file differently.
EXTRACTOR_VERSION: Final = 1
MAX_TEXT_CHARS: Final = 20_000_000
MAX_BLOCKS: Final = 500_000
_KEPT_HEADINGS: Final = 8  # of a path; deeper ones are left out


class BlockKind(StrEnum):
    """What a piece of a document is."""

    HEADING = "heading"
    PARAGRAPH = "paragraph"
    LIST_ITEM = "list_item"
    ROW = "row"  # of a table, a sheet, records; one line of the text
    CODE = "code"
    NOTE = "note"  # footnotes, a speaker's notes
    CUE = "cue"  # of subtitles
    HEADER = "header"  # of an e-mail: from, to, date, subject


class Format(StrEnum):
    """What a file was read as, by its content first."""

    PDF = "pdf"
    DOCX = "docx"
    PPTX = "pptx"
    SPREADSHEET = "spreadsheet"  # xlsx, xls, xlsb
    ODT = "odt"
    ODS = "ods"
    ODP = "odp"
    RTF = "rtf"
    EPUB = "epub"
    HTML = "html"
    MARKDOWN = "markdown"
    TEXT = "text"
    CSV = "csv"
    JSON = "json"
    XML = "xml"
    EMAIL = "email"
    MBOX = "mbox"
    CODE = "code"
    SUBTITLES = "subtitles"


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of the text: characters `start` to `end` (exclusive). Blocks are in order and never overlap.

    number: of the page, slide, sheet, chapter or message (from 1), of the line of code, or the seconds of a cue,
        whichever `Structure.unit` says; None where the unit is NONE.
    label: what people call that place: a sheet's name, a page's printed number, a slide's title, a message's subject.
    row: of the sheet, table or file of records, from 1; None for all but rows.
    headings: those above it, the outermost first; a heading's own text is not among them.
    level: of a heading or list item, from 1; 0 for all else.
    """

    kind: BlockKind
    start: int
    end: int
    number: int | None = None
    label: str = ""
    row: int | None = None
    headings: tuple[str, ...] = ()
    level: int = 0


@dataclass(frozen=True)
class Structure:
    """What stands where in a text. An empty one is that of a text of which nothing is known."""

    unit: Unit = Unit.NONE
    blocks: tuple[Block, ...] = ()
    n_units: int = 0  # pages, slides, sheets, chapters, messages in the file, also those without text
    unread: tuple[int, ...] = ()  # pages that hold pictures and no text (scans), from 1

    @cached_property
    def _starts(self) -> list[int]:
        return [block.start for block in self.blocks]

    def blocks_in(self, start: int, end: int) -> Sequence[Block]:
        """Return the blocks that share a character with the range."""
        first = max(0, bisect_right(self._starts, start) - 1)
        found = self.blocks[first : max(first + 1, bisect_left(self._starts, end))]
        return [block for block in found if block.start < end and block.end > start]

    def place(self, start: int, end: int) -> Place | None:
        """Return where a range of the text stands; None where nothing is known of it."""
        blocks = self.blocks_in(start, end)
        if not blocks:
            return None
        first, last = blocks[0], blocks[-1]
        rows = [block.row for block in blocks if block.row is not None and block.number == first.number]
        return Place(
            unit=self.unit,
            number=first.number,
            last_number=last.number,
            label=first.label,
            row=rows[0] if rows else None,
            last_row=rows[-1] if rows else None,
            headings=next((each.headings for each in blocks if each.kind is not BlockKind.HEADING), first.headings),
        )

    def encoded(self) -> str:
        """Return it as JSON, about 30 characters a block; read by structure_from()."""
        strings: dict[str, int] = {}
        paths: dict[tuple[str, ...], int] = {}
        rows = [
            [
                _KINDS.index(block.kind), block.start, block.end - block.start,
                -1 if block.number is None else block.number, strings.setdefault(block.label, len(strings)),
                -1 if block.row is None else block.row, paths.setdefault(block.headings, len(paths)), block.level,
            ]
            for block in self.blocks
        ]  # fmt: skip
        stored = {
            "version": _FORM, "unit": self.unit.value, "n_units": self.n_units, "unread": self.unread,
            "labels": list(strings), "paths": list(paths), "blocks": rows,
        }  # fmt: skip
        return json.dumps(stored, ensure_ascii=False, separators=(",", ":"))


_FORM: Final = 1
_KINDS: Final = tuple(BlockKind)  # their order is stored: new kinds go to the end


@dataclass(frozen=True, slots=True)
class Extracted:
    """What was read of a file; `sha256` is of the file's bytes, positions are characters of `text`."""

    name: str
    sha256: str
    format: Format
    text: str
    structure: Structure

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The pieces of the text."""
        return self.structure.blocks


def structure_from(stored: str, n_chars: int) -> Structure:
    """Return what encoded() wrote, for a text of `n_chars`; the empty one for the empty string.

    Raises:
        ValueError: it is something else, or its ranges do not fit the text.
    """
    if not stored:
        return Structure()
    try:
        found = json.loads(stored)
        if found["version"] != _FORM or len(found["blocks"]) > MAX_BLOCKS:
            raise ValueError("another form")
        labels = [str(label) for label in found["labels"]]
        paths = [tuple(str(each) for each in path)[:_KEPT_HEADINGS] for path in found["paths"]]
        blocks = tuple(_block(row, labels, paths) for row in found["blocks"])
        unread = tuple(int(page) for page in found["unread"])
        structure = Structure(Unit(found["unit"]), blocks, int(found["n_units"]), unread)
    except (TypeError, KeyError, IndexError, AttributeError, RecursionError) as exc:
        raise ValueError("not a structure") from exc
    end = 0
    for block in blocks:
        if not end <= block.start < block.end <= n_chars:
            raise ValueError("a block out of place")
        end = block.end
    return structure


def _block(row: list[int], labels: Sequence[str], paths: Sequence[tuple[str, ...]]) -> Block:
    kind, start, length, number, label, line, path, level = row
    if not all(type(value) is int for value in row) or min(kind, label, path) < 0:
        raise TypeError("not a block")
    return Block(
        _KINDS[kind], start, start + length, None if number < 0 else number, labels[label],
        None if line < 0 else line, paths[path], level,
    )  # fmt: skip
