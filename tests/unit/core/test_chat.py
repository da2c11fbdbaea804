import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from core.chat import SAVE_INTERVAL_S, ChatService, ReadingLimits
from core.errors import AppError, ErrorCode
from core.events import (
    CancelToken,
    HistoryTrimmed,
    MessageStored,
    PassagesFound,
    PromptProgress,
    ReplyDone,
    ReplyStats,
    Saved,
    StopReason,
    TextDelta,
)
from core.inference.engine import open_engine
from core.inference.sampling import SamplingParams
from core.inference.templates import ChatTemplate
from core.library.quoting import ABSENT
from core.store.chats import ChatId, ChatStore, Message, MessageRole, MessageState
from core.store.database import Database

SYSTEM = "Be brief."
TINY = Path(__file__).parents[2] / "fixtures" / "tied-h128" / "hf-packed"


@dataclass(frozen=True)
class Params:
    """What the service needs of SamplingParams."""

    max_tokens: int = 8
    temperature: float = 0.5
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class FakeGeneration:
    text: str
    token_ids: tuple[int, ...]
    prompt_ids: tuple[int, ...]
    reason: StopReason
    stats: ReplyStats


class FakeTokenizer:
    """One token a byte."""

    template = ChatTemplate.BITNET
    prefix_ids = (256,)
    end_of_turn_id = 257
    stop_ids = frozenset({257})
    vocab_size = 512

    def encode_text(self, text: str) -> list[int]:
        return list(text.encode("utf-8"))


class FakeEngine:
    """Answers with the given pieces; `before_piece` runs before each, as whatever happens meanwhile."""

    tokenizer = FakeTokenizer()

    def __init__(self, pieces: Sequence[str] = ("An", "swer"), name: str = "tern-fake", context_length: int = 2_000):
        self.pieces = list(pieces)
        self.name = name
        self.is_small = False
        self.choices: list[object] = []
        self.context_length = context_length
        self.prompts: list[tuple[int, ...]] = []
        self.before_piece: Callable[[int], None] = lambda _index: None

    def generate(
        self, prompt_ids: Sequence[int], params: Params, cancel: CancelToken, emit, choices: object = (), begun=()
    ) -> FakeGeneration:
        self.prompts.append(tuple(prompt_ids))
        self.choices.append(choices)
        emit(PromptProgress(len(prompt_ids), len(prompt_ids)))
        text = ""
        reason = StopReason.STOP_TOKEN
        for index, piece in enumerate(self.pieces):
            self.before_piece(index)
            if cancel.is_cancelled:
                reason = StopReason.CANCELLED
                break
            text += piece
            emit(TextDelta(piece))
        stats = ReplyStats(len(prompt_ids), 0, len(text), 0.1, 0.2, seed=42)
        return FakeGeneration(text, tuple(300 + i for i in range(len(text))), tuple(prompt_ids), reason, stats)

    def prompt_text(self, index: int = -1) -> str:
        """The prompt with end-of-turn as "|" and ids of earlier answers as "#"."""
        return "".join(
            "^" if i == 256 else "|" if i == 257 else "#" if i >= 300 else chr(i) for i in self.prompts[index]
        )


class FakeClock:
    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


class Bed:
    """A service over a real store, with everything that it emits."""

    def __init__(self, path: Path) -> None:
        self.database = Database.open(path)
        self.store = ChatStore(self.database)
        self.engine = FakeEngine()
        self.clock = FakeClock()
        self.service = ChatService(self.store, lambda: self.engine, self.clock)
        self.chat_id = self.store.create_chat()
        self.cancel = CancelToken()
        self.events: list[object] = []

    def reply(self, text: str = "Hello", params: Params | None = None) -> Message:
        self.events.clear()
        return self.service.reply(
            self.chat_id, text, params or Params(), SYSTEM, self.cancel, self.events.append
        )  # fmt: skip

    def stored(self) -> list[tuple[str, MessageState]]:
        return [(message.text, message.state) for message in self.store.messages(self.chat_id)]


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    bed = Bed(tmp_path / "history.sqlite3")
    yield bed
    bed.database.close()


def test_an_exchange_is_stored_and_told(bed: Bed) -> None:
    message = bed.reply()
    assert bed.engine.prompt_text() == "^System: Be brief.|User: Hello|Assistant: "
    n_prompt = len(bed.engine.prompts[0])
    assert bed.events == [
        MessageStored(1, (1,), is_prompt=True),
        Saved(0),
        MessageStored(2, (2,), is_prompt=False),
        PromptProgress(n_prompt, n_prompt),
        TextDelta("An"),
        Saved(2),
        TextDelta("swer"),
        Saved(6),
        ReplyDone(StopReason.STOP_TOKEN, ReplyStats(n_prompt, 0, 6, 0.1, 0.2, 42)),
    ]
    assert bed.store.messages(bed.chat_id)[1] == message
    assert (message.role, message.text, message.state) == (MessageRole.ASSISTANT, "Answer", MessageState.DONE)
    assert message.reply is not None
    assert message.reply.model == "tern-fake"
    assert message.reply.token_ids == (300, 301, 302, 303, 304, 305)
    assert message.reply.seed == 42
    assert message.reply.stop_reason is StopReason.STOP_TOKEN
    params = json.loads(message.reply.params)
    made_with = params.pop("prompt")
    assert params == {"max_tokens": 8, "temperature": 0.5, "stop": []}
    assert (made_with["system"], made_with["context_length"], made_with["reserve"]) == (SYSTEM, 2_000, 8)


def test_the_prompt_is_on_disk_before_the_engine_is_asked_for(bed: Bed) -> None:
    seen: list[list[tuple[str, MessageState]]] = []

    def engine() -> FakeEngine:
        seen.append(bed.stored())
        return bed.engine

    service = ChatService(bed.store, engine, bed.clock)
    service.reply(bed.chat_id, "Hello", Params(), SYSTEM, bed.cancel, bed.events.append)
    assert seen == [[("Hello", MessageState.DONE)]]


def test_text_reaches_the_store_at_most_every_interval(bed: Bed) -> None:
    bed.engine.pieces = [f"{index} " for index in range(10)]
    stored: list[str] = []

    def tick(_index: int) -> None:
        stored.append(bed.store.messages(bed.chat_id)[-1].text)
        bed.clock.now += SAVE_INTERVAL_S / 2.5

    bed.engine.before_piece = tick
    bed.reply()
    assert stored == ["", *["0 "] * 3, *["0 1 2 3 "] * 3, *["0 1 2 3 4 5 6 "] * 3]
    assert [event.n_chars for event in bed.events if isinstance(event, Saved)] == [0, 2, 8, 14, 20, 20]
    assert bed.stored()[-1] == ("0 1 2 3 4 5 6 7 8 9 ", MessageState.DONE)


def test_what_was_said_to_be_saved_is_in_the_store(bed: Bed) -> None:
    bed.engine.pieces = ["ä", "😀", "\0", "x"] * 5
    bed.engine.before_piece = lambda _index: setattr(bed.clock, "now", bed.clock.now + 0.3)
    checked: list[bool] = []

    def emit(event: object) -> None:
        if isinstance(event, Saved):
            text = bed.store.messages(bed.chat_id)[-1].text if event.n_chars else ""
            checked.append(len(text) == event.n_chars)

    bed.service.reply(bed.chat_id, "Hello", Params(), SYSTEM, bed.cancel, emit)
    assert len(checked) > 5
    assert all(checked)


def test_cancel_keeps_the_answer_so_far(bed: Bed) -> None:
    bed.engine.pieces = ["one ", "two ", "three"]
    bed.engine.before_piece = lambda index: bed.cancel.cancel() if index == 2 else None
    message = bed.reply()
    assert (message.text, message.state) == ("one two ", MessageState.STOPPED)
    assert message.reply is not None
    assert message.reply.stop_reason is StopReason.CANCELLED
    assert isinstance(bed.events[-1], ReplyDone)


def _fail_with(error: BaseException, at: int) -> Callable[[int], None]:
    def before_piece(index: int) -> None:
        if index == at:
            raise error

    return before_piece


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (AppError(ErrorCode.DISK_FULL, path="x"), MessageState.FAILED),
        (RuntimeError("a mistake of ours"), MessageState.FAILED),
        (MemoryError(), MessageState.FAILED),
        (KeyboardInterrupt(), MessageState.STOPPED),
    ],
)
def test_an_error_keeps_the_partial_answer(bed: Bed, error: BaseException, state: MessageState) -> None:
    bed.engine.pieces = ["one ", "two ", "three"]
    bed.engine.before_piece = _fail_with(error, 2)
    with pytest.raises(type(error)) as caught:
        bed.reply()
    assert caught.value is error
    assert bed.stored() == [("Hello", MessageState.DONE), ("one two ", state)]
    assert not any(isinstance(event, ReplyDone) for event in bed.events)


def test_a_store_that_fails_does_not_hide_the_first_error(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object) -> None:
        raise AppError(ErrorCode.DISK_FULL, path="x")

    monkeypatch.setattr(bed.store, "finish_reply", full)
    bed.engine.before_piece = _fail_with(RuntimeError("first"), 1)
    with pytest.raises(RuntimeError, match="first"):
        bed.reply()


def test_an_engine_that_cannot_be_opened_leaves_the_prompt(bed: Bed) -> None:
    def engine() -> FakeEngine:
        raise AppError(ErrorCode.MODEL_NONE_CHOSEN)

    service = ChatService(bed.store, engine, bed.clock)
    with pytest.raises(AppError):
        service.reply(bed.chat_id, "Hello", Params(), SYSTEM, bed.cancel, bed.events.append)
    assert bed.stored() == [("Hello", MessageState.DONE)]


@pytest.mark.parametrize("text", ["", "  \n\t"])
def test_an_empty_prompt_is_refused_before_anything_is_stored(bed: Bed, text: str) -> None:
    with pytest.raises(AppError) as caught:
        bed.reply(text)
    assert caught.value.code is ErrorCode.PROMPT_EMPTY
    assert bed.stored() == []


def test_a_missing_chat_is_said(bed: Bed) -> None:
    bed.chat_id = ChatId(77)
    with pytest.raises(AppError) as caught:
        bed.reply()
    assert caught.value.code is ErrorCode.CHAT_NOT_FOUND


def test_a_chat_deleted_during_the_answer_is_said(bed: Bed) -> None:
    bed.engine.before_piece = lambda _index: bed.store.delete_chat(bed.chat_id)
    with pytest.raises(AppError) as caught:
        bed.reply()
    assert caught.value.code is ErrorCode.CHAT_NOT_FOUND
    assert bed.store.chats() == []


def test_a_prompt_that_is_too_long_is_kept_and_does_not_spoil_the_next(bed: Bed) -> None:
    bed.reply("First")
    with pytest.raises(AppError) as caught:
        bed.reply("long " * 1_000)
    assert caught.value.code is ErrorCode.PROMPT_TOO_LONG
    assert [state for _, state in bed.stored()][2:] == [MessageState.DONE, MessageState.FAILED]
    bed.reply("Third")
    assert "long" not in bed.engine.prompt_text()
    assert "First" in bed.engine.prompt_text()
    assert not any(isinstance(event, HistoryTrimmed) for event in bed.events)


def test_history_that_no_longer_fits_is_told(bed: Bed) -> None:
    bed.engine.context_length = 300
    for number in range(3):
        bed.reply(f"{number} " + "x" * 100)
    assert HistoryTrimmed(2) in bed.events or HistoryTrimmed(4) in bed.events
    assert "Be brief." in bed.engine.prompt_text()
    assert "0 xx" not in bed.engine.prompt_text()


def test_earlier_answers_go_along_as_ids_for_the_same_model_only(bed: Bed) -> None:
    bed.reply("First")
    bed.reply("Second")
    assert bed.engine.prompt_text() == (
        "^System: Be brief.|User: First|Assistant: ######|User: Second|Assistant: "
    )  # fmt: skip
    bed.engine = FakeEngine(name="another")
    bed.reply("Third")
    assert bed.engine.prompt_text() == (
        "^System: Be brief.|User: First|Assistant: Answer|User: Second|Assistant: Answer|User: Third|Assistant: "
    )


def test_unfinished_answers_go_along_as_text_and_empty_ones_do_not(bed: Bed) -> None:
    bed.store.add_prompt(bed.chat_id, "P1")
    bed.store.append_reply(bed.store.begin_reply(bed.chat_id, "tern-fake"), "half")
    bed.store.add_prompt(bed.chat_id, "P2")
    bed.store.begin_reply(bed.chat_id, "tern-fake")
    bed.store.recover()
    bed.reply("P3")
    assert bed.engine.prompt_text() == (
        "^System: Be brief.|User: P1|Assistant: half|User: P2|User: P3|Assistant: "
    )  # fmt: skip


def test_unstorable_text_is_answered_as_it_was_stored(bed: Bed) -> None:
    bed.reply("a\ud800b")
    assert bed.stored()[0][0] == "a\ufffdb"
    assert bytes(i for i in bed.engine.prompts[0] if i < 256).decode("utf-8").count("a\ufffdb") == 1


def test_params_are_recorded_as_they_were_used(bed: Bed) -> None:
    message = bed.reply(params=replace(Params(), temperature=0.0, stop=("\nUser:",)))
    assert message.reply is not None
    assert json.loads(message.reply.params)["stop"] == ["\nUser:"]


LEASE = "The rent is 900 euros.\n\nThe notice\nperiod is three months. <|eot_id|>\n\nPets may live here."
# With | for the end of a line:
ASKED = "Passages:|[1] The notice period is three months. <|eot_id|>|Question: What is the notice period?"


def test_passages_are_stored_told_and_read_with_the_question(bed: Bed) -> None:
    bed.store.add_document(bed.chat_id, "lease.txt", "1" * 64, LEASE)
    bed.reply("What is the notice period?")
    found = bed.events[2]
    assert isinstance(found, PassagesFound)
    assert [type(event) for event in bed.events[1:5]] == [Saved, PassagesFound, MessageStored, PromptProgress]
    (passage,) = found.passages
    assert LEASE[passage.start : passage.end] == passage.text
    message = bed.store.messages(bed.chat_id)[0]
    assert (message.text, message.context) == ("What is the notice period?", (passage,))
    assert f"User: {ASKED}|Assistant: " in bed.engine.prompt_text().replace("\n", "|")


def test_an_earlier_question_is_read_again_exactly_as_it_was(bed: Bed) -> None:
    bed.store.add_document(bed.chat_id, "lease.txt", "1" * 64, LEASE)
    bed.reply("What is the notice period?")
    bed.store.remove_document(bed.store.documents(bed.chat_id)[0].id)
    bed.reply("Thank you.")
    n_answer = 6
    assert bed.engine.prompts[1][: len(bed.engine.prompts[0])] == bed.engine.prompts[0]
    assert bed.engine.prompt_text().endswith("#" * n_answer + "|User: Thank you.|Assistant: ")


def test_the_passages_are_on_disk_when_they_are_told(bed: Bed) -> None:
    bed.store.add_document(bed.chat_id, "lease.txt", "1" * 64, LEASE)
    seen: list[int] = []

    def emit(event: object) -> None:
        if isinstance(event, PassagesFound):
            seen.append(len(bed.store.messages(bed.chat_id)[-1].context))

    bed.service.reply(bed.chat_id, "Rent?", Params(), SYSTEM, bed.cancel, emit)
    assert seen == [1]


def test_passages_take_at_most_half_of_the_room(bed: Bed) -> None:
    bed.engine.context_length = 300
    bed.store.add_document(bed.chat_id, "long.txt", "2" * 64, "tern " * 2_000)
    bed.reply("Tern?")
    (passage,) = bed.store.messages(bed.chat_id)[0].context
    assert 20 < len(passage.text) <= (300 - 8) // 2


def test_documents_of_another_chat_are_not_read(bed: Bed) -> None:
    other = bed.store.create_chat()
    bed.store.add_document(other, "lease.txt", "1" * 64, LEASE)
    bed.reply("What is the notice period?")
    assert bed.engine.prompt_text() == "^System: Be brief.|User: What is the notice period?|Assistant: "
    assert not any(isinstance(event, PassagesFound) for event in bed.events)


@pytest.mark.kernels
def test_a_real_engine_reads_only_what_is_new(bed: Bed) -> None:
    directory = Path(__file__).parents[2] / "fixtures" / "tied-h128" / "hf-packed"
    engine = open_engine(
        directory, context_length=512, n_threads=1, kernels=None, cancel=CancelToken(), emit=lambda _event: None
    )
    bed.engine = engine
    params = SamplingParams(max_tokens=12, seed=1)
    first = bed.reply("Hello there", params)
    second = bed.reply("And then?", params)
    engine.close()
    assert first.reply is not None
    assert second.reply is not None
    n_answer = len(first.reply.token_ids)
    assert second.reply.stats.cached_tokens >= first.reply.stats.prompt_tokens + n_answer - 1
    assert bed.stored()[1] == (first.text, MessageState.DONE)
    assert json.loads(second.reply.params)["seed"] == 1


@pytest.mark.parametrize(
    ("answers", "is_small", "quotes"),
    [("automatic", True, True), ("automatic", False, False), ("quotes", False, True), ("free", True, False)],
)
def test_small_models_and_whoever_wants_it_get_quotes_alone(bed: Bed, answers: str, is_small, quotes: bool) -> None:
    bed.service = ChatService(bed.store, lambda: bed.engine, bed.clock, reading=ReadingLimits(answers=answers))
    bed.engine.is_small = is_small
    bed.store.add_document(bed.chat_id, "lease.txt", "1" * 64, LEASE)
    bed.reply("What is the notice period?")
    texts = [choice.text for choice in bed.engine.choices[-1]]
    assert bool(texts) is quotes
    if quotes:
        assert ABSENT in texts
        assert any("notice period" in text for text in texts)


def test_without_documents_every_answer_is_free(bed: Bed) -> None:
    bed.engine.is_small = True
    bed.reply("Hello")
    assert not bed.engine.choices[-1]


def test_an_edit_and_a_second_answer_leave_what_was_there(bed: Bed) -> None:
    first = bed.reply("One")
    assert first.parent_id is not None
    bed.engine.pieces = ["Again"]
    second = bed.service.answer(first.parent_id, Params(), SYSTEM, bed.cancel, bed.events.append)
    assert second.siblings == (first.id, second.id)
    assert [text for text, _ in bed.stored()] == ["One", "Again"]
    assert bed.engine.prompt_text(0) == bed.engine.prompt_text(1)
    bed.service.reply(
        bed.chat_id, "Other", Params(), SYSTEM, bed.cancel, bed.events.append, instead_of=first.parent_id
    )  # fmt: skip
    assert bed.engine.prompt_text() == "^System: Be brief.|User: Other|Assistant: "
    bed.store.choose(first.parent_id)
    bed.store.choose(first.id)
    assert [text for text, _ in bed.stored()] == ["One", "Answer"]


class RealBed:
    """A service that answers with a real, small model."""

    def __init__(self, path: Path) -> None:
        self.database = Database.open(path / "history.sqlite3")
        self.store = ChatStore(self.database)
        self.engine = open_engine(TINY, n_threads=1, cancel=CancelToken(), emit=lambda _event: None)
        self.service = ChatService(self.store, lambda: self.engine)
        self.chat_id = self.store.create_chat()
        self.events: list[object] = []

    def reply(self, text: str, params: SamplingParams) -> Message:
        return self.service.reply(self.chat_id, text, params, SYSTEM, CancelToken(), self.events.append)


@pytest.fixture
def real(tmp_path: Path) -> Iterator[RealBed]:
    bed = RealBed(tmp_path)
    yield bed
    bed.engine.close()
    bed.database.close()


def test_a_continued_answer_is_the_one_that_a_longer_limit_would_have_given(real: RealBed) -> None:
    whole = real.reply("Tell me of terns.", SamplingParams(seed=5, max_tokens=40))
    assert whole.parent_id is not None
    cut = real.service.answer(
        whole.parent_id, SamplingParams(seed=5, max_tokens=13), SYSTEM, CancelToken(), real.events.append
    )
    assert cut.is_cut
    assert cut.reply is not None
    assert whole.reply is not None
    assert cut.reply.token_ids == whole.reply.token_ids[:13]
    real.events.clear()
    other = SamplingParams(seed=99, temperature=1.3, max_tokens=27)  # what is set meanwhile must not matter
    longer = real.service.resume(cut.id, other, "Other words.", CancelToken(), real.events.append)
    assert longer.id == cut.id
    assert longer.text == whole.text
    assert longer.reply is not None
    assert longer.reply.token_ids == whole.reply.token_ids
    added = "".join(event.text for event in real.events if isinstance(event, TextDelta))
    assert longer.text.endswith(added.replace("\x00", "\ufffd"))  # as the store keeps it


def test_a_replay_gives_the_identical_text_also_of_a_continued_answer(real: RealBed) -> None:
    real.reply("First.", SamplingParams(max_tokens=10))
    answer = real.reply("Second.", SamplingParams(temperature=1.1, max_tokens=12))
    answer = real.service.resume(answer.id, SamplingParams(max_tokens=9), SYSTEM, CancelToken(), real.events.append)
    real.reply("Third.", SamplingParams(max_tokens=5))
    n_messages = len(real.store.messages(real.chat_id))
    result = real.service.replay(answer.id, CancelToken(), real.events.append)
    assert result.is_identical
    assert result.is_same_prompt
    assert (result.n_same, result.n_tokens) == (21, 21)
    assert len(real.store.messages(real.chat_id)) == n_messages


def test_an_answer_without_a_record_is_continued_from_its_text_but_not_replayed(real: RealBed) -> None:
    prompt = real.store.add_prompt(real.chat_id, "Hello")
    reply = real.store.begin_reply(real.chat_id, real.engine.name, prompt)
    real.store.append_reply(reply, "The sea")
    real.store.recover()
    with pytest.raises(AppError) as caught:
        real.service.replay(reply, CancelToken(), real.events.append)
    assert caught.value.code is ErrorCode.NOT_REPLAYABLE
    longer = real.service.resume(reply, SamplingParams(max_tokens=6), SYSTEM, CancelToken(), real.events.append)
    assert longer.text.startswith("The sea")
    assert len(longer.text) > len("The sea")
    real.engine.name = "another"
    with pytest.raises(AppError) as caught:
        real.service.resume(reply, SamplingParams(), SYSTEM, CancelToken(), real.events.append)
    assert caught.value.code is ErrorCode.MODEL_DIFFERS


def test_an_edit_reads_only_what_is_new(real: RealBed) -> None:
    real.reply("A first question that is not short at all.", SamplingParams(max_tokens=8))
    second = real.reply("Another question.", SamplingParams(max_tokens=8))
    edited = real.service.reply(
        real.chat_id, "Another one.", SamplingParams(max_tokens=8), SYSTEM, CancelToken(), real.events.append,
        instead_of=second.parent_id,
    )  # fmt: skip
    assert edited.reply is not None
    assert edited.reply.stats.cached_tokens > edited.reply.stats.prompt_tokens // 2


@pytest.mark.parametrize(("is_small", "asked", "used"), [(True, 0.7, 0.2), (True, 1.1, 1.1), (False, 0.7, 0.7)])
def test_a_small_model_has_a_temperature_of_its_own_and_the_answer_says_so(bed: Bed, is_small, asked, used) -> None:
    bed.engine.is_small = is_small
    message = bed.reply("Hello", Params(temperature=asked))
    assert message.reply is not None
    assert json.loads(message.reply.params)["temperature"] == used
