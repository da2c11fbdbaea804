"""One exchange, from what the person typed to the stored answer.

Knows the order of the steps and what must be on disk when; must not know SQL, kernels or widgets. Runs on the thread
that owns the engine.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Final

from core.answers import asks_for_quotes, choices_about, suited
from core.errors import AppError, ErrorCode
from core.events import (
    CancelToken,
    Emit,
    HistoryTrimmed,
    Interrupted,
    MessageStored,
    PassagesFound,
    ReplyDone,
    ReplyStats,
    Saved,
    StopReason,
    TextDelta,
)
from core.finding import PassageFinder
from core.inference.choices import Choice
from core.inference.config import TokenId
from core.inference.prompt import Role, Turn, build_prompt, reply_reserve
from core.library.cite import build_context, passage_budget
from core.library.index.searcher import Searcher
from core.library.search import MAX_PASSAGES, Library
from core.store.chats import ChatId, ChatStore, Message, MessageId, MessageRole, MessageState, ReplyRecord
from core.store.documents import storable
from core.store.scopes import ScopeStore

if TYPE_CHECKING:
    from core.inference.engine import Engine, Generation
    from core.inference.sampling import SamplingParams

SAVE_INTERVAL_S: Final = 0.5  # half of the second of text that a killed process may lose
_SETTING: Final = "prompt"  # beside the sampling parameters in ReplyRecord.params


@dataclass(frozen=True, slots=True)
class ReadingLimits:
    """How much of the documents the model reads with a question."""

    n_passages: int = MAX_PASSAGES
    share_percent: int = 50  # of the context, without the room of the answer
    answers: str = "automatic"  # "quotes": only sentences of the passages; "free"; "automatic": quotes of small models


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """An answer made once more: whether it is the same to the letter, and how far it is (in tokens).

    `is_same_prompt`: the model read exactly what it had read for the answer; messages before it may have been deleted.
    """

    is_identical: bool
    is_same_prompt: bool
    n_same: int
    n_tokens: int
    text: str


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
        scopes: ScopeStore | None = None,
        searcher: Searcher | None = None,
    ) -> None:
        self._store = store
        self._engine = engine
        self._clock = clock
        self._finder = PassageFinder(store, library or Library(), scopes, searcher)
        self._reading = reading

    def reply(
        self,
        chat_id: ChatId,
        text: str,
        params: "SamplingParams",
        system: str,
        cancel: CancelToken,
        emit: Emit,
        instead_of: MessageId | None = None,
        words: Sequence[str] | None = None,
    ) -> Message:
        """Store the prompt, generate its answer, storing that as it grows, and return it as stored.

        The prompt follows the last message shown; with `instead_of` it takes the place of an earlier prompt, which
        stays as its sibling. Emits MessageStored and Saved(0) when the prompt is on disk, PassagesFound where the
        conversation has documents, HistoryTrimmed where old messages no longer fit, MessageStored for the answer, the
        engine's events, Saved as the answer is stored, and ReplyDone at the end. Cancelling keeps the answer so far as
        STOPPED; an error keeps it as FAILED.

        Raises:
            AppError: PROMPT_EMPTY and CHAT_NOT_FOUND (nothing was stored), PROMPT_TOO_LONG, and whatever `engine`
                and the store raise; the prompt is kept.
        """
        if not text.strip():
            raise AppError(ErrorCode.PROMPT_EMPTY)
        prompt_id = self._store.add_prompt(chat_id, text, instead_of)
        self._tell(prompt_id, emit)
        emit(Saved(0))
        return self.answer(prompt_id, params, system, cancel, emit, words)

    def search_words(self, chat_id: ChatId, question: str) -> tuple[str, ...]:
        """Return what collections would be searched for, with what a follow-up refers to; for a person to change."""
        return self._finder.search_words(chat_id, question)

    def answer(
        self,
        prompt_id: MessageId,
        params: "SamplingParams",
        system: str,
        cancel: CancelToken,
        emit: Emit,
        words: Sequence[str] | None = None,
    ) -> Message:
        """Generate an answer to a stored prompt, beside those that it has; events and errors as for `reply`.

        Where the conversation answers from documents alone and they do not say it, the answer is empty, with
        NOT_IN_DOCUMENTS; answering the same prompt again asks the model all the same. `words` are what collections are
        searched for where a person has changed them.

        Raises:
            AppError: CHAT_NOT_FOUND when the prompt is gone.
        """
        engine = self._engine()
        params = suited(params, engine)
        path = self._path_to(prompt_id)
        if not path[-1].context:
            prompt = self._with_passages(path[-1], engine, params, cancel, emit, words)
            if prompt is None:
                return self._refuse(path[-1], engine.name, params, emit)
            path[-1] = prompt
        setting = _Setting(
            system,
            engine.context_length,
            reply_reserve(engine.context_length, params.max_tokens),
            are_quotes=bool(path[-1].context) and asks_for_quotes(self._reading.answers, engine),
        )
        choices = _choices(path[-1], setting, engine)
        reply_id = self._store.begin_reply(path[-1].chat_id, engine.name, prompt_id)
        self._tell(reply_id, emit)
        keeper = _Keeper(self._store, reply_id, self._clock, emit)
        with keeper.closing():
            ids = _prompt_ids(engine, path, setting, emit)
            generation = engine.generate(ids, params, cancel, keeper, choices)
        return self._finish(reply_id, _record(engine.name, generation, params, setting), generation.text, emit)

    def resume(
        self, reply_id: MessageId, params: "SamplingParams", system: str, cancel: CancelToken, emit: Emit
    ) -> Message:
        """Go on with an answer that was cut, and return the whole of it.

        Where its record is whole it is continued as it was begun: the result is the one that a longer limit would have
        given. Otherwise the text so far is taken as it stands. `params` counts for the number of tokens that may be
        added, and for everything else where there is no record.

        Raises:
            AppError: as for `answer`; MODEL_DIFFERS when another model wrote the beginning.
        """
        engine = self._engine()
        params = suited(params, engine)
        path = self._path_to(reply_id)
        message = path.pop()
        begun, used, setting = _begun(message, engine, params, system)
        room = len(begun) + reply_reserve(engine.context_length, params.max_tokens)
        setting = replace(setting, reserve=max(setting.reserve, min(room, engine.context_length - 1)))
        used = replace(used, max_tokens=len(begun) + params.max_tokens)
        ids = _prompt_ids(engine, path, setting, emit)
        self._store.reopen_reply(reply_id)
        keeper = _Keeper(self._store, reply_id, self._clock, emit, message.text)
        with keeper.closing():
            generation = engine.generate(ids, used, cancel, keeper, _choices(path[-1], setting, engine), begun)
        return self._finish(reply_id, _record(engine.name, generation, used, setting), generation.text, emit)

    def replay(self, reply_id: MessageId, cancel: CancelToken, emit: Emit) -> ReplayResult:
        """Generate a finished answer once more, as its record says, and compare; nothing is stored.

        Emits the engine's events.

        Raises:
            AppError: CHAT_NOT_FOUND; NOT_REPLAYABLE where the record does not tell enough; MODEL_DIFFERS.
        """
        engine = self._engine()
        path = self._path_to(reply_id)
        message = path.pop()
        record, setting = message.reply, _setting_of(message)
        params = None if record is None else _params_of(record)
        if record is None or params is None or setting is None or not record.token_ids:
            raise AppError(ErrorCode.NOT_REPLAYABLE)
        if record.model != engine.name or setting.context_length != engine.context_length:
            raise AppError(ErrorCode.MODEL_DIFFERS, model=record.model, loaded=engine.name)
        ids = _prompt_ids(engine, path, setting, lambda _event: None)
        is_same_prompt = _digest(ids) == setting.prompt_sha256
        n_tokens = len(record.token_ids)
        has_end = record.stop_reason not in (StopReason.MAX_TOKENS, StopReason.CANCELLED)
        params = replace(params, seed=record.seed, max_tokens=n_tokens + 1 if has_end else n_tokens)
        made = engine.generate(ids, params, cancel, emit, _choices(path[-1], setting, engine))
        if cancel.is_cancelled:
            raise Interrupted
        same = next((i for i, (a, b) in enumerate(zip(made.token_ids, record.token_ids, strict=False)) if a != b), None)
        n_same = min(len(made.token_ids), n_tokens) if same is None else same
        is_identical = tuple(made.token_ids) == tuple(record.token_ids) and storable(made.text) == message.text
        return ReplayResult(is_identical, is_same_prompt, n_same, n_tokens, made.text)

    def _path_to(self, message_id: MessageId) -> list[Message]:
        path = self._store.path_to(message_id)
        if not path:
            raise AppError(ErrorCode.CHAT_NOT_FOUND, chat_id=message_id)
        return path

    def _tell(self, message_id: MessageId, emit: Emit) -> None:
        message = self._store.message(message_id)
        if message is not None:
            emit(MessageStored(message_id, message.siblings, message.role is MessageRole.USER))

    def _with_passages(
        self,
        prompt: Message,
        engine: "Engine",
        params: "SamplingParams",
        cancel: CancelToken,
        emit: Emit,
        words: Sequence[str] | None,
    ) -> Message | None:
        """Store with the prompt what the model is to read of documents, then tell it; None: it is not to be asked."""
        found = self._finder.find(
            prompt.chat_id,
            prompt.text,
            words,
            lambda text: len(engine.tokenizer.encode_text(text)),
            passage_room(engine.context_length, params.max_tokens, self._reading),
            cancel,
            self._reading.n_passages,
        )
        if found is None:
            return None
        if found.passages:
            self._store.set_context(prompt.id, found.passages)
            emit(PassagesFound(found.passages, found.words, found.is_likely))
        return None if self._finder.refuses(prompt.chat_id, found) else replace(prompt, context=found.passages)

    def _refuse(self, prompt: Message, model: str, params: "SamplingParams", emit: Emit) -> Message:
        """Store the empty answer of documents that do not say what is asked; the model is not run."""
        reply_id = self._store.begin_reply(prompt.chat_id, model, prompt.id)
        self._tell(reply_id, emit)
        stats = ReplyStats(0, 0, 0, 0.0, 0.0, 0)
        record = ReplyRecord(model, (), StopReason.NOT_IN_DOCUMENTS, 0, stats, json.dumps(asdict(params)))
        return self._finish(reply_id, record, "", emit)

    def _finish(self, reply_id: MessageId, record: ReplyRecord, text: str, emit: Emit) -> Message:
        is_stopped = record.stop_reason is StopReason.CANCELLED
        self._store.finish_reply(reply_id, text, MessageState.STOPPED if is_stopped else MessageState.DONE, record)
        message = self._store.message(reply_id)
        if message is None:
            raise AppError(ErrorCode.CHAT_NOT_FOUND, chat_id=reply_id)
        emit(Saved(len(message.text)))
        emit(ReplyDone(record.stop_reason, record.stats))
        return message


class _Keeper:
    """Passes the engine's events on and stores the text among them, the first at once, then every SAVE_INTERVAL_S."""

    def __init__(
        self, store: ChatStore, reply_id: MessageId, clock: Callable[[], float], emit: Emit, text: str = ""
    ) -> None:
        self.text = text
        self._n_stored = len(text)
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

    @contextmanager
    def closing(self) -> Iterator[None]:
        """Close the answer as it is where something goes wrong in between."""
        try:
            yield
        except BaseException as exc:
            state = MessageState.STOPPED if isinstance(exc, KeyboardInterrupt) else MessageState.FAILED
            with suppress(AppError):  # the first error says more than that the store failed too
                self._store.finish_reply(self._reply_id, self.text, state, None)
            raise

    def _store_pending(self) -> None:
        self._store.append_reply(self._reply_id, self.text[self._n_stored :])
        self._n_stored = len(self.text)
        self._stored_at = self._clock()
        self._emit(Saved(self._n_stored))


def passage_room(context_length: int, max_tokens: int, reading: ReadingLimits) -> int:
    """Return how many tokens of passages may be read with a question."""
    return passage_budget(context_length, reply_reserve(context_length, max_tokens), reading.share_percent)


def turns_of(system: str, messages: Sequence[Message], model: str) -> list[Turn]:
    """Turn a stored conversation into what the model is to read.

    An answer's token ids go along only where this very model made them. A prompt that failed without a word of answer
    is left out: it may be what the model cannot take.
    """
    return [Turn(Role.SYSTEM, system), *(turn for turn, _ in numbered_turns(messages, model))]


def numbered_turns(messages: Sequence[Message], model: str) -> list[tuple[Turn, MessageId]]:
    """Return the turns of a conversation, each with the message that it comes from."""
    turns: list[tuple[Turn, MessageId]] = []
    for message in messages:
        if message.role is MessageRole.USER:
            asked = build_context(message.context, message.text) if message.context else message.text
            turns.append((Turn(Role.USER, asked), message.id))
        elif message.text:
            turns.append((Turn(Role.ASSISTANT, message.text, _token_ids(message, model)), message.id))
        elif not turns or turns[-1][0].role is not Role.USER:
            continue
        elif message.state is MessageState.FAILED or _is_refusal(message):
            turns.pop()
    return turns


@dataclass(frozen=True, slots=True)
class _Setting:
    """What a prompt was made with, beside the messages; kept with the answer, so that it can be made again."""

    system: str
    context_length: int
    reserve: int
    prompt_sha256: str = ""
    are_quotes: bool = False  # the answer had to be a sentence of the passages


def _choices(prompt: Message, setting: _Setting, engine: "Engine") -> list[Choice]:
    """Return the answers that the model may give about the passages of a prompt; none where it is free."""
    return choices_about(prompt.context, prompt.text, engine) if setting.are_quotes else []


def _prompt_ids(engine: "Engine", path: Sequence[Message], setting: _Setting, emit: Emit) -> tuple[TokenId, ...]:
    turns = turns_of(setting.system, path, engine.name)
    prompt = build_prompt(turns, engine.tokenizer, context_length=setting.context_length, reserve=setting.reserve)
    if prompt.turns_dropped:
        emit(HistoryTrimmed(prompt.turns_dropped))
    return prompt.ids


def _is_refusal(message: Message) -> bool:
    return message.reply is not None and message.reply.stop_reason is StopReason.NOT_IN_DOCUMENTS


def _token_ids(message: Message, model: str) -> tuple[TokenId, ...] | None:
    is_whole = message.state in (MessageState.DONE, MessageState.STOPPED)
    if message.reply is None or message.reply.model != model or not is_whole:
        return None
    return tuple(TokenId(token_id) for token_id in message.reply.token_ids)


def _begun(
    message: Message, engine: "Engine", params: "SamplingParams", system: str
) -> "tuple[tuple[TokenId, ...], SamplingParams, _Setting]":
    """Return the tokens of a cut answer and what it is continued with."""
    if message.model is not None and message.model != engine.name:
        raise AppError(ErrorCode.MODEL_DIFFERS, model=message.model, loaded=engine.name)
    ids, setting = _token_ids(message, engine.name), _setting_of(message)
    made_with = None if message.reply is None else _params_of(message.reply)
    if ids and setting is not None and made_with is not None and message.reply is not None:
        used = replace(made_with, seed=message.reply.seed)
        return ids, used, replace(setting, context_length=engine.context_length)
    begun = tuple(engine.tokenizer.encode_text(message.text))
    reserve = reply_reserve(engine.context_length, params.max_tokens)
    return begun, params, _Setting(system, engine.context_length, reserve)


def _digest(ids: Sequence[TokenId]) -> str:
    return hashlib.sha256(" ".join(map(str, ids)).encode()).hexdigest()


def _record(model: str, generation: "Generation", params: "SamplingParams", setting: _Setting) -> ReplyRecord:
    setting = replace(setting, prompt_sha256=_digest(generation.prompt_ids))
    return ReplyRecord(
        model=model,
        token_ids=tuple(int(token_id) for token_id in generation.token_ids),
        stop_reason=generation.reason,
        seed=generation.stats.seed,
        stats=generation.stats,
        params=json.dumps({**asdict(params), _SETTING: asdict(setting)}),
    )


def sampling_of(record: ReplyRecord) -> dict[str, object]:
    """Return the sampling parameters of an answer by name; empty where they cannot be read."""
    values = _json_object(record.params)
    return {key: value for key, value in values.items() if key != _SETTING}


def _params_of(record: ReplyRecord) -> "SamplingParams | None":
    from core.inference.sampling import SamplingParams  # numpy: only where an answer is made

    values = sampling_of(record)
    stop = values.pop("stop", ())
    try:
        return SamplingParams(**values, stop=tuple(stop) if isinstance(stop, list) else ())  # type: ignore[arg-type]
    except (TypeError, ValueError, AppError):
        return None


def _setting_of(message: Message) -> _Setting | None:
    """Return what the prompt of an answer was made with; None for an answer of an older version."""
    values = _json_object("" if message.reply is None else message.reply.params).get(_SETTING)
    try:
        return _Setting(**values) if isinstance(values, dict) else None
    except TypeError:
        return None


def _json_object(text: str) -> dict[str, object]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
