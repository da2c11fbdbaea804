"""From a file that claims to hold conversations to conversations in the history.

Knows which program's export a file is by its content, the bounds that every file must keep, and the order of reading,
looking and storing; must not know windows. Reading changes nothing; storing is undone when it is stopped half way.
"""

import json
import re
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, Final, NoReturn

from core.errors import AppError, ErrorCode
from core.events import CancelToken, Emit, ExchangeProgress, Interrupted
from core.exchange import foreign, gpt4all, tern_json
from core.exchange.archive import ArchivedChat, ArchiveError, add_chat, is_there
from core.store.chats import ChatId
from core.store.database import Database
from core.store.history import HistoryStore

MAX_BYTES: Final = 512 << 20  # of JSON; in memory it takes several times that
MAX_CHATS: Final = 200_000
_MAX_MEMBERS: Final = 100_000
_BLOCK: Final = 1 << 20
# ChatGPT's own name, and the numbered ones of large exports.
_CONVERSATIONS: Final = re.compile(r"(?:.*/)?conversations(?:-\d+)?\.json")


class Source(StrEnum):
    """Which program an export is from."""

    TERN = "tern"
    CHATGPT = "chatgpt"
    GPT4ALL = "gpt4all"
    LM_STUDIO = "lm_studio"


@dataclass(frozen=True, slots=True)
class Import:
    """What a file holds: the new conversations, how many are in the history already, and what has no place here."""

    path: Path
    source: Source
    chats: tuple[ArchivedChat, ...]
    already_there: int
    left_out: int  # messages: other branches, tools, pictures

    @property
    def n_messages(self) -> int:
        """How many messages would be added."""
        return sum(len(chat.messages) for chat in self.chats)


def read_import(path: Path, database: Database, cancel: CancelToken) -> Import:
    """Read an export of ChatGPT (also inside its .zip), GPT4All (.chat), LM Studio or Tern; nothing is stored.

    Raises:
        AppError: CHATS_UNREADABLE, CHATS_NONE.
        Interrupted: `cancel` was cancelled.
    """
    try:
        source, found = _read(path, cancel)
    except ArchiveError as exc:
        _refuse(path, str(exc))
    except RecursionError:
        _refuse(path, "it is nested too deeply")
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as exc:
        _refuse(path, "the ZIP file is damaged or locked", exc)
    except UnicodeDecodeError as exc:
        _refuse(path, "it is not text in UTF-8", exc)
    except ValueError as exc:  # of json, after the more telling ones
        _refuse(path, "it is not JSON", exc)
    except OSError as exc:
        _refuse(path, exc.strerror or str(exc), exc)
    if len(found.chats) > MAX_CHATS:
        _refuse(path, "it has too many conversations")
    new = []
    for chat in found.chats:
        _check(cancel)
        if not is_there(database, chat):
            new.append(chat)
    if not found.chats:
        raise AppError(ErrorCode.CHATS_NONE, path=path)
    return Import(path, source, tuple(new), len(found.chats) - len(new), found.left_out)


def store_import(
    database: Database, path: Path, chats: Sequence[ArchivedChat], cancel: CancelToken, emit: Emit
) -> list[ChatId]:
    """Store conversations as new ones; stopped or refused half way, none of them stays. Emits ExchangeProgress.

    Raises:
        AppError: CHATS_UNREADABLE, and what the store raises.
        Interrupted: `cancel` was cancelled.
    """
    added: list[ChatId] = []
    try:
        for number, chat in enumerate(chats):
            _check(cancel)
            added.append(add_chat(database, chat))
            emit(ExchangeProgress(number + 1, len(chats)))
    except BaseException as exc:
        HistoryStore(database).erase(added)
        if isinstance(exc, ArchiveError):
            _refuse(path, str(exc), exc)
        raise
    return added


def _read(path: Path, cancel: CancelToken) -> tuple[Source, foreign.Foreign]:
    with path.open("rb") as file:
        start = file.read(4)
        file.seek(0)
        if start == b"PK\x03\x04":
            return _read_zip(file, cancel)
        content = _read_bounded(file, cancel)
    if start == gpt4all.MAGIC:
        chat = gpt4all.gpt4all_chat(content)
        return Source.GPT4ALL, foreign.Foreign([chat] if chat.messages else [], 0)
    return _from_json(content)


def _read_zip(file: IO[bytes], cancel: CancelToken) -> tuple[Source, foreign.Foreign]:
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if len(members) > _MAX_MEMBERS:
            raise ArchiveError("the ZIP file has too many parts")
        wanted = [each for each in members if _CONVERSATIONS.fullmatch(each.filename)]
        if not wanted:
            raise ArchiveError("there is no conversations.json in the ZIP file")
        chats: list[ArchivedChat] = []
        left_out, room = 0, MAX_BYTES
        for member in sorted(wanted, key=lambda each: each.filename):
            with archive.open(member) as part:
                content = _read_bounded(part, cancel, room)
            room -= len(content)
            source, found = _from_json(content)
            chats += found.chats
            left_out += found.left_out
    return source, foreign.Foreign(chats, left_out)


def _read_bounded(file: IO[bytes], cancel: CancelToken, limit: int = MAX_BYTES) -> bytes:
    """Read all of a file; what it says about its size is not believed."""
    blocks: list[bytes] = []
    n_bytes = 0
    while block := file.read(_BLOCK):
        _check(cancel)
        n_bytes += len(block)
        if n_bytes > limit:
            raise ArchiveError(f"it is larger than {MAX_BYTES >> 20} MB")
        blocks.append(block)
    return b"".join(blocks)


def _from_json(content: bytes) -> tuple[Source, foreign.Foreign]:
    data = json.loads(content.decode("utf-8-sig"), parse_constant=_no_constant)
    match data:
        case {"format": tern_json.FORMAT}:
            return Source.TERN, foreign.Foreign(tern_json.chats_from(data), 0)
        case {"mapping": dict()}:
            return Source.CHATGPT, foreign.chatgpt_chats([data])
        case {"messages": list()}:
            return Source.LM_STUDIO, foreign.lm_studio_chat(data)
        case list() if not data or (isinstance(data[0], dict) and "mapping" in data[0]):
            return Source.CHATGPT, foreign.chatgpt_chats(data)
        case _:
            raise ArchiveError("it is not an export that Tern knows")


def _no_constant(name: str) -> NoReturn:
    raise ArchiveError(f"{name} is no number")


def _check(cancel: CancelToken) -> None:
    if cancel.is_cancelled:
        raise Interrupted


def _refuse(path: Path, reason: str, cause: BaseException | None = None) -> NoReturn:
    raise AppError(ErrorCode.CHATS_UNREADABLE, path=path, reason=reason) from cause
