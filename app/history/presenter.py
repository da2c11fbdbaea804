"""Keeps the list of conversations in step with the store.

Knows what is read and written when; must not know widgets' insides or SQL.
"""

from collections.abc import Callable
from datetime import datetime

from PySide6.QtCore import QObject, Signal

from app.history.sidebar import Sidebar
from app.jobs import JobRunner
from core.store.chats import Chat, ChatId, ChatStore


class HistoryPresenter(QObject):
    """Reads, renames and deletes conversations in the store lane."""

    deleted = Signal(object)
    failed = Signal(object)
    listed = Signal()

    def __init__(self, runner: JobRunner, sidebar: Sidebar, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._runner = runner
        self._sidebar = sidebar
        self._store: ChatStore | None = None
        self.chats: list[Chat] = []
        sidebar.renamed.connect(self.on_renamed)
        sidebar.delete_confirmed.connect(self.on_delete)

    def attach(self, store: ChatStore) -> None:
        """Take the store, now that it is open."""
        self._store = store

    def refresh(self, then: Callable[[], object] | None = None) -> None:
        """Read the list again."""
        store = self._store
        if store is None:
            return

        def done(chats: object) -> None:
            assert isinstance(chats, list)
            self.chats = chats
            self._sidebar.show_chats(chats, datetime.now().date())
            self.listed.emit()
            if then is not None:
                then()

        self._runner.start("store", lambda _c, _e: store.chats(), on_done=done, on_failed=self.failed.emit)

    def on_renamed(self, chat_id: ChatId, title: str) -> None:
        """Store a new title."""
        store = self._store
        if store is not None:
            self._runner.start(
                "store",
                lambda _c, _e: store.rename_chat(chat_id, title),
                on_done=lambda _r: self.refresh(),
                on_failed=self.failed.emit,
            )

    def on_delete(self, chat_id: ChatId) -> None:
        """Delete a conversation for good."""
        store = self._store
        if store is not None:
            self.deleted.emit(chat_id)
            self._runner.start(
                "store",
                lambda _c, _e: store.delete_chat(chat_id),
                on_done=lambda _r: self.refresh(),
                on_failed=self.failed.emit,
            )
