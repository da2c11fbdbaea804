"""One widget for each kind of row of the transcript; each places its parts for a width and tells its height.

Knows how messages look; must not know the store, jobs or the list that places the rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

from PySide6.QtCore import QEvent, QObject, QSize, Qt, QTimer
from PySide6.QtGui import QEnterEvent, QFontMetricsF, QResizeEvent
from PySide6.QtWidgets import QFrame, QToolButton, QWidget

from app.chat.answer_body import AnswerBody
from app.chat.cards import ErrorCard
from app.chat.marks import mark_places, top_of
from app.chat.message_bar import MessageBar, OnAction
from app.chat.message_model import Row, RowKind
from app.chat.passages import CitationNotes, PassagesCard, citation_words, passage_note
from app.chat.segments import LinkHandler, field_of
from app.notices import Action
from app.plain_text import PlainLabel
from app.theme import SIZES, Theme
from core.events import Passage
from core.library.cite import Citation, find_refs

COLLAPSED_CHARS = 4_000  # of the user's own words; the rest is one click away
SLICE_CHARS = 8_000
_MAX_LINE_CHARS = 400  # wider than any column
_USER_SHARE = 0.85  # of the column
Span = tuple[int, int]
_QUOTE_HREF = "quote:"  # of the marks behind verified quotes; links in answers cannot have it (markdown.safe_href)


@dataclass(frozen=True, slots=True)
class RowActions:
    """What rows ask of the window."""

    on_link: LinkHandler
    on_notice: Callable[[Action], object]
    on_resized: Callable[[], object]
    on_message: OnAction = lambda _action, _row: None
    # The passages, which of them (from 0), and the characters of its document that are meant where it is not all of it.
    on_passage: Callable[[Sequence[Passage], int, Span | None], object] = lambda _passages, _index, _span: None


class RowView(QWidget):
    """A row on screen."""

    bar: MessageBar | None = None

    def height_for(self, width: int) -> int:
        """Place the parts at `width` and return the height."""
        raise NotImplementedError

    def refresh(self, row: Row) -> None:
        """Take over what changed about the row."""

    def append(self, text: str) -> None:
        """Add streamed characters."""

    def mark(self, words: str, current: int) -> int | None:
        """Mark all places of `words`; returns how far down the one of number `current` is."""
        body = getattr(self, "_body", None)
        if not isinstance(body, AnswerBody):
            return None
        fields = [field for segment in body.segments if (field := field_of(segment)) is not None]
        found = mark_places(fields, words, current, body.theme)
        return None if found is None else top_of(*found, self)

    def wake(self, after: QWidget | None = None) -> None:
        """Show what can be done with the message."""
        if self.bar is not None:
            self.bar.wake(after)

    def enterEvent(self, event: QEnterEvent) -> None:
        """Show the actions."""
        self.wake()
        super().enterEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        """Hide the actions unless they have the focus."""
        if self.bar is not None:
            self.bar.set_quiet(True)
        super().leaveEvent(event)


class UserView(RowView):
    """The user's words in a tinted block at the right."""

    def __init__(self, row: Row, theme: Theme, actions: RowActions, parent: QWidget) -> None:
        super().__init__(parent)
        self._text = row.text
        self._actions = actions
        # Qt puts the room of a higher line under the text; without it the words stand in the middle of the block.
        self._leading = theme.px(SIZES.body) * (SIZES.line_height_percent - 100) // 100
        self._n_shown = 0
        self._block = QFrame(self)
        self._block.setObjectName("userBlock")
        self._body = AnswerBody(theme, actions.on_link, self._block)
        self._more = QToolButton(self._block)
        self._more.setProperty("kind", "action")
        self._more.setText(f"Show all ({len(row.text):,} characters)")
        self._more.clicked.connect(self.on_show_all)
        self._more.setVisible(len(row.text) > COLLAPSED_CHARS)
        self._body.set_plain(row.text[:COLLAPSED_CHARS])
        self.bar = MessageBar(row, theme, actions.on_message, self, at_right=True)
        metrics = QFontMetricsF(theme.font())
        lines = row.text[:COLLAPSED_CHARS].split("\n")
        self._ideal_width = 2 + ceil(max(metrics.horizontalAdvance(line[:_MAX_LINE_CHARS]) for line in lines))
        self.setAccessibleName(f"You: {row.text[:300]}")

    def height_for(self, width: int) -> int:
        """Place the block at the right edge, no wider than its text."""
        pad = SIZES.space_3
        room = int(width * _USER_SHARE) - 2 * pad
        more = self._more.sizeHint()
        text_width = min(room, max(self._ideal_width, more.width() if self._has_more else 0))
        text_height = self._body.layout_at(text_width)
        self._body.setGeometry(pad, SIZES.space_2, text_width, text_height)
        height = text_height + 2 * SIZES.space_2 - self._leading
        if self._has_more:
            self._more.setGeometry(
                pad - SIZES.space_1, height - SIZES.space_1, text_width, self._more.sizeHint().height()
            )
            height += self._more.height()
        self._block.setGeometry(width - text_width - 2 * pad, 0, text_width + 2 * pad, height)
        assert self.bar is not None
        self.bar.setGeometry(0, height, width, self.bar.height_for())
        return height + self.bar.height_for()

    def refresh(self, _row: Row) -> None:
        """Take over under which id it is stored."""
        if self.bar is not None:
            self.bar.refresh()

    @property
    def _has_more(self) -> bool:
        return len(self._text) > COLLAPSED_CHARS and self._n_shown == 0

    def mark(self, words: str, current: int) -> int | None:
        """Show the whole of a long text where the place is in what is not shown yet."""
        found = super().mark(words, current)
        while found is None and current >= 0 and words and len(self._text) > max(self._n_shown, COLLAPSED_CHARS):
            if self._n_shown == 0:
                self._n_shown = COLLAPSED_CHARS
                self._more.hide()
            self._append_slice()
            found = super().mark(words, current)
        return found

    def on_show_all(self) -> None:
        """Show the whole text, a slice at a time so that the window stays alive."""
        self._n_shown = COLLAPSED_CHARS
        self._more.hide()
        self._show_slice()

    def _show_slice(self) -> None:
        if self._append_slice():
            self._actions.on_resized()
            QTimer.singleShot(0, self, self._show_slice)

    def _append_slice(self) -> bool:
        piece = self._text[self._n_shown : self._n_shown + SLICE_CHARS]
        if piece:
            self._body.append_plain_blocks(piece)
            self._n_shown += len(piece)
        return bool(piece)


class AnswerView(RowView):
    """An answer, plain on paper, with a caret while it streams and its actions under it."""

    def __init__(self, row: Row, theme: Theme, actions: RowActions, parent: QWidget) -> None:
        super().__init__(parent)
        self._row = row
        self._actions = actions
        self._body = AnswerBody(theme, self._on_link, self)
        self._caret = QFrame(self)
        self._caret.setObjectName("caret")
        self._activity = PlainLabel(kind="secondary", parent=self)
        self._note = PlainLabel(kind="small", wrap=True, parent=self)
        self._notes = CitationNotes(self)
        self.citations: tuple[Citation, ...] = ()  # found when the row comes into sight, and the answer is finished
        self.bar = MessageBar(row, theme, actions.on_message, self)
        self._line_height = theme.px(SIZES.body * SIZES.line_height_percent // 100)
        self._was_streaming = row.is_streaming
        if row.is_streaming:
            self._body.append(row.text)
        else:
            self._body.set_text(row.text)
        self.refresh(row)

    def height_for(self, width: int) -> int:
        """Place text, note and actions under each other."""
        top = self._body.layout_at(width)
        self._body.setGeometry(0, 0, width, top)
        if self._row.activity:
            self._activity.setGeometry(0, top, width, self._line_height)
            top += self._line_height
        elif self._row.is_streaming:
            top = max(top, self._line_height)
        self._place_caret()
        notes_height = self._notes.height_for(width)
        self._notes.setGeometry(0, top + SIZES.space_2, width, notes_height)
        top += SIZES.space_2 + notes_height if notes_height else 0
        if self._row.note:
            note_height = self._note.heightForWidth(width)
            self._note.setGeometry(0, top + SIZES.space_2, width, note_height)
            top += SIZES.space_2 + note_height
        assert self.bar is not None
        self.bar.setGeometry(0, top + SIZES.space_1, width, self.bar.height_for())
        return top + SIZES.space_1 + self.bar.height_for()

    def refresh(self, row: Row) -> None:
        """Take over the end of the stream, the note and the activity."""
        if self._was_streaming and not row.is_streaming and row.text:
            self._body.render_open()
        elif row.is_streaming and not self._was_streaming:  # it goes on
            self._body.begin(row.text)
        self._was_streaming = row.is_streaming
        if row.passages and not row.is_streaming and not self.citations:
            self.citations = find_refs(row.text, row.passages)
            self._notes.show_citations([each for each in self.citations if not self._mark(each)], self._open_quote)
        self._activity.setText(row.activity)
        self._activity.setVisible(bool(row.activity))
        self._note.setText(row.note)
        self._note.setVisible(bool(row.note))
        self._caret.setVisible(row.is_streaming)
        if self.bar is not None:
            self.bar.refresh()
        checked = " ".join(citation_words(each) for each in self.citations)
        self.setAccessibleName(f"Answer: {row.text[:300] or row.activity or row.note} {checked}".rstrip())

    def append(self, text: str) -> None:
        """Add streamed characters."""
        self._body.append(text)

    def _mark(self, citation: Citation) -> bool:
        """Mark a verified quote in the text; False where it cannot be, or must not."""
        href = f"{_QUOTE_HREF}{self.citations.index(citation)}"
        return citation.is_verified and self._body.mark_verified(citation.text, passage_note(citation), href)

    def _on_link(self, href: str) -> None:
        """Open the page for the marks of Tern's own; ask about everything else."""
        number = href.removeprefix(_QUOTE_HREF)
        if href.startswith(_QUOTE_HREF) and number.isascii() and number.isdigit():
            self._open_quote(self.citations[int(number)])
        else:
            self._actions.on_link(href)

    def _open_quote(self, citation: Citation) -> None:
        passages = self._row.passages
        index = next((i for i, each in enumerate(passages) if each.number == citation.passage), None)
        if index is not None:
            start, end = citation.start, citation.end
            span = (start, end) if start is not None and end is not None else None
            self._actions.on_passage(passages, index, span)

    def _place_caret(self) -> None:
        spot = self._body.caret_position()
        if self._row.activity:
            self._caret.setGeometry(0, 0, 0, 0)
            return
        self._caret.setGeometry(spot.x() + 1, spot.y(), SIZES.caret, self._line_height - SIZES.space_1)
        self._caret.raise_()


class PassagesView(RowView):
    """The passages that the model reads with the question above."""

    def __init__(self, row: Row, actions: RowActions, parent: QWidget) -> None:
        super().__init__(parent)
        self._card = PassagesCard(
            row.passages,
            actions.on_resized,
            self,
            lambda index: actions.on_passage(row.passages, index, None),
            is_closest=row.is_closest,
        )
        self.setAccessibleName(self._card.accessibleName())

    def height_for(self, width: int) -> int:
        """Give the card the whole width."""
        height = self._card.height_for(width)
        self._card.setGeometry(0, 0, width, height)
        return height


class NoteView(RowView):
    """A sentence of Tern's own between two hairlines."""

    def __init__(self, row: Row, parent: QWidget) -> None:
        super().__init__(parent)
        self._label = PlainLabel(row.text, kind="small", wrap=True, parent=self)
        self._label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._line = QFrame(self)
        self._line.setObjectName("hairline")
        self.setAccessibleName(row.text)

    def height_for(self, width: int) -> int:
        """Place the line and the words under it."""
        height = self._label.heightForWidth(width)
        self._line.setGeometry(0, 0, width, 1)
        self._label.setGeometry(0, SIZES.space_2, width, height)
        return height + SIZES.space_2


class ErrorView(RowView):
    """An error card in the transcript."""

    def __init__(self, row: Row, actions: RowActions, parent: QWidget) -> None:
        super().__init__(parent)
        assert row.error is not None
        self._card = ErrorCard(row.error, actions.on_notice, self)
        self.setAccessibleName(self._card.accessibleName())

    def height_for(self, width: int) -> int:
        """Give the card the whole width."""
        layout = self._card.layout()
        assert layout is not None
        height = max(layout.heightForWidth(width), layout.minimumSize().height())
        self._card.setGeometry(0, 0, width, height)
        return height


class SeenLine(QWidget):
    """The line above the first message that the model still sees."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._label = PlainLabel("the model sees from here", kind="small", parent=self)
        self._lines = [QFrame(self), QFrame(self)]
        for line in self._lines:
            line.setObjectName("hairline")
        self._theme = theme
        self.setAccessibleName("The model sees the conversation from here on")
        self.hide()

    def sizeHint(self) -> QSize:
        """Return the room of the line and of the gap under it."""
        return QSize(0, self._theme.px(SIZES.small) + SIZES.space_5)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the words in the middle."""
        super().resizeEvent(event)
        size = self._label.sizeHint()
        left = (self.width() - size.width()) // 2
        middle = (self.height() - SIZES.space_3) // 2
        self._label.setGeometry(left, middle - size.height() // 2, size.width(), size.height())
        self._lines[0].setGeometry(0, middle, max(0, left - SIZES.space_3), 1)
        self._lines[1].setGeometry(left + size.width() + SIZES.space_3, middle, max(0, left - SIZES.space_3), 1)


def make_row(row: Row, theme: Theme, actions: RowActions, parent: QWidget) -> RowView:
    """Return the widget for `row`."""
    match row.kind:
        case RowKind.USER:
            return UserView(row, theme, actions, parent)
        case RowKind.ANSWER:
            return AnswerView(row, theme, actions, parent)
        case RowKind.PASSAGES:
            return PassagesView(row, actions, parent)
        case RowKind.NOTE:
            return NoteView(row, parent)
        case RowKind.ERROR:
            return ErrorView(row, actions, parent)


def estimated_height(row: Row, width: int, theme: Theme) -> int:
    """Return about how high `row` will be, without making a widget."""
    shown = min(len(row.text), COLLAPSED_CHARS) if row.kind is RowKind.USER else len(row.text)
    chars_a_line = max(20, width * 2 // max(theme.px(SIZES.body), 1))
    lines = shown // chars_a_line + row.text.count("\n", 0, shown) + 1
    return lines * theme.px(SIZES.body * SIZES.line_height_percent // 100) + SIZES.space_6


def owner_row(child: QObject | None) -> RowView | None:
    """Return the row that `child` is a part of, or None."""
    while child is not None and not isinstance(child, RowView):
        child = child.parent()
    return child
