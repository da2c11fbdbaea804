from collections.abc import Iterator
from pathlib import Path

import pytest

from core.budget import BudgetCounter, Surroundings, cut_to_fit
from core.chat import turns_of
from core.errors import AppError
from core.events import CancelToken
from core.inference.config import load_config
from core.inference.prompt import Role, Turn, build_prompt
from core.inference.tokenizer import Tokenizer
from core.store.chats import ChatStore, MessageState
from core.store.database import Database

TINY = Path(__file__).parents[2] / "fixtures" / "tied-h128" / "hf-packed"
SYSTEM = "Be brief."


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_directory(TINY, load_config(TINY))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ChatStore]:
    database = Database.open(tmp_path / "history.sqlite3")
    yield ChatStore(database)
    database.close()


@pytest.mark.parametrize("context_length", [150, 300, 600, 4_000])
def test_the_count_is_that_of_the_prompt_and_the_line_stands_where_it_begins(store, tokenizer, context_length) -> None:
    chat_id = store.create_chat()
    around = Surroundings("m", context_length, 64, SYSTEM, 0)
    counter = BudgetCounter()
    for number in range(8):
        draft = f"Question {number}: " + "what of the sea? " * (number % 3 + 1)
        budget = counter.count(store, chat_id, number, draft, around, tokenizer, CancelToken())
        turns = [*turns_of(SYSTEM, store.messages(chat_id), "m"), Turn(Role.USER, draft)]
        if budget.too_many:
            with pytest.raises(AppError) as caught:
                build_prompt(turns, tokenizer, context_length=context_length, reserve=budget.reserve)
            assert budget.too_many == caught.value.facts["n_tokens"] - caught.value.facts["limit"]
        else:
            prompt = build_prompt(turns, tokenizer, context_length=context_length, reserve=budget.reserve)
            assert budget.used == len(prompt.ids)
            assert budget.n_dropped == prompt.turns_dropped
            messages = store.messages(chat_id)
            first = messages[prompt.turns_dropped].id if 0 < prompt.turns_dropped < len(messages) else None
            assert budget.seen_from == first
        prompt_id = store.add_prompt(chat_id, draft)
        store.finish_reply(store.begin_reply(chat_id, "m", prompt_id), "An answer. " * 5, MessageState.DONE, None)


def test_a_growing_draft_does_not_read_the_history_again(store, tokenizer) -> None:
    chat_id = store.create_chat()
    first = store.add_prompt(chat_id, "Hello there")
    store.add_prompt(chat_id, "And again")
    counter, around = BudgetCounter(), Surroundings("m", 500, 64, SYSTEM, 0)
    before = counter.count(store, chat_id, 1, "", around, tokenizer, CancelToken())
    assert (before.draft, before.history > 0) == (0, True)
    store.add_prompt(chat_id, "Unseen, as the version is the same")
    after = counter.count(store, chat_id, 1, "words", around, tokenizer, CancelToken())
    assert (after.history, after.draft > 0) == (before.history, True)
    edited = counter.count(store, chat_id, 1, "words", around, tokenizer, CancelToken(), before=first)
    assert edited.history == 0


def test_a_cut_draft_fits_and_ends_at_a_word(tokenizer) -> None:
    draft = "some words of a long message " * 60

    def count(text: str) -> int:
        return len(tokenizer.encode_text(text))

    kept = cut_to_fit(draft, 100, count, CancelToken())
    assert draft.startswith(kept)
    assert count(kept) <= count(draft) - 100
    assert count(kept) > count(draft) - 110 - 10
    assert draft[len(kept)] == " "
