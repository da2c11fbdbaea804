"""The schema of the history and how an older file becomes a newer one.

Knows tables and their versions; must not know chats as values (chats.py) nor how the file is opened (database.py).
A step that was released is never edited again: a change is a new step.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

# "Tern" in ASCII: `file history.sqlite3` and the opener tell a foreign database by it.
APPLICATION_ID: Final = 0x5465726E

Step = Callable[[sqlite3.Connection], None]


def _create_chats_and_messages(connection: sqlite3.Connection) -> None:
    """Version 1.

    Ids are AUTOINCREMENT: an id is never used twice, so order by id is order in time whatever the clock does.
    `parent_id` is the message that a message answers or follows; it makes the conversation a tree. It has no cascade
    (SQLite nests cascades at most 1,000 deep) but is checked at commit only, so a whole chat can be deleted.
    A seed is text because it may need all 64 bits, one more than SQLite's integers have.
    """
    connection.execute(
        """CREATE TABLE IF NOT EXISTS chats(
             id INTEGER PRIMARY KEY AUTOINCREMENT,
             title TEXT NOT NULL,
             created_at REAL NOT NULL,
             updated_at REAL NOT NULL)"""
    )
    connection.execute(
        """CREATE TABLE IF NOT EXISTS messages(
             id INTEGER PRIMARY KEY AUTOINCREMENT,
             chat_id INTEGER NOT NULL REFERENCES chats(id) ON DELETE CASCADE,
             parent_id INTEGER REFERENCES messages(id) DEFERRABLE INITIALLY DEFERRED,
             role TEXT NOT NULL CHECK(role IN ('user', 'assistant')),
             state TEXT NOT NULL CHECK(state IN ('streaming', 'done', 'stopped', 'interrupted', 'failed')),
             created_at REAL NOT NULL,
             model TEXT,
             text TEXT NOT NULL)"""
    )
    connection.execute("CREATE INDEX IF NOT EXISTS messages_by_chat ON messages(chat_id, id)")
    connection.execute("CREATE INDEX IF NOT EXISTS messages_by_parent ON messages(parent_id)")
    connection.execute(
        """CREATE TABLE IF NOT EXISTS replies(
             message_id INTEGER PRIMARY KEY REFERENCES messages(id) ON DELETE CASCADE,
             model TEXT NOT NULL,
             token_ids TEXT NOT NULL,
             stop_reason TEXT NOT NULL,
             seed TEXT NOT NULL,
             stats TEXT NOT NULL,
             params TEXT NOT NULL)"""
    )


def _add_documents(connection: sqlite3.Connection) -> None:
    """Version 2: the documents of a chat, and with a prompt the passages that were read with it (a JSON list)."""
    connection.execute(
        """CREATE TABLE IF NOT EXISTS documents(
             id INTEGER PRIMARY KEY AUTOINCREMENT,
             chat_id INTEGER NOT NULL REFERENCES chats(id) ON DELETE CASCADE,
             name TEXT NOT NULL,
             sha256 TEXT NOT NULL,
             text TEXT NOT NULL,
             created_at REAL NOT NULL)"""
    )
    connection.execute("CREATE UNIQUE INDEX IF NOT EXISTS documents_by_chat ON documents(chat_id, sha256)")
    if "context" not in [row[1] for row in connection.execute("PRAGMA table_info(messages)")]:
        connection.execute("ALTER TABLE messages ADD COLUMN context TEXT")


def _add_chat_overrides(connection: sqlite3.Connection) -> None:
    """Version 3: what single chats do differently from the settings; NULL takes what the settings say."""
    connection.execute(
        """CREATE TABLE IF NOT EXISTS chat_overrides(
             chat_id INTEGER PRIMARY KEY REFERENCES chats(id) ON DELETE CASCADE,
             preset TEXT,
             system_prompt TEXT)"""
    )


STEPS: Final[tuple[Step, ...]] = (_create_chats_and_messages, _add_documents, _add_chat_overrides)
SCHEMA_VERSION: Final = len(STEPS)
# Columns that later versions added to a table: a row that was never written since lacks them on its page.
ADDED_COLUMNS: Final[Mapping[str, int]] = {"messages": 1}


def version_of(connection: sqlite3.Connection) -> int:
    """Return the schema version of an open database; 0 for an empty one."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection, path: Path, steps: Sequence[Step] = STEPS) -> None:
    """Bring the database to version ``len(steps)``, each step in one transaction with its version number.

    A process killed in between leaves a whole older version, and the next start goes on from there. A verified
    backup is made before the first step of a file that already holds something.
    """
    version = version_of(connection)
    if version == len(steps):
        return
    if version > 0:
        back_up(connection, backup_path(path, version))
    for number in range(version, len(steps)):
        connection.execute("BEGIN IMMEDIATE")
        try:
            steps[number](connection)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {number + 1}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def backup_path(path: Path, version: int) -> Path:
    """Return where the file of schema `version` is kept when it is migrated."""
    return path.with_name(f"{path.name}.backup-v{version}")


def back_up(connection: sqlite3.Connection, destination: Path) -> None:
    """Copy the open database with SQLite's backup API and verify the copy before it gets its name.

    Raises:
        sqlite3.DatabaseError: the copy is not sound; a former backup of that name is then untouched.
    """
    unfinished = destination.with_name(destination.name + ".unfinished")
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=0o600)
    copy = sqlite3.connect(unfinished, isolation_level=None)
    try:
        connection.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, no -wal beside it
        if copy.execute("PRAGMA quick_check").fetchone()[0] != "ok" or _row_counts(copy) != _row_counts(connection):
            raise sqlite3.DatabaseError("the backup differs from the database")
    finally:
        copy.close()
    unfinished.replace(destination)


def _row_counts(connection: sqlite3.Connection) -> dict[str, int]:
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    return {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}
