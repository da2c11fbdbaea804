"""How passages and checked quotes look: a quiet card under the question, and lines under the answer.

Knows passages and citations as values; must not know rows, the transcript or how passages are found.
"""

from collections.abc import Callable, Sequence
from functools import partial

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QFrame, QToolButton, QWidget

from app.document_words import place_in_words
from app.plain_text import PlainLabel
from app.theme import SIZES
from core.events import Passage
from core.library.cite import Citation

COLLAPSED_CHARS = 180  # of each passage; the rest is one click away
_NOTE_CHARS = 120


class OpenableLine(PlainLabel):
    """Words that open something by a click, Enter or the space bar."""

    def __init__(self, text: str, kind: str, on_open: Callable[[], object], parent: QWidget) -> None:
        super().__init__(text, kind=kind, wrap=True, parent=parent)
        self._on_open = on_open
        self.setObjectName("openableLine")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName(text)
        self.setAccessibleDescription("Opens the document at this place")

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Open with the keys of a button."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self._on_open()
        else:
            super().keyPressEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Open."""
        if event.button() == Qt.MouseButton.LeftButton and self.rect().contains(event.position().toPoint()):
            self._on_open()


class PassagesCard(QFrame):
    """What the model reads with a question: number, document and words of each passage; each opens its document.

    `is_closest`: the documents most likely do not say what was asked.
    """

    def __init__(
        self,
        passages: Sequence[Passage],
        on_resized: Callable[[], object],
        parent: QWidget,
        on_open: Callable[[int], object] = lambda _index: None,
        *,
        is_closest: bool = False,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("passagesCard")
        self._passages = passages
        self._on_resized = on_resized
        one = len(passages) == 1
        self._title = PlainLabel(_title(len(passages), is_closest=is_closest))
        self._title.setProperty("kind", "small")
        self._title.setParent(self)
        self._labels = [
            OpenableLine(_line(each, COLLAPSED_CHARS), "passage", partial(on_open, index), self)
            for index, each in enumerate(passages)
        ]
        self._more = QToolButton(self)
        self._more.setProperty("kind", "action")
        self._more.setText("Show the whole passage" if one else "Show the whole passages")
        self._more.clicked.connect(self.on_show_all)
        self._more.setVisible(any(len(_words(each)) > COLLAPSED_CHARS for each in passages))
        self.setAccessibleName(" ".join(_line(each, COLLAPSED_CHARS) for each in passages))

    def height_for(self, width: int) -> int:
        """Place the lines at `width` and return the height."""
        pad = SIZES.space_3
        room = width - 2 * pad
        top = SIZES.space_2
        for label in (self._title, *self._labels):
            height = label.heightForWidth(room) if label.wordWrap() else label.sizeHint().height()
            label.setGeometry(pad, top, room, height)
            top += height + SIZES.space_1
        if not self._more.isHidden():
            size = self._more.sizeHint()
            self._more.setGeometry(
                pad - SIZES.space_3, top, size.width(), size.height()
            )  # words in line with the others
            top += size.height()
        return top + SIZES.space_1

    def on_show_all(self) -> None:
        """Show every word."""
        for label, passage in zip(self._labels, self._passages, strict=True):
            label.setText(_line(passage, len(passage.text)))
        self._more.hide()
        self._on_resized()


class CitationNotes(QWidget):
    """Lines under an answer: quotes that stand in no passage, and found ones that could not be marked in the text."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._labels: list[PlainLabel] = []

    def show_citations(
        self, citations: Sequence[Citation], on_open: Callable[[Citation], object] = lambda _citation: None
    ) -> None:
        """Show one line for each; those that were found open their document."""
        for label in self._labels:
            label.deleteLater()
        self._labels = [
            OpenableLine(citation_words(each), "verified", partial(on_open, each), self)
            if each.is_verified
            else PlainLabel(citation_words(each), kind="warning", wrap=True, parent=self)
            for each in citations
        ]
        for label in self._labels:
            label.show()

    def height_for(self, width: int) -> int:
        """Place the lines at `width` and return the height, 0 for none."""
        top = 0
        for label in self._labels:
            height = label.heightForWidth(width)
            label.setGeometry(0, top, width, height)
            top += height + SIZES.space_1
        return top


def _title(n_passages: int, *, is_closest: bool) -> str:
    if is_closest:
        return "Not in your documents. This comes closest:" if n_passages == 1 else "Not in your documents. Closest:"
    return "Passage read with this question" if n_passages == 1 else "Passages read with this question"


def citation_words(citation: Citation) -> str:
    """Return what is said about a quote."""
    quote = citation.text if len(citation.text) <= _NOTE_CHARS else citation.text[: _NOTE_CHARS - 1] + "…"
    if citation.is_verified:
        return f"✓ Found word for word in passage {citation.passage}: “{quote}”"
    return f"Not found in the document: “{quote}”"


def passage_note(citation: Citation) -> str:
    """Return what stands beside the check mark: the passage, where the answer names another one or none."""
    return "" if citation.named == citation.passage else f" passage {citation.passage}"


def _words(passage: Passage) -> str:
    return " ".join(passage.text.split())


def _line(passage: Passage, n_chars: int) -> str:
    words = _words(passage)
    shown = words if len(words) <= n_chars else words[:n_chars].rpartition(" ")[0] + " …"
    where = place_in_words(passage.place)
    source = f"{passage.document}, {where}" if where else passage.document
    return f"[{passage.number}] {source}: “{shown}”"
