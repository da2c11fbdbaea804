"""The line above the conversation in which words are looked for.

Knows a field, a count and three buttons; must not know where the words stand.
"""

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QToolButton, QWidget

from app.icons import icon
from app.plain_text import PlainLabel, set_tooltip
from app.theme import SIZES, Theme


class FindBar(QWidget):
    """Shown with Ctrl+F; Enter goes on, Shift+Enter back, Esc closes."""

    changed = Signal(str)
    stepped = Signal(int)
    closed = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("findBar")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._theme = theme
        self.field = _Field()
        self.field.setPlaceholderText("Find in this chat")
        self.field.setAccessibleName("Find in this chat")
        self.field.setMaxLength(200)
        self.field.textChanged.connect(self.changed)
        self.field.stepped.connect(self.stepped)
        self.field.escaped.connect(self.close_bar)
        self._count = PlainLabel(kind="small")
        self._back = self._button("The place before (Shift+Enter)", lambda: self.stepped.emit(-1))
        self._on = self._button("The next place (Enter)", lambda: self.stepped.emit(1))
        self._close = self._button("Close (Esc)", self.close_bar)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(SIZES.space_3, SIZES.space_1, SIZES.space_3, SIZES.space_1)
        layout.setSpacing(SIZES.space_1)
        layout.addStretch(1)
        layout.addWidget(self.field)
        layout.addWidget(self._count)
        for button in (self._back, self._on, self._close):
            layout.addWidget(button)
        theme.changed.connect(self.on_theme_changed)
        self.on_theme_changed()
        self.hide()

    @property
    def text(self) -> str:
        """What is looked for."""
        return self.field.text()

    @property
    def count(self) -> str:
        """What is said about the places."""
        return self._count.text()

    def open(self) -> None:
        """Show the bar, with its words chosen for typing over."""
        self.show()
        self.field.setFocus()
        self.field.selectAll()

    def close_bar(self) -> None:
        """Hide the bar."""
        if self.isVisible():
            self.hide()
            self.closed.emit()

    def show_count(self, number: int, total: int, *, has_query: bool) -> None:
        """Say which of how many places is shown."""
        self._count.setText(f"{number:,} of {total:,}" if total else "Nothing found" if has_query else "")
        self._back.setEnabled(total > 0)
        self._on.setEnabled(total > 0)

    def on_theme_changed(self) -> None:
        """Recolour the icons and give the field its width."""
        for button, name in ((self._back, "chevron-up"), (self._on, "chevron-down"), (self._close, "x")):
            button.setIcon(icon(name, self._theme.tokens.ink_2, SIZES.icon))
            button.setIconSize(QSize(SIZES.icon, SIZES.icon))
        self.field.setFixedWidth(self._theme.px(SIZES.sidebar))
        self._count.setMinimumWidth(self._theme.px(SIZES.space_6 * 3))

    def _button(self, name: str, act: object) -> QToolButton:
        button = QToolButton()
        button.setAccessibleName(name)
        set_tooltip(button, name)
        button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        button.clicked.connect(act)  # type: ignore[arg-type]
        return button


class _Field(QLineEdit):
    """A line that tells Enter from Shift+Enter."""

    stepped = Signal(int)
    escaped = Signal()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Go to the next place, or to the one before."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.stepped.emit(-1 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1)
            return
        if event.key() == Qt.Key.Key_Escape:
            self.escaped.emit()
            return
        super().keyPressEvent(event)
