import json
import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from fake_model import FakeModel
from hypothesis import given
from hypothesis import strategies as st

from core.errors import AppError, ErrorCode
from core.events import CancelToken, PromptProgress, StopReason, TextDelta
from core.inference.choices import Choice
from core.inference.config import TokenId
from core.inference.engine import PREFILL_CHUNK, Engine, Generation, StopStrings, open_engine
from core.inference.loops import MIN_SPAN
from core.inference.model import Interrupted
from core.inference.prompt import Role, Turn, build_prompt
from core.inference.sampling import SamplingParams
from core.inference.tokenizer import Tokenizer

GREEDY = SamplingParams.greedy()
PROMPT = tuple(TokenId(value) for value in (496, 10, 20, 30))
EOT, END_OF_TEXT = 505, 497

MakeEngine = Callable[..., tuple[Engine, FakeModel]]


@pytest.fixture
def saying(tokenizer: Tokenizer) -> MakeEngine:
    """Return a factory of engines whose model says `text` (or ids) after any prompt, and then `stop_id`."""

    def make(
        text: str | Sequence[int], *, stop_id: int = EOT, n_prompt: int = len(PROMPT), context_length: int = 256
    ) -> tuple[Engine, FakeModel]:
        script = [*(tokenizer.encode_text(text) if isinstance(text, str) else text), stop_id]
        model = FakeModel(lambda ids: script[min(len(ids) - n_prompt, len(script) - 1)], context_length=context_length)
        return Engine(model, tokenizer, "fake"), model

    return make


def run(
    engine: Engine,
    params: SamplingParams = GREEDY,
    *,
    prompt: Sequence[int] = PROMPT,
    cancel: CancelToken | None = None,
    emit: Callable[[object], None] | None = None,
) -> Generation:
    ids = [TokenId(value) for value in prompt]
    return engine.generate(ids, params, cancel or CancelToken(), emit or (lambda event: None))


def counter(engine_ids: int = 400) -> Callable[[tuple[int, ...]], int]:
    """A model that never stops and never repeats: the next id depends on how much was read."""
    return lambda ids: 20 + len(ids) * 7 % engine_ids


# what is said


def test_the_answer_is_streamed_and_returned(saying: MakeEngine) -> None:
    engine, _ = saying("Größe 今日は 🚀!")
    events: list[object] = []
    reply = run(engine, emit=events.append)
    deltas = [event.text for event in events if isinstance(event, TextDelta)]
    assert "".join(deltas) == reply.text == "Größe 今日は 🚀!"
    assert all(deltas)
    assert "\ufffd" not in reply.text
    assert reply.token_ids == tuple(engine.tokenizer.encode_text(reply.text))
    assert reply.prompt_ids == PROMPT


@pytest.mark.parametrize("stop_id", [EOT, END_OF_TEXT])
def test_every_stop_id_ends_the_answer_and_is_no_part_of_it(stop_id: int, saying: MakeEngine) -> None:
    engine, _ = saying("Hello", stop_id=stop_id)
    reply = run(engine)
    assert reply.reason is StopReason.STOP_TOKEN
    assert reply.text == "Hello"
    assert stop_id not in reply.token_ids


def test_an_answer_may_be_empty(saying: MakeEngine) -> None:
    engine, _ = saying("")
    reply = run(engine)
    assert (reply.text, reply.token_ids, reply.reason) == ("", (), StopReason.STOP_TOKEN)
    assert reply.stats.generated_tokens == 0
    assert reply.stats.decode_s == 0.0


def test_other_special_tokens_give_no_text_but_are_kept(saying: MakeEngine) -> None:
    engine, _ = saying([40, 498, 41])
    reply = run(engine)
    assert reply.token_ids == (40, 498, 41)
    assert reply.text == engine.tokenizer.decode([TokenId(40), TokenId(41)])


def test_half_a_character_at_the_end_is_replaced(saying: MakeEngine, tokenizer: Tokenizer) -> None:
    rocket = tokenizer.encode_text("🚀")
    engine, _ = saying(rocket[:-1])
    assert run(engine).text == "\ufffd"


def test_max_tokens_ends_the_answer(saying: MakeEngine) -> None:
    engine, model = saying("a long answer that is not finished")
    reply = run(engine, replace(GREEDY, max_tokens=3))
    assert reply.reason is StopReason.MAX_TOKENS
    assert len(reply.token_ids) == 3
    assert len(model.held) == len(PROMPT) + 2, "the last token was not read: nothing needs its logits"


def test_a_full_context_ends_the_answer(tokenizer: Tokenizer) -> None:
    engine = Engine(FakeModel(counter(), context_length=40), tokenizer, "fake")
    reply = run(engine)
    assert reply.reason is StopReason.CONTEXT_FULL
    assert len(reply.prompt_ids) + len(reply.token_ids) == 40


def test_a_loop_ends_the_answer(tokenizer: Tokenizer) -> None:
    engine = Engine(FakeModel(lambda ids: 65, context_length=1000), tokenizer, "fake")
    reply = run(engine)
    assert reply.reason is StopReason.LOOP
    assert len(reply.token_ids) == MIN_SPAN


# stop strings


def test_a_stop_string_across_tokens_is_cut_out(saying: MakeEngine, tokenizer: Tokenizer) -> None:
    said = "The answer is 42.\nUser: and then?"
    engine, _ = saying(said)
    events: list[object] = []
    reply = run(engine, replace(GREEDY, stop=("\nUser:",)), emit=events.append)
    assert reply.reason is StopReason.STOP_STRING
    assert reply.text == "The answer is 42."
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == reply.text
    assert tokenizer.decode(reply.token_ids).startswith("The answer is 42.\nUser:")


def test_the_beginning_of_a_stop_string_is_said_when_it_was_none(saying: MakeEngine) -> None:
    engine, _ = saying("One\nUse it.\nUs")
    reply = run(engine, replace(GREEDY, stop=("\nUser:",)))
    assert reply.text == "One\nUse it.\nUs"
    assert reply.reason is StopReason.STOP_TOKEN


@given(
    st.lists(st.text("abX", max_size=4), max_size=12),
    st.lists(st.text("abX", min_size=1, max_size=5), max_size=3),
)
def test_no_part_of_a_stop_string_is_shown(parts: list[str], stops: list[str]) -> None:
    matcher = StopStrings(stops)
    shown = ""
    read = ""
    for part in parts:
        shown += matcher.push(part)
        read += part
        if matcher.is_found:
            break
        assert read.startswith(shown)
        assert all(stop not in read for stop in stops)
        assert not any(shown.endswith(stop[:n]) for stop in stops for n in range(1, len(stop)) if shown == read)
    if matcher.is_found:
        assert shown == read[: min(read.find(stop) for stop in stops if stop in read)]
        assert matcher.push("more") + matcher.flush() == ""
    else:
        assert shown + matcher.flush() == read


def test_without_stop_strings_nothing_is_held_back() -> None:
    assert StopStrings(()).push("abc") == "abc"


# the cache


def test_only_what_is_new_is_read(saying: MakeEngine, eot: TokenId) -> None:
    engine, model = saying("Hello there")
    first = run(engine)
    model.reads.clear()
    follow_up = (*PROMPT, *first.token_ids, eot, TokenId(60), TokenId(61))
    second = run(engine, prompt=follow_up)
    assert model.reads[0] == (len(PROMPT) + len(first.token_ids), follow_up[-3:])
    assert second.stats.cached_tokens == len(follow_up) - 3
    assert second.stats.prompt_tokens == len(follow_up)


def test_the_last_prompt_token_is_always_read(saying: MakeEngine) -> None:
    engine, model = saying("Hello")
    first = run(engine)
    model.reads.clear()
    again = run(engine)
    assert model.reads[0] == (len(PROMPT) - 1, PROMPT[-1:])
    assert again.stats.cached_tokens == len(PROMPT) - 1
    assert again.text == first.text


def test_another_prompt_keeps_the_common_beginning_only(saying: MakeEngine) -> None:
    engine, model = saying("Hello")
    run(engine)
    other = (*PROMPT[:2], TokenId(99), TokenId(98))
    run(engine, replace(GREEDY, max_tokens=1), prompt=other)
    assert engine.cached_ids == other
    assert model.held == list(other)


def test_the_cache_record_is_what_the_model_holds_after_every_kind_of_end(tokenizer: Tokenizer) -> None:
    model = FakeModel(counter(), context_length=120)
    engine = Engine(model, tokenizer, "fake")
    for params in (replace(GREEDY, max_tokens=5), replace(GREEDY, stop=("e",)), GREEDY):
        run(engine, params)
        assert list(engine.cached_ids) == model.held


def test_a_cached_prefix_changes_no_token(tokenizer: Tokenizer) -> None:
    prompts = [[496, *range(10, 10 + n)] for n in (5, 90, 40, 91)]
    params = SamplingParams(temperature=2.0, top_k=0, top_p=1.0, min_p=0.0, seed=3, max_tokens=20)
    warm = Engine(FakeModel(spread=3.0), tokenizer, "fake")
    for prompt in prompts:
        fresh = Engine(FakeModel(spread=3.0), tokenizer, "fake")
        assert run(warm, params, prompt=prompt).token_ids == run(fresh, params, prompt=prompt).token_ids


def test_a_conversation_is_read_once(tokenizer: Tokenizer) -> None:
    model = FakeModel(spread=3.0, context_length=400)
    engine = Engine(model, tokenizer, "fake")
    turns = [Turn(Role.SYSTEM, "Be brief.")]
    for question in ("Why?", "And then?", "What else?"):
        turns.append(Turn(Role.USER, question))
        prompt = build_prompt(turns, tokenizer, context_length=400, reserve=20)
        reply = run(engine, SamplingParams(temperature=1.5, seed=1, max_tokens=20), prompt=prompt.ids)
        turns.append(Turn(Role.ASSISTANT, reply.text, reply.token_ids))
        n_new = len(tokenizer.encode_text(f"User: {question}Assistant: ")) + 6
        if len(turns) > 3:
            assert reply.stats.prompt_tokens - reply.stats.cached_tokens <= n_new


# reading the prompt


def test_the_prompt_is_read_in_chunks_with_progress(saying: MakeEngine) -> None:
    prompt = [496, *(20 + i % 400 for i in range(149))]
    engine, model = saying("Hi", n_prompt=150)
    events: list[object] = []
    run(engine, prompt=prompt, emit=events.append)
    progress = [event for event in events if isinstance(event, PromptProgress)]
    assert [event.done_tokens for event in progress] == [0, PREFILL_CHUNK, 2 * PREFILL_CHUNK, 150]
    assert {event.total_tokens for event in progress} == {150}
    assert [len(ids) for _, ids in model.reads[:3]] == [64, 64, 22]
    events.clear()
    run(engine, prompt=prompt, emit=events.append)
    assert events[0] == PromptProgress(149, 150), "cached tokens count as done"


@pytest.mark.parametrize(
    ("prompt", "code", "facts"),
    [
        ([], ErrorCode.PROMPT_EMPTY, {}),
        ([496] * 256, ErrorCode.PROMPT_TOO_LONG, {"n_tokens": 256, "limit": 255}),
        ([496, 512], ErrorCode.TOKEN_OUT_OF_RANGE, {"token_id": 512, "vocab_size": 512}),
        ([-1], ErrorCode.TOKEN_OUT_OF_RANGE, {"token_id": -1, "vocab_size": 512}),
    ],
)
def test_a_prompt_that_cannot_be_read_is_refused_unread(
    prompt: list[int], code: ErrorCode, facts: dict[str, int], saying: MakeEngine
) -> None:
    engine, model = saying("Hi")
    with pytest.raises(AppError) as caught:
        run(engine, prompt=prompt)
    assert (caught.value.code, caught.value.facts) == (code, facts)
    assert model.reads == []


def test_the_longest_prompt_gets_an_answer_of_one_token(tokenizer: Tokenizer) -> None:
    engine = Engine(FakeModel(counter()), tokenizer, "fake")
    reply = run(engine, prompt=[496] * 255)
    assert (len(reply.token_ids), reply.reason) == (1, StopReason.CONTEXT_FULL)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_logits_that_are_no_numbers_are_a_damaged_model(bad: float, tokenizer: Tokenizer) -> None:
    class Broken(FakeModel):
        def _logits(self):  # type: ignore[no-untyped-def]
            logits = super()._logits().copy()
            logits[3 if bad > 0 or math.isnan(bad) else slice(None)] = bad
            return logits

    with pytest.raises(AppError) as caught:
        run(Engine(Broken(), tokenizer, "broken"))
    assert caught.value.code is ErrorCode.MODEL_DAMAGED
    assert caught.value.facts["path"] == "broken"


# stopping it


def test_cancel_takes_effect_within_one_token(tokenizer: Tokenizer) -> None:
    model = FakeModel(counter())
    engine = Engine(model, tokenizer, "fake")
    cancel = CancelToken()
    said: list[str] = []

    def emit(event: object) -> None:
        if isinstance(event, TextDelta):
            said.append(event.text)
            if len(said) == 4:
                cancel.cancel()

    reply = run(engine, cancel=cancel, emit=emit)
    assert reply.reason is StopReason.CANCELLED
    assert reply.text == "".join(said)
    assert len(model.reads) <= 1 + len(reply.token_ids)
    assert list(engine.cached_ids) == model.held


def test_cancel_interrupts_the_running_step(tokenizer: Tokenizer) -> None:
    model = FakeModel(counter())
    engine = Engine(model, tokenizer, "fake")
    cancel = CancelToken()
    in_step, go_on = threading.Event(), threading.Event()

    def before_read() -> None:
        if len(model.reads) == 3:
            in_step.set()
            assert go_on.wait(10)

    def stop_it() -> None:
        assert in_step.wait(10)
        cancel.cancel()
        go_on.set()

    model.before_read = before_read
    stopper = threading.Thread(target=stop_it)
    stopper.start()
    reply = run(engine, cancel=cancel)
    stopper.join()
    assert reply.reason is StopReason.CANCELLED
    assert len(reply.token_ids) == 3
    assert model.n_interrupts == 1
    assert len(model.reads) == 3, "the interrupted step gave nothing"
    assert list(engine.cached_ids) == model.held


def test_cancelled_before_the_start_nothing_is_read(saying: MakeEngine) -> None:
    engine, model = saying("Hi")
    cancel = CancelToken()
    cancel.cancel()
    reply = run(engine, cancel=cancel)
    assert (reply.text, reply.reason, model.reads) == ("", StopReason.CANCELLED, [])


def test_cancel_while_reading_the_prompt_keeps_the_chunks_read(saying: MakeEngine) -> None:
    prompt = [496, *(20 + i % 400 for i in range(199))]
    engine, model = saying("Hello", n_prompt=200)
    cancel = CancelToken()

    def emit(event: object) -> None:
        if event == PromptProgress(2 * PREFILL_CHUNK, 200):
            cancel.cancel()

    reply = run(engine, prompt=prompt, cancel=cancel, emit=emit)
    assert (reply.text, reply.token_ids, reply.reason) == ("", (), StopReason.CANCELLED)
    assert len(engine.cached_ids) == len(model.held) == 2 * PREFILL_CHUNK
    resumed = run(engine, prompt=prompt)
    assert resumed.stats.cached_tokens == 2 * PREFILL_CHUNK
    assert resumed.text == "Hello"


def test_an_interrupt_leaves_the_engine_usable(saying: MakeEngine) -> None:
    engine, model = saying("Hello")
    cancel = CancelToken()
    model.before_read = cancel.cancel  # in the middle of the first step
    assert run(engine, cancel=cancel).reason is StopReason.CANCELLED
    model.before_read = lambda: None
    assert run(engine).text == "Hello"


def test_an_old_token_cannot_stop_a_later_answer(saying: MakeEngine) -> None:
    engine, model = saying("Hello")
    old = CancelToken()
    run(engine, cancel=old)
    model.before_read = old.cancel
    assert run(engine, prompt=(496, 11, 21, 31)).text == "Hello"
    assert model.n_interrupts == 0


def test_an_error_in_a_step_leaves_the_engine_usable(saying: MakeEngine) -> None:
    engine, model = saying("Hello")
    run(engine)

    def fail() -> None:
        raise MemoryError

    model.before_read = fail
    with pytest.raises(MemoryError):
        run(engine, prompt=(496, 11, 21, 31))
    model.before_read = lambda: None
    assert run(engine).text == "Hello"
    assert list(engine.cached_ids) == model.held


def test_an_error_of_the_observer_leaves_the_engine_usable(saying: MakeEngine) -> None:
    engine, _ = saying("Hello")

    def emit(event: object) -> None:
        if isinstance(event, TextDelta):
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        run(engine, emit=emit)
    assert run(engine).text == "Hello"


# seeds and figures


def test_equal_seeds_give_equal_text_and_others_do_not(tokenizer: Tokenizer) -> None:
    params = SamplingParams(temperature=2.0, top_k=0, top_p=1.0, min_p=0.0, max_tokens=30)

    def text(seed: int) -> str:
        return run(Engine(FakeModel(spread=4.0), tokenizer, "fake"), replace(params, seed=seed)).text

    assert text(5) == text(5)
    assert len({text(seed) for seed in range(5)}) == 5


def test_a_drawn_seed_is_reported_and_repeats_the_answer(tokenizer: Tokenizer) -> None:
    params = SamplingParams(temperature=2.0, top_k=0, top_p=1.0, min_p=0.0, max_tokens=30)
    engine = Engine(FakeModel(spread=4.0), tokenizer, "fake")
    first, other = run(engine, params), run(engine, params)
    assert first.stats.seed != other.stats.seed
    assert run(engine, replace(params, seed=first.stats.seed)).token_ids == first.token_ids


def test_the_figures_are_those_of_the_answer(saying: MakeEngine) -> None:
    engine, model = saying("Hello there")
    reply = run(engine)
    stats = reply.stats
    assert (stats.prompt_tokens, stats.cached_tokens) == (len(PROMPT), 0)
    assert stats.generated_tokens == len(reply.token_ids) > 1
    assert stats.prefill_s > 0
    assert stats.decode_s > 0
    assert stats.prefill_tokens_per_s > 0
    assert engine.context_length == model.context_length


def test_close_frees_the_model(saying: MakeEngine) -> None:
    engine, model = saying("Hi")
    engine.close()
    assert model.is_closed
    assert engine.cached_ids == ()


# the real model


@pytest.mark.golden
@pytest.mark.parametrize("name", ["tied-h256", "tied-h128", "llama-bitlinear-h192"])
def test_greedy_answers_are_those_of_the_reference(name: str, fixtures_dir: Path) -> None:
    golden = json.loads((fixtures_dir / name / "golden" / "golden.json").read_text("utf-8"))
    engine = open_engine(fixtures_dir / name / "hf-packed", n_threads=1, cancel=CancelToken(), emit=lambda event: None)
    for prompt in golden["prompts"].values():
        ids = engine.tokenizer.encode_rendered(prompt["text"])
        reply = run(engine, SamplingParams.greedy(max_tokens=64), prompt=ids)
        n_sure = min(prompt["robust_greedy_len"], len(reply.token_ids))
        assert list(reply.token_ids[:n_sure]) == prompt["greedy_f32"][:n_sure]
        assert n_sure == prompt["robust_greedy_len"] or reply.reason is StopReason.STOP_TOKEN
    engine.close()


def test_a_cached_prefix_changes_no_token_of_the_real_model(model_dir: Path, tokenizer: Tokenizer) -> None:
    def opened() -> Engine:
        return open_engine(model_dir, n_threads=2, cancel=CancelToken(), emit=lambda event: None)

    warm = opened()
    text = "the quick brown fox jumps over the lazy dog " * 2
    for n in (20, 60, 35):
        prompt = tokenizer.encode_rendered(text)[:n]
        fresh = opened()
        assert run(warm, replace(GREEDY, max_tokens=24), prompt=prompt).token_ids == (
            run(fresh, replace(GREEDY, max_tokens=24), prompt=prompt).token_ids
        )
        fresh.close()
    warm.close()


def test_a_load_that_is_cancelled_ends(model_dir: Path) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Interrupted):
        open_engine(model_dir, cancel=cancel, emit=lambda event: None)


def test_a_missing_tokenizer_is_noticed_before_weights_are_read(tiny_model_dir: Callable[..., Path]) -> None:
    directory = tiny_model_dir()
    (directory / "tokenizer.json").unlink()
    events: list[object] = []
    with pytest.raises(AppError) as caught:
        open_engine(directory, cancel=CancelToken(), emit=events.append)
    assert caught.value.code is ErrorCode.TOKENIZER_MISSING
    assert events == []


def test_an_answer_from_choices_is_one_of_them_word_for_word(saying: MakeEngine) -> None:
    engine, model = saying("rent is 720 euros, I think")
    deltas: list[str] = []
    choices = [Choice("rent is 720 euros."), Choice("the deposit is 50 euros."), Choice("no")]
    result = engine.generate(
        PROMPT,
        GREEDY,
        CancelToken(),
        lambda event: deltas.append(event.text) if isinstance(event, TextDelta) else None,
        choices,
    )
    assert (result.text, result.reason) == ("rent is 720 euros.", StopReason.STOP_TOKEN)
    assert "".join(deltas) == result.text
    assert len(model.reads) < len(result.token_ids)  # what is decided is not read
    assert run(engine).text == "rent is 720 euros, I think"  # and the next answer is free again


def test_a_prior_decides_against_the_model(saying: MakeEngine) -> None:
    engine, _ = saying("yes")
    choices = [Choice("yes"), Choice("never", 1000.0)]
    assert engine.generate(PROMPT, GREEDY, CancelToken(), lambda event: None, choices).text == "never"


def test_a_cancelled_choice_is_kept_as_far_as_it_came(saying: MakeEngine) -> None:
    engine, _ = saying("yes")
    cancel = CancelToken()
    cancel.cancel()
    result = engine.generate(PROMPT, GREEDY, cancel, lambda event: None, [Choice("yes"), Choice("no")])
    assert (result.text, result.reason) == ("", StopReason.CANCELLED)
