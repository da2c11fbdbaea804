"""One exchange, from what the person typed to the stored answer.

Knows the order of the steps and what must be on disk when; must not know SQL, kernels or widgets. Runs on the thread
that owns the engine.
"""

import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from core.errors import AppError, ErrorCode
from core.events import (
    CancelToken,
    Emit,
    HistoryTrimmed,
    Passage,
    PassagesFound,
    ReplyDone,
    Saved,
    StopReason,
    TextDelta,
)
from core.inference.choices import Choice
from core.inference.config import TokenId
from core.inference.prompt import Role, Turn, build_prompt, reply_reserve
from core.library.cite import build_context, passage_budget
from core.library.quoting import quotes_for
from core.library.reading import DocumentText
from core.library.search import MAX_PASSAGES, Library
from core.store.chats import ChatId, ChatStore, Message, MessageId, MessageRole, MessageState, ReplyRecord

if TYPE_CHECKING:
    from core.inference.engine import Engine, Generation
    from core.inference.sampling import SamplingParams

# How much the search has to say in which sentence is quoted, as log-probability for a point of its score. A small
# model finds the right sentence less often than the search does (evaluate.py of the starter), a large one more often.
TRUST_SMALL: Final = 16.0
_TRUST: Final = 1.0
SAVE_INTERVAL_S: Final = 0.5  # half of the second of text that a killed process may lose


@dataclass(frozen=True, slots=True)
class ReadingLimits:
    """How much of the documents the model reads with a question."""

    n_passages: int = MAX_PASSAGES
    share_percent: int = 50  # of the context, without the room of the answer
    answers: str = "automatic"  # "quotes": only sentences of the passages; "free"; "automatic": quotes of small models


class ChatService:
    """Answers prompts of stored conversations.

    `engine` gives the engine to answer with and may load it first; `clock` is monotonic, in seconds; `library` keeps
    the indexes of documents from one answer to the next; `reading` limits what is read of them.
    """

    def __init__(
        self,
        store: ChatStore,
        engine: "Callable[[], Engine]",
        clock: Callable[[], float] = time.monotonic,
        library: Library | None = None,
        reading: ReadingLimits = ReadingLimits(),
    ) -> None:
        self._store = store
        self._engine = engine
        self._clock = clock
        self._library = library or Library()
        self._reading = reading

    def reply(
        self, chat_id: ChatId, text: str, params: "SamplingParams", system: str, cancel: CancelToken, emit: Emit
    ) -> Message:
        """Store the prompt, generate its answer, storing that as it grows, and return it as stored.

        Emits Saved(0) when the prompt is on disk, PassagesFound where the conversation has documents, HistoryTrimmed
        where old messages no longer fit, the engine's events, Saved as the answer is stored, and ReplyDone at the end.
        Cancelling keeps the answer so far as STOPPED; an error keeps it as FAILED.

        Raises:
            AppError: PROMPT_EMPTY and CHAT_NOT_FOUND (nothing was stored), PROMPT_TOO_LONG, and whatever `engine`
                and the store raise; the prompt is kept.
        """
        if not text.strip():
            raise AppError(ErrorCode.PROMPT_EMPTY)
        prompt_id = self._store.add_prompt(chat_id, text)
        emit(Saved(0))
        engine = self._engine()
        passages = self._find_passages(chat_id, prompt_id, text, engine, params, cancel, emit)
        choices = self._choices(passages, text, engine)
        turns = _turns(system, self._store.messages(chat_id), engine.name)
        reply_id = self._store.begin_reply(chat_id, engine.name)
        keeper = _Keeper(self._store, reply_id, self._clock, emit)
        try:
            generation = _generate(engine, turns, params, choices, cancel, keeper)
        except BaseException as exc:
            state = MessageState.STOPPED if isinstance(exc, KeyboardInterrupt) else MessageState.FAILED
            with suppress(AppError):  # the first error says more than that the store failed too
                self._store.finish_reply(reply_id, keeper.text, state, None)
            raise
        return self._finish(chat_id, reply_id, _record(engine.name, generation, params), generation.text, emit)

    def _find_passages(
        self,
        chat_id: ChatId,
        prompt_id: MessageId,
        question: str,
        engine: "Engine",
        params: "SamplingParams",
        cancel: CancelToken,
        emit: Emit,
    ) -> tuple[Passage, ...]:
        """Store with the prompt what the model is to read of the conversation's documents, then tell it."""
        stored = self._store.documents(chat_id)
        documents = [DocumentText(each.name, each.sha256, each.text, each.structure) for each in stored]
        if not documents:
            return ()
        passages = self._library.find(
            documents,
            question,
            lambda text: len(engine.tokenizer.encode_text(text)),
            self._passage_budget(engine, params),
            cancel,
            self._reading.n_passages,
        )
        if passages:
            self._store.set_context(prompt_id, passages)
            emit(PassagesFound(passages))
        return passages

    def _choices(self, passages: Sequence[Passage], question: str, engine: "Engine") -> list[Choice]:
        """Return the answers that the model may give about `passages`; none where it is free to say anything."""
        how = self._reading.answers
        if not passages or how == "free" or (how == "automatic" and not engine.is_small):
            return []
        trust = TRUST_SMALL if engine.is_small else _TRUST
        return [Choice(quote.text, trust * quote.score) for quote in quotes_for(passages, question)]

    def _passage_budget(self, engine: "Engine", params: "SamplingParams") -> int:
        reserve = reply_reserve(engine.context_length, params.max_tokens)
        return passage_budget(engine.context_length, reserve, self._reading.share_percent)

    def _finish(self, chat_id: ChatId, reply_id: MessageId, record: ReplyRecord, text: str, emit: Emit) -> Message:
        is_stopped = record.stop_reason is StopReason.CANCELLED
        self._store.finish_reply(reply_id, text, MessageState.STOPPED if is_stopped else MessageState.DONE, record)
        message = self._store.message(reply_id)
        if message is None:
            raise AppError(ErrorCode.CHAT_NOT_FOUND, chat_id=chat_id)
        emit(Saved(len(message.text)))
        emit(ReplyDone(record.stop_reason, record.stats))
        return message


class _Keeper:
    """Passes the engine's events on and stores the text among them, the first at once, then every SAVE_INTERVAL_S."""

    def __init__(self, store: ChatStore, reply_id: MessageId, clock: Callable[[], float], emit: Emit) -> None:
        self.text = ""
        self._n_stored = 0
        self._stored_at: float | None = None
        self._store = store
        self._reply_id = reply_id
        self._clock = clock
        self._emit = emit

    def __call__(self, event: object) -> None:
        if not isinstance(event, TextDelta):
            self._emit(event)
            return
        self.text += event.text
        self._emit(event)
        if self._stored_at is None or self._clock() - self._stored_at >= SAVE_INTERVAL_S:
            self._store_pending()

    def _store_pending(self) -> None:
        self._store.append_reply(self._reply_id, self.text[self._n_stored :])
        self._n_stored = len(self.text)
        self._stored_at = self._clock()
        self._emit(Saved(self._n_stored))


def _generate(
    engine: "Engine",
    turns: Sequence[Turn],
    params: "SamplingParams",
    choices: Sequence[Choice],
    cancel: CancelToken,
    emit: Emit,
) -> "Generation":
    reserve = reply_reserve(engine.context_length, params.max_tokens)
    prompt = build_prompt(turns, engine.tokenizer, context_length=engine.context_length, reserve=reserve)
    if prompt.turns_dropped:
        emit(HistoryTrimmed(prompt.turns_dropped))
    return engine.generate(prompt.ids, params, cancel, emit, choices)


def _turns(system: str, messages: Sequence[Message], model: str) -> list[Turn]:
    """Turn a stored conversation into what the model is to read.

    An answer's token ids go along only where this very model made them. A prompt that failed without a word of answer
    is left out: it may be what the model cannot take.
    """
    turns = [Turn(Role.SYSTEM, system)]
    for message in messages:
        if message.role is MessageRole.USER:
            asked = build_context(message.context, message.text) if message.context else message.text
            turns.append(Turn(Role.USER, asked))
        elif message.text:
            turns.append(Turn(Role.ASSISTANT, message.text, _token_ids(message, model)))
        elif message.state is MessageState.FAILED and turns[-1].role is Role.USER:
            turns.pop()
    return turns


def _token_ids(message: Message, model: str) -> tuple[TokenId, ...] | None:
    if message.reply is None or message.reply.model != model:
        return None
    return tuple(TokenId(token_id) for token_id in message.reply.token_ids)


def _record(model: str, generation: "Generation", params: "SamplingParams") -> ReplyRecord:
    return ReplyRecord(
        model=model,
        token_ids=tuple(int(token_id) for token_id in generation.token_ids),
        stop_reason=generation.reason,
        seed=generation.stats.seed,
        stats=generation.stats,
        params=json.dumps(asdict(params)),
    )
