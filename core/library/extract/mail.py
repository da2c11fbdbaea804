"""E-mail: single messages (.eml) and mailboxes (.mbox), message by message.

Knows RFC 5322 and MIME through Python's email package; attachments are named, not opened.
"""

import contextlib
import re
from collections.abc import Iterator
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesParser
from typing import Final

from core.events import Unit
from core.library.characters import one_line
from core.library.extract.builder import Builder
from core.library.extract.decoding import decode
from core.library.extract.html import read_markup
from core.library.extracted import BlockKind

_SHOWN: Final = ("From", "To", "Cc", "Date", "Subject")
_BORDER: Final = re.compile(rb"^From [^\n]*\d{4}[^\n]*\r?\n", re.M)
_MAX_PARTS: Final = 200
_MAX_HEADER_CHARS: Final = 2_000
_TICK_EVERY: Final = 200


def read_message(builder: Builder, content: bytes) -> None:
    """Add one message."""
    _add(builder, content)


def read_mailbox(builder: Builder, content: bytes) -> None:
    """Add all messages of a mailbox, each under its subject."""
    builder.unit = Unit.MESSAGE
    for number, (start, end) in enumerate(_messages(content), 1):
        if number % _TICK_EVERY == 0:
            builder.tick(start, len(content))
        first = len(builder.blocks)
        builder.at(number)
        subject = _add(builder, content[start:end].replace(b"\n>From ", b"\nFrom "))
        builder.label_since(first, subject)


def _messages(content: bytes) -> Iterator[tuple[int, int]]:
    """Yield where each message begins and ends, without the line before it."""
    start: int | None = None
    for match in _BORDER.finditer(content):
        if start is not None:
            yield start, match.start()
        start = match.end()
    if start is not None:
        yield start, len(content)


def _add(builder: Builder, content: bytes) -> str:
    """Add a message and return its subject."""
    message = BytesParser().parsebytes(content)
    headers = [(name, value) for name in _SHOWN if (value := _header(message, name))]
    for index, (name, value) in enumerate(headers):
        builder.paragraph(f"{name}: {value}", BlockKind.HEADER, glue="\n" if index else None)
    subject = dict(headers).get("Subject", "")
    body, attachments = _parts(message)
    if body is not None:
        text = _text(body)
        if body.get_content_type() == "text/html":
            read_markup(builder, text, with_title=False)
        else:
            _add_plain(builder, text)
    for name in attachments:
        builder.paragraph(f"Attachment: {name}", BlockKind.HEADER)
    return subject


def _header(message: Message, name: str) -> str:
    value = message.get(name)
    if value is None:
        return ""
    text = str(value)[:_MAX_HEADER_CHARS]
    if "=?" in text:
        with contextlib.suppress(HeaderParseError, LookupError, ValueError):
            text = str(make_header(decode_header(text)))
    elif not text.isascii():
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return one_line(text)


def _parts(message: Message) -> tuple[Message | None, list[str]]:
    """Return the part with the text, plain before HTML, and the names of what is attached."""
    plain: Message | None = None
    rich: Message | None = None
    attachments: list[str] = []
    for count, part in enumerate(message.walk()):
        if count > _MAX_PARTS:
            break
        if part.is_multipart():
            continue
        name = part.get_filename()
        kind = part.get_content_type()
        if name or part.get_content_disposition() == "attachment" or not kind.startswith("text/"):
            if name:
                attachments.append(one_line(str(name))[:200])
        elif kind == "text/html":
            rich = part if rich is None else rich
        else:
            plain = part if plain is None else plain
    return (rich if plain is None else plain), attachments


def _text(part: Message) -> str:
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    return decode(payload.replace(b"\0", b""), part.get_content_charset())


def _add_plain(builder: Builder, text: str) -> None:
    """Add the text of a message: what stands between blank lines is a paragraph, its lines stay."""
    for paragraph in re.split(r"\r?\n[ \t]*\r?\n", text):
        builder.paragraph(paragraph, keeps_lines=True)
