import contextlib
import os
import random
import shutil
import sqlite3
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import AppError, ErrorCode
from core.events import Passage
from core.store import database as database_module
from core.store.chats import ChatStore
from core.store.database import RESERVE_BYTES, Database, mark_path, reserve_path
from core.store.migrations import APPLICATION_ID, SCHEMA_VERSION, STEPS, migrate


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.sqlite3"


def _names(path: Path) -> list[str]:
    """Name the files beside and with the database, without its reserve and its mark."""
    return sorted(file.name for file in path.parent.iterdir() if file not in (reserve_path(path), mark_path(path)))


def _filled(path: Path, chats: int = 3, prompts: int = 40) -> list[str]:
    """Write a closed database and return its texts, each of its own."""
    database = Database.open(path)
    store = ChatStore(database)
    texts = []
    for chat in range(chats):
        chat_id = store.create_chat(f"chat {chat}")
        for number in range(prompts):
            texts.append(f"{chat}/{number} " + f"text{number} " * 40)
            store.add_prompt(chat_id, texts[-1])
    database.close()
    return texts


def _texts(database: Database) -> list[str]:
    store = ChatStore(database)
    return [message.text for chat in store.chats() for message in store.messages(chat.id)]


def test_every_pragma_reads_back(path: Path) -> None:
    database = Database.open(path)
    expected = {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "trusted_schema": 0,
        "secure_delete": 1,
        "busy_timeout": 5000,
        "application_id": APPLICATION_ID,
        "user_version": SCHEMA_VERSION,
    }
    with database.write() as connection:
        found = {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in expected}
    assert found == expected
    with database.read() as connection:
        assert connection.execute("PRAGMA query_only").fetchone()[0] == 1
    database.close()


def test_a_pragma_that_does_not_take_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "_PRAGMAS", (("synchronous", "OFF", 2),))
    with pytest.raises(AppError) as caught:
        Database.open(path)
    assert caught.value.code is ErrorCode.DATA_DIR_UNWRITABLE
    assert caught.value.facts["reason"] == "synchronous stays 0"


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")
def test_files_are_readable_by_the_owner_only(path: Path) -> None:
    path.touch(mode=0o644)
    database = Database.open(path)
    with database.write() as connection:
        connection.execute("INSERT INTO chats(title, created_at, updated_at) VALUES ('a', 0, 0)")
    files = sorted(path.parent.iterdir())
    assert len(files) == 4
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)
    database.close()


def test_a_write_is_there_without_close(path: Path, tmp_path: Path) -> None:
    database = Database.open(path)
    ChatStore(database).create_chat("kept")
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in tmp_path.glob("history*"):
        if not file.name.endswith("-shm"):
            shutil.copy(file, copy)
    reopened = Database.open(copy / path.name)
    assert [chat.title for chat in ChatStore(reopened).chats()] == ["kept"]
    assert reopened.recovery is None
    reopened.close()
    database.close()


def test_an_exception_rolls_back(path: Path) -> None:
    database = Database.open(path)

    def fail() -> None:
        with database.write() as connection:
            connection.execute("INSERT INTO chats(title, created_at, updated_at) VALUES ('a', 0, 0)")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert ChatStore(database).chats() == []
    ChatStore(database).create_chat("next")
    database.close()


def test_the_reader_cannot_write(path: Path) -> None:
    database = Database.open(path)
    with pytest.raises(AppError), database.read() as connection:
        connection.execute("DELETE FROM chats")
    database.close()


def test_threads_share_one_database(path: Path) -> None:
    database = Database.open(path)
    store = ChatStore(database)
    chat_id = store.create_chat("shared")
    errors: list[BaseException] = []

    def write(name: int) -> None:
        try:
            for number in range(20):
                store.add_prompt(chat_id, f"{name}/{number}")
                store.messages(chat_id)
        except BaseException as exc:
            errors.append(exc)

    threads = [threading.Thread(target=write, args=(name,)) for name in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(store.messages(chat_id)) == 60
    database.close()


def test_close_twice_is_harmless(path: Path) -> None:
    database = Database.open(path)
    database.close()
    database.close()
    assert _names(path) == [path.name]


def test_full_disk_is_said_and_cured(path: Path) -> None:
    database = Database.open(path)
    store = ChatStore(database)
    chat_id = store.create_chat("a")
    store.add_prompt(chat_id, "before")
    n_pages = database._writer.execute("PRAGMA page_count").fetchone()[0]
    database._writer.execute(f"PRAGMA max_page_count = {n_pages}")
    with pytest.raises(AppError) as caught:
        store.add_prompt(chat_id, "x" * 100_000)
    assert caught.value.code is ErrorCode.DISK_FULL
    assert [message.text for message in store.messages(chat_id)] == ["before"]
    database._writer.execute("PRAGMA max_page_count = 1000000")
    store.add_prompt(chat_id, "after")
    database.close()


def test_a_full_disk_still_lets_a_chat_be_deleted(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database.open(path)
    store = ChatStore(database)
    gone, kept = store.create_chat("gone"), store.create_chat("kept")
    assert reserve_path(path).stat().st_size == RESERVE_BYTES
    real_write = database.write

    @contextlib.contextmanager
    def write() -> Iterator[sqlite3.Connection]:
        if reserve_path(path).exists():  # as on a disk that the reserve fills
            raise AppError(ErrorCode.DISK_FULL, path=path)
        with real_write() as connection:
            yield connection

    monkeypatch.setattr(database, "write", write)
    store.delete_chat(gone)
    assert not reserve_path(path).exists()
    assert [chat.id for chat in store.chats()] == [kept]
    database.close()
    Database.open(path).close()
    assert reserve_path(path).exists()


def test_a_lock_held_elsewhere_is_said(path: Path) -> None:
    database = Database.open(path)
    database._writer.execute("PRAGMA busy_timeout = 0")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(AppError) as caught:
        ChatStore(database).create_chat("a")
    assert caught.value.code is ErrorCode.DATABASE_LOCKED
    other.execute("ROLLBACK")
    other.close()
    ChatStore(database).create_chat("b")
    database.close()


def test_wrong_sql_stays_a_programmers_mistake(path: Path) -> None:
    database = Database.open(path)
    with pytest.raises(sqlite3.OperationalError), database.read() as connection:
        connection.execute("SELECT nonsense")
    database.close()


def test_a_newer_database_is_refused_and_untouched(path: Path) -> None:
    _filled(path)
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(AppError) as caught:
        Database.open(path)
    assert caught.value.code is ErrorCode.DATABASE_NEWER
    assert caught.value.facts == {"path": path, "found": SCHEMA_VERSION + 1, "supported": SCHEMA_VERSION}
    assert path.read_bytes() == before
    assert _names(path) == [path.name]


def test_a_newer_database_is_refused_also_when_only_its_log_says_so(path: Path, tmp_path: Path) -> None:
    _filled(path)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    killed = tmp_path / "killed"
    killed.mkdir()
    for name in (path.name, path.name + "-wal"):
        shutil.copy(path.with_name(name), killed)
    connection.close()
    before = [(killed / name).read_bytes() for name in (path.name, path.name + "-wal")]
    with pytest.raises(AppError) as caught:
        Database.open(killed / path.name)
    assert caught.value.code is ErrorCode.DATABASE_NEWER
    assert [(killed / name).read_bytes() for name in (path.name, path.name + "-wal")] == before


def test_an_unwritable_directory_is_said(tmp_path: Path) -> None:
    with pytest.raises(AppError) as caught:
        Database.open(tmp_path / "missing" / "history.sqlite3")
    assert caught.value.code is ErrorCode.DATA_DIR_UNWRITABLE


def test_an_empty_file_is_a_new_database(path: Path) -> None:
    path.touch()
    database = Database.open(path)
    assert database.recovery is None
    database.close()


# --- damage


def _damage_magic(content: bytearray) -> None:
    content[0:512] = os.urandom(512)


def _damage_first_page(content: bytearray) -> None:
    content[0:4096] = bytes(4096)


def _damage_format_bytes(content: bytearray) -> None:
    content[18] = 200


def _damage_middle(content: bytearray) -> None:
    content[8 * 4096 : 8 * 4096 + 4096] = os.urandom(4096)


@pytest.mark.parametrize("damage", [_damage_magic, _damage_first_page, _damage_format_bytes, _damage_middle])
def test_damage_is_reported_kept_and_mostly_salvaged(path: Path, damage) -> None:
    texts = _filled(path)
    content = bytearray(path.read_bytes())
    damage(content)
    path.write_bytes(content)
    database = Database.open(path)
    assert database.recovery is not None
    kept_as = database.recovery.kept_as
    assert kept_as.name.startswith("history.sqlite3.corrupt-")
    assert kept_as.read_bytes() == content
    found = _texts(database)
    assert set(found) <= set(texts)
    assert len(found) == database.recovery.messages >= 0.85 * len(texts)
    database.close()
    reopened = Database.open(path)
    assert reopened.recovery is None
    reopened.close()
    assert _names(path) == [path.name, kept_as.name]


@pytest.mark.parametrize("content", [b"", b"x", b"SQLite format 3\0", b"not a database" * 1000, bytes(8192)])
def test_what_holds_nothing_gives_an_empty_history_and_is_kept(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    database = Database.open(path)
    assert _texts(database) == []
    if content:
        assert database.recovery is not None
        assert database.recovery.messages == 0
        assert database.recovery.kept_as.read_bytes() == content
    database.close()


def test_a_truncated_file_is_salvaged(path: Path) -> None:
    texts = _filled(path, prompts=160)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    database = Database.open(path)
    assert database.recovery is not None
    assert 0 < len(_texts(database)) < len(texts)
    database.close()


def test_another_programs_database_is_kept_aside(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE chats(id INTEGER PRIMARY KEY, other TEXT)")
    connection.execute("PRAGMA application_id = 7")
    connection.commit()
    connection.close()
    database = Database.open(path)
    assert database.recovery is not None
    assert database.recovery.chats == 0
    database.close()


def test_garbage_in_the_log_costs_nothing_that_reached_the_file(path: Path) -> None:
    texts = _filled(path)
    path.with_name(path.name + "-wal").write_bytes(os.urandom(50_000))
    database = Database.open(path)
    assert sorted(_texts(database)) == sorted(texts)
    database.close()


def test_random_blows_are_never_silent(path: Path) -> None:
    """A random 512 bytes anywhere: salvaged with a report, or every row is still well formed."""
    texts = _filled(path, chats=2, prompts=150)
    content = path.read_bytes()
    chance = random.Random(7)
    salvaged = 0
    for _ in range(25):
        blown = bytearray(content)
        at = chance.randrange(0, len(content) // 512) * 512
        blown[at : at + 512] = chance.randbytes(512)
        path.write_bytes(blown)
        database = Database.open(path)
        found = _texts(database)
        if database.recovery is None:
            assert len(found) == len(texts)
        else:
            salvaged += 1
            assert len(found) >= 0.95 * len(texts)
        database.close()
    assert salvaged >= 15


def test_documents_and_passages_are_salvaged(path: Path) -> None:
    _filled(path)
    database = Database.open(path)
    store = ChatStore(database)
    chat_id = store.chats()[0].id
    store.add_document(chat_id, "terns.txt", "0" * 64, "Terns dive. " * 2_000)
    prompt = store.add_prompt(chat_id, "What do terns do?")
    passages = (Passage(1, "terns.txt", 0, 11, "Terns dive."),)
    store.set_context(prompt, passages)
    database.close()
    content = bytearray(path.read_bytes())
    _damage_first_page(content)
    path.write_bytes(content)
    database = Database.open(path)
    assert database.recovery is not None
    store = ChatStore(database)
    assert [(each.name, len(each.text)) for each in store.documents(chat_id)] == [("terns.txt", 24_000)]
    assert store.messages(chat_id)[-1].context == passages
    database.close()


def test_rows_of_version_1_are_salvaged_from_their_pages(path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    migrate(connection, path, STEPS[:1])
    connection.execute("INSERT INTO chats VALUES (1, 'old', 1.0, 1.0)")
    for number in range(60):
        connection.execute(
            "INSERT INTO messages VALUES (?, 1, NULL, 'user', 'done', 1.0, NULL, ?)", (number + 1, f"{number} " * 200)
        )
    connection.close()
    content = bytearray(path.read_bytes())
    _damage_first_page(content)
    path.write_bytes(content)
    database = Database.open(path)
    assert database.recovery is not None
    assert database.recovery.messages == 60
    database.close()


def test_salvage_gives_lost_chats_a_place(path: Path) -> None:
    _filled(path, chats=1, prompts=3)
    connection = sqlite3.connect(path)
    connection.execute("DELETE FROM chats")
    connection.commit()
    connection.close()
    content = bytearray(path.read_bytes())
    content[18] = 200
    path.write_bytes(content)
    database = Database.open(path)
    (chat,) = ChatStore(database).chats()
    assert chat.title.startswith("0/0 text0")
    assert len(ChatStore(database).messages(chat.id)) == 3
    database.close()


def test_a_flipped_bit_in_text_costs_one_character(path: Path) -> None:
    database = Database.open(path)
    chat_id = ChatStore(database).create_chat("a")
    ChatStore(database).add_prompt(chat_id, "canary")
    database.close()
    path.write_bytes(path.read_bytes().replace(b"canary", b"can\xffry"))
    database = Database.open(path)
    assert "can\ufffdry" in _texts(database)
    database.close()


def test_no_room_to_salvage_leaves_everything(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _filled(path)
    content = bytearray(path.read_bytes())
    _damage_magic(content)
    path.write_bytes(content)

    def refuse(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", refuse)
    with pytest.raises(AppError) as caught:
        Database.open(path)
    assert caught.value.code is ErrorCode.DISK_FULL
    assert path.read_bytes() == content
    assert _names(path) == [path.name]
