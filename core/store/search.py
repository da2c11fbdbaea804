"""Full-text search over all chats: an index of words inside the database, kept in the transaction of every change.

Knows SQL and the index; must not know how text becomes words (words.py). The index holds no text, only which words a
message has, and is never needed to read a chat: where it is damaged or missing it is made anew, and nothing is lost.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from core.events import CancelToken
from core.store.words import composed, folded, marks_in, query_of, snippet_of, terms_of

if TYPE_CHECKING:
    from core.store.database import Database  # which itself makes the index, in a migration

_SNIPPET_CHARS: Final = 160
_SEARCHED_CHARS: Final = 200_000  # of a message, for the snippet
_CHUNK: Final = 200  # messages indexed in one transaction
_BROKEN: Final = -1
_MERGE_PAGES: Final = 400
_TABLES: Final = ("message_search", "title_search")


@dataclass(frozen=True, slots=True)
class Hit:
    """A place where all words were found. `marks` are (start, end) in `snippet`, which is plain text of one line.

    `message_id` is None where the words stand in the title.
    """

    chat_id: int
    message_id: int | None
    title: str
    created_at: float
    snippet: str
    marks: tuple[tuple[int, int], ...]


def create_tables(connection: sqlite3.Connection) -> None:
    """Make the index where it is missing; everything that is stored already waits for `fill`."""
    for table in _TABLES:
        # Terms come folded and with spaces between them, so the tokenizer has nothing to do. detail=none keeps only
        # which messages a term is in; the prefixes make the first letters of a word as fast as the whole of it.
        connection.execute(
            f"""CREATE VIRTUAL TABLE IF NOT EXISTS {table} USING fts5(
                  terms, content='', columnsize=0, detail=none, tokenize='ascii', prefix='1 2 3')"""
        )
    # Messages below `todo_below` are not indexed yet; -1: the index is damaged.
    connection.execute("CREATE TABLE IF NOT EXISTS search_state(id INTEGER PRIMARY KEY, todo_below INTEGER NOT NULL)")
    connection.execute("INSERT OR IGNORE INTO search_state SELECT 1, ifnull(max(id), 0) + 1 FROM messages")


def ensure(connection: sqlite3.Connection) -> None:
    """Make the index anew where a part of it is missing: in a backup there is none."""
    names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not {*_TABLES, "search_state"} <= names:
        rebuild(connection)


def rebuild(connection: sqlite3.Connection) -> None:
    """Throw the index away and begin it anew with the titles; the messages follow in `fill`."""
    for table in _TABLES:
        if connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (f"{table}_data",)).fetchone():
            # A damaged index cannot even be dropped, so it is emptied first, to what a new one holds.
            connection.execute(f"DELETE FROM {table}_data")
            connection.execute(f"DELETE FROM {table}_idx")
            connection.execute(f"INSERT INTO {table}_data VALUES (1, x''), (10, x'00000000000000')")
        connection.execute(f"DROP TABLE IF EXISTS {table}")
    connection.execute("DROP TABLE IF EXISTS search_state")
    create_tables(connection)
    for chat_id, title in connection.execute("SELECT id, title FROM chats").fetchall():
        index_title(connection, chat_id, title)


def fill(database: "Database", cancel: CancelToken) -> int:
    """Index what is not indexed yet, the newest messages first; returns how many messages were.

    Each transaction is short, so that nothing else waits for long.
    """
    n_done = 0
    while not cancel.is_cancelled:
        with database.write() as connection:
            if _todo(connection) == _BROKEN:
                rebuild(connection)
            rows = connection.execute(
                """SELECT id, text FROM messages WHERE id < (SELECT todo_below FROM search_state)
                   ORDER BY id DESC LIMIT ?""",
                (_CHUNK,),
            ).fetchall()
            if not rows:
                return n_done
            connection.executemany(
                "INSERT INTO message_search(rowid, terms) VALUES (?, ?)",
                [(message_id, terms_of(text)) for message_id, text in rows],
            )
            connection.execute("UPDATE search_state SET todo_below = ?", (rows[-1][0],))
        n_done += len(rows)
    return n_done


def index_message(connection: sqlite3.Connection, message_id: int, text: str) -> None:
    """Add a message whose text is whole."""
    _change(connection, "INSERT INTO message_search(rowid, terms) VALUES (?, ?)", [(message_id, terms_of(text))])


def forget_messages(connection: sqlite3.Connection, messages: Iterable[tuple[int, str]]) -> None:
    """Take messages out, each with the text that it was indexed with."""
    todo = _todo(connection)
    _change(
        connection,
        "INSERT INTO message_search(message_search, rowid, terms) VALUES ('delete', ?, ?)",
        [(message_id, terms_of(text)) for message_id, text in messages if message_id >= todo],
    )


def index_title(connection: sqlite3.Connection, chat_id: int, title: str) -> None:
    """Add a title."""
    if title:
        _change(connection, "INSERT INTO title_search(rowid, terms) VALUES (?, ?)", [(chat_id, terms_of(title))])


def forget_title(connection: sqlite3.Connection, chat_id: int, title: str) -> None:
    """Take a title out."""
    if title:
        statement = "INSERT INTO title_search(title_search, rowid, terms) VALUES ('delete', ?, ?)"
        _change(connection, statement, [(chat_id, terms_of(title))])


def erase_forgotten(database: "Database") -> None:
    """Let the words of deleted messages leave the file: until segments are merged, the index only marks them."""
    for table in _TABLES:
        pages = -_MERGE_PAGES  # negative: begin a merge of everything
        while True:
            with database.write() as connection:
                if _todo(connection) == _BROKEN:
                    return
                before = connection.total_changes
                try:
                    connection.execute(f"INSERT INTO {table}({table}, rank) VALUES ('merge', ?)", (pages,))
                except sqlite3.DatabaseError:
                    _note_broken(connection)
                    return
                if connection.total_changes - before < 2:  # https://www.sqlite.org/fts5.html#the_merge_command
                    break
            pages = _MERGE_PAGES


def search(database: "Database", text: str, limit: int = 60) -> list[Hit]:
    """Return where all words of `text` stand: titles first, then messages, the newest first. The last word may go on.

    Chats and messages in the trash are left out. [] for a text without a word.
    """
    query = query_of(text)
    if query.is_empty:
        return []
    with database.read() as connection:
        if _todo(connection) == _BROKEN:
            return []
        try:
            titles = connection.execute(_TITLES_SQL, (query.match(), limit)).fetchall()
            messages = connection.execute(_MESSAGES_SQL, (_SEARCHED_CHARS, query.match(), limit)).fetchall()
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            titles, messages = [], []
    pattern = query.pattern()
    hits = []
    for chat_id, title, created_at in titles:
        shown = composed(title)
        bare = folded(shown)
        if query.is_in(bare):
            hits.append(Hit(chat_id, None, title, created_at, shown, marks_in(bare, pattern)))
    for message_id, chat_id, title, created_at, body in messages:
        shown = composed(body)
        bare = folded(shown)
        if query.is_in(bare) or len(body) == _SEARCHED_CHARS:
            snippet, marks = snippet_of(shown, marks_in(bare, pattern), _SNIPPET_CHARS)
            hits.append(Hit(chat_id, message_id, title, created_at, snippet, marks))
    return hits


_TITLES_SQL: Final = """
    SELECT c.id, c.title, c.updated_at FROM title_search AS s CROSS JOIN chats AS c ON c.id = s.rowid
    WHERE s.title_search MATCH ? AND c.deleted_at IS NULL ORDER BY s.rowid DESC LIMIT ?"""
_MESSAGES_SQL: Final = """
    SELECT m.id, m.chat_id, c.title, m.created_at, substr(m.text, 1, ?)
    FROM message_search AS s CROSS JOIN messages AS m ON m.id = s.rowid CROSS JOIN chats AS c ON c.id = m.chat_id
    WHERE s.message_search MATCH ? AND m.deleted_at IS NULL AND c.deleted_at IS NULL
    ORDER BY s.rowid DESC LIMIT ?"""


def _todo(connection: sqlite3.Connection) -> int:
    row = connection.execute("SELECT todo_below FROM search_state").fetchone()
    return _BROKEN if row is None else int(row[0])


def _change(connection: sqlite3.Connection, statement: str, rows: list[tuple[int, str]]) -> None:
    """Change the index; damage in it must never keep a message from being stored."""
    if not rows or _todo(connection) == _BROKEN:
        return
    try:
        connection.executemany(statement, rows)
    except sqlite3.DatabaseError as error:
        if not _is_damage(error):
            raise
        _note_broken(connection)


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    return (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF == sqlite3.SQLITE_CORRUPT


def _note_broken(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE search_state SET todo_below = ?", (_BROKEN,))
