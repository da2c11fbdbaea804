"""What single conversations do differently from the settings, as rows.

Knows one small table; must not know settings or styles beyond their names.
"""

from typing import Final

from core.presets import ChatOverrides
from core.store.chats import ChatId
from core.store.database import Database
from core.store.documents import storable

_READ: Final = "SELECT preset, system_prompt FROM chat_overrides WHERE chat_id = ?"


class OverrideStore:
    """Overrides in a Database; calls block on the disk and may come from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, chat_id: ChatId) -> ChatOverrides:
        """Return what a conversation does differently; nothing for one that is not there."""
        with self._database.read() as connection:
            row = connection.execute(_READ, (chat_id,)).fetchone()
        return ChatOverrides() if row is None else ChatOverrides(row[0], row[1])

    def set(self, chat_id: ChatId, overrides: ChatOverrides) -> None:
        """Keep what a conversation does differently; nothing happens when it was deleted meanwhile."""
        prompt = None if overrides.system_prompt is None else storable(overrides.system_prompt)
        preset = None if overrides.preset is None else storable(overrides.preset)
        with self._database.write() as connection:
            connection.execute("DELETE FROM chat_overrides WHERE chat_id = ?", (chat_id,))
            if overrides != ChatOverrides():
                connection.execute(
                    """INSERT INTO chat_overrides(chat_id, preset, system_prompt)
                       SELECT id, ?, ? FROM chats WHERE id = ?""",
                    (preset, prompt, chat_id),
                )
