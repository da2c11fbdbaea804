"""What to fetch on another computer, and taking it from there.

Knows how it looks; what is to be fetched is given to it.
"""

from PySide6.QtCore import Signal
from PySide6.QtGui import QFontMetrics, QGuiApplication
from PySide6.QtWidgets import QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from app.models.column import row
from app.plain_text import PlainLabel
from app.theme import SIZES, Theme

_LINES = 9
HOW = "On a computer with internet, fetch what stands here, for example with its browser. Carry it here on a USB stick."
THEN = "Then point at the folder. Tern compares every file with its checksum and copies it."


class OfflinePanel(QWidget):
    """Addresses, sizes and checksums to copy; a button that takes the folder."""

    folder_requested = Signal()
    file_requested = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.text = QPlainTextEdit()
        self.text.setReadOnly(True)
        self.text.setProperty("kind", "field")
        self.text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.text.setTabChangesFocus(True)
        self.text.setAccessibleName("What to fetch on another computer")
        self.copy = QPushButton("Copy the list")
        self.copy.clicked.connect(self.on_copy)
        folder = QPushButton("Take a folder…")
        folder.setProperty("kind", "primary")
        folder.clicked.connect(self.folder_requested)
        file = QPushButton("Take a .gguf file…")
        file.clicked.connect(self.file_requested)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SIZES.space_2)
        layout.addWidget(PlainLabel(HOW, wrap=True))
        layout.addWidget(self.text)
        layout.addLayout(row(self.copy))
        layout.addWidget(PlainLabel(THEN, wrap=True))
        layout.addLayout(row(folder, file))
        theme.changed.connect(self.on_theme_changed)
        self.on_theme_changed()

    def show_text(self, text: str) -> None:
        """Show what to fetch."""
        self.text.setPlainText(text)
        self.copy.setText("Copy the list")

    def on_copy(self) -> None:
        """Put the list on the clipboard."""
        QGuiApplication.clipboard().setText(self.text.toPlainText())
        self.copy.setText("Copied")

    def on_theme_changed(self) -> None:
        """Keep the lines aligned and the list as high as a few of them."""
        font = self._theme.code_font()
        self.text.setFont(font)
        self.text.setFixedHeight(_LINES * QFontMetrics(font).lineSpacing() + 2 * SIZES.space_3)
