from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import AppError, ErrorCode
from core.events import Passage, ReplyStats, StopReason
from core.store.chats import (
    TITLE_CHARS,
    ChatId,
    ChatStore,
    MessageId,
    MessageRole,
    MessageState,
    ReplyRecord,
    storable,
    title_from,
)
from core.store.database import Database

RECORD = ReplyRecord(
    model="tern-tiny",
    token_ids=(1, 2, 128_000),
    stop_reason=StopReason.STOP_TOKEN,
    seed=2**64 - 1,
    stats=ReplyStats(10, 4, 3, 0.25, 0.5, 2**64 - 1),
    params='{"temperature": 0.7}',
)


class FakeClock:
    """Time that moves only when told."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(tmp_path / "history.sqlite3")
    yield opened
    opened.close()


@pytest.fixture
def store(database: Database, clock: FakeClock) -> ChatStore:
    return ChatStore(database, clock)


def test_an_exchange_comes_back_as_it_was(store: ChatStore, clock: FakeClock) -> None:
    chat_id = store.create_chat()
    prompt_id = store.add_prompt(chat_id, "Why is the sky blue?")
    clock.now += 1
    reply_id = store.begin_reply(chat_id, "tern-tiny")
    assert store.messages(chat_id)[1].state is MessageState.STREAMING
    store.append_reply(reply_id, "Ray")
    store.append_reply(reply_id, "leigh")
    assert store.messages(chat_id)[1].text == "Rayleigh"
    store.finish_reply(reply_id, "Rayleigh.", MessageState.DONE, RECORD)
    prompt, reply = store.messages(chat_id)
    assert (prompt.id, prompt.role, prompt.text, prompt.state) == (
        prompt_id,
        MessageRole.USER,
        "Why is the sky blue?",
        MessageState.DONE,
    )
    assert prompt.reply is None
    assert prompt.model is None
    assert (reply.role, reply.text, reply.state) == (MessageRole.ASSISTANT, "Rayleigh.", MessageState.DONE)
    assert reply.reply == RECORD
    assert reply.created_at == prompt.created_at + 1
    assert store.message(reply_id) == reply


def test_an_answer_without_record_still_names_its_model(store: ChatStore) -> None:
    chat_id = store.create_chat()
    reply_id = store.begin_reply(chat_id, "tern-tiny")
    store.finish_reply(reply_id, "half", MessageState.FAILED, None)
    (message,) = store.messages(chat_id)
    assert (message.model, message.reply, message.state) == ("tern-tiny", None, MessageState.FAILED)


def test_a_damaged_record_does_not_hide_the_message(store: ChatStore, database: Database) -> None:
    chat_id = store.create_chat()
    reply_id = store.begin_reply(chat_id, "tern-tiny")
    store.finish_reply(reply_id, "text", MessageState.DONE, RECORD)
    for column, value in [("token_ids", "[1,"), ("stats", "{}"), ("stop_reason", "bored"), ("token_ids", "null")]:
        with database.write() as connection:
            connection.execute(f"UPDATE replies SET {column} = ?", (value,))
        (message,) = store.messages(chat_id)
        assert (message.text, message.reply) == ("text", None)
        store.finish_reply(reply_id, "text", MessageState.DONE, RECORD)


def test_chats_are_listed_by_last_use(store: ChatStore, clock: FakeClock) -> None:
    first = store.create_chat("first")
    clock.now += 1
    second = store.create_chat("second")
    clock.now += 1
    store.add_prompt(first, "again")
    clock.now += 1
    store.rename_chat(second, "renamed")
    assert [chat.title for chat in store.chats()] == ["first", "renamed"]


def test_order_in_a_chat_ignores_the_clock(store: ChatStore, clock: FakeClock) -> None:
    chat_id = store.create_chat()
    for number, jump in enumerate([0.0, -3.2e8, 6.4e8, -3600.0, 0.0]):
        clock.now += jump
        store.add_prompt(chat_id, str(number))
    assert [message.text for message in store.messages(chat_id)] == list("01234")


def test_the_first_prompt_gives_the_title_and_later_ones_do_not(store: ChatStore) -> None:
    chat_id = store.create_chat()
    store.add_prompt(chat_id, "  \nWhat is  a tern?\nmore")
    store.add_prompt(chat_id, "Something else")
    assert store.chats()[0].title == "What is a tern?"
    store.rename_chat(chat_id, " Terns\n and gulls ")
    store.add_prompt(chat_id, "Third")
    assert store.chats()[0].title == "Terns and gulls"


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("", ""),
        ("short", "short"),
        ("x" * 48, "x" * 48),
        ("x" * 49, "x" * 47 + "…"),
        ("Please explain to me, step by step, how photosynthesis works", "Please explain to me, step by step, how…"),
        ("a" * 47 + " tail", "a" * 47 + "…"),
    ],
)
def test_titles_are_cut_at_a_word(text: str, title: str) -> None:
    assert title_from(text) == title
    assert len(title_from(text)) <= TITLE_CHARS


def test_parents_make_a_line(store: ChatStore, database: Database) -> None:
    chat_id, other = store.create_chat(), store.create_chat()
    first = store.add_prompt(chat_id, "1")
    store.add_prompt(other, "not in between")
    reply = store.begin_reply(chat_id, "m")
    with database.read() as connection:
        parents = dict(connection.execute("SELECT id, parent_id FROM messages WHERE chat_id = ?", (chat_id,)))
    assert parents == {first: None, reply: first}


def test_recover_marks_only_what_was_streaming(store: ChatStore) -> None:
    chat_id = store.create_chat()
    store.add_prompt(chat_id, "p")
    done = store.begin_reply(chat_id, "m")
    store.finish_reply(done, "whole", MessageState.DONE, None)
    torn = store.begin_reply(chat_id, "m")
    store.append_reply(torn, "half")
    assert store.recover() == 1
    assert store.recover() == 0
    assert [(message.text, message.state) for message in store.messages(chat_id)] == [
        ("p", MessageState.DONE),
        ("whole", MessageState.DONE),
        ("half", MessageState.INTERRUPTED),
    ]


def test_a_missing_chat_is_said(store: ChatStore) -> None:
    gone = ChatId(99)
    for call in (
        lambda: store.add_prompt(gone, "p"),
        lambda: store.begin_reply(gone, "m"),
        lambda: store.rename_chat(gone, "t"),
    ):
        with pytest.raises(AppError) as caught:
            call()
        assert caught.value.code is ErrorCode.CHAT_NOT_FOUND
        assert caught.value.facts == {"chat_id": 99}
    assert store.messages(gone) == []
    assert store.message(MessageId(99)) is None
    store.delete_chat(gone)


def test_a_chat_deleted_while_it_is_answered_stays_deleted(store: ChatStore) -> None:
    chat_id = store.create_chat()
    reply_id = store.begin_reply(chat_id, "m")
    store.delete_chat(chat_id)
    store.append_reply(reply_id, "x")
    store.finish_reply(reply_id, "x", MessageState.DONE, RECORD)
    assert store.chats() == []
    assert store.message(reply_id) is None


def test_deleted_means_deleted(store: ChatStore, tmp_path: Path) -> None:
    kept, gone = store.create_chat("kept"), store.create_chat("CANARY title")
    store.add_prompt(kept, "stays")
    store.add_prompt(gone, "CANARY " * 3_000)
    reply_id = store.begin_reply(gone, "m")
    store.finish_reply(reply_id, "CANARY", MessageState.DONE, replace(RECORD, params='{"x": "CANARY"}'))
    store.delete_chat(gone)
    for file in tmp_path.iterdir():
        assert b"CANARY" not in file.read_bytes(), file.name
    assert [chat.id for chat in store.chats()] == [kept]


def test_a_long_chat_can_be_deleted(store: ChatStore, database: Database) -> None:
    """SQLite nests cascades at most 1,000 deep; a chain of parents must not be one."""
    chat_id = store.create_chat()
    with database.write() as connection:
        for number in range(1, 1_502):
            connection.execute(
                """INSERT INTO messages(id, chat_id, parent_id, role, state, created_at, text)
                   VALUES (?, ?, ?, 'user', 'done', 0, 'x')""",
                (number, chat_id, number - 1 or None),
            )
    store.delete_chat(chat_id)
    assert store.messages(chat_id) == []


def test_ids_are_never_used_again(store: ChatStore) -> None:
    first = store.create_chat()
    store.delete_chat(first)
    assert store.create_chat() > first


def test_documents_belong_to_one_chat_and_go_with_it(store: ChatStore, database: Database, clock: FakeClock) -> None:
    first, second = store.create_chat("first"), store.create_chat("second")
    store.add_document(first, "lease.txt", "a" * 64, "The rent.")
    store.add_document(first, "<b>b</b>\udce9.txt", "b" * 64, "x\0y <|eot_id|>")
    store.add_document(first, "the same again.txt", "a" * 64, "The rent.")
    store.add_document(second, "lease.txt", "a" * 64, "The rent.")
    found = store.documents(first)
    assert [(each.name, each.text) for each in found] == [
        ("lease.txt", "The rent."),
        ("<b>b</b>\ufffd.txt", "x\ufffdy <|eot_id|>"),
    ]
    assert (found[0].sha256, found[0].created_at) == ("a" * 64, clock.now)
    store.remove_document(found[0].id)
    assert len(store.documents(first)) == 1
    store.delete_chat(first)
    assert store.documents(first) == []
    assert len(store.documents(second)) == 1
    with database.read() as connection:
        assert connection.execute("SELECT count(*) FROM documents").fetchone()[0] == 1


def test_a_document_needs_its_chat(store: ChatStore) -> None:
    with pytest.raises(AppError) as caught:
        store.add_document(ChatId(99), "a.txt", "a" * 64, "x")
    assert caught.value.code is ErrorCode.CHAT_NOT_FOUND


def test_the_passages_of_a_prompt_come_back_as_they_were(store: ChatStore) -> None:
    chat_id = store.create_chat()
    prompt_id = store.add_prompt(chat_id, "How long?")
    passages = (Passage(1, 'a "b".txt', 3, 9, "line\none"), Passage(2, "ü", 0, 2, "世界"))
    store.set_context(prompt_id, passages)
    assert store.messages(chat_id)[0].context == passages
    store.set_context(prompt_id, ())
    assert store.messages(chat_id)[0].context == ()
    store.set_context(MessageId(99), passages)


@pytest.mark.parametrize("damaged", ["{", "{}", "[1]", '[{"name": "x"}]', "null", '"text"', "3"])
def test_a_damaged_context_never_hides_a_conversation(store: ChatStore, database: Database, damaged: str) -> None:
    chat_id = store.create_chat()
    store.add_prompt(chat_id, "Hello")
    with database.write() as connection:
        connection.execute("UPDATE messages SET context = ?", (damaged,))
    assert [(each.text, each.context) for each in store.messages(chat_id)] == [("Hello", ())]


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("plain", "plain"),
        ("\udce9t\udce9", "\ufffdt\ufffd"),  # surrogateescape of a Latin-1 file name
        ("\ud83d\ude00", "😀"),
        ("\ud83d", "\ufffd"),
        ("a\0b", "a\ufffdb"),
    ],
)
def test_what_cannot_be_stored_is_made_safe(store: ChatStore, text: str, stored: str) -> None:
    assert storable(text) == stored
    chat_id = store.create_chat(text)
    store.add_prompt(chat_id, text)
    store.append_reply(store.begin_reply(chat_id, text), text)
    assert [message.text for message in store.messages(chat_id)] == [stored, stored]
    assert store.chats()[0].title == stored


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=300))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_other_text_comes_back_unchanged(store: ChatStore, text: str) -> None:
    chat_id = store.create_chat()
    store.add_prompt(chat_id, text)
    reply_id = store.begin_reply(chat_id, "m")
    store.append_reply(reply_id, text)
    store.append_reply(reply_id, text)
    assert [message.text for message in store.messages(chat_id)] == [text, text + text]
