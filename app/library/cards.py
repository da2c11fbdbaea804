"""A card that opens something: a search hit, by mouse and by keyboard alike.

Knows looks and keys; must not know what it opens.
"""

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QFrame, QVBoxLayout, QWidget

from app.plain_text import PlainLabel
from app.theme import SIZES


class OpenableCard(QFrame):
    """A title and some lines of plain text; a click, Enter or the space bar opens it."""

    opened = Signal()

    def __init__(self, title: str, text: str, note: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("openableCard")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName(f"{title}: {text}")
        self.setAccessibleDescription("Opens the document at this place")
        self.title = PlainLabel(title, kind="strong", wrap=True)
        self.text = PlainLabel(text, kind="passage", wrap=True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(SIZES.space_3, SIZES.space_2, SIZES.space_3, SIZES.space_2)
        layout.setSpacing(SIZES.space_1)
        layout.addWidget(self.title)
        layout.addWidget(self.text)
        if note:
            layout.addWidget(PlainLabel(note, kind="small", wrap=True))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Open with Enter or space; go on with the arrows."""
        match event.key():
            case Qt.Key.Key_Return | Qt.Key.Key_Enter | Qt.Key.Key_Space:
                self.opened.emit()
            case Qt.Key.Key_Down:
                self.focusNextChild()
            case Qt.Key.Key_Up:
                self.focusPreviousChild()
            case _:
                super().keyPressEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Open."""
        if event.button() == Qt.MouseButton.LeftButton and self.rect().contains(event.position().toPoint()):
            self.opened.emit()
