"""Where each conversation was left: what was typed and not sent, and what was in sight. Also after a crash.

Knows when to save and when to show again; must not know SQL or how rows are laid out.
"""

from PySide6.QtCore import QObject, QTimer, Signal

from app.chat.chat_pane import ChatPane
from app.chat.message_model import MessageModel
from app.chat.presenter import ChatPresenter
from app.jobs import JobRunner
from core.store.chats import ChatId
from core.store.history import NEW_CHAT, ChatPlace, HistoryStore

SAVE_MS = 400


class PlacesPresenter(QObject):
    """Saves a moment after every change, and at once when another conversation is opened or the window closes."""

    failed = Signal(object)

    def __init__(
        self, runner: JobRunner, chat: ChatPresenter, messages: MessageModel, pane: ChatPane, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._runner = runner
        self._chat = chat
        self._pane = pane
        self._history: HistoryStore | None = None
        self._shown = NEW_CHAT  # whose draft is in the composer
        self._saved = ChatPlace()
        self._place = ChatPlace()
        self._pending: ChatPlace | None = None  # to be shown with the next rows
        self._wanted_message: int | None = None
        self._is_loading = True
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(SAVE_MS)
        self._timer.timeout.connect(self.flush)
        chat.chat_opened.connect(self.on_chat_opened)
        chat.chat_stored.connect(self.on_chat_stored)
        messages.reset.connect(self.on_rows)
        pane.composer.text.textChanged.connect(self.on_changed)
        pane.transcript.verticalScrollBar().valueChanged.connect(self.on_changed)

    def attach(self, history: HistoryStore | None) -> None:
        """Take the store, now that it is open; None: it is being closed."""
        self._timer.stop()
        self._history = history
        self._saved = ChatPlace()
        if history is not None:
            self._load()

    def on_chat_opened(self) -> None:
        """Save where the conversation before was left, and show where this one was."""
        if (self._chat.chat_id or NEW_CHAT) == self._shown:
            return
        self.flush()
        self._wanted_message = None
        self._shown = self._chat.chat_id or NEW_CHAT
        if self._history is not None:
            self._pane.composer.text.clear()
            self._load()

    def on_chat_stored(self, chat_id: ChatId) -> None:
        """The new conversation has its number now: what is typed from here on belongs to it."""
        self._place = ChatPlace()
        self.flush()
        self._shown = chat_id
        self._saved = ChatPlace()
        self.on_changed()

    def show_message(self, message_id: int) -> None:
        """Put a message in sight, now or with the rows that are being read."""
        self._wanted_message = message_id
        if not self._is_loading:
            self._show_wanted()

    def on_rows(self) -> None:
        """Show the rows that have just come where they were left."""
        place, self._pending = self._pending, None
        if place is not None and place.row >= 0:
            self._pane.transcript.set_position(place.row, place.offset)
        if self._chat.chat_id is not None:
            self._is_loading = False
            self._show_wanted()

    def on_changed(self) -> None:
        """Note what is typed and in sight; it is saved in a moment."""
        row, offset = self._pane.transcript.position()
        if self._is_loading or not self._pane.transcript.isVisible():
            row, offset = self._place.row, self._place.offset
        self._place = ChatPlace(self._pane.composer.text.toPlainText(), row, offset)
        if self._place != self._saved and self._history is not None and not self._timer.isActive():
            self._timer.start()

    def flush(self) -> None:
        """Save now."""
        self._timer.stop()
        history, chat_id, place = self._history, self._shown, self._place
        if history is None or place == self._saved:
            return
        self._saved = place
        self._runner.start("store", lambda _c, _e: history.save_place(chat_id, place), on_failed=self.failed.emit)

    def _load(self) -> None:
        history, chat_id = self._history, self._shown
        assert history is not None
        self._is_loading = chat_id != NEW_CHAT
        self._place = self._saved = ChatPlace()

        def done(place: object) -> None:
            assert isinstance(place, ChatPlace)
            if chat_id != self._shown:
                return
            self._saved = place
            self._pending = place
            field = self._pane.composer.text
            typed = field.toPlainText()  # while this was being read: it stays
            self._place = ChatPlace(typed or place.draft, place.row, place.offset)
            if place.draft and not typed:
                field.setPlainText(place.draft)
                field.moveCursor(field.textCursor().MoveOperation.End)

        self._runner.start("store", lambda _c, _e: history.place(chat_id), on_done=done, on_failed=self.failed.emit)

    def _show_wanted(self) -> None:
        wanted = self._wanted_message
        if wanted is not None and self._pane.transcript.show_message(wanted):
            self._wanted_message = None  # else it comes with the rows that are being read
