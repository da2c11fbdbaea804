"""Blocks to chunks, the units of search: what belongs together stays together, and each knows what heads it.

Knows blocks and sizes; must not know the index or what is asked. A chunk is larger than what is put to a model: the
passages of the model's size are cut out of it when it is found (passages.py).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from core.events import Unit
from core.library import chunking
from core.library.extracted import Block, BlockKind, Extracted

VERSION: Final = "1"

_MAX_HEADER_CHARS: Final = 300
_ONE_BY_ONE: Final = frozenset({Unit.NONE, Unit.LINE, Unit.SECOND})  # units too small to begin a chunk with
_CUT_AT_LINES: Final = frozenset({BlockKind.ROW, BlockKind.CODE, BlockKind.CUE})


@dataclass(frozen=True, slots=True)
class ChunkSize:
    """Words of a chunk: about `target`, and those below `least` take in what follows even under another heading."""

    target: int = 120
    least: int = 40


@dataclass(frozen=True, slots=True)
class Chunk:
    """A range of characters, `end` exclusive; `context` is what heads it: headings and the header of its table."""

    start: int
    end: int
    context: str


def chunk(document: Extracted, size: ChunkSize | None = None) -> tuple[Chunk, ...]:
    """Cut a document along its blocks; each chunk begins and ends with a visible character."""
    cutter = _Cutter(document.text, size or ChunkSize())
    blocks: Iterable[Block] = document.blocks or _whole(document.text)
    has_large_units = document.structure.unit not in _ONE_BY_ONE
    header = ""
    before: Block | None = None
    found: list[Chunk] = []
    for block in blocks:
        is_row = block.kind is BlockKind.ROW
        is_new_place = before is not None and has_large_units and block.number != before.number
        is_new_table = is_row and (before is None or before.kind is not BlockKind.ROW or is_new_place)
        if is_new_table:
            header = _on_one_line(document.text[block.start : block.end])[:_MAX_HEADER_CHARS]
        elif not is_row:
            header = ""
        changes = is_new_place or is_new_table or (before is not None and block.headings != before.headings)
        context = "\n".join((*block.headings, *([header] if header and not is_new_table else [])))
        found += cutter.take(block, context, changes=changes)
        before = block
    found += cutter.finish()
    return tuple(found)


class _Cutter:
    """Joins blocks up to the size and cuts those that are larger."""

    def __init__(self, text: str, size: ChunkSize) -> None:
        self._text = text
        self._size = size
        self._start = self._end = 0
        self._context = ""
        self._n_words = 0
        self._is_heading = False

    def take(self, block: Block, context: str, *, changes: bool) -> Iterator[Chunk]:
        """Yield the chunks that end before the last piece of `block`."""
        for start, end, n_words in self._pieces(block):
            is_full = self._n_words + n_words > self._size.target and self._n_words >= self._size.least
            is_left = changes and self._n_words >= self._size.least
            begins = block.kind is BlockKind.HEADING and self._n_words >= self._size.least
            if self._n_words and (is_full or is_left or begins) and not self._is_heading:
                yield from self.finish()
            if not self._n_words:
                self._start, self._context = start, context
            self._end = end
            self._n_words += max(n_words, 1)
            self._is_heading = block.kind is BlockKind.HEADING
            changes = False

    def finish(self) -> Iterator[Chunk]:
        """Yield what has not been yielded."""
        if self._n_words:
            yield Chunk(self._start, self._end, self._context)
        self._n_words = 0
        self._is_heading = False

    def _pieces(self, block: Block) -> Iterator[tuple[int, int, int]]:
        piece = self._text[block.start : block.end]
        n_words = count_words(piece)
        if n_words <= self._size.target + self._size.least:
            yield block.start, block.end, n_words
            return
        for span in chunking.split(piece, is_lines=block.kind in _CUT_AT_LINES):
            yield block.start + span.start, block.start + span.end, count_words(piece[span.start : span.end])


def count_words(text: str) -> int:
    """Return about how many words `text` has; of what is written without spaces two characters count as one."""
    n_words = len(text.split())
    if not text.isascii():
        n_words += sum(char >= "\u2e80" for char in text) // 2
    return max(n_words, len(text) // 40)  # paths and encoded bytes count as more than one word


def _whole(text: str) -> tuple[Block, ...]:
    """Return a text of which nothing is known as one block."""
    start = len(text) - len(text.lstrip())
    end = len(text.rstrip())
    return (Block(BlockKind.PARAGRAPH, start, end),) if start < end else ()


def _on_one_line(text: str) -> str:
    return " ".join(text.split())
