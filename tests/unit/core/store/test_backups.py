import sqlite3
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import pytest

from core.errors import AppError, ErrorCode
from core.events import CancelToken, Interrupted
from core.store import search
from core.store.backups import (
    KEPT,
    backup_directory,
    backups,
    daily_backup,
    damaged_messages,
    erase_in_backups,
    restore,
)
from core.store.chats import ChatStore
from core.store.database import Database
from core.store.history import HistoryStore

TODAY = date(2026, 11, 21)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.sqlite3"


def _blow(path: Path, number: int) -> None:
    """Change one letter deep inside a long text, as a disk would: nothing of SQLite's own notices."""
    content = bytearray(path.read_bytes())
    place = content.index(f"LETTER{number}END".encode())
    content[place] = ord("X")
    path.write_bytes(content)


def _long(number: int) -> str:
    return "before " * 3_000 + f"LETTER{number}END" + " after" * 3_000


def test_one_backup_a_day_and_the_newest_are_kept(path: Path) -> None:
    database = Database.open(path)
    ChatStore(database).add_prompt(ChatStore(database).create_chat("t"), "text")
    for ago in range(KEPT + 3, -1, -1):
        assert daily_backup(path, TODAY - timedelta(days=ago), CancelToken()) is not None
    assert daily_backup(path, TODAY, CancelToken()) is None
    found = backups(path)
    assert [each.day for each in found] == [TODAY - timedelta(days=ago) for ago in range(KEPT)]
    assert {(each.chats, each.messages) for each in found} == {(1, 1)}
    database.close()


def test_a_cancelled_backup_leaves_nothing(path: Path) -> None:
    database = Database.open(path)
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Interrupted):
        daily_backup(path, TODAY, cancel)
    assert list(backup_directory(path).iterdir()) == []
    database.close()


def test_damage_inside_a_long_text_is_found_and_mended(path: Path) -> None:
    database = Database.open(path)
    store = ChatStore(database)
    chat_id = store.create_chat("t")
    ids = [store.add_prompt(chat_id, _long(number)) for number in range(3)]
    assert damaged_messages(path, CancelToken()) == []
    daily_backup(path, TODAY, CancelToken())
    database.close()
    _blow(path, 1)
    database = Database.open(path)
    assert database.recovery is None  # SQLite itself sees nothing
    store = ChatStore(database)
    assert damaged_messages(path, CancelToken()) == [ids[1]]
    assert [message.is_damaged for message in store.messages(chat_id)] == [False, True, False]
    restored = restore(database, backups(path)[0].path)
    assert (restored.chats, restored.messages, restored.mended) == (0, 0, 1)
    assert [message.text for message in store.messages(chat_id)] == [_long(number) for number in range(3)]
    assert damaged_messages(path, CancelToken()) == []
    database.close()


def test_a_backup_gives_back_what_is_missing_and_nothing_else(path: Path) -> None:
    database = Database.open(path)
    store, history = ChatStore(database), HistoryStore(database)
    lost, kept = store.create_chat("lost"), store.create_chat("kept")
    store.add_prompt(lost, "lostneedle")
    store.add_document(lost, "a.txt", "0" * 64, "Text")
    history.move([lost], history.create_folder("F"))
    store.add_prompt(kept, "old")
    daily_backup(path, TODAY, CancelToken())
    before = store.chats(), store.messages(lost), store.documents(lost), history.folders()
    with database.write() as connection:  # as a damaged page would take it
        connection.execute("DELETE FROM chats WHERE id = ?", (lost,))
        connection.execute("DELETE FROM folders")
    store.rename_chat(kept, "renamed since")
    store.add_prompt(kept, "newer than the backup")
    restored = restore(database, backups(path)[0].path)
    assert (restored.chats, restored.messages) == (1, 1)
    assert {chat.title for chat in store.chats()} == {"lost", "renamed since"}
    assert (store.messages(lost), store.documents(lost), history.folders()) == before[1:]
    assert [message.text for message in store.messages(kept)] == ["old", "newer than the backup"]
    search.fill(database, CancelToken())
    assert [hit.chat_id for hit in search.search(database, "lostneedle")] == [lost]
    assert [hit.chat_id for hit in search.search(database, "newer")] == [kept]
    database.close()


def test_a_backup_that_is_no_database_changes_nothing(path: Path, tmp_path: Path) -> None:
    database = Database.open(path)
    ChatStore(database).create_chat("t")
    broken = tmp_path / "broken.sqlite3"
    broken.write_bytes(b"SQLite format 3\0" + bytes(5_000))
    with pytest.raises(AppError) as caught:
        restore(database, broken)
    assert caught.value.code is ErrorCode.DATABASE_DAMAGED
    assert [chat.title for chat in ChatStore(database).chats()] == ["t"]
    database.close()


def test_deleted_for_good_is_deleted_in_the_backups_too(path: Path) -> None:
    database = Database.open(path)
    store, history = ChatStore(database), HistoryStore(database)
    gone, kept = store.create_chat("CANARY"), store.create_chat("kept")
    store.add_prompt(gone, "CANARY " * 3_000)
    store.add_prompt(kept, "one")
    single = store.add_prompt(kept, "CANARY alone")
    store.add_prompt(kept, "three")
    daily_backup(path, TODAY, CancelToken())
    history.erase([gone], [single])
    erase_in_backups(path, [gone], [single])
    for file in (path, *backup_directory(path).iterdir()):
        assert b"CANARY" not in file.read_bytes(), file.name
    restored = restore(database, backups(path)[0].path)
    assert (restored.chats, restored.messages) == (0, 0)
    with closing(sqlite3.connect(backups(path)[0].path)) as copy:
        assert copy.execute("PRAGMA foreign_key_check").fetchall() == []
    database.close()


def test_a_backup_opens_as_a_history(path: Path) -> None:
    database = Database.open(path)
    store = ChatStore(database)
    store.add_prompt(store.create_chat("t"), "needle")
    copy = daily_backup(path, TODAY, CancelToken())
    database.close()
    assert copy is not None
    opened = Database.open(copy)
    assert opened.recovery is None
    ChatStore(opened).recover()
    search.fill(opened, CancelToken())
    assert [hit.snippet for hit in search.search(opened, "needle")] == ["needle"]
    opened.close()
