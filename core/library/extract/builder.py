"""Builds the text and the blocks of a document, piece by piece, and stops when there is too much of it.

Knows blocks, headings and white space; must not know file formats.
"""

from collections.abc import Callable, Sequence
from typing import Final

from core.errors import AppError, ErrorCode
from core.events import Unit
from core.library.characters import clean, one_line
from core.library.extract.tables import table_lines
from core.library.extracted import MAX_BLOCKS, MAX_TEXT_CHARS, Block, BlockKind, Structure

MAX_HEADING_CHARS: Final = 200  # a longer one is a paragraph
_PARAGRAPH: Final = "\n\n"
_JOINED_BY_LINES: Final = frozenset({BlockKind.ROW, BlockKind.LIST_ITEM, BlockKind.CUE, BlockKind.HEADER})

Tick = Callable[[int, int], object]  # done, total


def damaged(reason: str) -> AppError:
    """Return the error for a file that is not what it should be; the caller's process adds the path."""
    return AppError(ErrorCode.DOCUMENT_DAMAGED, reason=reason)


def too_long(found: str, limit: int) -> AppError:
    """Return the error for a file with too much of something."""
    return AppError(ErrorCode.DOCUMENT_TOO_LONG, found=found, limit=limit)


class Builder:
    """One document in the making."""

    def __init__(self, unit: Unit = Unit.NONE, tick: Tick = lambda _done, _total: None) -> None:
        self.unit = unit
        self.tick = tick
        self.n_units = 0
        self.unread: list[int] = []
        self.blocks: list[Block] = []
        self._pieces: list[str] = []
        self._texts: dict[int, str] = {}  # of headings, by where they begin
        self._length = 0
        self._number: int | None = None
        self._label = ""
        self._headings: list[tuple[int, str]] = []
        self._path: tuple[str, ...] = ()
        self._is_table_open = False

    @property
    def is_empty(self) -> bool:
        """True when no character has come yet."""
        return not self.blocks

    def text(self) -> str:
        """Return all text so far."""
        return "".join(self._pieces)

    def text_of(self, heading: Block) -> str:
        """Return the words of a heading that was added."""
        return self._texts[heading.start]

    def structure(self) -> Structure:
        """Return what stands where."""
        return Structure(self.unit, tuple(self.blocks), self.n_units, tuple(self.unread))

    def at(self, number: int | None, label: str = "", *, keeps_headings: bool = False) -> None:
        """Say where the next blocks stand; headings begin anew unless they go on over the border (pages)."""
        self._number = number
        self._label = one_line(label)[:MAX_HEADING_CHARS]
        self.n_units = max(self.n_units, number or 0)
        self._is_table_open = False
        if not keeps_headings:
            self._headings, self._path = [], ()

    def label_since(self, first_block: int, label: str) -> None:
        """Give the blocks from `first_block` on the label that was found late."""
        label = one_line(label)[:MAX_HEADING_CHARS]
        for index in range(first_block, len(self.blocks)):
            each = self.blocks[index]
            self.blocks[index] = Block(
                each.kind, each.start, each.end, each.number, label, each.row, each.headings, each.level
            )

    def heading(self, text: str, level: int) -> None:
        """Add a heading; what follows stands under it."""
        text = one_line(text)
        if len(text) > MAX_HEADING_CHARS:
            self.paragraph(text)
            return
        if not text:
            return
        level = min(max(level, 1), 9)
        self._headings = [each for each in self._headings if each[0] < level]
        self._path = tuple(each[1] for each in self._headings)
        self._add(BlockKind.HEADING, text, level=level)
        self._texts[self.blocks[-1].start] = text
        self._headings.append((level, text))
        self._path = tuple(each[1] for each in self._headings)

    def paragraph(
        self, text: str, kind: BlockKind = BlockKind.PARAGRAPH, *, glue: str | None = None, keeps_lines: bool = False
    ) -> None:
        """Add running text; `glue` replaces the blank line before it, where a sentence goes on."""
        self._add(kind, _lines(text) if keeps_lines else one_line(text), glue=glue)

    def item(self, text: str, level: int = 1, mark: str = "-") -> None:
        """Add an item of a list with its bullet or number."""
        text = one_line(text)
        if text:
            indent = "  " * min(max(level - 1, 0), 8)
            self._add(BlockKind.LIST_ITEM, f"{mark} {text}" if mark else text, level=max(level, 1), indent=indent)

    def code(self, text: str) -> None:
        """Add lines that keep their spaces."""
        lines = clean(text).expandtabs(4).split("\n")
        while lines and not lines[0].strip():
            lines.pop(0)
        self._add(BlockKind.CODE, "\n".join(line.rstrip() for line in lines).rstrip())

    def row(self, line: str, number: int | None) -> None:
        """Add one row of a table or one record, as it is to be read."""
        self._add(BlockKind.ROW, one_line(line), row=number)

    def table(self, rows: Sequence[Sequence[str]], first_row: int = 1) -> None:
        """Add a table, each row on a line that says what its values are."""
        self.end_table()
        for number, line in table_lines(rows):
            self.row(line, first_row + number)
        self.end_table()

    def end_table(self) -> None:
        """Say that a row that follows belongs to another table."""
        self._is_table_open = False

    def verbatim(self, text: str) -> None:
        """Take over the whole text of a document as it is; its blocks are told by mark()."""
        if self._length:
            raise ValueError("there is text already")
        self._pieces.append(text)
        self._grow(len(text))

    def mark(self, kind: BlockKind, start: int, end: int, *, level: int = 0, row: int | None = None) -> None:
        """Note what a range of the verbatim text is."""
        if kind is BlockKind.HEADING:
            text = one_line(self._pieces[0][start:end].strip("#= \n").rstrip("-"))[:MAX_HEADING_CHARS]
            self._headings = [each for each in self._headings if each[0] < level]
            self._path = tuple(each[1] for each in self._headings)
            self._append(Block(kind, start, end, self._number, self._label, row, self._path[:8], level))
            self._headings.append((level, text))
            self._path = tuple(each[1] for each in self._headings)
            return
        self._append(Block(kind, start, end, self._number, self._label, row, self._path[:8], level))

    def _add(
        self,
        kind: BlockKind,
        text: str,
        *,
        level: int = 0,
        row: int | None = None,
        glue: str | None = None,
        indent: str = "",
    ) -> None:
        if not text:
            return
        separator = self._separator(kind) if glue is None else glue
        if self._pieces:
            self._pieces.append(separator + indent)
            self._grow(len(separator) + len(indent))
        start = self._length
        self._pieces.append(text)
        self._grow(len(text))
        self._append(Block(kind, start, self._length, self._number, self._label, row, self._path[:8], level))
        self._is_table_open = True

    def _separator(self, kind: BlockKind) -> str:
        if not self.blocks or not self._is_table_open or kind not in _JOINED_BY_LINES:
            return _PARAGRAPH
        return "\n" if self.blocks[-1].kind is kind else _PARAGRAPH

    def _append(self, block: Block) -> None:
        self.blocks.append(block)
        if len(self.blocks) > MAX_BLOCKS:
            raise too_long("paragraphs and rows", MAX_BLOCKS)

    def _grow(self, n_chars: int) -> None:
        self._length += n_chars
        if self._length > MAX_TEXT_CHARS:
            raise too_long("characters", MAX_TEXT_CHARS)


def _lines(text: str) -> str:
    lines = (" ".join(line.split()) for line in clean(text).split("\n"))
    return "\n".join(line for line in lines if line)
