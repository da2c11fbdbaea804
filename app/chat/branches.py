"""Edits, versions, deletions and details of single messages, as the person asks for them under a message.

Knows which of them goes where; must not know SQL or how an answer is made. Everything here runs on the window's thread.
"""

from collections.abc import Callable

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QGuiApplication

from app.chat.chat_pane import ChatPane
from app.chat.details import AnswerDetails
from app.chat.message_bar import MessageAction, actions_for
from app.chat.message_model import MessageModel, Row, RowKind
from app.chat.presenter import ChatPresenter
from app.chat.rich_copy import as_mime
from app.chat.rows import owner_row
from app.history.bars import NoticeBar
from app.jobs import JobRunner
from app.theme import Theme
from app.wiring import Services
from core.store.chats import MessageId


class BranchesPresenter(QObject):
    """Carries out the actions of messages."""

    failed = Signal(object)

    def __init__(
        self,
        runner: JobRunner,
        theme: Theme,
        chat: ChatPresenter,
        messages: MessageModel,
        pane: ChatPane,
        services: Callable[[], Services | None],
    ) -> None:
        super().__init__(pane)
        self._runner = runner
        self._theme = theme
        self._chat = chat
        self._model = messages
        self._pane = pane
        self._services = services
        self._details: AnswerDetails | None = None
        self.notice: NoticeBar = pane.notice
        pane.composer.edit_ended.connect(self.on_edit_ended)
        chat.chat_opened.connect(self.on_chat_opened)

    def on_action(self, action: MessageAction, row: Row) -> None:
        """Do what a word under a message says."""
        match action:
            case MessageAction.COPY:
                QGuiApplication.clipboard().setMimeData(as_mime(row.text, is_markdown=row.kind is RowKind.ANSWER))
                self._pane.transcript.say_copied(row, action)
            case MessageAction.COPY_MARKDOWN:
                QGuiApplication.clipboard().setText(row.text)
                self._pane.transcript.say_copied(row, action)
            case MessageAction.PREVIOUS:
                self.step(row, -1)
            case MessageAction.NEXT:
                self.step(row, 1)
            case MessageAction.DETAILS:
                self.show_details(row)
            case _ if self._chat.is_busy:
                self._pane.composer.show_hint("Stop the answer first; then its messages can be changed.")
            case MessageAction.EDIT:
                self._chat.editing = MessageId(row.message_id)
                self._pane.composer.begin_edit(row.text)
            case MessageAction.AGAIN:
                self._chat.answer_again(row)
            case MessageAction.CONTINUE:
                self._chat.resume(row)
            case MessageAction.DELETE:
                self.delete(row)

    def act_on_current(self, action: MessageAction) -> None:
        """Do it with the message that has the focus, else with the last one for which it makes sense."""
        focused = owner_row(QGuiApplication.focusObject())
        rows = [row for row in self._model.rows if self._can(action, row)]
        here = self._pane.transcript.row_of(focused) if focused is not None else None
        if here is not None and self._can(action, here):
            self.on_action(action, here)
        elif rows:
            self.on_action(action, rows[-1])

    def step(self, row: Row, by: int) -> None:
        """Show the version of a message before or after this one."""
        services, siblings = self._services(), row.siblings
        if services is None or row.message_id not in siblings:
            return
        place = siblings.index(row.message_id) + by
        if not 0 <= place < len(siblings):
            return
        if self._chat.is_busy:
            self._pane.composer.show_hint("Stop the answer first; then another version can be shown.")
            return
        chosen = MessageId(siblings[place])
        self._runner.start(
            "store",
            lambda _c, _e: services.store.choose(chosen),
            on_done=lambda _done: self._chat.reload(show=chosen),
            on_failed=self.failed.emit,
        )
        self._chat.announced.emit(f"Version {place + 1} of {len(siblings)}.")

    def delete(self, row: Row) -> None:
        """Put a message and what follows it into the trash, from where Undo takes it back."""
        services, message_id = self._services(), MessageId(row.message_id)
        if services is None or not row.message_id:
            return

        def trash() -> list[MessageId]:
            gone = services.store.subtree(message_id)
            services.history.trash_messages(gone)
            return gone

        self._runner.start(
            "store", lambda _c, _e: trash(), on_done=lambda gone: self._on_deleted(gone), on_failed=self.failed.emit
        )

    def show_details(self, row: Row) -> None:
        """Show how an answer was made."""
        if row.message is None:
            return
        if self._details is not None:
            self._details.close()
        self._details = AnswerDetails(row.message, self._theme, self._pane.window())
        self._details.replay_requested.connect(self.on_replay)
        self._details.destroyed.connect(self._on_details_gone)
        self._details.open()

    def on_replay(self) -> None:
        """Make the answer once more and tell whether it is the same."""
        details = self._details
        if details is None:
            return
        if self._chat.is_busy:
            details.show_words("An answer is being written; replay this one when it is done.")
            return
        details.begin()
        details.cancel = self._chat.replay(
            details.message.id, self._on_replay_event, self._on_replayed, self._on_failed
        )

    def on_edit_ended(self) -> None:
        """Forget what was being edited."""
        self._chat.editing = None

    def on_chat_opened(self) -> None:
        """Nothing of another conversation is edited here."""
        self._pane.composer.end_edit()
        self.notice.hide()

    def _can(self, action: MessageAction, row: Row) -> bool:
        has_versions = len(row.siblings) > 1
        is_step = action in (MessageAction.PREVIOUS, MessageAction.NEXT)
        return has_versions if is_step else action in actions_for(row)

    def _on_deleted(self, gone: object) -> None:
        ids = gone if isinstance(gone, list) else []
        services = self._services()
        if not ids or services is None:
            return

        def undo() -> None:
            self._runner.start(
                "store",
                lambda _c, _e: services.history.restore_messages(ids),
                on_done=lambda _done: self._chat.reload(show=ids[0]),
                on_failed=self.failed.emit,
            )

        words = "Message deleted." if len(ids) == 1 else f"{len(ids)} messages deleted."
        self._chat.reload()
        self.notice.say(f"{words} They stay in the trash for 30 days." if len(ids) > 1 else words, "Undo", undo)
        self._chat.announced.emit(words)

    def _on_replay_event(self, event: object) -> None:
        if self._details is not None:
            self._details.show_event(event)

    def _on_replayed(self, result: object) -> None:
        if self._details is not None:
            self._details.show_result(result)

    def _on_failed(self, error: BaseException) -> None:
        if self._details is not None:
            self._details.show_error(error)

    def _on_details_gone(self) -> None:
        self._details = None
