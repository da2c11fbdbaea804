"""Conversations into a file: our JSON, Markdown or HTML.

Knows how a file comes to be whole or not at all; must not know how a conversation looks (pages.py, tern_json.py).
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import IO

from core.errors import AppError, ErrorCode
from core.events import CancelToken, Emit, ExchangeProgress, Interrupted
from core.exchange.archive import ArchivedChat, read_chat
from core.exchange.pages import HTML_END, Labels, as_markdown, html_body, html_head
from core.exchange.tern_json import write_json
from core.settings import sync_directory
from core.store.chats import ChatId
from core.store.database import Database


class ExportFormat(StrEnum):
    """What core itself can write."""

    JSON = "json"
    MARKDOWN = "md"
    HTML = "html"


def export_chats(
    database: Database,
    chat_ids: Sequence[ChatId],
    target: Path,
    file_format: ExportFormat,
    labels: Labels,
    cancel: CancelToken,
    emit: Emit,
) -> int:
    """Write conversations to `target`, which appears whole or not at all; returns how many. Emits ExchangeProgress.

    Raises:
        AppError: OUTPUT_UNWRITABLE, DATABASE_*.
        Interrupted: `cancel` was cancelled.
    """
    with whole_file(target) as file:
        if file_format is ExportFormat.JSON:
            return write_json(file, database, chat_ids, cancel, emit)
        n_written = 0
        if file_format is ExportFormat.HTML:
            file.write(html_head(target.stem).encode("utf-8", "replace"))
        for chat in chats_of(database, chat_ids, cancel, emit):
            is_page = file_format is ExportFormat.HTML
            text = html_body(chat, labels) if is_page else as_markdown(chat, labels)
            file.write((text + "\n").encode("utf-8", "replace"))
            n_written += 1
        if file_format is ExportFormat.HTML:
            file.write(HTML_END.encode())
        return n_written


def chats_of(database: Database, chat_ids: Sequence[ChatId], cancel: CancelToken, emit: Emit) -> Iterator[ArchivedChat]:
    """Yield conversations one at a time; those that are gone are passed over.

    Raises:
        Interrupted: `cancel` was cancelled.
    """
    for number, chat_id in enumerate(chat_ids):
        if cancel.is_cancelled:
            raise Interrupted
        chat = read_chat(database, chat_id)
        if chat is not None:
            yield chat
        emit(ExchangeProgress(number + 1, len(chat_ids)))


@contextlib.contextmanager
def whole_file(target: Path) -> Iterator[IO[bytes]]:
    """Give a file to write to, which takes the place of `target` when the block ends well.

    Raises:
        AppError: OUTPUT_UNWRITABLE; what was at `target` is untouched.
    """
    unfinished = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    try:
        with unfinished.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(target)
        sync_directory(target.parent)
    except OSError as exc:
        raise AppError(ErrorCode.OUTPUT_UNWRITABLE, path=target, reason=exc.strerror or str(exc)) from exc
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
