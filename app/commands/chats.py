"""`tern chats`: the conversations in the history; list, search, export and import them.

Knows how to ask and to report; what conversations are and how files are read is core's.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from app import wiring
from app.commands.interrupts import interrupts_cancel
from app.commands.output import Output, printable
from app.commands.problems import EXIT_OK, UsageError
from core.errors import AppError, ErrorCode
from core.events import CancelToken, Emit, ExchangeProgress, Interrupted
from core.exchange.archive import all_chat_ids
from core.exchange.exporting import ExportFormat, export_chats
from core.exchange.importing import Source, read_import, store_import
from core.exchange.pages import Labels
from core.instance import InstanceLock
from core.paths import AppPaths
from core.store import search
from core.store.chats import Chat, ChatId

_T = TypeVar("_T")
_UNTITLED = "New chat"
_PROGRAMS = {
    Source.TERN: "Tern",
    Source.CHATGPT: "ChatGPT",
    Source.GPT4ALL: "GPT4All",
    Source.LM_STUDIO: "LM Studio",
}


def run(arguments: argparse.Namespace, paths: AppPaths, out: Output) -> int:
    """Do what the action of the command line asks for.

    Raises:
        AppError: ALREADY_RUNNING, CHATS_*, CHAT_NOT_FOUND, OUTPUT_UNWRITABLE, DATABASE_*, DISK_FULL.
        UsageError: the file's ending says no format.
        KeyboardInterrupt: Ctrl-C; nothing was changed.
    """
    actions: dict[str, Callable[[argparse.Namespace, wiring.Services, Output], None]] = {
        "list": _list,
        "search": _search,
        "export": _export,
        "import": _import,
    }
    paths.create()
    lock = InstanceLock.acquire(paths.lock)
    try:
        services = wiring.build_services(paths)
        try:
            search.fill(services.database, CancelToken())
            actions[arguments.action](arguments, services, out)
        finally:
            services.close()
    finally:
        lock.release()
    return EXIT_OK


def _list(arguments: argparse.Namespace, services: wiring.Services, out: Output) -> None:
    chats = services.store.chats()
    if arguments.json:
        listed = [{"id": chat.id, "title": chat.title, "updated_at": chat.updated_at} for chat in chats]
        out.line(json.dumps(listed, indent=2))
        return
    for chat in chats:
        out.line(f"{chat.id:>6}  {_day(chat.updated_at)}  {printable(chat.title or _UNTITLED)}")
    if not chats:
        out.line("no conversations yet")


def _search(arguments: argparse.Namespace, services: wiring.Services, out: Output) -> None:
    hits = services.history.search(" ".join(arguments.words), limit=arguments.limit)
    if arguments.json:
        out.line(json.dumps([_hit_as_json(hit) for hit in hits], indent=2))
        return
    for hit in hits:
        out.line(f"{hit.chat_id:>6}  {_day(hit.created_at)}  {printable(hit.title or _UNTITLED)}")
        if hit.message_id is not None:
            out.line(f"        {printable(hit.snippet)}")
    if not hits:
        out.line("nothing found")


def _hit_as_json(hit: search.Hit) -> dict[str, object]:
    return {
        "chat": hit.chat_id,
        "message": hit.message_id,
        "title": hit.title,
        "snippet": hit.snippet,
        "marks": hit.marks,
    }


def _export(arguments: argparse.Namespace, services: wiring.Services, out: Output) -> None:
    target: Path = arguments.path
    try:
        file_format = ExportFormat(target.suffix.lower().removeprefix("."))
    except ValueError:
        raise UsageError("the file's ending says the format: .json, .md or .html") from None
    ids = _chosen(arguments.chat, services.store.chats())
    if not arguments.chat and file_format is ExportFormat.JSON:
        ids = all_chat_ids(services.database)  # the one format that holds everything has the trash too
    n_chats = _stoppable(
        lambda cancel, emit: export_chats(services.database, ids, target, file_format, _labels(), cancel, emit),
        "exporting",
        out,
    )
    out.line(f"{n_chats} conversations are in {target}")


def _import(arguments: argparse.Namespace, services: wiring.Services, out: Output) -> None:
    path: Path = arguments.path
    found = _stoppable(lambda cancel, _emit: read_import(path, services.database, cancel), "reading", out)
    out.line(
        f"{_PROGRAMS[found.source]}: {len(found.chats)} new conversations with {found.n_messages} messages, "
        f"{found.already_there} here already, {found.left_out} messages left out"
    )
    if arguments.dry_run or not found.chats:
        return
    added = _stoppable(
        lambda cancel, emit: store_import(services.database, path, found.chats, cancel, emit), "importing", out
    )
    out.line(f"{len(added)} conversations imported")


def _chosen(wanted: Sequence[int] | None, chats: Sequence[Chat]) -> list[ChatId]:
    known = {int(chat.id): chat.id for chat in chats}
    for each in wanted or ():
        if each not in known:
            raise AppError(ErrorCode.CHAT_NOT_FOUND, chat_id=each)
    return [known[each] for each in wanted] if wanted else [chat.id for chat in reversed(chats)]


def _stoppable(work: Callable[[CancelToken, Emit], _T], verb: str, out: Output) -> _T:
    """Run `work`, showing how far it is, so that Ctrl-C ends it in an orderly way."""
    cancel = CancelToken()

    def emit(event: object) -> None:
        if isinstance(event, ExchangeProgress) and event.done % 50 == 0:
            out.status(f"{verb} {event.done} of {event.total}")

    try:
        with interrupts_cancel(cancel):
            return work(cancel, emit)
    except Interrupted:
        raise KeyboardInterrupt from None
    finally:
        out.wipe_status()


def _labels() -> Labels:
    return Labels("You", "Tern", _UNTITLED, "Sources", lambda when: f"{when:%Y-%m-%d %H:%M}")


def _day(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds):%Y-%m-%d}"
