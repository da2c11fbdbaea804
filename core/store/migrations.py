"""The schema of the history and how an older file becomes a newer one.

Knows tables and their versions; must not know chats as values (chats.py) nor how the file is opened (database.py).
A step that was released is never edited again: a change is a new step.
"""

import sqlite3
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from core.store import search

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


def _add_order_and_search(connection: sqlite3.Connection) -> None:
    """Version 4: pins, folders, the trash, places, checksums of messages, and the index to search them by.

    All new columns may be NULL, so that a row that salvage finds on a page of an older version still fits. `checksum`
    is the CRC-32 of the text in UTF-8: nothing else notices damage inside the overflow pages of a long text. `places`
    has what was typed and not sent (chat 0: of the chat that is not stored yet) and where the chat was scrolled to.
    """
    connection.execute(
        """CREATE TABLE IF NOT EXISTS folders(
             id INTEGER PRIMARY KEY AUTOINCREMENT,
             name TEXT NOT NULL,
             created_at REAL NOT NULL)"""
    )
    connection.execute(
        """CREATE TABLE IF NOT EXISTS places(
             chat_id INTEGER PRIMARY KEY,
             row INTEGER NOT NULL,
             offset INTEGER NOT NULL,
             draft TEXT NOT NULL)"""
    )
    _add_columns(
        connection,
        "chats",
        {"pinned_at": "REAL", "folder_id": "INTEGER REFERENCES folders(id) ON DELETE SET NULL", "deleted_at": "REAL"},
    )
    _add_columns(connection, "messages", {"deleted_at": "REAL", "checksum": "INTEGER"})
    connection.execute("CREATE INDEX IF NOT EXISTS chats_by_folder ON chats(folder_id) WHERE folder_id IS NOT NULL")
    for table in ("chats", "messages"):
        connection.execute(
            f"CREATE INDEX IF NOT EXISTS {table}_deleted ON {table}(deleted_at) WHERE deleted_at IS NOT NULL"
        )
    # Looked for at every start, whatever the history holds.
    connection.execute("CREATE INDEX IF NOT EXISTS messages_streaming ON messages(state) WHERE state = 'streaming'")
    fill_checksums(connection)
    search.ensure(connection)


def _add_columns(connection: sqlite3.Connection, table: str, columns: Mapping[str, str]) -> None:
    present = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    for name, declaration in columns.items():
        if name not in present:
            connection.execute(f"ALTER TABLE {table} ADD COLUMN {name} {declaration}")


def _add_structure(connection: sqlite3.Connection) -> None:
    """Version 5: what stands where in a document (core/library/extracted.py); NULL where that is not known."""
    _add_columns(connection, "documents", {"structure": "TEXT"})


def fill_checksums(connection: sqlite3.Connection) -> None:
    """Give a checksum to the messages that have none."""
    connection.create_function("text_checksum", 1, checksum_of, deterministic=True)
    connection.execute("UPDATE messages SET checksum = text_checksum(text) WHERE checksum IS NULL")


def checksum_of(text: str) -> int:
    """Return the CRC-32 of a message's text."""
    return zlib.crc32(text.encode("utf-8", "replace"))


def _add_chosen(connection: sqlite3.Connection) -> None:
    """Version 6: which of several messages in one place is shown (tree.py); NULL for one that nobody chose.

    A number that grows rather than the id of a child: it needs no mending when messages are copied or lost.
    """
    _add_columns(connection, "messages", {"chosen": "INTEGER"})


def _add_chat_scopes(connection: sqlite3.Connection) -> None:
    """Version 7: what single chats answer from, and which collections of documents they use (a JSON list of ids).

    `changed_at` also sets the rows apart from those of chat_overrides where a damaged file is read page by page.
    """
    connection.execute(
        """CREATE TABLE IF NOT EXISTS chat_scopes(
             chat_id INTEGER PRIMARY KEY REFERENCES chats(id) ON DELETE CASCADE,
             answer_from TEXT NOT NULL CHECK(answer_from IN ('chat', 'documents', 'both')),
             collections TEXT NOT NULL,
             changed_at REAL NOT NULL)"""
    )


STEPS: Final[tuple[Step, ...]] = (
    _create_chats_and_messages,
    _add_documents,
    _add_chat_overrides,
    _add_order_and_search,
    _add_structure,
    _add_chosen,
    _add_chat_scopes,
)
SCHEMA_VERSION: Final = len(STEPS)
# Columns that later versions added to a table: a row that was never written since lacks them on its page.
ADDED_COLUMNS: Final[Mapping[str, int]] = {"chats": 3, "messages": 4, "documents": 1}


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
    names = [
        row[0]
        for row in connection.execute(
            # Virtual tables are counted by what lies behind them.
            "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name"
        )
    ]
    return {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}
