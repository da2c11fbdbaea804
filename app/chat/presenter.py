"""Turns what the person does in a conversation into jobs, and what the jobs tell into rows.

Knows the order of one exchange as the window sees it; must not know widgets' insides, SQL or models. Everything here
runs on the window's thread.
"""

from collections.abc import Callable, Sequence

from PySide6.QtCore import QElapsedTimer, QObject, Signal

from app import notices
from app.chat.exchange import NO_CHAT, Answering, ChatCreated, Exchange, Work
from app.chat.message_model import MessageModel, Row, RowKind, bind
from app.jobs import JobRunner
from core.events import (
    CancelToken,
    Emit,
    HistoryTrimmed,
    MessageStored,
    Passage,
    PassagesFound,
    PromptProgress,
    ReplyDone,
    Saved,
    StopReason,
    TextDelta,
)
from core.library.reading import DocumentText
from core.store.chats import ChatId, ChatStore, Message, MessageId


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
    reloading = Signal(object)  # the id of a message to be put in sight, or None to stay in place
    reloaded = Signal()

    def __init__(
        self,
        runner: JobRunner,
        model: MessageModel,
        answering: Callable[[], Answering],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._runner = runner
        self._model = model
        self._answering = answering
        self._store: ChatStore | None = None
        self._exchange: Exchange | None = None
        self._shown: list[Row] = []
        self._read_since = QElapsedTimer()
        self._streams_since = QElapsedTimer()
        self.chat_id: ChatId | None = None
        self.editing: MessageId | None = None  # the message whose place the next one takes
        self.pending_documents: Callable[[], Sequence[DocumentText]] = tuple

    @property
    def is_busy(self) -> bool:
        """True while an answer is on its way."""
        return self._exchange is not None

    @property
    def busy_chat_id(self) -> ChatId | None:
        """The conversation in which an answer is on its way, once it is stored."""
        return self._exchange.chat_id if self._exchange is not None and self._exchange.chat_id != NO_CHAT else None

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

    def reload(self, show: MessageId | None = None) -> None:
        """Read the open conversation again, without leaving the place; `show` is put in sight."""
        store, chat_id = self._store, self.chat_id
        if store is None or chat_id is None:
            return

        def done(messages: object) -> None:
            if self.chat_id == chat_id:
                self.reloading.emit(show)
                self._on_messages(chat_id, messages)
                self.reloaded.emit()

        self._runner.start("store", lambda _c, _e: store.messages(chat_id), on_done=done, on_failed=self.show_error)

    def on_submitted(self, text: str) -> None:
        """Send a message: the rows appear at once, everything else happens in the engine lane."""
        if self._store is None or self._exchange is not None:
            return
        instead_of, self.editing = self.editing, None
        prompt_row = Row(RowKind.USER, text)
        answer = Row(RowKind.ANSWER, is_streaming=True, activity="Reading…")
        exchange = Exchange(self.chat_id or NO_CHAT, prompt_row, answer, text, is_branch=instead_of is not None)
        if instead_of is not None:
            self._truncate_at(instead_of)
        self._model.append(prompt_row)
        self._model.append(answer)
        self._start(
            exchange,
            lambda service, chat_id, params, system, cancel, emit: service.reply(
                chat_id, text, params, system, cancel, emit, instead_of
            ),
            self.pending_documents(),
        )

    def answer_again(self, row: Row) -> None:
        """Make another answer to the same question; this one stays beside it."""
        index = self._index(row)
        rows = self._model.rows
        asked = next((each for each in reversed(rows[: index or 0]) if each.kind is RowKind.USER), None)
        if index is None or asked is None or not asked.message_id or self._exchange is not None:
            return
        prompt_id = MessageId(asked.message_id)
        answer = Row(RowKind.ANSWER, is_streaming=True, activity="Reading…", passages=row.passages)
        exchange = Exchange(self.chat_id or NO_CHAT, None, answer, after_id=prompt_id, is_branch=True)
        self._model.truncate(index)
        self._model.append(answer)
        self._start(
            exchange,
            lambda service, _chat_id, params, system, cancel, emit: service.answer(
                prompt_id, params, system, cancel, emit
            ),
        )

    def resume(self, row: Row) -> None:
        """Go on with an answer that was cut."""
        index = self._index(row)
        if index is None or not row.message_id or self._exchange is not None:
            return
        reply_id = MessageId(row.message_id)
        exchange = Exchange(self.chat_id or NO_CHAT, None, row)
        if index + 1 < len(self._model.rows):  # what follows has read the answer as it is now
            self.announced.emit("Only the last answer can go on.")
            return
        self._model.reopen(index)
        self._start(
            exchange,
            lambda service, _chat_id, params, system, cancel, emit: service.resume(
                reply_id, params, system, cancel, emit
            ),
        )

    def replay(
        self,
        reply_id: MessageId,
        on_event: Callable[[object], None],
        on_done: Callable[[object], None],
        on_failed: Callable[[BaseException], None],
    ) -> CancelToken | None:
        """Make an answer once more, to compare."""
        chat_id = self.chat_id
        if self._store is None or chat_id is None:
            return None
        answering = self._answering()
        return self._runner.start(
            "engine",
            lambda cancel, emit: answering(chat_id)[0].replay(reply_id, cancel, emit),
            on_event=on_event,
            on_done=on_done,
            on_failed=on_failed,
        )

    def _start(self, exchange: Exchange, work: Work, documents: Sequence[DocumentText] = ()) -> None:
        store, answering = self._store, self._answering()
        assert store is not None
        self._exchange = exchange
        self._read_since.start()
        self._streams_since.invalidate()
        self.busy_changed.emit(True)
        self.saved_changed.emit(False)
        exchange.cancel = self._runner.start(
            "engine",
            lambda cancel, emit: _carry_out(store, answering, exchange.chat_id, documents, work, cancel, emit),
            on_event=lambda event: self.on_event(exchange, event),
            on_done=lambda message: self._on_replied(exchange, message),
            on_failed=lambda error: self._on_failed(exchange, error),
        )

    def _truncate_at(self, message_id: MessageId) -> None:
        for index, row in enumerate(self._model.rows):
            if row.message_id == message_id:
                self._model.truncate(index)
                return

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

    def on_event(self, exchange: Exchange, event: object) -> None:
        """Take one event of the reply job."""
        match event:
            case ChatCreated(chat_id):
                self._on_created(exchange, chat_id)
            case MessageStored(message_id, siblings, is_prompt):
                self._on_stored(exchange, message_id, siblings, is_prompt=is_prompt)
            case Saved(n_chars):
                self._on_saved(exchange, n_chars)
            case PromptProgress(done, total):
                self._on_reading(exchange, done, total)
            case PassagesFound(passages, _words, is_likely):
                self._on_passages(exchange, passages, is_likely=is_likely)
            case HistoryTrimmed(turns_dropped):
                self._on_trimmed(exchange, turns_dropped)
            case TextDelta(text):
                self._on_text(exchange, text)
            case ReplyDone(reason, stats):
                self._finish(exchange, _ending(exchange, reason))
                if reason is not StopReason.CANCELLED and exchange.n_words and stats.decode_s > 0:
                    self.speed_changed.emit(exchange.n_words / stats.decode_s)
            case _:
                pass

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
        self._model.set_messages(messages[: exchange.n_before(messages)])
        for row in exchange.rows():
            self._model.append(row)

    def _on_stored(self, exchange: Exchange, message_id: int, siblings: Sequence[int], *, is_prompt: bool) -> None:
        row = exchange.prompt_row if is_prompt else exchange.answer
        index = None if row is None else self._index(row)
        if index is not None:
            self._model.mark_stored(index, message_id, siblings)
        elif row is not None:
            row.message_id, row.siblings = message_id, tuple(siblings)

    def _on_created(self, exchange: Exchange, chat_id: ChatId) -> None:
        exchange.chat_id = chat_id
        if self._index(exchange.answer) is not None:
            self.chat_id = chat_id
            self.chat_stored.emit(chat_id)
        self.chats_changed.emit()

    def _on_saved(self, exchange: Exchange, n_chars: int) -> None:
        if exchange.n_saved < 0:
            self.chats_changed.emit()  # the title comes from the first message
        exchange.n_saved = n_chars
        self.saved_changed.emit(n_chars >= len(exchange.answer.text))

    def _on_reading(self, exchange: Exchange, done: int, total: int) -> None:
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

    def _on_passages(self, exchange: Exchange, passages: tuple[Passage, ...], *, is_likely: bool) -> None:
        exchange.answer.passages = passages
        exchange.passages_row = Row(RowKind.PASSAGES, passages=passages, is_closest=not is_likely)
        index = self._index(exchange.answer)
        if index is not None:
            self._model.insert(index, exchange.passages_row)

    def _on_trimmed(self, exchange: Exchange, turns_dropped: int) -> None:
        index = self._index(exchange.prompt_row or exchange.answer)
        if index is not None:
            self._model.insert(index, Row(RowKind.NOTE, notices.trimmed(turns_dropped)))

    def _on_text(self, exchange: Exchange, text: str) -> None:
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

    def _finish(self, exchange: Exchange, note: str) -> None:
        index = self._index(exchange.answer)
        if index is None:
            exchange.answer.is_streaming, exchange.answer.note = False, note
        else:
            self._model.finish(index, note)
        self.progress_changed.emit("")

    def _on_replied(self, exchange: Exchange, message: object) -> None:
        if isinstance(message, Message):
            self._bind(exchange, message)
        if exchange.answer.is_streaming:
            self._finish(exchange, notices.ending(StopReason.CANCELLED))  # cancelled before it had begun
        self._end(exchange)
        self.saved_changed.emit(True)
        self.announced.emit("The answer is finished.")

    def _bind(self, exchange: Exchange, message: Message) -> None:
        """Give the rows what is stored now."""
        row = exchange.answer
        is_other = row.text != message.text  # a character that was cut in two is whole now
        row.text = message.text
        bind(row, message)
        row.is_streaming, row.activity = False, ""
        index = self._index(row)
        if index is not None:
            self._model.replace(index) if is_other else self._model.changed.emit(index)

    def _on_failed(self, exchange: Exchange, error: BaseException) -> None:
        index = self._index(exchange.answer)
        self._finish(exchange, "This answer failed. What was written before is kept." if exchange.answer.text else "")
        if index is not None:
            if not exchange.answer.text:
                self._model.remove(index)
            if exchange.is_branch:
                self.reload()
            # Behind what is read again, where there is anything.
            self._runner.start("store", lambda _c, _e: None, on_done=lambda _done: self.show_error(error))
        self._end(exchange)
        self.saved_changed.emit(exchange.n_saved >= 0)

    def _end(self, exchange: Exchange) -> None:
        if self._exchange is exchange:
            self._exchange = None
        self.busy_changed.emit(False)
        self.chats_changed.emit()


def _carry_out(
    store: ChatStore,
    answering: Answering,
    chat_id: ChatId,
    documents: Sequence[DocumentText],
    work: Work,
    cancel: CancelToken,
    emit: Emit,
) -> Message:
    """Carry out one exchange (engine lane)."""
    if chat_id == NO_CHAT:
        chat_id = store.create_chat()
        emit(ChatCreated(chat_id))
    service, params, system = answering(chat_id)
    for each in documents:
        store.add_document(chat_id, each.name, each.sha256, each.text, each.structure)
    return work(service, chat_id, params, system, cancel, emit)


def _ending(exchange: Exchange, reason: StopReason) -> str:
    if reason is StopReason.NOT_IN_DOCUMENTS:
        return notices.not_in_documents(has_passages=exchange.passages_row is not None)
    return notices.ending(reason)
