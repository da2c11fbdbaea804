from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import AppError, ErrorCode
from core.store.chats import ChatId, ChatStore, FolderId
from core.store.database import Database
from core.store.history import NEW_CHAT, ChatPlace, HistoryStore

DAY_S = 86_400.0


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(tmp_path / "history.sqlite3")
    yield opened
    opened.close()


@pytest.fixture
def store(database: Database, clock: Clock) -> ChatStore:
    return ChatStore(database, clock)


@pytest.fixture
def history(database: Database, clock: Clock) -> HistoryStore:
    return HistoryStore(database, clock)


def test_chats_are_pinned_and_put_into_folders(store: ChatStore, history: HistoryStore) -> None:
    first, second = store.create_chat("first"), store.create_chat("second")
    folder_id = history.create_folder("  Work\n trip ")
    history.pin([first], is_pinned=True)
    history.move([first, second], folder_id)
    chats = {chat.id: chat for chat in store.chats()}
    assert chats[first].pinned_at is not None
    assert chats[second].pinned_at is None
    assert {chat.folder_id for chat in chats.values()} == {folder_id}
    assert [folder.name for folder in history.folders()] == ["Work trip"]
    history.rename_folder(folder_id, "Home")
    assert history.create_folder("Home") == folder_id
    history.pin([first], is_pinned=False)
    history.move([second], None)
    history.delete_folder(folder_id)
    assert [(chat.pinned_at, chat.folder_id) for chat in store.chats()] == [(None, None)] * 2
    with pytest.raises(AppError) as caught:
        history.move([first], FolderId(99))
    assert caught.value.code is ErrorCode.FOLDER_NOT_FOUND


def test_the_trash_gives_everything_back(store: ChatStore, history: HistoryStore) -> None:
    kept, gone = store.create_chat("kept"), store.create_chat("gone")
    messages = [store.add_prompt(kept, text) for text in ("one", "two", "three")]
    store.add_prompt(gone, "text")
    before = store.chats(), store.messages(kept)
    history.trash_chats([gone])
    history.trash_messages([messages[1]])
    assert [chat.id for chat in store.chats()] == [kept]
    assert [chat.id for chat in history.trash()] == [gone]
    assert [message.text for message in store.messages(kept)] == ["one", "three"]
    assert [(each.id, each.text, each.chat_title) for each in history.trashed_messages()] == [
        (messages[1], "two", "kept")
    ]
    history.restore_chats([gone])
    history.restore_messages([messages[1]])
    assert (store.chats(), store.messages(kept)) == before
    assert history.trash() == history.trashed_messages() == []


def test_the_trash_is_kept_for_thirty_days(store: ChatStore, history: HistoryStore, clock: Clock) -> None:
    first, second = store.create_chat("a"), store.create_chat("b")
    prompt = store.add_prompt(second, "text")
    history.trash_chats([first])
    history.trash_messages([prompt])
    clock.now += 29.9 * DAY_S
    assert history.expired() == ([], [])
    clock.now += 0.2 * DAY_S
    assert history.expired() == ([first], [prompt])
    history.erase(*history.expired())
    assert history.expired() == ([], [])
    assert [chat.id for chat in store.chats()] == [second]


def test_an_erased_message_leaves_a_whole_line_behind(
    store: ChatStore, history: HistoryStore, database: Database, tmp_path: Path
) -> None:
    chat_id = store.create_chat("t")
    first, second, third = (store.add_prompt(chat_id, text) for text in ("one", "CANARY" * 2_000, "three"))
    history.erase([], [second])
    with database.read() as connection:
        assert connection.execute("SELECT id, parent_id FROM messages ORDER BY id").fetchall() == [
            (first, None),
            (third, first),
        ]
    assert all(b"CANARY" not in file.read_bytes() for file in tmp_path.iterdir())


def test_the_place_of_a_chat_is_kept(store: ChatStore, history: HistoryStore) -> None:
    chat_id = store.create_chat("t")
    assert history.place(chat_id) == ChatPlace()
    place = ChatPlace("unsent \ud800 text", 12, 340)
    history.save_place(chat_id, place)
    history.save_place(NEW_CHAT, ChatPlace("for a new chat"))
    assert history.place(chat_id) == ChatPlace("unsent \ufffd text", 12, 340)
    assert history.place(NEW_CHAT).draft == "for a new chat"
    history.save_place(NEW_CHAT, ChatPlace())
    assert history.place(NEW_CHAT) == ChatPlace()
    store.delete_chat(chat_id)
    history.save_place(chat_id, place)
    assert history.place(chat_id) == ChatPlace()
    assert history.place(ChatId(99)) == ChatPlace()
