"""What a search over all documents found, as cards.

Knows hits as values; must not know how they are found or what opens them.
"""

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from app.library.cards import OpenableCard
from app.library.words import hit_title, snippet
from app.plain_text import PlainLabel
from app.theme import SIZES
from core.library.index.searcher import Hit

_NOTHING = "No document has words like these. Other words, or the beginning of one, may be found."


class Results(QScrollArea):
    """The hits, the best first."""

    opened = Signal(int)  # number of the hit, from 0

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("libraryPage")
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName("What was found")
        self.title = PlainLabel("", kind="secondary", wrap=True)
        self.cards: list[OpenableCard] = []
        body = QWidget()
        body.setObjectName("libraryBody")
        self._layout = QVBoxLayout(body)
        self._layout.setContentsMargins(SIZES.space_5, SIZES.space_4, SIZES.space_5, SIZES.space_4)
        self._layout.setSpacing(SIZES.space_2)
        self._layout.addWidget(self.title)
        self._layout.addStretch(1)
        self.setWidget(body)

    def show_searching(self) -> None:
        """Say that the documents are being searched, where nothing is shown yet."""
        if not self.cards:
            self.title.setText("Searching…")

    def show_hits(self, hits: Sequence[Hit]) -> None:
        """Show what was found."""
        for card in self.cards:
            card.hide()
            card.deleteLater()
        self.cards = [self._card(index, hit) for index, hit in enumerate(hits)]
        for index, card in enumerate(self.cards):
            self._layout.insertWidget(index + 1, card)
        number = len(hits)
        self.title.setText(_NOTHING if not hits else "1 passage" if number == 1 else f"The best {number} passages")
        self.verticalScrollBar().setValue(0)

    def _card(self, index: int, hit: Hit) -> OpenableCard:
        card = OpenableCard(hit_title(hit), snippet(hit.text), _folder(hit.path))
        card.opened.connect(lambda: self.opened.emit(index))
        return card


def _folder(path: Path) -> str:
    return str(path.parent).encode("utf-8", "replace").decode("utf-8")
