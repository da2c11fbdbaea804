"""How one answer was made, fact by fact, and a button that makes it once more to compare.

Knows words for the facts; must not know how an answer is made.
"""

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import QDialog, QGridLayout, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from app import notices
from app.plain_text import PlainLabel
from app.theme import SIZES, Theme
from core.chat import ReplayResult, sampling_of
from core.events import CancelToken, PromptProgress, TextDelta
from core.store.chats import Message

_NAMES = {
    "temperature": "Temperature",
    "top_k": "Top-k",
    "top_p": "Top-p",
    "min_p": "Min-p",
    "repeat_penalty": "Repetition penalty",
    "repeat_window": "Repetition window",
    "max_tokens": "Longest answer",
    "stop": "Stop texts",
}


def facts_of(message: Message) -> list[tuple[str, str]]:
    """Return what is known about how an answer was made, in the order in which it is shown."""
    facts = [("Model", message.model or "not known")]
    record = message.reply
    if record is None:
        return [*facts, ("Record", "none: the answer did not end by itself")]
    stats = record.stats
    n_words = len(message.text.split())
    facts.append(("Answer", f"{n_words:,} words, {len(record.token_ids):,} tokens"))
    if stats.decode_s > 0:
        speed = f"{stats.decode_tokens_per_s:.1f} tokens/s"
        if stats.generated_tokens == len(record.token_ids):  # not continued: the time is that of all its words
            speed = f"{n_words / stats.decode_s:.1f} words/s, {speed}"
        facts.append(("Speed", speed))
    cached = f", {stats.cached_tokens:,} of them known from before" if stats.cached_tokens else ""
    facts.append(("Read", f"{stats.prompt_tokens:,} tokens in {stats.prefill_s:.1f} s{cached}"))
    facts.append(("Ended", notices.ending(record.stop_reason) or "by itself"))
    facts.append(("Seed", str(record.seed)))
    for key, value in sampling_of(record).items():
        if key in _NAMES and value not in ([], ()):
            facts.append((_NAMES[key], ", ".join(map(repr, value)) if isinstance(value, list) else str(value)))
    return facts


class AnswerDetails(QDialog):
    """A small window beside the conversation, which stays usable."""

    replay_requested = Signal()

    def __init__(self, message: Message, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self.message = message
        self.cancel: CancelToken | None = None
        self._n_chars = 0
        self.setWindowTitle("How this answer was made")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        grid = QGridLayout()
        grid.setHorizontalSpacing(SIZES.space_5)
        grid.setVerticalSpacing(SIZES.space_1)
        for number, (name, value) in enumerate(facts_of(message)):
            grid.addWidget(PlainLabel(name, kind="secondary"), number, 0, Qt.AlignmentFlag.AlignTop)
            label = PlainLabel(value, wrap=True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            grid.addWidget(label, number, 1)
        grid.setColumnStretch(1, 1)
        self._words = PlainLabel(
            "Replay makes the answer once more from the same words, settings and seed, and compares.",
            kind="small",
            wrap=True,
        )
        self.replay = QPushButton("Replay")
        self.replay.setEnabled(message.reply is not None and bool(message.reply.token_ids))
        self.replay.clicked.connect(self.replay_requested)
        close = QPushButton("Close")
        close.setDefault(True)
        close.clicked.connect(self.close)
        line = QHBoxLayout()
        line.addWidget(self.replay)
        line.addStretch(1)
        line.addWidget(close)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(SIZES.space_5, SIZES.space_5, SIZES.space_5, SIZES.space_4)
        layout.setSpacing(SIZES.space_4)
        layout.addLayout(grid)
        layout.addWidget(self._words)
        layout.addLayout(line)
        self.setMinimumWidth(theme.px(SIZES.column // 2) + SIZES.space_6)

    @property
    def words(self) -> str:
        """What is said about the replay."""
        return self._words.text()

    def begin(self) -> None:
        """Show that the answer is being made."""
        self._n_chars = 0
        self.replay.setEnabled(False)
        self.show_words("Reading…")

    def show_event(self, event: object) -> None:
        """Show how far it is."""
        if isinstance(event, PromptProgress) and event.done_tokens < event.total_tokens:
            self.show_words(f"Reading {event.total_tokens - event.done_tokens:,} tokens…")
        elif isinstance(event, TextDelta):
            self._n_chars += len(event.text)
            share = min(1.0, self._n_chars / max(len(self.message.text), 1))
            self.show_words(f"Writing it again: {share:.0%}")

    def show_result(self, result: object) -> None:
        """Say whether it is the same."""
        self.replay.setEnabled(True)
        if isinstance(result, ReplayResult):
            self.show_words(words_of(result))

    def show_error(self, error: BaseException) -> None:
        """Say why it could not be made."""
        self.replay.setEnabled(True)
        notice = notices.notice_for(error)
        self.show_words(f"{notice.what} {notice.advice}")

    def show_words(self, words: str) -> None:
        """Say something about the replay."""
        self._words.setText(words)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Nobody waits for the replay any more."""
        if self.cancel is not None:
            self.cancel.cancel()
        super().closeEvent(event)


def words_of(result: ReplayResult) -> str:
    """Return what a replay has shown, in a sentence or two."""
    if result.is_identical:
        return f"Identical: the same {result.n_tokens:,} tokens, the same text."
    if not result.is_same_prompt:
        return "Not the same: messages before it have changed since, so the model has read something else."
    return f"Not the same: it differs after {result.n_same:,} of {result.n_tokens:,} tokens."
