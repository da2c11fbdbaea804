"""Stored texts of the index as documents to look at, found by their number or by a passage of them.

Knows the index's tables; must not know windows. Calls block on the disk; any thread may make them.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from core.library.extracted import Format
from core.library.index.collections import CollectionId, full_path
from core.library.index.contents import TextId, read_structure, read_text
from core.library.index.database import IndexDatabase
from core.library.leaves import Opened, open_text

_END: Final = 1 << 40
_HASH_CHARS: Final = 64
_MOST_NAMESAKES: Final = 1_000


def open_document(database: IndexDatabase, text_id: TextId, path: Path | None = None) -> Opened | None:
    """Return a stored text; None where it was forgotten. `path`: which of its files is meant, if one is.

    Raises:
        AppError: DATABASE_LOCKED, INDEX_DAMAGED, DATA_DIR_UNWRITABLE.
    """
    with database.read() as connection:
        row = connection.execute("SELECT key, format FROM texts WHERE id = ?", (text_id,)).fetchone()
        if row is None:
            return None
        text = read_text(connection, text_id, 0, _END)
        structure = read_structure(connection, text_id, 0, _END)
        path = path or _path_of(connection, text_id)
    return open_text(
        path.name if path is not None else "",
        text,
        structure,
        path=path,
        sha256=str(row[0])[:_HASH_CHARS],
        format=Format(row[1]),
    )


def find_passage(
    database: IndexDatabase, name: str, start: int, text: str, collections: Sequence[CollectionId] | None = None
) -> tuple[TextId, Path] | None:
    """Return the document of this file name that has `text` at `start`; None where there is none (any more).

    Raises:
        AppError: DATABASE_LOCKED, INDEX_DAMAGED, DATA_DIR_UNWRITABLE.
    """
    chosen = "1" if collections is None else f"s.collection_id IN ({', '.join('?' * len(collections))})"
    with database.read() as connection:
        rows = connection.execute(
            f"""SELECT f.text_id, s.path, f.path FROM files AS f JOIN sources AS s ON s.id = f.source_id
                WHERE f.text_id IS NOT NULL AND {chosen}
                AND (f.path = ? OR f.path LIKE ? ESCAPE '!' OR (f.path = '' AND s.path LIKE ? ESCAPE '!'))
                LIMIT {_MOST_NAMESAKES}""",
            (*(collections or ()), name, f"%/{_escaped(name)}", f"%{_escaped(name)}"),
        ).fetchall()
        for row in rows:
            path = full_path(row[1], row[2])
            if path.name == name and read_text(connection, TextId(row[0]), start, start + len(text)) == text:
                return TextId(row[0]), path
    return None


def find_file(database: IndexDatabase, sha256: str) -> Path | None:
    """Return where a file of this content lay last; None where no collection holds it."""
    with database.read() as connection:
        row = connection.execute(
            """SELECT s.path, f.path FROM files AS f JOIN sources AS s ON s.id = f.source_id WHERE f.sha256 = ?
               LIMIT 1""",
            (sha256,),
        ).fetchone()
    return None if row is None else full_path(row[0], row[1])


def _path_of(connection: sqlite3.Connection, text_id: TextId) -> Path | None:
    row = connection.execute(
        "SELECT s.path, f.path FROM files AS f JOIN sources AS s ON s.id = f.source_id WHERE f.text_id = ? LIMIT 1",
        (text_id,),
    ).fetchone()
    return None if row is None else full_path(row[0], row[1])


def _escaped(name: str) -> str:
    return name.replace("!", "!!").replace("%", "!%").replace("_", "!_")
