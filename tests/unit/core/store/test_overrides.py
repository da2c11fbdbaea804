from pathlib import Path

import pytest

from core.presets import NO_OVERRIDES, ChatOverrides
from core.store.chats import ChatId, ChatStore
from core.store.database import Database
from core.store.overrides import OverrideStore


@pytest.fixture
def database(tmp_path: Path):
    made = Database.open(tmp_path / "history.sqlite3")
    yield made
    made.close()


def test_a_chat_keeps_what_it_does_differently(database: Database) -> None:
    store = OverrideStore(database)
    chat = ChatStore(database).create_chat()
    assert store.get(chat) == NO_OVERRIDES
    for overrides in (ChatOverrides("Precise"), ChatOverrides(None, ""), ChatOverrides("Mine", "Be \0brief 😀")):
        store.set(chat, overrides)
        found = store.get(chat)
        assert found.preset == overrides.preset
        assert (found.system_prompt is None) == (overrides.system_prompt is None)
    store.set(chat, NO_OVERRIDES)
    assert store.get(chat) == NO_OVERRIDES
    with database.read() as connection:
        assert connection.execute("SELECT count(*) FROM chat_overrides").fetchone() == (0,)


def test_they_leave_with_the_chat(database: Database) -> None:
    store, chats = OverrideStore(database), ChatStore(database)
    chat = chats.create_chat()
    store.set(chat, ChatOverrides("Precise"))
    chats.delete_chat(chat)
    assert store.get(chat) == NO_OVERRIDES
    store.set(chat, ChatOverrides("Precise"))  # it was deleted meanwhile
    assert store.get(ChatId(99)) == NO_OVERRIDES
