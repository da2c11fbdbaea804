"""The documents of the open conversation, small and in rows above the composer, each with a button that removes it.

Knows names and places; must not know files or the store.
"""

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QToolButton, QWidget

from app.icons import icon
from app.plain_text import PlainLabel, set_tooltip
from app.theme import SIZES, Theme

_MAX_CHARS = 32


class DocumentChips(QWidget):
    """One chip a document; takes no room without any."""

    removed = Signal(int)
    reading_cancelled = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._names: tuple[str, ...] = ()
        self._chips: list[_Chip] = []
        self._reading: _Chip | None = None
        self.setAccessibleName("Documents of this chat")
        theme.changed.connect(self.on_theme_changed)
        self.hide()

    @property
    def names(self) -> tuple[str, ...]:
        """The names that are shown."""
        return self._names

    def show_names(self, names: Sequence[str]) -> None:
        """Show these documents."""
        self._names = tuple(names)
        for chip in self._chips:
            chip.hide()
            chip.deleteLater()
        self._chips = [self._chip(index, name) for index, name in enumerate(names)]
        self._show_or_hide()

    def show_reading(self, words: str) -> None:
        """Show what is being read now, behind the others; "" for nothing."""
        if self._reading is not None and (not words or not self._reading.has_room_for(words)):
            self._reading.hide()
            self._reading.deleteLater()
            self._reading = None
        if words and self._reading is None:
            self._reading = _Chip(words, self._theme, self, is_reading=True)
            self._reading.button.clicked.connect(self.reading_cancelled)
            self._reading.show()
        elif self._reading is not None:
            self._reading.set_words(words)
        self._show_or_hide()

    def on_theme_changed(self) -> None:
        """Make the chips anew: they hold an icon and text of a size."""
        words = "" if self._reading is None else self._reading.words
        self.show_reading("")
        self.show_names(self._names)
        self.show_reading(words)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Begin a new row where the width asks for it."""
        super().resizeEvent(event)
        self._place()

    def _chip(self, index: int, name: str) -> "_Chip":
        chip = _Chip(name, self._theme, self)
        chip.button.clicked.connect(lambda: self.removed.emit(index))
        chip.show()
        return chip

    def _show_or_hide(self) -> None:
        self.setVisible(bool(self._chips) or self._reading is not None)
        self._place()

    def _place(self) -> None:
        left = top = height = 0
        reading = [] if self._reading is None else [self._reading]
        for chip in [*self._chips, *reading]:
            size = chip.sizeHint()
            width = min(size.width(), max(self.width(), SIZES.space_6))
            if left and left + width > self.width():
                left, top = 0, top + size.height() + SIZES.space_1
            chip.setGeometry(left, top, width, size.height())
            left += width + SIZES.space_1
            height = top + size.height()
        if self.minimumHeight() != height:
            self.setFixedHeight(height)


class _Chip(QFrame):
    """The name of a document, or what is being read, and a cross."""

    def __init__(self, name: str, theme: Theme, parent: QWidget, *, is_reading: bool = False) -> None:
        super().__init__(parent)
        self.words = name
        self.setObjectName("chip")
        self.setAccessibleName(name if is_reading else f"Document {name}")
        self._label = label = PlainLabel(name if is_reading else _shortened(name), kind="small")
        set_tooltip(label, name)
        self.button = QToolButton()
        self.button.setProperty("kind", "action")
        self.button.setAccessibleName("Stop reading" if is_reading else f"Remove {name}")
        set_tooltip(
            self.button, "Stop reading (Esc)" if is_reading else f"Remove {name} from this chat; the file stays"
        )
        size = theme.px(SIZES.small)
        self.button.setIcon(icon("x", theme.tokens.ink_2, size))
        self.button.setIconSize(QSize(size, size))
        self.button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(SIZES.space_2, 0, 2, 0)
        layout.setSpacing(SIZES.space_1)
        layout.addWidget(label)
        layout.addWidget(self.button)

    def has_room_for(self, words: str) -> bool:
        """Tell whether other words fit without moving anything."""
        return len(words) <= len(self.words) + 1

    def set_words(self, words: str) -> None:
        """Say something else in the same room."""
        self._label.setText(words)
        self.setAccessibleName(words)


def _shortened(name: str) -> str:
    """Return the beginning and the end of a long name: the end tells what kind of file it is."""
    return name if len(name) <= _MAX_CHARS else f"{name[: _MAX_CHARS - 11]}…{name[-10:]}"
