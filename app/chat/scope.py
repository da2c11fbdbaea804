"""What the open conversation answers from: a small menu beside the message, and the presenter that keeps the choice.

Knows scopes and collections as values; must not know the index. A conversation that is not stored yet keeps its choice
here until its first message.
"""

from collections.abc import Sequence
from dataclasses import replace

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QMenu, QToolButton, QWidget

from app.chat.presenter import ChatPresenter
from app.jobs import JobRunner
from app.plain_text import menu_text, set_tooltip
from core.library.index.collections import Collection
from core.store.chats import ChatId
from core.store.scopes import AnswerFrom, ChatScope, ScopeStore

_MAX_NAME_CHARS = 24
_MODES = (
    (AnswerFrom.BOTH, "Both: documents where they say something"),
    (AnswerFrom.DOCUMENTS, "My documents only"),
    (AnswerFrom.CHAT, "Chat: without documents"),
)


class ScopeButton(QToolButton):
    """Says what answers are made from; its menu changes it."""

    mode_chosen = Signal(object)  # AnswerFrom
    collection_toggled = Signal(int, bool)
    documents_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("kind", "action")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setMenu(QMenu(self))
        self.show_scope(ChatScope(), ())

    def show_scope(self, scope: ChatScope, collections: Sequence[Collection]) -> None:
        """Show what answers are made from, and what could be chosen."""
        chosen = [each for each in collections if each.id in scope.collections]
        words = scope_in_words(scope, [each.name for each in chosen])
        self.setText(menu_text(words))
        self.setAccessibleName(f"Answers from: {words}")
        names = ", ".join(each.name for each in chosen)
        set_tooltip(self, f"What this chat answers from{': ' + names if names else ''}")
        self._fill(scope, collections)

    def _fill(self, scope: ChatScope, collections: Sequence[Collection]) -> None:
        menu = self.menu()
        menu.clear()
        group = QActionGroup(menu)
        for mode, words in _MODES:
            action = menu.addAction(words)
            action.setCheckable(True)
            action.setChecked(mode is scope.answer_from)
            action.triggered.connect(lambda _checked, mode=mode: self.mode_chosen.emit(mode))
            group.addAction(action)
        menu.addSeparator()
        for each in collections:
            action = QAction(menu_text(each.name), menu)
            action.setCheckable(True)
            action.setChecked(each.id in scope.collections)
            action.setEnabled(scope.answer_from is not AnswerFrom.CHAT)
            action.toggled.connect(lambda on, number=int(each.id): self.collection_toggled.emit(number, on))
            menu.addAction(action)
        menu.addSeparator()
        menu.addAction("My documents…").triggered.connect(self.documents_requested)


def scope_in_words(scope: ChatScope, names: Sequence[str]) -> str:
    """Return what a conversation answers from, in two or three words."""
    if scope.answer_from is AnswerFrom.CHAT:
        return "Chat"
    what = "Documents" if not names else _short(names[0]) if len(names) == 1 else f"{len(names)} collections"
    if scope.answer_from is AnswerFrom.DOCUMENTS:
        return f"Only: {what}" if names else "Documents only"
    return f"Both: {what}" if names else what


def _short(name: str) -> str:
    name = " ".join(name.split())
    return name if len(name) <= _MAX_NAME_CHARS else name[: _MAX_NAME_CHARS - 1] + "…"


class ScopePresenter(QObject):
    """Follows the open conversation."""

    def __init__(
        self, runner: JobRunner, chat: ChatPresenter, button: ScopeButton, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._runner = runner
        self._chat = chat
        self._button = button
        self._store: ScopeStore | None = None
        self._collections: Sequence[Collection] = ()
        self.current = ChatScope()
        chat.chat_opened.connect(self.on_chat_opened)
        chat.chat_stored.connect(self.on_chat_stored)
        button.mode_chosen.connect(lambda mode: self._set(replace(self.current, answer_from=mode)))
        button.collection_toggled.connect(self.on_toggled)

    def attach(self, store: ScopeStore) -> None:
        """Take the store, now that it is open."""
        self._store = store

    def show_collections(self, collections: Sequence[Collection]) -> None:
        """Offer other collections."""
        self._collections = collections
        self._show(self.current)

    def of_new_chat(self) -> ChatScope | None:
        """Return the choice for a conversation that is about to be stored; None for a stored one."""
        return self.current if self._chat.chat_id is None else None

    def on_toggled(self, collection_id: int, is_on: bool) -> None:
        """Answer from a collection as well, or no longer."""
        others = tuple(each for each in self.current.collections if each != collection_id)
        self._set(replace(self.current, collections=(*others, collection_id) if is_on else others))

    def on_chat_opened(self) -> None:
        """Show what the conversation that was opened answers from."""
        chat_id, store = self._chat.chat_id, self._store
        self._show(ChatScope())
        if chat_id is not None and store is not None:
            self._runner.start(
                "store",
                lambda _cancel, _emit: store.get(chat_id),
                on_done=lambda found: self._on_found(chat_id, found),
                on_failed=self._chat.show_error,
            )

    def on_chat_stored(self, chat_id: ChatId) -> None:
        """Store what was chosen after the first message had been sent."""
        if self.current != ChatScope():
            self._save(chat_id)

    def _on_found(self, chat_id: ChatId, found: object) -> None:
        if isinstance(found, ChatScope) and self._chat.chat_id == chat_id:
            self._show(found)

    def _set(self, scope: ChatScope) -> None:
        self._show(scope)
        if self._chat.chat_id is not None:
            self._save(self._chat.chat_id)

    def _show(self, scope: ChatScope) -> None:
        self.current = scope
        self._button.show_scope(scope, self._collections)

    def _save(self, chat_id: ChatId) -> None:
        store, scope = self._store, self.current
        if store is not None:
            self._runner.start(
                "store", lambda _cancel, _emit: store.set(chat_id, scope), on_failed=self._chat.show_error
            )
