"""What the open conversation does differently from the settings: its style and its system prompt.

Knows one value and when to load and save it; must not know widgets. A conversation that is not stored yet keeps its
differences here until its first message.
"""

from dataclasses import replace

from PySide6.QtCore import QObject, Signal

from app.chat.presenter import ChatPresenter
from app.jobs import JobRunner
from core.presets import NO_OVERRIDES, ChatOverrides
from core.store.chats import ChatId
from core.store.overrides import OverrideStore


class OverridesPresenter(QObject):
    """Follows the open conversation."""

    changed = Signal()

    def __init__(self, runner: JobRunner, chat: ChatPresenter, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._runner = runner
        self._chat = chat
        self._store: OverrideStore | None = None
        self.current = NO_OVERRIDES
        chat.chat_opened.connect(self.on_chat_opened)
        chat.chat_stored.connect(self.on_chat_stored)

    def attach(self, store: OverrideStore) -> None:
        """Take the store, now that it is open."""
        self._store = store

    def of_new_chat(self) -> ChatOverrides | None:
        """Return the differences of a conversation that is about to be stored; None for a stored one."""
        return self.current if self._chat.chat_id is None else None

    def set_preset(self, name: str | None) -> None:
        """Give the conversation a style of its own; None: that of the settings."""
        self._set(replace(self.current, preset=name))

    def set_prompt(self, text: str | None) -> None:
        """Give the conversation a system prompt of its own; None: that of the settings."""
        self._set(replace(self.current, system_prompt=text))

    def on_chat_opened(self) -> None:
        """Show what the conversation that was opened does differently."""
        chat_id, store = self._chat.chat_id, self._store
        self._show(NO_OVERRIDES)
        if chat_id is None or store is None:
            return
        self._runner.start(
            "store",
            lambda _cancel, _emit: store.get(chat_id),
            on_done=lambda found: self._on_found(chat_id, found),
            on_failed=self._chat.show_error,
        )

    def on_chat_stored(self, chat_id: ChatId) -> None:
        """Store what was changed after the first message had been sent."""
        if self.current != NO_OVERRIDES:
            self._save(chat_id)

    def _on_found(self, chat_id: ChatId, found: object) -> None:
        assert isinstance(found, ChatOverrides)
        if self._chat.chat_id == chat_id:
            self._show(found)

    def _set(self, overrides: ChatOverrides) -> None:
        self._show(overrides)
        if self._chat.chat_id is not None:
            self._save(self._chat.chat_id)

    def _show(self, overrides: ChatOverrides) -> None:
        if overrides != self.current:
            self.current = overrides
            self.changed.emit()

    def _save(self, chat_id: ChatId) -> None:
        store, overrides = self._store, self.current
        if store is not None:
            self._runner.start(
                "store", lambda _cancel, _emit: store.set(chat_id, overrides), on_failed=self._chat.show_error
            )
