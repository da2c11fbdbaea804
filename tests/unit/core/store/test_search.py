import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.events import CancelToken
from core.store import search
from core.store.chats import ChatStore, MessageState
from core.store.database import Database
from core.store.history import HistoryStore
from core.store.migrations import STEPS, migrate
from core.store.search import Hit


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(tmp_path / "history.sqlite3")
    yield opened
    opened.close()


@pytest.fixture
def store(database: Database) -> ChatStore:
    return ChatStore(database)


def found(database: Database, text: str) -> list[str]:
    return [hit.snippet for hit in search.search(database, text)]


def marked(hit: Hit) -> list[str]:
    return [hit.snippet[low:high] for low, high in hit.marks]


def test_what_was_just_written_is_found(database: Database, store: ChatStore) -> None:
    chat_id = store.create_chat("Birds")
    prompt = store.add_prompt(chat_id, "How far does the Arctic tern fly?")
    reply = store.begin_reply(chat_id, "m")
    store.finish_reply(reply, "About 70,000 km a year; it crosses the équateur twice.", MessageState.DONE, None)
    assert [(hit.chat_id, hit.message_id, hit.title) for hit in search.search(database, "arctic")] == [
        (chat_id, prompt, "Birds")
    ]
    assert [hit.message_id for hit in search.search(database, "equateur cross")] == [reply]
    assert [hit.message_id for hit in search.search(database, "bir")] == [None]
    assert search.search(database, "arctic xyz") == []
    assert search.search(database, "  ,; ") == []


def test_the_last_word_may_go_on_and_the_others_not(database: Database, store: ChatStore) -> None:
    store.add_prompt(store.create_chat("t"), "fishing boats")
    assert found(database, "fish") == ["fishing boats"]
    assert found(database, "fish ") == []
    assert found(database, "fish boats") == []
    assert found(database, "boats f") == ["fishing boats"]


def test_chinese_is_found_by_any_part_and_only_where_it_stands_together(database: Database, store: ChatStore) -> None:
    chat_id = store.create_chat("t")
    store.add_prompt(chat_id, "燕鸥飞得很远")
    store.add_prompt(chat_id, "飞得高，得很好，很远")  # every pair of 飞得很, but not one after the other
    assert found(database, "鸥飞得") == ["燕鸥飞得很远"]
    assert found(database, "飞得很") == ["燕鸥飞得很远"]
    assert len(found(database, "远")) == 2


def test_a_hostile_query_is_words(database: Database, store: ChatStore) -> None:
    store.add_prompt(store.create_chat("t"), "near and or not")
    for text in ('"', "NEAR(a b)", "near*", "a AND", "-x", "title_search:x", "'; DROP TABLE chats", "\x00", "^near"):
        search.search(database, text)
    assert found(database, "NOT near") == ["near and or not"]


def test_the_index_follows_every_change(database: Database, store: ChatStore) -> None:
    history = HistoryStore(database)
    chat_id = store.create_chat("alpha")
    prompt = store.add_prompt(chat_id, "needle one")
    store.rename_chat(chat_id, "beta")
    assert found(database, "alpha") == []
    assert found(database, "beta") == ["beta"]
    history.trash_messages([prompt])
    assert found(database, "needle") == []
    history.restore_messages([prompt])
    assert found(database, "needle") == ["needle one"]
    history.trash_chats([chat_id])
    assert found(database, "needle") == found(database, "beta") == []
    history.restore_chats([chat_id])
    assert found(database, "needle") == ["needle one"]
    store.delete_chat(chat_id)
    assert found(database, "needle") == found(database, "beta") == []


def test_an_interrupted_answer_is_found_after_the_next_start(database: Database, store: ChatStore) -> None:
    reply = store.begin_reply(store.create_chat("t"), "m")
    store.append_reply(reply, "half an ")
    store.append_reply(reply, "answer")
    assert store.recover() == 1
    assert found(database, "answer") == ["half an answer"]
    message = store.message(reply)
    assert message is not None
    assert not message.is_damaged


def test_words_of_what_was_deleted_leave_the_file(database: Database, store: ChatStore, tmp_path: Path) -> None:
    kept = store.create_chat("kept")
    for number in range(30):
        store.add_prompt(kept, f"ordinary words {number}")
    gone = store.create_chat("t")
    store.add_prompt(gone, "zyzzyvacanary lives here")
    store.delete_chat(gone)
    database.close()
    assert b"zyzzyva" not in (tmp_path / "history.sqlite3").read_bytes()


def test_an_older_history_is_indexed_step_by_step(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite3"
    connection = sqlite3.connect(path, isolation_level=None)
    migrate(connection, path, STEPS[:3])
    connection.execute("INSERT INTO chats VALUES (1, 'Old title', 1.0, 2.0)")
    for number in range(1, 500):
        connection.execute(
            "INSERT INTO messages(id, chat_id, role, state, created_at, text) VALUES (?, 1, 'user', 'done', 1.0, ?)",
            (number, f"old message number{number}"),
        )
    connection.close()
    database = Database.open(path)
    store = ChatStore(database)
    assert found(database, "old title") == ["Old title"]
    assert found(database, "number7 ") == []
    new = store.add_prompt(store.chats()[0].id, "a new one")
    HistoryStore(database).erase([], [7])  # type: ignore[list-item]
    assert search.fill(database, CancelToken()) == 498
    assert search.fill(database, CancelToken()) == 0
    assert found(database, "number8 ") == ["old message number8"]
    assert found(database, "number7 ") == []
    assert [hit.message_id for hit in search.search(database, "new one")] == [new]
    database.close()


def test_a_damaged_index_keeps_no_message_from_being_stored(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite3"
    database = Database.open(path)
    store = ChatStore(database)
    chat_id = store.create_chat("t")
    store.add_prompt(chat_id, "before")
    with database.write() as connection:
        connection.execute("UPDATE message_search_data SET block = x'ffffffffffffffffffff'")
    database.close()
    database = Database.open(path)
    store = ChatStore(database)
    store.add_prompt(chat_id, "after")
    search.search(database, "after")
    for number in range(5):
        store.add_prompt(chat_id, f"more{number}")
    with database.write() as connection:
        connection.execute("UPDATE search_state SET todo_below = -1")
    search.fill(database, CancelToken())
    assert found(database, "after") == ["after"]
    assert [message.text for message in store.messages(chat_id)][:2] == ["before", "after"]
    database.close()
