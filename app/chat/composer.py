"""Where the person writes: grows with the text, sends with Enter, becomes the Stop button while an answer streams.

Knows typing and pasting; must not know chats, models or jobs.
"""

from pathlib import Path

from PySide6.QtCore import QMimeData, QSize, Qt, Signal, SignalInstance
from PySide6.QtGui import QFocusEvent, QKeyEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPlainTextEdit, QPushButton, QToolButton, QVBoxLayout, QWidget

from app.chat.budget_bar import BudgetBar
from app.chat.chips import DocumentChips
from app.chat.scope import ScopeButton
from app.icons import icon
from app.notices import bytes_in_words
from app.plain_text import PlainLabel
from app.theme import SIZES, Theme

MAX_BYTES = 100_000
# Qt lays out an unbroken line in more than linear time (100 KB: about a second), so longer ones become documents.
MAX_UNBROKEN_CHARS = 10_000


class ComposerText(QPlainTextEdit):
    """The text field; Enter sends, Shift+Enter starts a line."""

    submitted = Signal()
    refused = Signal(str)
    focus_changed = Signal(bool)
    page_requested = Signal(float)
    files_given = Signal(list)  # paths
    escaped = Signal()
    pasted_large = Signal(str)  # too much for a message; it becomes a document

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("composerText")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setTabChangesFocus(True)
        self.setAccessibleName("Message")
        self.setPlaceholderText("Ask anything, or drop documents here")
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.viewport().setAutoFillBackground(False)
        self.document().setDocumentMargin(SIZES.space_1)
        self.sends_on_enter = True

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Send, or page the transcript, or edit."""
        if event.key() == Qt.Key.Key_Escape:
            self.escaped.emit()
            return
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self._sends(event.modifiers()):
            self.submitted.emit()
            return
        if event.key() in (Qt.Key.Key_PageUp, Qt.Key.Key_PageDown) and not self.verticalScrollBar().isVisible():
            self.page_requested.emit(-0.9 if event.key() == Qt.Key.Key_PageUp else 0.9)
            return
        super().keyPressEvent(event)

    def canInsertFromMimeData(self, source: QMimeData) -> bool:
        """Leave dropped files to the conversation."""
        return not local_files(source) and super().canInsertFromMimeData(source)

    def insertFromMimeData(self, source: QMimeData) -> None:
        """Take plain text of a bearable size; everything else is refused in words, and nothing is changed."""
        files = local_files(source)
        if files:
            self.files_given.emit(files)
            return
        text = source.text()
        if self.is_too_large(text):
            self.pasted_large.emit(text)
        else:
            self.textCursor().insertText(text)
            self.ensureCursorVisible()

    def is_too_large(self, text: str) -> bool:
        """True for what would make the field slow, or the message longer than one may be."""
        n_chars = self.document().characterCount()
        if len(text) + n_chars > MAX_BYTES:
            return True
        size = len(text.encode("utf-8", "replace")) + len(self.toPlainText().encode("utf-8", "replace"))
        return size > MAX_BYTES or max(map(len, text.split()), default=0) > MAX_UNBROKEN_CHARS

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show the focus on the frame."""
        super().focusInEvent(event)
        self.focus_changed.emit(True)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Take the focus ring off the frame."""
        super().focusOutEvent(event)
        self.focus_changed.emit(False)

    def _sends(self, modifiers: Qt.KeyboardModifier) -> bool:
        has_control = bool(modifiers & Qt.KeyboardModifier.ControlModifier)
        has_shift = bool(modifiers & Qt.KeyboardModifier.ShiftModifier)
        return has_control or (self.sends_on_enter and not has_shift)


def local_files(source: QMimeData) -> list[Path]:
    """Return the files that are dropped or pasted, not what else a drag may hold."""
    return [Path(url.toLocalFile()) for url in source.urls() if url.isLocalFile() and url.toLocalFile()]


class Composer(QFrame):
    """The text field with its button and, under both, a line for hints."""

    submitted = Signal(str)
    stop_requested = Signal()
    page_requested = Signal(float)
    attach_requested = Signal()
    edit_ended = Signal()
    cut_requested = Signal()
    document_requested = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._is_busy = False
        self._can_send = True
        self._is_reading = False
        self.text = ComposerText()
        self._button = QPushButton("Send")
        self._button.setProperty("kind", "primary")
        self.chips = DocumentChips(theme)
        self._clip = QToolButton()
        self._clip.setAccessibleName("Attach documents")
        self._clip.setToolTip("Attach documents (or drop them anywhere here)")
        self._clip.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._draft: str | None = None  # what was typed before an earlier message was edited
        self._editing = PlainLabel("Editing an earlier message: sending begins a new branch.", kind="small")
        self._end_edit = QPushButton("Cancel")
        self._end_edit.setProperty("kind", "quiet")
        self._end_edit.setAccessibleName("Cancel editing")
        self._end_edit.clicked.connect(self.end_edit)
        self._edit_line = QWidget()
        self._edit_line.hide()
        self.budget_bar = BudgetBar(theme)
        self._cut = _quiet_button("Cut it to fit", self.cut_requested)
        self._document = _quiet_button("Add it as a document", self.document_requested)
        self.scope = ScopeButton()
        self._hint = PlainLabel(kind="warning", wrap=True)
        self._hint.hide()
        self._frame = QFrame()
        self._frame.setObjectName("composer")
        self._arrange()
        self.text.submitted.connect(self.on_submit)
        self.text.escaped.connect(self.end_edit)
        self.text.refused.connect(self.show_hint)
        self.text.textChanged.connect(self.on_text_changed)
        self.text.focus_changed.connect(self.on_focus_changed)
        self.text.page_requested.connect(self.page_requested)
        self._button.clicked.connect(self.on_button)
        self._clip.clicked.connect(self.attach_requested)
        theme.changed.connect(self.on_theme_changed)
        self.on_theme_changed()

    @property
    def button(self) -> QPushButton:
        """Send, or Stop."""
        return self._button

    @property
    def hint(self) -> str:
        """The hint that is shown, or an empty string."""
        return "" if self._hint.isHidden() else self._hint.text()

    def set_busy(self, is_busy: bool) -> None:
        """Turn Send into Stop, or back."""
        if self._is_busy == is_busy:
            return
        self._is_busy = is_busy
        self._button.setText("Stop" if is_busy else "Send")
        self._button.setProperty("kind", "stop" if is_busy else "primary")
        self._button.style().unpolish(self._button)
        self._button.style().polish(self._button)
        self._update_button()

    def set_can_send(self, can_send: bool) -> None:
        """Allow sending, or hold the text back (a model is being loaded)."""
        self._can_send = can_send
        self._update_button()

    def set_reading(self, is_reading: bool) -> None:
        """Hold the text back while the documents that it is about are being read."""
        self._is_reading = is_reading

    def set_text(self, text: str) -> None:
        """Put `text` into the field for editing."""
        self.text.setPlainText(text)
        self.text.moveCursor(self.text.textCursor().MoveOperation.End)
        self.text.setFocus()

    def offer_shortening(self, *, is_too_long: bool) -> None:
        """Offer what can be done with a message that is too long for the model."""
        self._cut.setVisible(is_too_long)
        self._document.setVisible(is_too_long)

    @property
    def is_editing(self) -> bool:
        """True while an earlier message is edited."""
        return self._draft is not None

    def begin_edit(self, text: str) -> None:
        """Edit an earlier message; what is typed now comes back afterwards."""
        if self._draft is None:
            self._draft = self.text.toPlainText()
        self._edit_line.show()
        self.set_text(text)

    def end_edit(self) -> None:
        """Go back to what was typed before."""
        if self._draft is None:
            return
        draft, self._draft = self._draft, None
        self._edit_line.hide()
        self.set_text(draft)
        self.edit_ended.emit()

    def show_hint(self, text: str) -> None:
        """Say something under the field until the text changes."""
        self._hint.setText(text)
        self._hint.show()

    def on_submit(self) -> None:
        """Send what is written, unless there is nothing or an answer is on its way."""
        text = self.text.toPlainText()
        if self._is_busy or not text.strip():
            return
        if not self._can_send:
            self.show_hint("The model is still loading. Your message stays here; send it in a moment.")
            return
        if self._is_reading:
            self.show_hint("The documents are still being read. Your message stays here; send it in a moment.")
            return
        if len(text.encode("utf-8", "replace")) > MAX_BYTES:
            self.show_hint(f"A message holds up to {bytes_in_words(MAX_BYTES)}. Shorten it and send it again.")
            return
        self.text.clear()
        self.submitted.emit(text)
        self.end_edit()

    def on_button(self) -> None:
        """Send or stop."""
        if self._is_busy:
            self.stop_requested.emit()
        else:
            self.on_submit()
        self.text.setFocus()

    def on_text_changed(self) -> None:
        """Grow with the text up to a limit."""
        self._hint.hide()
        line = self.text.fontMetrics().lineSpacing()
        lines = min(max(self._line_count(), 1), SIZES.composer_lines)
        self.text.setFixedHeight(lines * line + 2 * SIZES.space_1 + SIZES.space_1)
        is_full = lines >= SIZES.composer_lines
        policy = Qt.ScrollBarPolicy.ScrollBarAsNeeded if is_full else Qt.ScrollBarPolicy.ScrollBarAlwaysOff
        self.text.setVerticalScrollBarPolicy(policy)
        self._update_button()

    def on_theme_changed(self) -> None:
        """Recolour the paper clip and measure the text anew."""
        self._clip.setIcon(icon("paperclip", self._theme.tokens.ink_2, SIZES.icon))
        self._clip.setIconSize(QSize(SIZES.icon, SIZES.icon))
        self.scope.setMinimumHeight(self._button.sizeHint().height())
        self.on_text_changed()

    def on_focus_changed(self, has_focus: bool) -> None:
        """Draw the focus ring."""
        self._frame.setProperty("active", has_focus)
        self._frame.style().unpolish(self._frame)
        self._frame.style().polish(self._frame)

    def _line_count(self) -> int:
        """Return the number of lines as wrapped; stops counting at the limit."""
        document, count = self.text.document(), 0
        block = document.begin()
        while block.isValid() and count < SIZES.composer_lines:
            count += max(1, block.layout().lineCount())
            block = block.next()
        return count

    def _update_button(self) -> None:
        has_text = not self.text.document().isEmpty()
        self._button.setEnabled(self._is_busy or (has_text and self._can_send))
        self._button.setToolTip("Stop the answer (Esc)" if self._is_busy else "Send the message (Enter)")

    def _arrange(self) -> None:
        inside = QHBoxLayout(self._frame)
        inside.setContentsMargins(SIZES.space_2, SIZES.space_2, SIZES.space_2, SIZES.space_2)
        inside.setSpacing(SIZES.space_2)
        inside.addWidget(self._clip, 0, Qt.AlignmentFlag.AlignBottom)
        inside.addWidget(self.text, 1)
        inside.addWidget(self.scope, 0, Qt.AlignmentFlag.AlignBottom)
        inside.addWidget(self._button, 0, Qt.AlignmentFlag.AlignBottom)
        outside = QVBoxLayout(self)
        outside.setContentsMargins(0, 0, 0, 0)
        outside.setSpacing(SIZES.space_1)
        line = QHBoxLayout(self._edit_line)
        line.setContentsMargins(SIZES.space_3, 0, 0, 0)
        line.addWidget(self._editing, 1)
        line.addWidget(self._end_edit)
        outside.addWidget(self._edit_line)
        outside.addWidget(self.chips)
        outside.addWidget(self._frame)
        outside.addWidget(self._hint)
        foot = QHBoxLayout()
        foot.setSpacing(SIZES.space_2)
        foot.addWidget(self.budget_bar, 1)
        foot.addWidget(self._cut)
        foot.addWidget(self._document)
        outside.addLayout(foot)


def _quiet_button(words: str, asked: SignalInstance) -> QPushButton:
    button = QPushButton(words)
    button.setProperty("kind", "quiet")
    button.clicked.connect(asked)
    button.hide()
    return button
