"""A conversation as values that hold everything the history has of it, and those values as rows.

Knows the tables' columns by asking for them, so that what a later version adds is carried along; must not know files.
Ids do not leave the history: messages are numbered from 1 within their conversation, a folder goes by its name.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from core.store import search
from core.store.chats import ChatId
from core.store.database import Database
from core.store.documents import storable
from core.store.history import folder_name
from core.store.migrations import checksum_of

Scalar = str | int | float | None
Values = Mapping[str, Scalar]

# Columns that say where a row is, not what it holds.
_PLACES: Final[Mapping[str, frozenset[str]]] = {
    "chats": frozenset({"id", "folder_id"}),
    "messages": frozenset({"id", "chat_id", "parent_id", "checksum"}),
    "replies": frozenset({"message_id"}),
    "documents": frozenset({"id", "chat_id"}),
    "chat_overrides": frozenset({"chat_id"}),
    "chat_scopes": frozenset({"chat_id"}),
    "places": frozenset({"chat_id"}),
}
_TYPES: Final[Mapping[str, tuple[type, ...]]] = {"TEXT": (str,), "INTEGER": (int,), "REAL": (int, float)}
_MOST: Final = 2**63


class ArchiveError(ValueError):
    """A conversation that does not fit the tables; the text says why, without any of its content."""


@dataclass(frozen=True, slots=True)
class ArchivedMessage:
    """One message: its columns, the number of the message that it follows, and the columns of its record."""

    values: Values
    parent: int | None = None
    reply: Values | None = None


@dataclass(frozen=True, slots=True)
class ArchivedChat:
    """One conversation with all that belongs to it."""

    values: Values
    messages: tuple[ArchivedMessage, ...]
    folder: str | None = None
    documents: tuple[Values, ...] = ()
    overrides: Values | None = None
    scope: Values | None = None
    place: Values | None = None

    @property
    def title(self) -> str:
        """What it is called; may be empty."""
        return str(self.values.get("title") or "")

    @property
    def created_at(self) -> float:
        """When it began, seconds since 1970."""
        return float(self.values.get("created_at") or 0.0)


def read_chat(database: Database, chat_id: ChatId) -> ArchivedChat | None:
    """Return a conversation with everything; None when it is not there."""
    with database.read() as connection:
        found = _rows(connection, "chats", "id", [chat_id])
        if not found:
            return None
        folder = connection.execute(
            "SELECT f.name FROM chats AS c JOIN folders AS f ON f.id = c.folder_id WHERE c.id = ?", (chat_id,)
        ).fetchone()
        ids = connection.execute(
            "SELECT id, parent_id FROM messages WHERE chat_id = ? ORDER BY id", (chat_id,)
        ).fetchall()
        numbers = {message_id: number for number, (message_id, _parent) in enumerate(ids, 1)}
        messages = []
        for message_id, parent_id in ids:
            reply = _rows(connection, "replies", "message_id", [message_id])
            values = _rows(connection, "messages", "id", [message_id])[0]
            messages.append(ArchivedMessage(values, numbers.get(parent_id), reply[0] if reply else None))
        documents = _rows(connection, "documents", "chat_id", [chat_id])
        overrides = _rows(connection, "chat_overrides", "chat_id", [chat_id])
        scope = _rows(connection, "chat_scopes", "chat_id", [chat_id])
        place = _rows(connection, "places", "chat_id", [chat_id])
    return ArchivedChat(
        found[0],
        tuple(messages),
        None if folder is None else folder[0],
        tuple(documents),
        overrides[0] if overrides else None,
        scope[0] if scope else None,
        place[0] if place else None,
    )


def all_chat_ids(database: Database) -> list[ChatId]:
    """Return every conversation, the oldest first, those in the trash too."""
    with database.read() as connection:
        return [ChatId(row[0]) for row in connection.execute("SELECT id FROM chats ORDER BY id")]


def is_there(database: Database, chat: ArchivedChat) -> bool:
    """Tell whether a conversation with the same beginning in time and the same texts is in the history already."""
    wanted = [checksum_of(storable(str(message.values.get("text") or ""))) for message in chat.messages]
    with database.read() as connection:
        for (chat_id,) in connection.execute("SELECT id FROM chats WHERE created_at = ?", (chat.created_at,)):
            rows = connection.execute("SELECT checksum FROM messages WHERE chat_id = ? ORDER BY id", (chat_id,))
            if [row[0] for row in rows] == wanted:
                return True
    return False


def add_chat(database: Database, chat: ArchivedChat) -> ChatId:
    """Store a conversation as a new one; it is on disk when this returns.

    Raises:
        ArchiveError: it does not fit the tables; nothing was stored.
    """
    with database.write() as connection:
        try:
            return _add(connection, chat)
        except (sqlite3.IntegrityError, OverflowError) as exc:
            raise ArchiveError("a conversation breaks a rule of the history") from exc


def _add(connection: sqlite3.Connection, chat: ArchivedChat) -> ChatId:
    folder_id = None if chat.folder is None else _folder(connection, chat.folder, chat.created_at)
    chat_id = ChatId(_insert(connection, "chats", chat.values, {"folder_id": folder_id}))
    search.index_title(connection, chat_id, storable(chat.title))
    ids: list[int] = []
    for message in chat.messages:
        ids.append(_add_message(connection, chat_id, message, ids))
    for document in chat.documents:
        _insert(connection, "documents", document, {"chat_id": chat_id})
    parts = (("chat_overrides", chat.overrides), ("chat_scopes", chat.scope), ("places", chat.place))
    for table, values in parts:
        if values is not None:
            _insert(connection, table, values, {"chat_id": chat_id})
    return chat_id


def _add_message(connection: sqlite3.Connection, chat_id: ChatId, message: ArchivedMessage, ids: Sequence[int]) -> int:
    text = storable(str(message.values.get("text") or ""))
    parent_id = None
    if message.parent is not None:
        if not 1 <= message.parent <= len(ids):
            raise ArchiveError("a message follows one that is not before it")
        parent_id = ids[message.parent - 1]
    values = dict(message.values)
    if values.get("state") == "streaming":
        values["state"] = "interrupted"
    links = {"chat_id": chat_id, "parent_id": parent_id, "checksum": checksum_of(text)}
    message_id = _insert(connection, "messages", values, links)
    search.index_message(connection, message_id, text)
    if message.reply is not None:
        _insert(connection, "replies", message.reply, {"message_id": message_id})
    return message_id


def _folder(connection: sqlite3.Connection, name: str, created_at: float) -> int:
    name = folder_name(name)
    row = connection.execute("SELECT id FROM folders WHERE name = ?", (name,)).fetchone()
    if row is not None:
        return int(row[0])
    return _insert(connection, "folders", {"name": name, "created_at": created_at}, {})


def _rows(connection: sqlite3.Connection, table: str, key: str, values: Iterable[int]) -> list[Values]:
    names = [name for name, _kind in _columns(connection, table) if name not in _PLACES[table]]
    order = "id" if table in ("messages", "documents") else key
    found = connection.execute(f"SELECT {', '.join(names)} FROM {table} WHERE {key} = ? ORDER BY {order}", (*values,))
    return [dict(zip(names, row, strict=True)) for row in found]


def _insert(connection: sqlite3.Connection, table: str, values: Values, links: Mapping[str, int | None]) -> int:
    """Insert what the table has columns for; a value of another type is refused."""
    row: dict[str, Scalar] = dict(links)
    for name, kind in _columns(connection, table):
        value = values.get(name)
        if name in row or name in _PLACES.get(table, frozenset({"id"})) or value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, _TYPES[kind]):
            raise ArchiveError(f"{table}.{name} has another type")
        if isinstance(value, int | float) and not -_MOST <= value < _MOST:
            raise ArchiveError(f"{table}.{name} is out of range")
        row[name] = storable(value) if isinstance(value, str) else value
    names = ", ".join(row)
    marks = ", ".join("?" * len(row))
    cursor = connection.execute(f"INSERT INTO {table}({names}) VALUES ({marks})", tuple(row.values()))
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def _columns(connection: sqlite3.Connection, table: str) -> list[tuple[str, str]]:
    return [(row[1], row[2]) for row in connection.execute(f"PRAGMA table_info({table})")]
