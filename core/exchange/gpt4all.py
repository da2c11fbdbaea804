"""Conversations of GPT4All: its .chat files, which are Qt data streams.

Knows format versions 1 to 12 as GPT4All's own source reads them (gpt4all-chat/src: chatlistmodel.cpp, chat.cpp,
chatllm.cpp, chatmodel.cpp); there is no other description, and no JSON export in GPT4All itself. Every length is
checked against the bytes that are left before anything is taken.
"""

import struct
from datetime import UTC, datetime
from typing import Final

from core.exchange.archive import ArchivedChat, ArchivedMessage, ArchiveError
from core.exchange.foreign import foreign_chat, foreign_message

MAGIC: Final = bytes.fromhex("F5D553CC")
_NEWEST: Final = 12
_MOST_ITEMS: Final = 100_000
_DEEPEST: Final = 20
_NULL: Final = 0xFFFFFFFF
_ANSWERS: Final = ("Response: ", "Text: ")  # of the parts of an answer, those that are its text


class _Stream:
    """A QDataStream of Qt 6: big-endian, strings as UTF-16 with their length in bytes."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    @property
    def is_at_end(self) -> bool:
        return self._at == len(self._content)

    def take(self, n_bytes: int) -> bytes:
        if not 0 <= n_bytes <= len(self._content) - self._at:
            raise ArchiveError("it ends too early")
        self._at += n_bytes
        return self._content[self._at - n_bytes : self._at]

    def int32(self) -> int:
        return int(struct.unpack(">i", self.take(4))[0])

    def uint32(self) -> int:
        return int(struct.unpack(">I", self.take(4))[0])

    def int64(self) -> int:
        return int(struct.unpack(">q", self.take(8))[0])

    def boolean(self) -> bool:
        return self.take(1) != b"\0"

    def blob(self) -> bytes:
        n_bytes = self.uint32()
        return b"" if n_bytes == _NULL else self.take(n_bytes)

    def text(self) -> str:
        return self.blob().decode("utf-16-be", "replace")

    def count(self, n: int) -> range:
        """Return a range of `n` items, of which each has at least a byte."""
        if not 0 <= n <= min(_MOST_ITEMS, len(self._content) - self._at):
            raise ArchiveError("it has an impossible number of items")
        return range(n)


def gpt4all_chat(content: bytes) -> ArchivedChat:
    """Read a .chat file.

    Raises:
        ArchiveError: why it cannot be read.
    """
    stream = _Stream(content)
    if stream.take(4) != MAGIC:
        raise ArchiveError("it is not a chat file of GPT4All")
    version = stream.int32()
    if not 1 <= version <= _NEWEST:
        raise ArchiveError(f"it has version {version}; 1 to {_NEWEST} can be read")
    created_at = float(stream.int64())
    stream.text()  # id
    title = stream.text()
    stream.text()  # the person's name
    model = stream.text()
    if version >= 3:
        for _ in stream.count(stream.uint32()):
            stream.text()  # names of document collections
    if version < 11:
        _skip_model_state(stream, version)
    messages: list[ArchivedMessage] = []
    for _ in stream.count(stream.int32()):
        kind, text = _item(stream, version)
        if text.strip() and kind in ("Prompt: ", "Response: "):
            is_prompt = kind == "Prompt: "
            messages.append(foreign_message(text, model, created_at, len(messages) or None, is_prompt=is_prompt))
    if not stream.is_at_end:
        raise ArchiveError("there is more in it than a chat")
    named = "" if title == "New Chat" else title
    return foreign_chat(named, _time_or_none(created_at), created_at, messages)


def _time_or_none(created_at: float) -> float:
    try:
        datetime.fromtimestamp(created_at, UTC)
    except (OverflowError, ValueError, OSError) as exc:
        raise ArchiveError("its date is impossible") from exc
    return created_at


def _skip_model_state(stream: _Stream, version: int) -> None:
    """Pass over what the model remembered, which later versions no longer keep."""
    has_state = stream.boolean() if version >= 6 else True
    if version >= 2:
        stream.int32()  # type of model
        stream.int32()  # version of its state
    stream.text()
    stream.text()
    stream.uint32()
    if not has_state:
        return
    if version < 4:
        stream.uint32()
    stream.uint32()
    if version >= 7:
        stream.uint32()
    if version < 9:
        stream.take(4 * stream.int64())  # logits
    stream.take(4 * stream.int64())  # tokens
    stream.blob()


def _item(stream: _Stream, version: int) -> tuple[str, str]:
    """Read one prompt or answer; returns its kind and its text."""
    if version < 12:
        stream.int32()
    kind = stream.text()
    text = stream.text()
    if version < 10:
        stream.text()  # the prompt again
    stream.text()  # an answer that the person would have preferred
    stream.take(4)  # four flags
    if version >= 11 and kind == "Response: ":
        stream.boolean()
    if version >= 8:
        for _ in stream.count(stream.int64()):
            for _ in range(7):
                stream.text()  # a source: collection, path, file, title, author, date, text
            stream.take(12)  # page, first and last line
    elif version >= 3:
        stream.text()
        for _ in stream.count(stream.uint32()):
            stream.text()
    if version >= 10:
        for _ in stream.count(stream.int64()):
            stream.blob()  # address of an attachment
            stream.blob()  # what was in it
    parts = []
    if version >= 12:
        parts = [_part(stream, 0) for _ in stream.count(stream.int64())]
    return kind, "\n\n".join(part for part in (*parts, text) if part.strip())


def _part(stream: _Stream, depth: int) -> str:
    """Read a part of an answer, which may have parts itself; returns what of it is text of the answer."""
    if depth > _DEEPEST:
        raise ArchiveError("its parts are nested too deeply")
    kind = stream.text()
    value = stream.text()
    if kind == "Think: ":
        stream.int32()  # milliseconds
    elif kind == "ToolCall: ":
        raise ArchiveError("it has calls of tools, which cannot be read")
    elif kind not in ("Response: ", "ToolResponse: ", "Text: "):
        raise ArchiveError("it has parts of an unknown kind")
    inner = [_part(stream, depth + 1) for _ in stream.count(stream.int64())]
    return "\n\n".join(part for part in (*inner, value if kind in _ANSWERS else "") if part.strip())
