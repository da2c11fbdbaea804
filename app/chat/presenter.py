"""Turns what the person does in a conversation into jobs, and what the jobs tell into rows.

Knows the order of one exchange as the window sees it; must not know widgets' insides, SQL or models. Everything here
runs on the window's thread.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QElapsedTimer, QObject, Signal

from app import notices
from app.chat.message_model import MessageModel, Row, RowKind
from app.jobs import JobRunner
from core.events import (
    CancelToken,
    Emit,
    HistoryTrimmed,
    Passage,
    PassagesFound,
    PromptProgress,
    ReplyDone,
    Saved,
    StopReason,
    TextDelta,
)
from core.library.reading import DocumentText
from core.store.chats import ChatId, ChatStore, Message

if TYPE_CHECKING:
    from core.chat import ChatService
    from core.inference.sampling import SamplingParams

_NO_CHAT = ChatId(0)


@dataclass(frozen=True, slots=True)
class ChatCreated:
    """A conversation began with its first message (an event of the reply job)."""

    chat_id: ChatId


@dataclass(slots=True)
class _Exchange:
    """The answer that is on its way."""

    chat_id: ChatId  # _NO_CHAT until it is stored
    prompt: str
    prompt_row: Row
    answer: Row
    cancel: CancelToken | None = None
    n_saved: int = -1
    n_words: int = 0
    passages_row: Row | None = None


class ChatPresenter(QObject):
    """Runs the open conversation."""

    busy_changed = Signal(bool)
    chats_changed = Signal()
    chat_opened = Signal()
    chat_stored = Signal(object)  # ChatId of the open conversation, now that it has one
    speed_changed = Signal(float)
    saved_changed = Signal(bool)
    progress_changed = Signal(str)
    announced = Signal(str)

    def __init__(
        self,
        runner: JobRunner,
        model: MessageModel,
        answering: "Callable[[], Callable[[ChatId], tuple[ChatService, SamplingParams, str]]]",
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._runner = runner
        self._model = model
        self._answering = answering
        self._store: ChatStore | None = None
        self._exchange: _Exchange | None = None
        self._shown: list[Row] = []
        self._read_since = QElapsedTimer()
        self._streams_since = QElapsedTimer()
        self.chat_id: ChatId | None = None
        self.pending_documents: Callable[[], Sequence[DocumentText]] = tuple

    @property
    def is_busy(self) -> bool:
        """True while an answer is on its way."""
        return self._exchange is not None

    @property
    def busy_chat_id(self) -> ChatId | None:
        """The conversation in which an answer is on its way, once it is stored."""
        return self._exchange.chat_id if self._exchange is not None and self._exchange.chat_id != _NO_CHAT else None

    def attach(self, store: ChatStore) -> None:
        """Take the store, now that it is open."""
        self._store = store

    def new_chat(self) -> None:
        """Show an empty conversation; it is stored with its first message."""
        self.chat_id = None
        self._model.clear()
        self.chat_opened.emit()

    def open_chat(self, chat_id: ChatId) -> None:
        """Show a stored conversation."""
        store = self._store
        if store is None:
            return
        self.chat_id = chat_id
        self.chat_opened.emit()
        self._runner.start(
            "store",
            lambda _cancel, _emit: store.messages(chat_id),
            on_done=lambda messages: self._on_messages(chat_id, messages),
            on_failed=self.show_error,
        )

    def on_submitted(self, text: str) -> None:
        """Send a message: the rows appear at once, everything else happens in the engine lane."""
        store = self._store
        if store is None or self._exchange is not None:
            return
        prompt_row = Row(RowKind.USER, text)
        answer = Row(RowKind.ANSWER, is_streaming=True, activity="Reading…")
        self._exchange = exchange = _Exchange(self.chat_id or _NO_CHAT, text, prompt_row, answer)
        self._model.append(prompt_row)
        self._model.append(answer)
        documents, answering = self.pending_documents(), self._answering()
        self._read_since.start()
        self._streams_since.invalidate()
        self.busy_changed.emit(True)
        self.saved_changed.emit(False)
        exchange.cancel = self._runner.start(
            "engine",
            lambda cancel, emit: self._reply(store, answering, exchange.chat_id, documents, text, cancel, emit),
            on_event=lambda event: self.on_event(exchange, event),
            on_done=lambda message: self._on_replied(exchange, message),
            on_failed=lambda error: self._on_failed(exchange, error),
        )

    def stop(self) -> None:
        """Stop the answer that is on its way; what there is of it is kept."""
        if self._exchange is not None and self._exchange.cancel is not None:
            self._exchange.cancel.cancel()

    def show_error(self, error: BaseException) -> None:
        """Put a card where the conversation is."""
        self._model.append(Row(RowKind.ERROR, error=error))
        self.announced.emit(notices.notice_for(error).title)

    def dismiss_errors(self) -> None:
        """Take the cards away."""
        for index in range(len(self._model.rows) - 1, -1, -1):
            if self._model.rows[index].kind is RowKind.ERROR:
                self._model.remove(index)

    def last_prompt(self) -> str:
        """Return what the person sent last in this conversation."""
        return next((row.text for row in reversed(self._model.rows) if row.kind is RowKind.USER), "")

    def last_answer(self) -> str:
        """Return the last answer in this conversation."""
        return next((row.text for row in reversed(self._model.rows) if row.kind is RowKind.ANSWER), "")

    def on_event(self, exchange: _Exchange, event: object) -> None:
        """Take one event of the reply job."""
        match event:
            case ChatCreated(chat_id):
                self._on_created(exchange, chat_id)
            case Saved(n_chars):
                self._on_saved(exchange, n_chars)
            case PromptProgress(done, total):
                self._on_reading(exchange, done, total)
            case PassagesFound(passages):
                self._on_passages(exchange, passages)
            case HistoryTrimmed(turns_dropped):
                self._on_trimmed(exchange, turns_dropped)
            case TextDelta(text):
                self._on_text(exchange, text)
            case ReplyDone(reason, stats):
                self._finish(exchange, notices.ending(reason))
                if reason is not StopReason.CANCELLED and exchange.n_words and stats.decode_s > 0:
                    self.speed_changed.emit(exchange.n_words / stats.decode_s)
            case _:
                pass

    def _reply(
        self,
        store: ChatStore,
        answering: "Callable[[ChatId], tuple[ChatService, SamplingParams, str]]",
        chat_id: ChatId,
        documents: Sequence[DocumentText],
        text: str,
        cancel: CancelToken,
        emit: Emit,
    ) -> Message:
        """Carry out one exchange (engine lane)."""
        if chat_id == _NO_CHAT:
            chat_id = store.create_chat()
            emit(ChatCreated(chat_id))
        service, params, system = answering(chat_id)
        for each in documents:
            store.add_document(chat_id, each.name, each.sha256, each.text, each.structure)
        return service.reply(chat_id, text, params, system, cancel, emit)

    def _index(self, row: Row) -> int | None:
        """Return where `row` is shown; None when another conversation is open."""
        rows = self._model.rows
        return next((i for i in range(len(rows) - 1, -1, -1) if rows[i] is row), None)

    def _on_messages(self, chat_id: ChatId, messages: object) -> None:
        assert isinstance(messages, list)
        if self.chat_id != chat_id:
            return  # another one was opened meanwhile
        exchange = self._exchange
        if exchange is None or exchange.chat_id != chat_id:
            self._model.set_messages(messages)
            return
        # Its answer is still on its way: the rows of the running exchange stand in for the stored ones.
        n_known = _before_running(messages, exchange.prompt)
        self._model.set_messages(messages[:n_known])
        self._model.append(exchange.prompt_row)
        if exchange.passages_row is not None:
            self._model.append(exchange.passages_row)
        self._model.append(exchange.answer)

    def _on_created(self, exchange: _Exchange, chat_id: ChatId) -> None:
        exchange.chat_id = chat_id
        if self._index(exchange.answer) is not None:
            self.chat_id = chat_id
            self.chat_stored.emit(chat_id)
        self.chats_changed.emit()

    def _on_saved(self, exchange: _Exchange, n_chars: int) -> None:
        if exchange.n_saved < 0:
            self.chats_changed.emit()  # the title comes from the first message
        exchange.n_saved = n_chars
        self.saved_changed.emit(n_chars >= len(exchange.answer.text))

    def _on_reading(self, exchange: _Exchange, done: int, total: int) -> None:
        if exchange.answer.text:
            return
        left = ""
        elapsed_s = self._read_since.elapsed() / 1000
        if 0 < done < total and elapsed_s > 1:
            left = f", {round(elapsed_s * (total - done) / done)} s left"
        words = f"Reading {total - done:,} tokens{left}" if done < total else "Writing…"
        self.progress_changed.emit(words)
        index = self._index(exchange.answer)
        if index is None:
            exchange.answer.activity = words
        else:
            self._model.set_activity(index, words)

    def _on_passages(self, exchange: _Exchange, passages: tuple[Passage, ...]) -> None:
        exchange.answer.passages = passages
        exchange.passages_row = Row(RowKind.PASSAGES, passages=passages)
        index = self._index(exchange.answer)
        if index is not None:
            self._model.insert(index, exchange.passages_row)

    def _on_trimmed(self, exchange: _Exchange, turns_dropped: int) -> None:
        index = self._index(exchange.prompt_row)
        if index is not None:
            self._model.insert(index, Row(RowKind.NOTE, notices.trimmed(turns_dropped)))

    def _on_text(self, exchange: _Exchange, text: str) -> None:
        if not self._streams_since.isValid():
            self._streams_since.start()
        exchange.n_words += len(text.split())
        elapsed_s = self._streams_since.elapsed() / 1000
        if elapsed_s > 0.5:
            self.speed_changed.emit(exchange.n_words / elapsed_s)
        self.progress_changed.emit("")
        self.saved_changed.emit(False)
        index = self._index(exchange.answer)
        if index is None:
            exchange.answer.text += text
            exchange.answer.activity = ""
        else:
            self._model.add_text(index, text)

    def _finish(self, exchange: _Exchange, note: str) -> None:
        index = self._index(exchange.answer)
        if index is None:
            exchange.answer.is_streaming, exchange.answer.note = False, note
        else:
            self._model.finish(index, note)
        self.progress_changed.emit("")

    def _on_replied(self, exchange: _Exchange, _message: object) -> None:
        if exchange.answer.is_streaming:
            self._finish(exchange, notices.ending(StopReason.CANCELLED))  # cancelled before it had begun
        self._end(exchange)
        self.saved_changed.emit(True)
        self.announced.emit("The answer is finished.")

    def _on_failed(self, exchange: _Exchange, error: BaseException) -> None:
        index = self._index(exchange.answer)
        self._finish(exchange, "This answer failed. What was written before is kept." if exchange.answer.text else "")
        if index is not None:
            if not exchange.answer.text:
                self._model.remove(index)
            self.show_error(error)
        self._end(exchange)
        self.saved_changed.emit(exchange.n_saved >= 0)

    def _end(self, exchange: _Exchange) -> None:
        if self._exchange is exchange:
            self._exchange = None
        self.busy_changed.emit(False)
        self.chats_changed.emit()


def _before_running(messages: list[Message], prompt: str) -> int:
    """Return how many of the stored messages come before the exchange that is running."""
    for index in range(len(messages) - 1, -1, -1):
        if messages[index].role.value == "user" and messages[index].text == prompt:
            return index
    return len(messages)
