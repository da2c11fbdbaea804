"""How far something is: a sentence, a bar, a line of figures and the buttons that stop it.

Knows how it looks; must not know what goes on.
"""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget

from app.models.downloads import DownloadView, Phase
from app.models.words import progress_line
from app.plain_text import PlainLabel
from app.theme import SIZES

_STEPS = 1000


class ProgressView(QWidget):
    """Hidden while nothing goes on."""

    pause_requested = Signal()
    resume_requested = Signal()
    cancel_requested = Signal()
    network_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = PlainLabel(kind="strong", wrap=True)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.line = PlainLabel(kind="small")
        self.sentence = PlainLabel(kind="secondary", wrap=True)
        self.pause = QPushButton("Pause")
        self.pause.clicked.connect(self.pause_requested)
        self.resume = QPushButton("Continue")
        self.resume.setProperty("kind", "primary")
        self.resume.clicked.connect(self.resume_requested)
        self.cancel = QPushButton("Cancel…")
        self.cancel.clicked.connect(self.cancel_requested)
        self.network = QPushButton("Network settings…")
        self.network.clicked.connect(self.network_requested)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SIZES.space_2)
        for widget in (self.title, self.bar, self.line, self.sentence):
            layout.addWidget(widget)
        buttons = QHBoxLayout()
        buttons.setSpacing(SIZES.space_2)
        for button in (self.resume, self.pause, self.cancel, self.network):
            buttons.addWidget(button)
        buttons.addStretch(1)
        layout.addLayout(buttons)
        self.hide()

    def show_download(self, view: DownloadView) -> None:
        """Show a download, or nothing where there is none."""
        is_shown = view.model is not None and view.phase is not Phase.NONE
        if view.model is None or not is_shown:
            self.hide()
            return
        verb = {Phase.RUNNING: "Downloading", Phase.PAUSED: "Paused:", Phase.FAILED: "Stopped:"}.get(view.phase, "")
        self.title.setText(f"{verb} {view.model.title}")
        self._show_share(view.share, is_moving=view.phase is Phase.RUNNING)
        self.line.setText(progress_line(view.done_bytes, view.total_bytes, view.bytes_per_s, view.seconds_left))
        self._say(view.sentence)
        self.pause.setVisible(view.phase is Phase.RUNNING)
        self.resume.setVisible(view.phase in (Phase.PAUSED, Phase.FAILED))
        self.cancel.setText("Cancel…")
        self.cancel.setVisible(True)
        self.network.setVisible(view.is_unreachable)
        self.show()

    def show_job(self, title: str, share: float | None, sentence: str = "") -> None:
        """Show something that can only be cancelled."""
        self.title.setText(title)
        self._show_share(share, is_moving=True)
        self.line.setText("" if share is None else f"{share:.0%}")
        self._say(sentence)
        for button in (self.pause, self.resume, self.network):
            button.hide()
        self.cancel.setText("Cancel")
        self.cancel.setVisible(True)
        self.show()

    def _show_share(self, share: float | None, *, is_moving: bool) -> None:
        self.bar.setRange(0, 0 if share is None and is_moving else _STEPS)
        if share is not None:
            self.bar.setValue(round(_STEPS * share))
        self.bar.setAccessibleName(self.title.text())

    def _say(self, sentence: str) -> None:
        self.sentence.setText(sentence)
        self.sentence.setVisible(bool(sentence))
