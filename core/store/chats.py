"""Conversations as rows: chats, and how their messages are added, changed and found.

Knows what a chat is; must not know models, prompts or files. Every change is on disk when its call returns. Text is
made storable on the way in (`storable`): what SQLite or UTF-8 cannot hold is replaced, never refused.
"""

import sqlite3
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, NewType

from core.errors import AppError, ErrorCode
from core.events import Passage
from core.store import search
from core.store.database import Database
from core.store.documents import Document, DocumentId, passages_as_json, storable
from core.store.messages import (
    ChatId,
    Message,
    MessageId,
    MessageRole,
    MessageState,
    ReplyRecord,
    chat_of,
    last_shown,
    load_messages,
    parent_of,
    reply_columns,
    tree_of,
)
from core.store.migrations import checksum_of

__all__ = [
    "Chat",
    "ChatId",
    "ChatStore",
    "FolderId",
    "Message",
    "MessageId",
    "MessageRole",
    "MessageState",
    "ReplyRecord",
    "storable",
]

FolderId = NewType("FolderId", int)

TITLE_CHARS: Final = 48
_TITLE_CHARS_BY_HAND: Final = 200


@dataclass(frozen=True, slots=True)
class Chat:
    """One conversation; times are seconds since 1970, for display only.

    None: not pinned, in no folder, not in the trash.
    """

    id: ChatId
    title: str
    created_at: float
    updated_at: float
    pinned_at: float | None = None
    folder_id: FolderId | None = None
    deleted_at: float | None = None


CHAT_COLUMNS: Final = "SELECT id, title, created_at, updated_at, pinned_at, folder_id, deleted_at FROM chats"


class ChatStore:
    """Chats and messages in a Database; calls block on the disk and may come from any thread."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def create_chat(self, title: str = "") -> ChatId:
        """Add a conversation; without a title it takes one from its first prompt."""
        now = self._clock()
        with self._database.write() as connection:
            cursor = connection.execute(
                "INSERT INTO chats(title, created_at, updated_at) VALUES (?, ?, ?)", (_title_by_hand(title), now, now)
            )
            chat_id = ChatId(_row_id(cursor))
            search.index_title(connection, chat_id, _title_by_hand(title))
            return chat_id

    def chats(self) -> list[Chat]:
        """Return all conversations outside the trash, the last used one first."""
        with self._database.read() as connection:
            rows = connection.execute(
                f"{CHAT_COLUMNS} WHERE deleted_at IS NULL ORDER BY updated_at DESC, id DESC"
            ).fetchall()
        return [Chat(*row) for row in rows]

    def rename_chat(self, chat_id: ChatId, title: str) -> None:
        """Give a conversation a title; an empty one is taken from the next prompt. Its place in the list stays.

        Raises:
            AppError: CHAT_NOT_FOUND.
        """
        with self._write_chat(chat_id) as connection:
            _set_title(connection, chat_id, _title_by_hand(title))

    def delete_chat(self, chat_id: ChatId) -> None:
        """Delete a conversation for good: its text is overwritten in the file and leaves the log.

        Deleting one that is not there does nothing. Works on a full disk too. Files kept aside by a recovery or
        before a migration are older copies and stay as they are.
        """
        try:
            self._delete(chat_id)
        except AppError as error:
            if error.code is not ErrorCode.DISK_FULL or not self._database.free_reserve():
                raise
            self._delete(chat_id)

    def _delete(self, chat_id: ChatId) -> None:
        with self._database.write() as connection:
            erase_chats(connection, [chat_id])
        search.erase_forgotten(self._database)
        self._database.empty_log()

    def messages(self, chat_id: ChatId) -> list[Message]:
        """Return the messages of a conversation that are shown, from first to last; [] when there are none."""
        with self._database.read() as connection:
            tree = tree_of(connection, chat_id)
            return load_messages(connection, tree, tree.shown())

    def path_to(self, message_id: MessageId) -> list[Message]:
        """Return a message and all that it follows, the first one first; [] when it is gone or in the trash."""
        with self._database.read() as connection:
            chat_id = chat_of(connection, message_id)
            if chat_id is None:
                return []
            tree = tree_of(connection, chat_id)
            return load_messages(connection, tree, tree.path_to(message_id))

    def message(self, message_id: MessageId) -> Message | None:
        """Return one message; None when its chat was deleted."""
        with self._database.read() as connection:
            chat_id = chat_of(connection, message_id)
            found = [] if chat_id is None else load_messages(connection, tree_of(connection, chat_id), [message_id])
        return found[0] if found else None

    def subtree(self, message_id: MessageId) -> list[MessageId]:
        """Return a message and all that follows it in any branch; [] when it is gone or in the trash."""
        with self._database.read() as connection:
            chat_id = chat_of(connection, message_id)
            return [] if chat_id is None else [MessageId(i) for i in tree_of(connection, chat_id).subtree(message_id)]

    def choose(self, message_id: MessageId) -> None:
        """Show a message in place of its siblings; nothing happens when it is gone."""
        with self._database.write() as connection:
            connection.execute(
                """UPDATE messages SET chosen = 1 + (SELECT ifnull(max(other.chosen), 0) FROM messages AS other
                                                     WHERE other.chat_id = messages.chat_id) WHERE id = ?""",
                (message_id,),
            )

    def add_prompt(self, chat_id: ChatId, text: str, instead_of: MessageId | None = None) -> MessageId:
        """Add what the person wrote, after the last message shown; it is on disk when this returns.

        `instead_of` puts it into the place of an earlier message, which stays as its sibling.

        Raises:
            AppError: CHAT_NOT_FOUND.
        """
        text = storable(text)
        with self._write_chat(chat_id) as connection:
            if connection.execute("SELECT title FROM chats WHERE id = ?", (chat_id,)).fetchone()[0] == "":
                _set_title(connection, chat_id, title_from(text))
            parent_id = last_shown(connection, chat_id) if instead_of is None else parent_of(connection, instead_of)
            return self._add(connection, chat_id, parent_id, MessageRole.USER, MessageState.DONE, text, None)

    def begin_reply(self, chat_id: ChatId, model: str, prompt_id: MessageId | None = None) -> MessageId:
        """Add an empty answer in state STREAMING to a prompt; None: to the last message shown.

        Raises:
            AppError: CHAT_NOT_FOUND.
        """
        with self._write_chat(chat_id) as connection:
            parent_id = last_shown(connection, chat_id) if prompt_id is None else prompt_id
            return self._add(
                connection, chat_id, parent_id, MessageRole.ASSISTANT, MessageState.STREAMING, "", storable(model)
            )

    def reopen_reply(self, message_id: MessageId) -> None:
        """Put an answer that was cut back into state STREAMING; its text and its record stay until more is added."""
        with self._database.write() as connection:
            row = connection.execute(
                "SELECT text FROM messages WHERE id = ? AND state <> 'streaming'", (message_id,)
            ).fetchone()
            if row is not None:
                search.forget_messages(connection, [(message_id, row[0])])  # indexed again when it is whole
                connection.execute("UPDATE messages SET state = 'streaming' WHERE id = ?", (message_id,))

    def append_reply(self, message_id: MessageId, text: str) -> None:
        """Append to an answer; does nothing when its chat was deleted meanwhile."""
        text = storable(text)
        with self._database.write() as connection:
            row = connection.execute("SELECT checksum FROM messages WHERE id = ?", (message_id,)).fetchone()
            if row is not None:
                checksum = zlib.crc32(text.encode(), row[0] or 0)  # goes on from the text before
                connection.execute(
                    "UPDATE messages SET text = text || ?, checksum = ? WHERE id = ?", (text, checksum, message_id)
                )

    def finish_reply(self, message_id: MessageId, text: str, state: MessageState, record: ReplyRecord | None) -> None:
        """Give an answer its whole text, its final state and its record; nothing when its chat was deleted."""
        now, text = self._clock(), storable(text)
        with self._database.write() as connection:
            before = connection.execute("SELECT state, text FROM messages WHERE id = ?", (message_id,)).fetchone()
            if before is None:
                return
            connection.execute(
                "UPDATE messages SET text = ?, checksum = ?, state = ? WHERE id = ?",
                (text, checksum_of(text), state.value, message_id),
            )
            if before[0] != MessageState.STREAMING.value:  # an answer is indexed when it is whole
                search.forget_messages(connection, [(message_id, before[1])])
            search.index_message(connection, message_id, text)
            connection.execute(
                "UPDATE chats SET updated_at = ? WHERE id = (SELECT chat_id FROM messages WHERE id = ?)",
                (now, message_id),
            )
            if record is not None:
                connection.execute(
                    "INSERT OR REPLACE INTO replies VALUES (?, ?, ?, ?, ?, ?, ?)", (message_id, *reply_columns(record))
                )

    def set_context(self, message_id: MessageId, passages: Sequence[Passage]) -> None:
        """Note which passages the model reads with a prompt; nothing when its chat was deleted."""
        with self._database.write() as connection:
            connection.execute("UPDATE messages SET context = ? WHERE id = ?", (passages_as_json(passages), message_id))

    def add_document(self, chat_id: ChatId, name: str, sha256: str, text: str, structure: str = "") -> None:
        """Give a conversation a document; one with the same content is there already and stays as it is.

        structure: what stands where in `text`, as its own encoded(); "" where that is not known.

        Raises:
            AppError: CHAT_NOT_FOUND.
        """
        with self._write_chat(chat_id) as connection:
            connection.execute(
                """INSERT OR IGNORE INTO documents(chat_id, name, sha256, text, created_at, structure)
                   VALUES (?, ?, ?, ?, ?, ?)""",
                (chat_id, storable(name), sha256, storable(text), self._clock(), structure or None),
            )

    def documents(self, chat_id: ChatId) -> list[Document]:
        """Return the documents of a conversation in the order in which they were added."""
        with self._database.read() as connection:
            rows = connection.execute(
                """SELECT id, name, sha256, text, created_at, coalesce(structure, '') FROM documents
                   WHERE chat_id = ? ORDER BY id""",
                (chat_id,),
            ).fetchall()
        return [Document(DocumentId(row[0]), *row[1:]) for row in rows]

    def remove_document(self, document_id: DocumentId) -> None:
        """Take a document out of its conversation; passages that were read before stay with their messages."""
        with self._database.write() as connection:
            connection.execute("DELETE FROM documents WHERE id = ?", (document_id,))
        self._database.empty_log()

    def recover(self) -> int:
        """Mark the answers that a killed process left unfinished; call once at start. Returns how many."""
        with self._database.write() as connection:
            search.ensure(connection)
            # Written out: only then does SQLite use the index of streaming messages.
            left = connection.execute("SELECT id, text FROM messages WHERE state = 'streaming'").fetchall()
            connection.execute("UPDATE messages SET state = 'interrupted' WHERE state = 'streaming'")
            for message_id, text in left:
                search.index_message(connection, message_id, text)
            return len(left)

    @contextmanager
    def _write_chat(self, chat_id: ChatId) -> Iterator[sqlite3.Connection]:
        with self._database.write() as connection:
            if connection.execute("SELECT 1 FROM chats WHERE id = ?", (chat_id,)).fetchone() is None:
                raise AppError(ErrorCode.CHAT_NOT_FOUND, chat_id=chat_id)
            yield connection

    def _add(
        self,
        connection: sqlite3.Connection,
        chat_id: ChatId,
        parent_id: int | None,
        role: MessageRole,
        state: MessageState,
        text: str,
        model: str | None,
    ) -> MessageId:
        """Add a message after `parent_id`; it is the one that is shown there."""
        now = self._clock()
        cursor = connection.execute(
            """INSERT INTO messages(chat_id, parent_id, role, state, created_at, model, text, checksum, chosen)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, (SELECT max(chosen) + 1 FROM messages WHERE chat_id = ?1))""",
            (chat_id, parent_id, role.value, state.value, now, model, text, checksum_of(text)),
        )
        connection.execute("UPDATE chats SET updated_at = ? WHERE id = ?", (now, chat_id))
        message_id = MessageId(_row_id(cursor))
        if state is not MessageState.STREAMING:
            search.index_message(connection, message_id, text)
        return message_id


def erase_chats(connection: sqlite3.Connection, chat_ids: Sequence[ChatId]) -> None:
    """Delete conversations with everything that belongs to them, their words in the index as well."""
    for chat_id in chat_ids:
        row = connection.execute("SELECT title FROM chats WHERE id = ?", (chat_id,)).fetchone()
        if row is None:
            continue
        search.forget_title(connection, chat_id, row[0])
        texts = connection.execute(
            "SELECT id, text FROM messages WHERE chat_id = ? AND state <> 'streaming'", (chat_id,)
        ).fetchall()
        search.forget_messages(connection, texts)
        connection.execute("DELETE FROM places WHERE chat_id = ?", (chat_id,))
        connection.execute("DELETE FROM chats WHERE id = ?", (chat_id,))


def _set_title(connection: sqlite3.Connection, chat_id: ChatId, title: str) -> None:
    before = connection.execute("SELECT title FROM chats WHERE id = ?", (chat_id,)).fetchone()[0]
    search.forget_title(connection, chat_id, before)
    connection.execute("UPDATE chats SET title = ? WHERE id = ?", (title, chat_id))
    search.index_title(connection, chat_id, title)


def title_from(text: str) -> str:
    """Return a title of at most TITLE_CHARS characters: the first line with text, cut at a word."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    line = " ".join(line.split())
    if len(line) <= TITLE_CHARS:
        return line
    head = line[: TITLE_CHARS - 1]
    cut = head if line[TITLE_CHARS - 1] == " " else head.rpartition(" ")[0] or head
    return cut.rstrip(" ,;:-") + "…"


def _title_by_hand(title: str) -> str:
    return " ".join(storable(title).split())[:_TITLE_CHARS_BY_HAND]


def _row_id(cursor: sqlite3.Cursor) -> int:
    assert cursor.lastrowid is not None
    return cursor.lastrowid
