import sqlite3
from pathlib import Path

import pytest

from core.errors import AppError, ErrorCode
from core.store.chats import ChatStore
from core.store.database import Database
from core.store.migrations import SCHEMA_VERSION, STEPS, back_up, backup_path, migrate, version_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.sqlite3"


def _add_column(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE chats ADD COLUMN is_pinned INTEGER NOT NULL DEFAULT 0")


def _break_off(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE chats ADD COLUMN half INTEGER")
    raise RuntimeError("killed here")


def _with_one_chat(path: Path) -> None:
    database = Database.open(path)
    ChatStore(database).create_chat("kept")
    database.close()


def test_a_new_file_gets_the_newest_schema_without_a_backup(path: Path) -> None:
    Database.open(path).close()
    connection = sqlite3.connect(path)
    assert version_of(connection) == SCHEMA_VERSION
    connection.close()
    assert not list(path.parent.glob("*backup*"))


def test_migrating_twice_changes_nothing(path: Path) -> None:
    _with_one_chat(path)
    before = path.read_bytes()
    connection = sqlite3.connect(path, isolation_level=None)
    migrate(connection, path)
    for step in STEPS:
        step(connection)  # each step alone is idempotent too
    connection.close()
    assert path.read_bytes() == before


def test_an_older_file_is_migrated_and_backed_up(path: Path) -> None:
    _with_one_chat(path)
    database = Database.open(path, (*STEPS, _add_column))
    assert [chat.title for chat in ChatStore(database).chats()] == ["kept"]
    with database.read() as connection:
        assert version_of(connection) == SCHEMA_VERSION + 1
        assert connection.execute("SELECT is_pinned FROM chats").fetchone()[0] == 0
    database.close()
    backup = Database.open(backup_path(path, SCHEMA_VERSION))
    assert backup.recovery is None
    assert [chat.title for chat in ChatStore(backup).chats()] == ["kept"]
    backup.close()


def test_a_history_of_version_1_keeps_everything_and_takes_documents(path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    migrate(connection, path, STEPS[:1])
    connection.execute("INSERT INTO chats VALUES (7, 'old', 1.0, 2.0)")
    connection.execute("INSERT INTO messages VALUES (3, 7, NULL, 'user', 'done', 1.0, NULL, 'Before')")
    connection.execute("INSERT INTO messages VALUES (4, 7, 3, 'assistant', 'done', 1.5, 'tiny', 'Answer')")
    connection.close()
    database = Database.open(path)
    assert database.recovery is None
    store = ChatStore(database)
    chat_id = store.chats()[0].id
    assert [(each.text, each.context) for each in store.messages(chat_id)] == [("Before", ()), ("Answer", ())]
    assert store.documents(chat_id) == []
    store.add_document(chat_id, "a.txt", "0" * 64, "Text.")
    assert [each.name for each in store.documents(chat_id)] == ["a.txt"]
    database.close()
    backup = sqlite3.connect(backup_path(path, 1))
    assert version_of(backup) == 1
    assert backup.execute("SELECT text FROM messages ORDER BY id").fetchall() == [("Before",), ("Answer",)]
    backup.close()


def test_a_step_that_breaks_off_leaves_the_older_version(path: Path) -> None:
    _with_one_chat(path)
    with pytest.raises(RuntimeError):
        Database.open(path, (*STEPS, _break_off))
    database = Database.open(path)
    assert [chat.title for chat in ChatStore(database).chats()] == ["kept"]
    with database.read() as connection:
        assert version_of(connection) == SCHEMA_VERSION
        assert "half" not in [row[1] for row in connection.execute("PRAGMA table_info(chats)")]
    database.close()


def test_earlier_steps_stay_when_a_later_one_breaks_off(path: Path) -> None:
    _with_one_chat(path)
    with pytest.raises(RuntimeError):
        Database.open(path, (*STEPS, _add_column, _break_off))
    database = Database.open(path, (*STEPS, _add_column))
    with database.read() as connection:
        assert version_of(connection) == SCHEMA_VERSION + 1
    database.close()


def test_the_older_program_refuses_the_migrated_file(path: Path) -> None:
    Database.open(path, (*STEPS, _add_column)).close()
    with pytest.raises(AppError) as caught:
        Database.open(path)
    assert caught.value.code is ErrorCode.DATABASE_NEWER


def test_a_backup_that_does_not_verify_never_replaces_a_good_one(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _with_one_chat(path)
    destination = tmp_path / "backup"
    destination.write_bytes(b"the good one")
    counts = iter([{"chats": 1}, {"chats": 2}])
    monkeypatch.setattr("core.store.migrations._row_counts", lambda _connection: next(counts))
    connection = sqlite3.connect(path)
    with pytest.raises(sqlite3.DatabaseError):
        back_up(connection, destination)
    connection.close()
    assert destination.read_bytes() == b"the good one"
