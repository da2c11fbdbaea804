"""The line at the foot of the window: model, state, speed, what is saved, and that nothing goes online.

Knows words and places; must not know where the figures come from.
"""

from PySide6.QtCore import QLocale, Qt
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QWidget

from app.chat.model_session import ModelState
from app.icons import icon
from app.plain_text import PlainLabel
from app.theme import SIZES, Theme


class StatusLine(QWidget):
    """Five short facts; an empty one takes no room."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("statusLine")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._theme = theme
        self._model = PlainLabel(kind="small")
        self._state = PlainLabel(kind="small")
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setFixedWidth(4 * SIZES.space_6)
        self._bar.setAccessibleName("Loading the model")
        self._activity = PlainLabel(kind="small")
        self._speed = PlainLabel(kind="small")
        self._saved = PlainLabel(kind="small")
        self._lock = PlainLabel()
        self._offline = PlainLabel("Offline", kind="offline")
        self._offline.setToolTip("Tern answers on this computer and opens no connection.")
        self._bar.hide()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(SIZES.space_4, SIZES.space_1, SIZES.space_4, SIZES.space_1)
        layout.setSpacing(SIZES.space_4)
        for widget in (self._model, self._state, self._bar, self._activity, self._speed):
            layout.addWidget(widget)
        layout.addStretch(1)
        layout.addWidget(self._saved)
        lock = QHBoxLayout()
        lock.setSpacing(SIZES.space_1)
        lock.addWidget(self._lock)
        lock.addWidget(self._offline)
        layout.addLayout(lock)
        theme.changed.connect(self.on_theme_changed)
        self.on_theme_changed()

    def text(self) -> str:
        """Return all that is shown, for tests and screen readers."""
        labels = (self._model, self._state, self._activity, self._speed, self._saved, self._offline)
        return " · ".join(label.text() for label in labels if label.text())

    def show_model(self, state: ModelState) -> None:
        """Show which model answers and whether it is ready."""
        name = state.model.name if state.model else ""
        self._model.setText(name if len(name) <= 48 else name[:47] + "…")
        self._model.setVisible(bool(name))
        self._state.setText(state.word)
        self._bar.setVisible(state.is_loading)
        if state.is_loading:
            self._bar.setRange(0, 0 if state.progress is None else 100)
            self._bar.setValue(round(100 * (state.progress or 0)))

    def show_speed(self, words_per_s: float) -> None:
        """Show how fast the answer comes."""
        decimals = 0 if words_per_s >= 10 else 1
        self._speed.setText(f"{QLocale().toString(float(words_per_s), 'f', decimals)} words/s")

    def show_activity(self, words: str) -> None:
        """Show what goes on before the first word."""
        self._activity.setText(words)
        self._activity.setVisible(bool(words))

    def show_saved(self, is_saved: bool) -> None:
        """Show whether everything on screen is on disk."""
        self._saved.setText("Saved" if is_saved else "Saving…")

    def on_theme_changed(self) -> None:
        """Recolour the padlock."""
        size = self._theme.px(SIZES.body)
        self._lock.setPixmap(icon("lock", self._theme.tokens.leaf, size).pixmap(size, size))
