"""The window of quick actions: a text, what is to be done to it, the result with its changes, Copy and Replace.

Knows how they look; what is done is told by signals and given back. Text of models is shown as plain text alone.
"""

from collections.abc import Sequence

from PySide6.QtCore import QMimeData, Qt, Signal
from PySide6.QtGui import QCloseEvent, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import (
    QApplication,
    QDialog,
    QHBoxLayout,
    QMenu,
    QPlainTextEdit,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.plain_text import PlainLabel, set_tooltip
from app.preferences.controls import TickBox
from app.theme import SIZES, Theme
from app.words import tr
from core.inference.rewriting import LANGUAGES, Piece, PieceKind, Task

MAX_CHARS = 20_000  # more than any of the models reads at once; keeps pasting quick
_TASK_WORDS = {
    Task.REWRITE: "Rewrite",
    Task.SHORTEN: "Shorten",
    Task.CORRECT: "Correct",
    Task.EXPLAIN: "Explain",
    Task.TRANSLATE: "Translate",
}


class SourceText(QPlainTextEdit):
    """The text to work on; what is pasted is cut where it is too long, which is said."""

    was_cut = Signal()

    def insertFromMimeData(self, source: QMimeData) -> None:
        """Take plain text of a bearable length."""
        room = max(0, MAX_CHARS - self.document().characterCount() + 1 + len(self.textCursor().selectedText()))
        text = source.text()
        self.textCursor().insertText(text[:room])
        if len(text) > room:
            self.was_cut.emit()


class QuickActions(QDialog):
    """One text and one task at a time."""

    requested = Signal(object, str, str)  # Task, text, language
    stop_requested = Signal()
    replaced = Signal(str)  # the result is to stand where the text was selected

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Quick actions"))
        self.setWindowModality(Qt.WindowModality.WindowModal)  # the model is not changed under a task
        self._theme = theme
        self._reason = ""
        self._is_writing = False
        self._can_replace = False
        self._task = Task.REWRITE
        self._language = LANGUAGES[0]
        self._result = ""
        self._pieces: tuple[Piece, ...] = ()
        self._make_fields()
        self._make_buttons()
        self._arrange()
        theme.changed.connect(self._show_result)
        self.resize(theme.px(SIZES.column * 7 // 8), theme.px(SIZES.window_least[1]))
        self._update()

    @property
    def result_text(self) -> str:
        """The result, without what was taken out."""
        return self._result

    def begin(self, text: str, *, can_replace: bool, reason: str) -> None:
        """Open with the selected text; `reason` says why nothing can be done now, empty when it can."""
        self.text.setPlainText(text[:MAX_CHARS])
        self._can_replace, self._reason = can_replace, reason
        self._set_result("", ())
        self._say("" if len(text) <= MAX_CHARS else _cut_words())
        self._update()
        self.open()
        (self.text if not text or reason else self.task_buttons[Task.REWRITE]).setFocus()

    def show_writing(self, task: Task) -> None:
        """A task has begun."""
        self._is_writing, self._task = True, task
        self._set_result("", ())
        self._say(tr("Reading…"))
        self._update()
        self._stop.setFocus()

    def add_text(self, text: str) -> None:
        """Show more of the result."""
        self._say("")
        self._result += text
        cursor = QTextCursor(self.outcome.document())
        cursor.movePosition(QTextCursor.MoveOperation.End)
        cursor.insertText(text, self._format(PieceKind.SAME))

    def show_done(self, result: str, pieces: Sequence[Piece], note: str = "") -> None:
        """The task has ended, or was stopped."""
        self._is_writing = False
        self._set_result(result, tuple(pieces))
        self._say(note)
        self._update()
        (self._copy if result else self.text).setFocus()

    def show_failure(self, words: str) -> None:
        """Say why there is no result."""
        self._is_writing = False
        self._say(words, is_warning=True)
        self._update()
        self.text.setFocus()

    def on_task(self, task: Task) -> None:
        """Ask for a task."""
        text = self.text.toPlainText()
        if text.strip() and not self._is_writing and not self._reason:
            self.requested.emit(task, text, self._language)

    def on_language(self, language: str) -> None:
        """Translate into another language."""
        self._language = language
        self.language.setText(f"{tr(language)} ▾")
        self.language.setAccessibleName(tr("Translate into: {language}", language=tr(language)))

    def on_copy(self) -> None:
        """Put the result on the clipboard."""
        QApplication.clipboard().setText(self._result)
        self._say(tr("Copied."))

    def on_replace(self) -> None:
        """Put the result where the text was selected, and go."""
        result = self._result
        self.accept()
        self.replaced.emit(result)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Stop what runs."""
        self.stop_requested.emit()
        super().closeEvent(event)

    def reject(self) -> None:
        """Let Esc stop first, then close."""
        if self._is_writing:
            self.stop_requested.emit()
        else:
            super().reject()

    def _set_result(self, result: str, pieces: tuple[Piece, ...]) -> None:
        self._result, self._pieces = result, pieces
        self._show_result()

    def _show_result(self) -> None:
        """Write the result anew, as pieces where there are any and they are wanted."""
        self.outcome.clear()
        cursor = self.outcome.textCursor()
        has_changes = any(piece.kind is not PieceKind.SAME for piece in self._pieces)
        shown = self._pieces if has_changes and self.changes.isChecked() else (Piece(PieceKind.SAME, self._result),)
        for piece in shown:
            cursor.insertText(piece.text, self._format(piece.kind))
        self.changes.setEnabled(has_changes)

    def _format(self, kind: PieceKind) -> QTextCharFormat:
        """Colour is never the only sign: what went is struck out, what came is underlined."""
        made = QTextCharFormat()
        names = {PieceKind.SAME: "ink", PieceKind.REMOVED: "coral", PieceKind.ADDED: "leaf"}
        made.setForeground(self._theme.color(names[kind]))
        made.setFontStrikeOut(kind is PieceKind.REMOVED)
        made.setFontUnderline(kind is PieceKind.ADDED)
        return made

    def _say(self, words: str, *, is_warning: bool = False) -> None:
        self._status.set_kind("warning" if is_warning or (self._reason and not words) else "secondary")
        self._status.setText(words or self._reason)

    def _update(self) -> None:
        can_begin = not self._is_writing and not self._reason and bool(self.text.toPlainText().strip())
        for button in self.task_buttons.values():
            button.setEnabled(can_begin)
        self.language.setEnabled(not self._is_writing and not self._reason)
        self.text.setReadOnly(self._is_writing)
        self._stop.setVisible(self._is_writing)
        self._copy.setEnabled(bool(self._result) and not self._is_writing)
        self._replace.setEnabled(self._copy.isEnabled() and self._can_replace and self._task is not Task.EXPLAIN)

    def _make_fields(self) -> None:
        self.text = SourceText()
        self.text.setPlaceholderText(tr("Paste or type a text here"))
        self.text.setAccessibleName(tr("Text to work on"))
        self.text.textChanged.connect(self._update_if_made)
        self.text.was_cut.connect(lambda: self._say(_cut_words(), is_warning=True))
        self.outcome = QPlainTextEdit()
        self.outcome.setReadOnly(True)
        self.outcome.setAccessibleName(tr("Result"))
        self.outcome.setPlaceholderText(tr("The result appears here. It is not kept in any chat."))
        for field in (self.text, self.outcome):
            field.setProperty("kind", "field")
            field.setTabChangesFocus(True)
        self.changes = TickBox(tr("Show the changes"), self._theme)
        self.changes.setChecked(True)
        self.changes.toggled.connect(self._show_result)
        self._status = PlainLabel(kind="secondary", wrap=True)

    def _make_buttons(self) -> None:
        self.task_buttons: dict[Task, QPushButton] = {}
        for task, words in _TASK_WORDS.items():
            button = QPushButton(tr(words))
            button.setAutoDefault(False)
            button.clicked.connect(lambda _checked, chosen=task: self.on_task(chosen))
            self.task_buttons[task] = button
        self.language = QToolButton()
        self.language.setProperty("kind", "menu")
        self.language.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.language.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        menu = QMenu(self.language)
        for language in LANGUAGES:
            action = menu.addAction(tr(language))
            action.triggered.connect(lambda _checked, chosen=language: self.on_language(chosen))
        self.language.setMenu(menu)
        self.on_language(LANGUAGES[0])
        self._stop = _button(tr("Stop"), "stop", self.stop_requested.emit)
        self._copy = _button(tr("Copy"), "", self.on_copy)
        self._replace = _button(tr("Replace"), "primary", self.on_replace)
        set_tooltip(self._replace, tr("Puts the result where the text was selected"))
        self._close = _button(tr("Close"), "", self.close)

    def _arrange(self) -> None:
        tasks, foot = QHBoxLayout(), QHBoxLayout()
        for line in (tasks, foot):
            line.setSpacing(SIZES.space_2)
        for button in self.task_buttons.values():
            tasks.addWidget(button)
        tasks.addWidget(self.language)
        tasks.addStretch(1)
        foot.addWidget(self.changes)
        foot.addStretch(1)
        for button in (self._stop, self._copy, self._replace, self._close):
            foot.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(SIZES.space_5, SIZES.space_4, SIZES.space_5, SIZES.space_4)
        layout.setSpacing(SIZES.space_3)
        layout.addWidget(self.text, 2)
        layout.addLayout(tasks)
        layout.addWidget(self._status)
        layout.addWidget(self.outcome, 3)
        layout.addLayout(foot)

    def _update_if_made(self) -> None:
        if hasattr(self, "_replace"):
            self._update()


def _button(words: str, kind: str, act: object) -> QPushButton:
    made = QPushButton(words)
    made.setAutoDefault(False)
    if kind:
        made.setProperty("kind", kind)
    made.clicked.connect(act)
    return made


def _cut_words() -> str:
    return tr("The text was cut after {n} characters; no model reads more at once.", n=f"{MAX_CHARS:,}")
