"""The line at the foot of the window: model, state, speed, what is saved, and that nothing goes online.

Knows words and places; must not know where the figures come from.
"""

from PySide6.QtCore import QLocale, QSize, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QToolButton, QWidget

from app.chat.model_session import ModelState
from app.icons import icon
from app.plain_text import PlainLabel, set_tooltip
from app.theme import SIZES, Theme


class StatusLine(QWidget):
    """A few short facts; an empty one takes no room."""

    cancel_clicked = Signal()  # of loading
    download_clicked = Signal()
    privacy_clicked = Signal()

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
        self.cancel = _button("Cancel", "Stop loading the model")
        self.cancel.clicked.connect(self.cancel_clicked)
        self.download = _button("", "Show the download")
        self.download.clicked.connect(self.download_clicked)
        self.padlock = _button("Offline", "Tern opens no connection. Show the proof")
        self.padlock.setProperty("kind", "offline")
        self.padlock.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.padlock.clicked.connect(self.privacy_clicked)
        for hidden in (self._bar, self.cancel, self.download):
            hidden.hide()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(SIZES.space_4, SIZES.space_1, SIZES.space_4, SIZES.space_1)
        layout.setSpacing(SIZES.space_4)
        for widget in (self._model, self._state, self._bar, self.cancel, self._activity, self._speed, self.download):
            layout.addWidget(widget)
        layout.addStretch(1)
        layout.addWidget(self._saved)
        layout.addWidget(self.padlock)
        theme.changed.connect(self.on_theme_changed)
        self.on_theme_changed()

    def text(self) -> str:
        """Return all that is shown, for tests and screen readers."""
        labels = (self._model, self._state, self._activity, self._speed, self.download, self._saved, self.padlock)
        return " · ".join(label.text() for label in labels if label.text())

    def show_model(self, state: ModelState) -> None:
        """Show which model answers and whether it is ready."""
        name = state.model.name if state.model else ""
        self._model.setText(name if len(name) <= 48 else name[:47] + "…")
        self._model.setVisible(bool(name))
        self._state.setText(state.word)
        self._bar.setVisible(state.is_loading)
        self.cancel.setVisible(state.is_loading and state.model is not None)
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

    def show_download(self, words: str) -> None:
        """Show how far a download is; "" for none."""
        self.download.setText(words)
        self.download.setVisible(bool(words))

    def show_connections(self, words: str) -> None:
        """Show how many connections there were."""
        self.padlock.setText(words)

    def show_saved(self, is_saved: bool) -> None:
        """Show whether everything on screen is on disk."""
        self._saved.setText("Saved" if is_saved else "Saving…")

    def on_theme_changed(self) -> None:
        """Recolour the padlock."""
        size = self._theme.px(SIZES.body)
        self.padlock.setIcon(icon("lock", self._theme.tokens.leaf, size))
        self.padlock.setIconSize(QSize(size, size))


def _button(text: str, tip: str) -> QToolButton:
    button = QToolButton()
    button.setText(text)
    set_tooltip(button, tip)
    button.setAccessibleDescription(tip)
    button.setProperty("kind", "action")
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return button
