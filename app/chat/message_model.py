"""The rows of the open conversation as values, and what changed about them.

Knows messages and how a stored one reads; must not know widgets, jobs or the store. Lives on the window's thread.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from PySide6.QtCore import QObject, Signal

from app import notices
from core.events import Passage, StopReason
from core.store.chats import Message, MessageRole, MessageState


class RowKind(Enum):
    """What a row is."""

    USER = auto()
    ANSWER = auto()
    PASSAGES = auto()  # what the model read with the question above
    NOTE = auto()  # a sentence of Tern's own between messages
    ERROR = auto()


@dataclass(slots=True)
class Row:
    """One row; `note` stands under an answer, `activity` in place of one that has not begun."""

    kind: RowKind
    text: str = ""
    note: str = ""
    activity: str = ""
    is_streaming: bool = False
    error: BaseException | None = None
    message_id: int = 0  # 0: not stored yet, or a row of Tern's own
    passages: tuple[Passage, ...] = ()  # of a PASSAGES row, and of the answer that they were read for
    siblings: tuple[int, ...] = ()  # ids of all messages in its place, its own among them
    message: Message | None = None  # as it is stored; None while it is being written
    is_cut: bool = False  # the answer ended before the model was done
    is_closest: bool = False  # of a PASSAGES row: the documents most likely do not say what was asked


class MessageModel(QObject):
    """The rows in order. Signals carry the index of the row."""

    reset = Signal()
    appended = Signal(int)
    changed = Signal(int)
    text_added = Signal(int, str)
    replaced = Signal(int)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows: list[Row] = []

    @property
    def rows(self) -> Sequence[Row]:
        """All rows, the oldest first."""
        return self._rows

    def set_messages(self, messages: Sequence[Message]) -> None:
        """Show a stored conversation."""
        self._rows = rows_of(messages)
        self.reset.emit()

    def clear(self) -> None:
        """Show nothing."""
        self._rows = []
        self.reset.emit()

    def append(self, row: Row) -> int:
        """Add a row at the end and return its index."""
        self._rows.append(row)
        self.appended.emit(len(self._rows) - 1)
        return len(self._rows) - 1

    def insert(self, index: int, row: Row) -> None:
        """Add a row before `index`."""
        self._rows.insert(index, row)
        self.reset.emit()

    def remove(self, index: int) -> None:
        """Take a row away."""
        del self._rows[index]
        self.reset.emit()

    def truncate(self, index: int) -> None:
        """Take the rows from `index` on away."""
        del self._rows[index:]
        self.reset.emit()

    def mark_stored(self, index: int, message_id: int, siblings: Sequence[int]) -> None:
        """Note under which id a row is stored, and what else stands in its place."""
        row = self._rows[index]
        row.message_id, row.siblings = message_id, tuple(siblings)
        self.changed.emit(index)

    def reopen(self, index: int) -> None:
        """Show that an answer goes on."""
        row = self._rows[index]
        row.is_streaming, row.note, row.activity = True, "", ""
        self.changed.emit(index)

    def add_text(self, index: int, text: str) -> None:
        """Append to an answer that streams."""
        row = self._rows[index]
        had_activity, row.activity = bool(row.activity), ""
        row.text += text
        if had_activity:
            self.changed.emit(index)
        self.text_added.emit(index, text)

    def set_activity(self, index: int, activity: str) -> None:
        """Say what is going on while an answer has no text yet."""
        if self._rows[index].activity != activity:
            self._rows[index].activity = activity
            self.changed.emit(index)

    def replace(self, index: int) -> None:
        """Show a row whose text is another one now."""
        self.replaced.emit(index)

    def finish(self, index: int, note: str) -> None:
        """Mark an answer as ended."""
        row = self._rows[index]
        row.is_streaming, row.activity, row.note = False, "", note
        self.changed.emit(index)


def rows_of(messages: Sequence[Message]) -> list[Row]:
    """Return the rows of a stored conversation: passages stand under the question that they were read with."""
    rows: list[Row] = []
    passages: tuple[Passage, ...] = ()
    for message in messages:
        if message.role is MessageRole.USER:
            passages = message.context
            rows.append(_row(RowKind.USER, message))
            if passages:
                rows.append(Row(RowKind.PASSAGES, passages=passages))
        else:
            if rows and rows[-1].kind is RowKind.PASSAGES:
                is_refusal = message.reply is not None and message.reply.stop_reason is StopReason.NOT_IN_DOCUMENTS
                rows[-1].is_closest = is_refusal
            rows.append(_row(RowKind.ANSWER, message, passages))
    return rows


def _row(kind: RowKind, message: Message, passages: tuple[Passage, ...] = ()) -> Row:
    row = Row(kind, message.text, passages=passages)
    bind(row, message)
    return row


def bind(row: Row, message: Message) -> None:
    """Give a row what is stored of its message, beside the text."""
    row.message, row.message_id, row.siblings = message, message.id, message.siblings
    if row.kind is RowKind.ANSWER:
        row.is_cut, row.note = message.is_cut, note_of(message, has_passages=bool(row.passages))


def note_of(message: Message, *, has_passages: bool = True) -> str:
    """Return what stands under an answer that did not end by itself."""
    if message.is_damaged:
        return "Damaged: this is not what was saved. A backup may have it (File menu)."
    match message.state:
        case MessageState.INTERRUPTED | MessageState.STREAMING:
            return "Interrupted: Tern ended while this was being written. What was saved is above."
        case MessageState.FAILED:
            return "This answer failed. What was written before is kept."
        case MessageState.STOPPED:
            return "You stopped this answer."
        case MessageState.DONE:
            if message.reply is not None and message.reply.stop_reason is StopReason.NOT_IN_DOCUMENTS:
                return notices.not_in_documents(has_passages=has_passages)
            return notices.ending(message.reply.stop_reason) if message.reply else ""
