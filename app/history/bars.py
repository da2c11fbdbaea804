"""Two lines at the foot of the list: what was just done and can be undone, and how far a long job is.

Knows words and a button; must not know what they stand for.
"""

from collections.abc import Callable

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QToolButton, QVBoxLayout, QWidget

from app.icons import icon
from app.plain_text import PlainLabel, menu_text
from app.theme import SIZES, Theme

UNDO_MS = 12_000


class NoticeBar(QWidget):
    """Says what happened, with one button; goes away by itself, or with its cross."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("undoBar")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._theme = theme
        self._act: Callable[[], object] | None = None
        self._text = PlainLabel(kind="small", wrap=True)
        self.button = QPushButton()
        self.button.setProperty("kind", "quiet")
        self.button.clicked.connect(self.on_button)
        self._close = QToolButton()
        self._close.setAccessibleName("Close this line")
        self._close.clicked.connect(self.hide)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(UNDO_MS)
        self._timer.timeout.connect(self.hide)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(SIZES.space_3, SIZES.space_1, SIZES.space_1, SIZES.space_1)
        layout.setSpacing(SIZES.space_1)
        layout.addWidget(self._text, 1)
        layout.addWidget(self.button)
        layout.addWidget(self._close)
        theme.changed.connect(self.on_theme_changed)
        self.on_theme_changed()
        self.hide()

    @property
    def text(self) -> str:
        """What is said, or nothing."""
        return "" if self.isHidden() else self._text.text()

    def say(self, text: str, label: str = "", act: Callable[[], object] | None = None) -> None:
        """Show `text`, with a button called `label` that does `act`."""
        self._text.setText(text)
        self.button.setText(menu_text(label))
        self.button.setVisible(bool(label))
        self._act = act
        self.show()
        self._timer.start()

    def on_button(self) -> None:
        """Do what the button says, once."""
        act, self._act = self._act, None
        self.hide()
        if act is not None:
            act()

    def on_theme_changed(self) -> None:
        """Recolour the cross."""
        self._close.setIcon(icon("x", self._theme.tokens.ink_2, SIZES.icon - 4))
        self._close.setIconSize(QSize(SIZES.icon - 4, SIZES.icon - 4))


class JobBar(QWidget):
    """What is being done, how far it is, and a button that stops it."""

    cancelled = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._text = PlainLabel(kind="small", wrap=True)
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setAccessibleName("Progress")
        stop = QPushButton("Stop")
        stop.setProperty("kind", "quiet")
        stop.clicked.connect(self.cancelled)
        line = QHBoxLayout()
        line.addWidget(self._text, 1)
        line.addWidget(stop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(SIZES.space_3, SIZES.space_1, SIZES.space_3, SIZES.space_1)
        layout.setSpacing(SIZES.space_1)
        layout.addLayout(line)
        layout.addWidget(self._bar)
        self.hide()

    def begin(self, text: str) -> None:
        """Show that something has begun."""
        self._text.setText(text)
        self._bar.setRange(0, 0)
        self.show()

    def show_progress(self, done: int, total: int) -> None:
        """Show how far it is."""
        self._bar.setRange(0, max(total, 1))
        self._bar.setValue(done)
