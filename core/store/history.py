"""The order that a person gives to conversations: pins, folders, the trash, and where each was left.

Knows the rows for that; must not know how a conversation grows (chats.py) nor the list in the window. Nothing here
changes a text. Every change is on disk when its call returns.
"""

import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from core.errors import AppError, ErrorCode
from core.store import search
from core.store.chats import CHAT_COLUMNS, Chat, ChatId, FolderId, MessageId, erase_chats
from core.store.database import Database
from core.store.documents import storable

TRASH_DAYS: Final = 30
MAX_NAME_CHARS: Final = 100
NEW_CHAT: Final = ChatId(0)  # the place of the conversation that is not stored yet
_DAY_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Folder:
    """A name that conversations are kept under."""

    id: FolderId
    name: str


@dataclass(frozen=True, slots=True)
class TrashedMessage:
    """A message in the trash whose chat is not."""

    id: MessageId
    chat_id: ChatId
    chat_title: str
    text: str  # the beginning of it
    deleted_at: float


@dataclass(frozen=True, slots=True)
class ChatPlace:
    """Where a conversation was left: what was typed and not sent, and the row at the upper edge of the window.

    `offset` is how many pixels of that row were above the edge; row -1 is the end, which is followed.
    """

    draft: str = ""
    row: int = -1
    offset: int = 0


class HistoryStore:
    """Order and trash in a Database; calls block on the disk and may come from any thread."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def search(self, text: str, limit: int = 60) -> list[search.Hit]:
        """Return where all words of `text` stand (core/store/search.py)."""
        return search.search(self._database, text, limit)

    def pin(self, chat_ids: Sequence[ChatId], *, is_pinned: bool) -> None:
        """Put conversations on top of the list, or back into it."""
        when = self._clock() if is_pinned else None
        self._set("pinned_at", when, chat_ids)

    def move(self, chat_ids: Sequence[ChatId], folder_id: FolderId | None) -> None:
        """Put conversations into a folder, or into none.

        Raises:
            AppError: FOLDER_NOT_FOUND.
        """
        with self._database.write() as connection:
            if folder_id is not None and not connection.execute(_FOLDER_SQL, (folder_id,)).fetchone():
                raise AppError(ErrorCode.FOLDER_NOT_FOUND)
            connection.executemany(
                "UPDATE chats SET folder_id = ? WHERE id = ?", [(folder_id, each) for each in chat_ids]
            )

    def folders(self) -> list[Folder]:
        """Return all folders by name."""
        with self._database.read() as connection:
            rows = connection.execute("SELECT id, name FROM folders").fetchall()
        return sorted(
            (Folder(FolderId(row[0]), row[1]) for row in rows), key=lambda each: (each.name.casefold(), each.id)
        )

    def create_folder(self, name: str) -> FolderId:
        """Add a folder; one of that name is there already and is returned."""
        name = folder_name(name)
        with self._database.write() as connection:
            row = connection.execute("SELECT id FROM folders WHERE name = ?", (name,)).fetchone()
            if row is None:
                cursor = connection.execute(
                    "INSERT INTO folders(name, created_at) VALUES (?, ?)", (name, self._clock())
                )
                row = (cursor.lastrowid,)
        return FolderId(row[0])

    def rename_folder(self, folder_id: FolderId, name: str) -> None:
        """Give a folder another name; nothing happens when it is gone."""
        with self._database.write() as connection:
            connection.execute("UPDATE folders SET name = ? WHERE id = ?", (folder_name(name), folder_id))

    def delete_folder(self, folder_id: FolderId) -> None:
        """Take a folder away; its conversations stay and are in no folder then."""
        with self._database.write() as connection:
            connection.execute("DELETE FROM folders WHERE id = ?", (folder_id,))

    def trash_chats(self, chat_ids: Sequence[ChatId]) -> None:
        """Put conversations into the trash, from where they can come back for TRASH_DAYS."""
        self._set("deleted_at", self._clock(), chat_ids)

    def restore_chats(self, chat_ids: Sequence[ChatId]) -> None:
        """Take conversations out of the trash, to where they were."""
        self._set("deleted_at", None, chat_ids)

    def trash_messages(self, message_ids: Sequence[MessageId]) -> None:
        """Put single messages into the trash."""
        self._set("deleted_at", self._clock(), message_ids, table="messages")

    def restore_messages(self, message_ids: Sequence[MessageId]) -> None:
        """Take single messages out of the trash, to where they were."""
        self._set("deleted_at", None, message_ids, table="messages")

    def trash(self) -> list[Chat]:
        """Return the conversations in the trash, the last deleted first."""
        with self._database.read() as connection:
            rows = connection.execute(
                f"{CHAT_COLUMNS} WHERE deleted_at IS NOT NULL ORDER BY deleted_at DESC, id DESC"
            ).fetchall()
        return [Chat(*row) for row in rows]

    def trashed_messages(self) -> list[TrashedMessage]:
        """Return the single messages in the trash, the last deleted first."""
        with self._database.read() as connection:
            rows = connection.execute(
                """SELECT m.id, m.chat_id, c.title, substr(m.text, 1, 200), m.deleted_at
                   FROM messages AS m JOIN chats AS c ON c.id = m.chat_id
                   WHERE m.deleted_at IS NOT NULL AND c.deleted_at IS NULL ORDER BY m.deleted_at DESC, m.id DESC"""
            ).fetchall()
        return [TrashedMessage(*row) for row in rows]

    def erase(self, chat_ids: Sequence[ChatId], message_ids: Sequence[MessageId] = ()) -> None:
        """Delete conversations and messages for good: their text is overwritten in the file and leaves the log.

        Backups still have it; core/store/backups.py takes it out of them. What is not there does not matter.
        """
        with self._database.write() as connection:
            erase_chats(connection, chat_ids)
            erase_messages(connection, message_ids)
        search.erase_forgotten(self._database)
        self._database.empty_log()

    def expired(self) -> tuple[list[ChatId], list[MessageId]]:
        """Return what has been in the trash for TRASH_DAYS."""
        before = (self._clock() - TRASH_DAYS * _DAY_S,)
        with self._database.read() as connection:
            return (
                [row[0] for row in connection.execute("SELECT id FROM chats WHERE deleted_at < ?", before)],
                [row[0] for row in connection.execute("SELECT id FROM messages WHERE deleted_at < ?", before)],
            )

    def place(self, chat_id: ChatId) -> ChatPlace:
        """Return where a conversation was left; the end, with nothing typed, where that is not known."""
        with self._database.read() as connection:
            row = connection.execute("SELECT draft, row, offset FROM places WHERE chat_id = ?", (chat_id,)).fetchone()
        return ChatPlace() if row is None else ChatPlace(*row)

    def save_place(self, chat_id: ChatId, place: ChatPlace) -> None:
        """Remember where a conversation was left; nothing happens when it was deleted meanwhile."""
        with self._database.write() as connection:
            connection.execute("DELETE FROM places WHERE chat_id = ?", (chat_id,))
            if place != ChatPlace():
                connection.execute(
                    """INSERT INTO places(chat_id, row, offset, draft) SELECT ?1, ?2, ?3, ?4
                       WHERE ?1 = 0 OR EXISTS (SELECT 1 FROM chats WHERE id = ?1)""",
                    (chat_id, place.row, place.offset, storable(place.draft)),
                )

    def _set(self, column: str, value: float | None, ids: Sequence[int], *, table: str = "chats") -> None:
        with self._database.write() as connection:
            connection.executemany(f"UPDATE {table} SET {column} = ? WHERE id = ?", [(value, each) for each in ids])


_FOLDER_SQL: Final = "SELECT 1 FROM folders WHERE id = ?"


def folder_name(name: str) -> str:
    """Return `name` as a folder may have it: one line, not empty, of bearable length."""
    return " ".join(storable(name).split())[:MAX_NAME_CHARS] or "Folder"


def erase_messages(connection: sqlite3.Connection, message_ids: Sequence[MessageId]) -> None:
    """Delete single messages; what answered them follows what they followed."""
    for message_id in message_ids:
        row = connection.execute("SELECT text, parent_id FROM messages WHERE id = ?", (message_id,)).fetchone()
        if row is not None:
            search.forget_messages(connection, [(message_id, row[0])])
            connection.execute("UPDATE messages SET parent_id = ? WHERE parent_id = ?", (row[1], message_id))
            connection.execute("DELETE FROM messages WHERE id = ?", (message_id,))
