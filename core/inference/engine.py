"""Prompt ids to tokens to text: reads the prompt, samples, decodes, and knows when to stop.

Owns one model, its tokenizer and the record of what the model's cache holds. Belongs to one thread; only `cancel`
reaches it from others. Knows nothing of chats, files or windows: what happens goes out through `emit`, how it ended
is returned.
"""

import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.errors import AppError, ErrorCode
from core.events import CancelToken, Emit, PromptProgress, ReplyStats, StopReason, TextDelta
from core.inference.choices import Choice, Choices
from core.inference.config import TokenId
from core.inference.formats import read_tokenizer
from core.inference.inspect import count_parameters
from core.inference.kv_cache import KVPrecision, PrefixCache
from core.inference.logits import HeadQuery, TopLogits
from core.inference.loops import LoopDetector
from core.inference.model import Interrupted, LanguageModel, TernaryModel, default_threads, load_model
from core.inference.outlook import SAMPLE_TEXT, Outlook, make_outlook
from core.inference.sampling import Sampler, SamplingParams, make_sampler, weights_of
from core.inference.tokenizer import Tokenizer

_OUTLOOK_TOKENS = 32  # at the end of the last answer, in which the place for outlook() is looked for
_OUTLOOK_STEP = 4
_OUTLOOK_BEFORE = 24  # tokens of text that are shown before the place
SMALL_PARAMETERS = 100_000_000  # a model below this cannot be trusted with words of its own about a document
PREFILL_CHUNK = 64  # tokens between two looks at `cancel`, and between two reports of progress


_ALL_LOGITS = HeadQuery(0)


@dataclass(frozen=True, slots=True)
class Generation:
    """A finished answer.

    `token_ids` are all that were sampled, without the stop id that ended them; `text` is what they say, cut where a
    stop string begins.
    """

    text: str
    token_ids: tuple[TokenId, ...]
    prompt_ids: tuple[TokenId, ...]
    reason: StopReason
    stats: ReplyStats


class Engine:
    """A loaded model that answers, one prompt at a time."""

    def __init__(self, model: LanguageModel, tokenizer: Tokenizer, name: str, *, is_small: bool = False) -> None:
        """Takes ownership of `model`: `close` closes it. `is_small`: it has fewer weights than SMALL_PARAMETERS."""
        self.name = name
        self.is_small = is_small
        self.tokenizer = tokenizer
        self._model = model
        self._cache = PrefixCache()

    @property
    def context_length(self) -> int:
        """Positions that prompt and answer share."""
        return self._model.context_length

    @property
    def cached_ids(self) -> tuple[TokenId, ...]:
        """What the model has read and still holds."""
        return self._cache.ids

    def generate(
        self,
        prompt_ids: Sequence[TokenId],
        params: SamplingParams,
        cancel: CancelToken,
        emit: Emit,
        choices: Sequence[Choice] = (),
        begun: Sequence[TokenId] = (),
    ) -> Generation:
        """Answers a prompt; emits PromptProgress and TextDelta, and ends within one step of `cancel`.

        The part of the prompt that the cache holds already is not read again. A cancelled answer is returned like any
        other, with what was said until then. With `choices` the answer is one of them, the one that the model and
        their priors together find likeliest; of `params` only the end (max_tokens, stop) counts then.

        `begun` is the beginning of an answer that was cut: with the same seed it goes on as if it never had been. Only
        what is new is emitted; the Generation has all of it, its stats count what is new.

        Raises:
            AppError: PROMPT_EMPTY, PROMPT_TOO_LONG, TOKEN_OUT_OF_RANGE; MODEL_DAMAGED when the model gives no numbers.
        """
        prompt = (*prompt_ids, *begun)
        self._check(prompt)
        seed = secrets.randbits(32) if params.seed is None else params.seed
        reply = _Reply(params, self.tokenizer, emit)
        reply.begin_with(begun)
        interrupter = _Interrupter(self._model)
        cancel.on_cancel(interrupter.fire)
        n_cached = min(self._cache.match(prompt), len(prompt) - 1)  # the last token is always read: it gives the logits
        try:
            started = time.perf_counter()
            n_full_before = self._model.n_full_heads
            sampler = make_sampler(params, seed)
            sampler.skip(len(begun))
            query = _ALL_LOGITS if choices else sampler.query(reply.token_ids)
            top = self._read_prompt(prompt, n_cached, query, cancel, emit)
            prefill_s = time.perf_counter() - started
            if choices:
                reason = self._choose(top, Choices(choices, self.tokenizer, begun), reply, cancel)
            else:
                reason = self._answer(top, sampler, reply, cancel)
        finally:
            interrupter.disarm()
        reply.finish()
        return Generation(
            text=reply.text,
            token_ids=tuple(reply.token_ids),
            prompt_ids=tuple(prompt_ids),
            reason=reason,
            stats=ReplyStats(
                prompt_tokens=len(prompt),
                cached_tokens=n_cached,
                generated_tokens=len(reply.token_ids) - len(begun),
                prefill_s=prefill_s,
                decode_s=reply.decode_s,
                seed=seed,
                full_head_tokens=self._model.n_full_heads - n_full_before,
            ),
        )

    def set_threads(self, n_threads: int | None) -> None:
        """Computes with so many threads from the next answer on (None: default_threads()); the answers stay the same.

        Nothing happens with a model that cannot change them.
        """
        wanted = default_threads() if n_threads is None else n_threads
        if isinstance(self._model, TernaryModel) and wanted != self._model.n_threads:
            former, self._model = self._model, self._model.with_threads(wanted)
            former.close()

    def outlook(self) -> Outlook:
        """Looks at what could have come at a place near the end of the last answer; without one, after a sample text.

        The place is the most open one of a few. What the cache holds is read again where it stands, so it stays
        valid and the next answer costs no more for it.

        Raises:
            Interrupted: another thread interrupted the model.
        """
        self._model.clear_interrupt()
        if not self._cache.ids:
            ids = tuple(self.tokenizer.prefix_ids) + tuple(self.tokenizer.encode_text(SAMPLE_TEXT))
            self._read(ids, None)
        ids = self._cache.ids
        last = len(ids) - 1
        places = range(last - _OUTLOOK_TOKENS, last, _OUTLOOK_STEP) if last > _OUTLOOK_TOKENS else (last,)
        best: tuple[float, int, NDArray[np.float32]] | None = None
        for place in places:
            logits = self._model.read((ids[place],), place, want_logits=True)
            assert logits is not None
            likeliest = 1.0 / float(weights_of(logits, 1.0).sum())
            if best is None or likeliest < best[0]:
                best = (likeliest, place, logits.copy())
        assert best is not None
        return make_outlook(self.tokenizer, ids[max(0, best[1] - _OUTLOOK_BEFORE) : best[1] + 1], best[2])

    def close(self) -> None:
        """Frees the model; the engine cannot be used afterwards."""
        self._cache.truncate(0)
        self._model.close()

    def _check(self, prompt: tuple[TokenId, ...]) -> None:
        if not prompt:
            raise AppError(ErrorCode.PROMPT_EMPTY)
        limit = self.context_length - 1  # room for a token of the answer
        if len(prompt) > limit:
            raise AppError(ErrorCode.PROMPT_TOO_LONG, n_tokens=len(prompt), limit=limit)
        vocab_size = self._model.vocab_size
        for token_id in prompt:
            if not 0 <= token_id < vocab_size:
                raise AppError(ErrorCode.TOKEN_OUT_OF_RANGE, token_id=token_id, vocab_size=vocab_size)

    def _read_prompt(
        self, prompt: tuple[TokenId, ...], n_cached: int, query: HeadQuery, cancel: CancelToken, emit: Emit
    ) -> TopLogits | None:
        """What `query` asks of the logits after the prompt.

        None when cancelled on the way, with the part read so far kept in the cache.
        """
        self._cache.truncate(n_cached)
        emit(PromptProgress(n_cached, len(prompt)))
        top = None
        for start in range(n_cached, len(prompt), PREFILL_CHUNK):
            if cancel.is_cancelled:
                return None
            end = min(start + PREFILL_CHUNK, len(prompt))
            try:
                top = self._read(prompt[start:end], query if end == len(prompt) else None)
            except Interrupted:
                return None
            emit(PromptProgress(end, len(prompt)))
        return top

    def _answer(self, top: TopLogits | None, sampler: Sampler, reply: "_Reply", cancel: CancelToken) -> StopReason:
        """Samples and reads, token by token, until there is a reason to stop."""
        while top is not None and not cancel.is_cancelled:
            try:
                token_id = self._sample(top, sampler, reply.token_ids)
            except Interrupted:
                break
            if token_id in self.tokenizer.stop_ids:
                return StopReason.STOP_TOKEN
            reason = reply.take(token_id)
            if reason is not None:
                return reason
            if len(self._cache) + 1 >= self.context_length:
                return StopReason.CONTEXT_FULL
            try:
                top = self._read((token_id,), sampler.query(reply.token_ids))
            except Interrupted:
                break
        return StopReason.CANCELLED

    def _choose(self, top: TopLogits | None, choices: Choices, reply: "_Reply", cancel: CancelToken) -> StopReason:
        """Says one of `choices`; once only one is left, the rest of it is said without asking the model."""
        while top is not None and not cancel.is_cancelled:
            self._check_finite(top)
            token_id = choices.pick(top.logits)
            choices.take(token_id)
            is_end = token_id in self.tokenizer.stop_ids
            rest = choices.forced()
            for said in (*(() if is_end else (token_id,)), *rest):
                reason = reply.take(said)
                if reason is not None:
                    return reason
            if is_end or rest or choices.is_complete:
                return StopReason.STOP_TOKEN
            if len(self._cache) + 1 >= self.context_length:
                return StopReason.CONTEXT_FULL
            try:
                top = self._read((token_id,), _ALL_LOGITS)
            except Interrupted:
                break
        return StopReason.CANCELLED

    def _sample(self, top: TopLogits, sampler: Sampler, generated_ids: Sequence[TokenId]) -> TokenId:
        """The next token, from all logits where those at hand do not decide it."""
        self._check_finite(top)
        token_id = sampler.choose(top, generated_ids)
        if token_id is None:
            top = TopLogits.of_all(self._model.all_logits())
            self._check_finite(top)
            token_id = sampler.choose(top, generated_ids)
        assert token_id is not None
        return token_id

    def _check_finite(self, top: TopLogits) -> None:
        if not np.isfinite(top.logits.max()):  # the maximum of anything with a NaN is NaN
            raise AppError(ErrorCode.MODEL_DAMAGED, path=self.name, part="logits", reason="not finite")

    def _read(self, ids: tuple[TokenId, ...], query: HeadQuery | None) -> TopLogits | None:
        # Recorded only after the read: what was interrupted, or failed, is not in the cache.
        start, top = len(self._cache), None
        if query is None:
            self._model.read(ids, start, want_logits=False)
        else:
            top = self._model.read_top(ids, start, query)
        self._cache.extend(ids)
        return top


class _Interrupter:
    """Carries cancel() to the model, for as long as one answer lasts.

    A token outlives its answer: cancelled late, it must not interrupt the answer after it.
    """

    def __init__(self, model: LanguageModel) -> None:
        model.clear_interrupt()
        self._model = model
        self._is_armed = True
        self._lock = threading.Lock()

    def fire(self) -> None:
        """Interrupts the model; called from any thread."""
        with self._lock:
            if self._is_armed:
                self._model.interrupt()

    def disarm(self) -> None:
        """Ends the connection and takes back an interrupt that came too late to stop anything."""
        with self._lock:
            self._is_armed = False
            self._model.clear_interrupt()


class _Reply:
    """The answer as it grows: ids, text, and whether it ends by itself."""

    def __init__(self, params: SamplingParams, tokenizer: Tokenizer, emit: Emit) -> None:
        self.token_ids: list[TokenId] = []
        self._max_tokens = params.max_tokens
        self._emit = emit
        self._decoder = tokenizer.decoder()
        self._stops = StopStrings(params.stop)
        self._loops = LoopDetector()
        self._parts: list[str] = []
        self._first_at = self._last_at = 0.0

    @property
    def text(self) -> str:
        """What was emitted so far."""
        return "".join(self._parts)

    @property
    def decode_s(self) -> float:
        """Seconds from the first token to the last."""
        return self._last_at - self._first_at

    def begin_with(self, ids: Sequence[TokenId]) -> None:
        """Takes what was said before, without saying it again."""
        emit, self._emit = self._emit, lambda _event: None
        for token_id in ids:
            self.take(token_id)
        self._emit = emit
        self._first_at = self._last_at = 0.0

    def take(self, token_id: TokenId) -> StopReason | None:
        """Adds a token and emits what it completes; None while the answer goes on."""
        self._last_at = time.perf_counter()
        if not self._first_at:
            self._first_at = self._last_at
        self.token_ids.append(token_id)
        self._say(self._stops.push(self._decoder.push(token_id)))
        is_loop = self._loops.push(token_id)
        if self._stops.is_found:
            return StopReason.STOP_STRING
        if len(self.token_ids) >= self._max_tokens:
            return StopReason.MAX_TOKENS
        return StopReason.LOOP if is_loop else None

    def finish(self) -> None:
        """Emits what was held back, once no more tokens can come."""
        self._say(self._stops.push(self._decoder.flush()) + self._stops.flush())

    def _say(self, text: str) -> None:
        if text:
            self._parts.append(text)
            self._emit(TextDelta(text))


class StopStrings:
    """Cuts text at the first stop string; holds back every ending that might grow into one."""

    def __init__(self, stops: Sequence[str]) -> None:
        self.is_found = False
        self._stops = tuple(stops)
        self._held = ""

    def push(self, text: str) -> str:
        """The text that is safe to show after `text` came; nothing any more once a stop string was found."""
        if self.is_found:
            return ""
        text = self._held + text
        found = [position for position in map(text.find, self._stops) if position >= 0]
        if found:
            self.is_found = True
            self._held = ""
            return text[: min(found)]
        n_held = max((_overlap(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - n_held :]
        return text[: len(text) - n_held]

    def flush(self) -> str:
        """What was held back, when no more text can come."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """Length of the longest ending of `text` with which `stop` begins, short of the whole of it."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(stop[:n])), 0)


def open_engine(
    path: Path,
    *,
    context_length: int | None = None,
    n_threads: int | None = None,
    kernels: str | None = None,
    kv: KVPrecision = "f32",
    cancel: CancelToken,
    emit: Emit,
) -> Engine:
    """Loads the model and the tokenizer at `path` (see load_model); emits LoadProgress.

    Raises:
        AppError: MODEL_*, TOKENIZER_*, OUT_OF_MEMORY, KERNELS_UNKNOWN, SETTING_INVALID.
        Interrupted: `cancel` was cancelled while loading.
    """
    tokenizer = read_tokenizer(path)  # the quick part first: it may refuse
    model = load_model(
        path, context_length=context_length, n_threads=n_threads, kernels=kernels, kv=kv, cancel=cancel, emit=emit
    )
    is_small = count_parameters(model.config) < SMALL_PARAMETERS
    return Engine(model, tokenizer, model.name, is_small=is_small)
