"""Our own export as JSON: complete, and read back without loss.

The file is one object: "format" is "tern-chats", "version" is 1, "chats" is a list. Each chat has
  "chat"       title, created_at, updated_at (seconds since 1970), pinned_at, deleted_at (in the trash since)
  "folder"     the folder's name, or null
  "messages"   in the order in which they were written: number (from 1), parent (the number of the message that it
               follows, or null), role ("user" or "assistant"), state, created_at, model, text, context (the passages
               that were read with a prompt), deleted_at, and for answers reply: model, token_ids, stop_reason, seed,
               stats, params
  "documents"  name, sha256 of the file, text, created_at
  "overrides"  preset and system_prompt, where the chat has its own
  "scope"      answer_from and collections (their numbers on this computer), where the chat has its own
  "place"      the draft that was not sent, and where the chat was scrolled to
Every object may have more keys, named like the columns of the history; unknown ones are passed over. context,
token_ids, stats and params are JSON inside a string, as the history keeps them.
"""

import json
from collections.abc import Mapping, Sequence
from typing import IO, Final

from core.events import CancelToken, Emit, ExchangeProgress, Interrupted
from core.exchange.archive import ArchivedChat, ArchivedMessage, ArchiveError, Scalar, Values, read_chat
from core.store.chats import ChatId
from core.store.database import Database

FORMAT: Final = "tern-chats"
VERSION: Final = 1


def write_json(file: IO[bytes], database: Database, chat_ids: Sequence[ChatId], cancel: CancelToken, emit: Emit) -> int:
    """Write conversations with everything the history has of them, one at a time; returns how many.

    Raises:
        Interrupted: `cancel` was cancelled.
    """
    n_written = 0
    file.write(f'{{"format": "{FORMAT}", "version": {VERSION}, "chats": ['.encode())
    for number, chat_id in enumerate(chat_ids):
        if cancel.is_cancelled:
            raise Interrupted
        chat = read_chat(database, chat_id)
        if chat is not None:
            text = json.dumps(_as_json(chat), ensure_ascii=False, indent=1)
            file.write(("," if n_written else "").encode() + b"\n" + text.encode("utf-8", "replace"))
            n_written += 1
        emit(ExchangeProgress(number + 1, len(chat_ids)))
    file.write(b"\n]}\n")
    return n_written


def chats_from(data: Mapping[str, object]) -> list[ArchivedChat]:
    """Read what write_json has written.

    Raises:
        ArchiveError: why it cannot be read.
    """
    version = data.get("version")
    if version != VERSION:
        raise ArchiveError(f"it has version {version if isinstance(version, int) else '?'}; {VERSION} can be read")
    return [_from_json(each) for each in _list(data, "chats")]


def _as_json(chat: ArchivedChat) -> dict[str, object]:
    messages = []
    for number, message in enumerate(chat.messages, 1):
        shown: dict[str, object] = {"number": number, "parent": message.parent, **message.values}
        if message.reply is not None:
            shown["reply"] = message.reply
        messages.append(shown)
    made: dict[str, object] = {"chat": chat.values, "folder": chat.folder, "messages": messages}
    made["documents"] = list(chat.documents)
    if chat.overrides is not None:
        made["overrides"] = chat.overrides
    if chat.scope is not None:
        made["scope"] = chat.scope
    if chat.place is not None:
        made["place"] = chat.place
    return made


def _from_json(data: object) -> ArchivedChat:
    if not isinstance(data, dict):
        raise ArchiveError("a chat is not an object")
    values = _values(data.get("chat"))
    folder = data.get("folder")
    if not isinstance(folder, str | None):
        raise ArchiveError("the name of a folder is not text")
    return ArchivedChat(
        values,
        tuple(_message(each) for each in _list(data, "messages")),
        folder,
        tuple(_values(each) for each in _list(data, "documents")),
        _values(data["overrides"]) if data.get("overrides") is not None else None,
        _values(data["scope"]) if data.get("scope") is not None else None,
        _values(data["place"]) if data.get("place") is not None else None,
    )


def _message(data: object) -> ArchivedMessage:
    if not isinstance(data, dict):
        raise ArchiveError("a message is not an object")
    parent = data.get("parent")
    if isinstance(parent, bool) or not isinstance(parent, int | None):
        raise ArchiveError("the number of a message is not a number")
    reply = data.get("reply")
    rest = {key: value for key, value in data.items() if key not in ("number", "parent", "reply")}
    return ArchivedMessage(_values(rest), parent, None if reply is None else _values(reply))


def _values(data: object) -> Values:
    """Return the keys that hold plain values; nested ones are a later version's and are passed over."""
    if not isinstance(data, dict):
        raise ArchiveError("a row is not an object")
    plain: dict[str, Scalar] = {}
    for key, value in data.items():
        if value is None or isinstance(value, str | int | float):
            plain[key] = value
    return plain


def _list(data: Mapping[str, object], key: str) -> list[object]:
    found = data.get(key, [])
    if not isinstance(found, list):
        raise ArchiveError(f"{key} is not a list")
    return found
