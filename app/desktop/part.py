"""Joins the manners of a desktop program to the window: commands, quick actions, notifications, leaving.

Knows which part tells whom; must not know how a part looks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QApplication, QLineEdit, QMessageBox, QPlainTextEdit, QTextEdit, QWidget

from app.desktop.attention import Attention
from app.desktop.leaving import Tray, work_at_risk
from app.desktop.palette import N_RECENT, Palette
from app.desktop.quick import QuickActions
from app.desktop.shortcut_list import ShortcutList
from app.jobs import JobRunner
from app.menus import entries, shortcuts, update_enabled
from app.notices import notice_for
from app.plain_text import ask
from app.theme import Theme
from app.words import tr
from core.events import CancelToken, Emit, TextDelta
from core.inference.rewriting import COMPARABLE, Piece, Task, carry_out, differences
from core.settings import sampling_params

if TYPE_CHECKING:
    from app.main_window import MainWindow

_ALERT_MS = 0  # until the window is looked at


@dataclass(frozen=True, slots=True)
class _Result:
    text: str
    pieces: tuple[Piece, ...]


class DesktopPart(QObject):
    """Made by the window when its panels and menus are there."""

    def __init__(
        self, window: "MainWindow", runner: JobRunner, theme: Theme, actions: Mapping[str, QAction], recent: str
    ) -> None:
        super().__init__(window)
        self._window = window
        self._runner = runner
        self._theme = theme
        self._actions = actions
        self._recent = [name for name in recent.split(",") if name in actions][:N_RECENT]
        self._asks = True
        self._is_quitting = False
        self._question: QMessageBox | None = None
        self._was_told_of_tray = False
        self._writing: CancelToken | None = None
        self._quick: QuickActions | None = None
        self._selected_in: QWidget | None = None
        self.shortcut_list: ShortcutList | None = None
        self.palette = Palette(theme, window)
        self.attention = Attention(self)
        self.tray = Tray(window)
        self._connect()
        self.on_settings_changed(frozenset({"keeps_in_tray", "notifies_when_done"}))
        self.update_commands()

    @property
    def recent(self) -> str:
        """The commands used last, as the window's state keeps them."""
        return ",".join(self._recent)

    @property
    def quick(self) -> QuickActions:
        """The window of quick actions, made when it is first wanted."""
        if self._quick is None:
            self._quick = QuickActions(self._theme, self._window)
            self._quick.requested.connect(self.on_task)
            self._quick.stop_requested.connect(self.stop_writing)
            self._quick.replaced.connect(self.on_replaced)
        return self._quick

    @property
    def is_writing(self) -> bool:
        """True while a quick action uses the model."""
        return self._writing is not None

    def show_palette(self) -> None:
        """Offer every command."""
        self.update_commands()
        self.palette.open(entries(self._actions), self._recent, self._window.focusWidget())

    def show_shortcuts(self) -> None:
        """Show all keys."""
        self.shortcut_list = ShortcutList(shortcuts(), self._theme, self._window)
        self.shortcut_list.destroyed.connect(self._forget_shortcut_list)
        self.shortcut_list.open()

    def show_quick_actions(self) -> None:
        """Offer what can be done to the text that is selected now."""
        field = self._window.focusWidget()
        text = selected_text(field)
        can_replace = bool(text) and is_editable(field)
        self._selected_in = field if can_replace else None
        self.quick.begin(text, can_replace=can_replace, reason=self._why_not())

    def update_commands(self) -> None:
        """Let those commands be used that can be used now."""
        update_enabled(self._actions, self._window.holds)

    def on_command(self, name: str) -> None:
        """Carry out a command that was chosen in the palette, and remember it."""
        self._recent = [name, *(each for each in self._recent if each != name)][:N_RECENT]
        self._actions[name].trigger()

    def leave(self) -> None:
        """Quit, also with an icon in the tray."""
        self._is_quitting = True
        self._window.close()
        self._is_quitting = False

    def stop_asking(self) -> None:
        """Go without a question from now on: the system ends the session."""
        self._asks = False

    def may_close(self) -> bool:
        """Return whether the window may go; False when it went into the tray or somebody was asked first."""
        if self._asks and not self._is_quitting and self.tray.is_shown:
            self._hide_in_tray()
            return False
        at_risk = work_at_risk(
            self._runner.busy_lanes, is_answering=self._window.chat.is_busy or self._writing is not None
        )
        if self._asks and at_risk:
            self._ask(at_risk)
            return False
        self.stop_asking()
        self.stop_writing()
        if self._quick is not None:
            self._quick.close()
        self.tray.set_wanted(False)
        QApplication.setQuitOnLastWindowClosed(True)
        if not self._window.isVisible():
            QApplication.quit()  # Qt quits by itself only when a visible window is closed
        return True

    def on_settings_changed(self, keys: frozenset[str]) -> None:
        """Obey the settings that belong here."""
        if "keeps_in_tray" in keys:
            self.tray.set_wanted(self._window.settings.flag("keeps_in_tray"))
            QApplication.setQuitOnLastWindowClosed(not self.tray.is_shown)
        if "notifies_when_done" in keys:
            self.attention.is_enabled = self._window.settings.flag("notifies_when_done")

    def on_attention_wanted(self, words: str) -> None:
        """Reach somebody who looks at another program."""
        if self.tray.is_shown:
            self.tray.say("Tern", words)
        else:
            QApplication.alert(self._window, _ALERT_MS)

    def on_task(self, task: Task, text: str, language: str) -> None:
        """Begin a quick action."""
        reason = self._why_not()
        if reason:
            self.quick.show_failure(reason)
            return
        params = sampling_params(self._window.settings)
        self.quick.show_writing(task)
        self._window.pane.header.set_chooser_enabled(False)

        def work(cancel: CancelToken, emit: Emit) -> _Result:
            made = carry_out(self._window.models.engine(), task, text, params, cancel, emit, language).text.strip()
            return _Result(made, differences(text, made) if task in COMPARABLE and made else ())

        self._writing = token = self._runner.start(
            "engine",
            work,
            on_event=self._on_event,
            on_done=lambda result: self._on_done(result, token),
            on_failed=self._on_failed,
        )

    def stop_writing(self) -> None:
        """Stop a quick action; what there is stays."""
        if self._writing is not None:
            self._writing.cancel()

    def on_replaced(self, text: str) -> None:
        """Put a result where the text was selected; one step of Undo takes it back."""
        field, self._selected_in = self._selected_in, None
        if isinstance(field, QPlainTextEdit | QTextEdit):
            field.textCursor().insertText(text)
        elif isinstance(field, QLineEdit):
            field.insert(text)
        if field is not None:
            field.setFocus()

    def _connect(self) -> None:
        window, chat = self._window, self._window.chat
        self.palette.chosen.connect(self.on_command)
        self.palette.announced.connect(window.on_announced)
        self.attention.announced.connect(window.on_announced)
        self.attention.wanted.connect(self.on_attention_wanted)
        self.tray.show_requested.connect(window.show_in_front)
        self.tray.quit_requested.connect(self.leave)
        window.live.changed.connect(self.on_settings_changed)
        chat.busy_changed.connect(self.attention.on_busy_changed)
        for signal in (
            chat.busy_changed,
            chat.chat_opened,
            chat.chat_stored,
            window.documents.reading_changed,
            window.messages.reset,
            window.messages.appended,
        ):
            signal.connect(lambda *_facts: self.update_commands())

    def _why_not(self) -> str:
        """Say why no quick action can be carried out now; empty when one can."""
        state = self._window.models.state
        if state.model is not None and state.model.is_starter:
            return tr("The starter model is too small to rewrite or translate well. Get the full model for this.")
        if state.is_loading:
            return tr("The model is still loading. This can be used in a moment.")
        if not state.is_ready:
            return tr("There is no model yet that could do this.")
        if self._window.chat.is_busy:
            return tr("An answer is being written. This can be used when it is finished.")
        return ""

    def _on_event(self, event: object) -> None:
        if isinstance(event, TextDelta):
            self.quick.add_text(event.text)

    def _on_done(self, result: object, token: CancelToken) -> None:
        self._end_writing()
        if isinstance(result, _Result):
            note = tr("Stopped. This is what there is of it.") if token.is_cancelled else ""
            if not result.text:
                note = tr("Stopped.") if token.is_cancelled else tr("The model gave no text. Try it once more.")
            self.quick.show_done(result.text, () if token.is_cancelled else result.pieces, note)
            self._window.on_announced(note or tr("The result is there."))
        else:
            self.quick.show_done("", (), tr("Stopped."))

    def _on_failed(self, error: BaseException) -> None:
        self._end_writing()
        notice = notice_for(error)
        self.quick.show_failure(f"{notice.title}. {notice.what}".replace("..", "."))
        self._window.on_announced(notice.title)

    def _end_writing(self) -> None:
        self._writing = None
        self._window.pane.header.set_chooser_enabled(not self._window.chat.is_busy)

    def _hide_in_tray(self) -> None:
        self._window.hide()
        if not self._was_told_of_tray:
            self._was_told_of_tray = True
            self.tray.say("Tern", tr("Tern goes on in the tray. The icon there shows it again, or quits."))

    def _ask(self, at_risk: Sequence[str]) -> None:
        if self._question is not None:
            self._question.raise_()
            return
        if not self._window.isVisible():
            self._window.show_in_front()  # a question behind the tray would never be seen
        self._question = ask(
            self._window,
            title=tr("Quit Tern?"),
            text=tr("Tern is still at work."),
            details="\n".join(at_risk),
            yes=tr("Quit"),
            is_destructive=True,
            on_yes=self._leave_now,
        )
        self._question.destroyed.connect(self._forget_question)

    def _leave_now(self) -> None:
        self.stop_asking()
        self._window.close()

    def _forget_question(self) -> None:
        self._question = None

    def _forget_shortcut_list(self) -> None:
        self.shortcut_list = None


def selected_text(field: QWidget | None) -> str:
    """Return what is selected in a text field, with the lines as they are."""
    if isinstance(field, QPlainTextEdit | QTextEdit):
        return field.textCursor().selection().toPlainText()
    return field.selectedText() if isinstance(field, QLineEdit) else ""


def is_editable(field: QWidget | None) -> bool:
    """Return whether text can be put into a field."""
    return isinstance(field, QPlainTextEdit | QTextEdit | QLineEdit) and not field.isReadOnly()
