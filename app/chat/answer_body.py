"""The text of one answer on screen, also while it grows: closed blocks stay as they are, only the end is written again.

Knows segments and Markdown; must not know messages or jobs. While an answer streams, new characters are appended as
plain text (cheap), and at the end of a line, at most 4 times a second, the last block is formatted.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import TypeVar

from PySide6.QtCore import QElapsedTimer, QPoint
from PySide6.QtWidgets import QWidget

from app.chat import markdown
from app.chat.markdown import Block, Code, Paragraph, Table
from app.chat.segments import CodeSegment, LinkHandler, RuleSegment, Segment, TableSegment, TextSegment
from app.theme import SIZES, Theme

_S = TypeVar("_S", TextSegment, TableSegment, CodeSegment, RuleSegment)
RENDER_EVERY_MS = 250
# A last block that has become large or slow (a list or a table of hundreds of lines) is formatted only at a blank line,
# where it may have ended.
MAX_OPEN_CHARS = 6_000
MAX_RENDER_MS = 15
RENDER_LARGE_EVERY_MS = 1_500


class AnswerBody(QWidget):
    """Segments under each other; `layout_at` places them."""

    def __init__(self, theme: Theme, on_link: LinkHandler, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme = self._theme = theme
        self._on_link = on_link
        self._segments: list[Segment] = []
        self._mark = (0, 0)  # number of segments that are closed, and of characters in the last of them
        self._open = ""  # source of the last block, which may still change
        self._since_render = QElapsedTimer()
        self._needs_render = False
        self._render_ms = 0

    @property
    def segments(self) -> Sequence[Segment]:
        """The pieces, from top to bottom."""
        return self._segments

    def set_text(self, text: str) -> None:
        """Show a finished text."""
        self._drop_after((0, 0))
        self._open = ""
        self._write(markdown.parse(text))

    def begin(self, text: str) -> None:
        """Show a text to which more will be appended."""
        self._drop_after((0, 0))
        self._mark, self._open = (0, 0), text
        self.render_open()

    def set_plain(self, text: str) -> None:
        """Show text letter for letter."""
        self._drop_after((0, 0))
        self._open = ""
        self._write(markdown.plain(text))

    def append_plain_blocks(self, text: str) -> None:
        """Add more text letter for letter."""
        self._write(markdown.plain(text))

    def append(self, text: str) -> None:
        """Add streamed characters."""
        self._open += text
        self._needs_render = self._needs_render or "\n" in text
        if self._needs_render and self._is_due():
            self.render_open()
        else:
            self._append_plain(text)

    def render_open(self) -> None:
        """Format the last block; what can no longer change is closed for good."""
        self._since_render.start()
        parsed = markdown.parse_growing(self._open)
        self._drop_after(self._mark)
        if parsed.open_from:
            self._write(parsed.closed)
            self._mark = self._end()
            self._open = self._open[parsed.open_from :]
        self._write(parsed.open)
        self._needs_render = False
        self._render_ms = self._since_render.restart()

    def mark_verified(self, words: str, note: str, href: str = "") -> bool:
        """Put a check mark and `note` behind a quote of a finished text; False when it is not found as it is."""
        texts = [segment for segment in self._segments if isinstance(segment, TextSegment)]
        return any(segment.mark_verified(words, note, href) for segment in texts)

    def layout_at(self, width: int) -> int:
        """Place the segments at `width` and return the height in all."""
        top = 0
        for index, segment in enumerate(self._segments):
            if index:
                top += SIZES.space_3
            height = segment.height_for(width)
            segment.setGeometry(0, top, width, height)
            top += height
        return top

    def caret_position(self) -> QPoint:
        """Return where the next character will stand, in this widget."""
        if not self._segments:
            return QPoint(0, 0)
        last = self._segments[-1]
        if isinstance(last, TextSegment):
            return last.pos() + last.caret_position()
        return last.geometry().bottomLeft()

    def _is_due(self) -> bool:
        if not self._since_render.isValid():
            return True
        if len(self._open) > MAX_OPEN_CHARS or self._render_ms > MAX_RENDER_MS:
            return "\n\n" in self._open[-64:] and self._since_render.elapsed() >= RENDER_LARGE_EVERY_MS
        return self._since_render.elapsed() >= RENDER_EVERY_MS

    def _append_plain(self, text: str) -> None:
        last = self._segments[-1] if self._segments else None
        if isinstance(last, CodeSegment):
            last.append(text)
            return
        self._text_at_end().append_text(text)

    def _write(self, blocks: Sequence[Block]) -> None:
        for is_text, group in groupby(blocks, key=lambda block: isinstance(block, Paragraph)):
            if is_text:
                self._text_at_end().append_paragraphs([block for block in group if isinstance(block, Paragraph)])
                continue
            for block in group:
                if isinstance(block, Code):
                    self._add(CodeSegment(block, self._theme, self))
                elif isinstance(block, Table):
                    self._add(TableSegment(block, self._theme, self._on_link, self))
                else:
                    self._add(RuleSegment(self))

    def _text_at_end(self) -> TextSegment:
        last = self._segments[-1] if self._segments else None
        return last if isinstance(last, TextSegment) else self._add(TextSegment(self._theme, self._on_link, self))

    def _add(self, segment: _S) -> _S:
        self._segments.append(segment)
        segment.show()
        return segment

    def _end(self) -> tuple[int, int]:
        last = self._segments[-1] if self._segments else None
        return len(self._segments), last.end() if isinstance(last, TextSegment) else 0

    def _drop_after(self, mark: tuple[int, int]) -> None:
        n_segments, position = mark
        for segment in self._segments[n_segments:]:
            segment.hide()
            segment.setParent(None)
            segment.deleteLater()
        del self._segments[n_segments:]
        if self._segments and isinstance(self._segments[-1], TextSegment):
            self._segments[-1].truncate(position)
