"""What the index holds of one text: its pieces, chunks and words, written and deleted within a transaction.

Knows the tables; must not know files or search. What is deleted from the words is analysed again, as FTS5 without a
copy of the text wants it: so analysis must give the same words as long as analysis.VERSION is the same.
"""

import sqlite3
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, NewType

from core.events import Place, Unit
from core.library.extracted import Block, Extracted, Structure, structure_from
from core.library.index.analysis import Analyser
from core.library.index.chunks import Chunk

TextId = NewType("TextId", int)

PART_CHARS: Final = 8_192


@dataclass(frozen=True, slots=True)
class PreparedText:
    """A text as it is to be written: `words` are those of each chunk, body and context, between spaces."""

    key: str
    document: Extracted
    language: str
    chunks: tuple[Chunk, ...]
    words: tuple[tuple[str, str], ...]


class Analysers:
    """One analyser for each language, made when it is needed. One thread at a time."""

    def __init__(self) -> None:
        self._analysers: dict[str, Analyser] = {}

    def of(self, language: str) -> Analyser:
        """Return the analyser of `language`."""
        if language not in self._analysers:
            self._analysers[language] = Analyser(language)
        return self._analysers[language]


def prepare(
    key: str, document: Extracted, language: str, chunks: tuple[Chunk, ...], analyser: Analyser
) -> PreparedText:
    """Analyse all chunks of a text."""
    contexts = {context: " ".join(analyser.words(context)) for context in {each.context for each in chunks}}
    words = tuple(
        (" ".join(analyser.words(document.text[each.start : each.end])), contexts[each.context]) for each in chunks
    )
    return PreparedText(key, document, language, chunks, words)


def find_text(connection: sqlite3.Connection, key: str) -> TextId | None:
    """Return the text of this content; None where it is not there."""
    row = connection.execute("SELECT id FROM texts WHERE key = ?", (key,)).fetchone()
    return None if row is None else TextId(row[0])


def write_text(connection: sqlite3.Connection, prepared: PreparedText) -> TextId:
    """Write a text unless it is there already."""
    known = find_text(connection, prepared.key)
    if known is not None:
        return known
    document, chunks = prepared.document, prepared.chunks
    structure = document.structure
    text_id = connection.execute(
        "INSERT INTO texts(key, language, format, unit, n_units, n_chars, n_chunks) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            prepared.key, prepared.language, document.format.value, structure.unit.value, structure.n_units,
            len(document.text), len(chunks),
        ),
    ).lastrowid  # fmt: skip
    assert text_id is not None
    connection.executemany(
        "INSERT INTO parts VALUES (?, ?, ?, ?)",
        [(text_id, start, *_part(document, start)) for start in range(0, len(document.text), PART_CHARS)],
    )
    contexts = {context: number for number, context in enumerate(dict.fromkeys(each.context for each in chunks))}
    connection.executemany(
        "INSERT INTO contexts VALUES (?, ?, ?)",
        [(text_id, number, context.encode("utf-8", "replace").decode("utf-8")) for context, number in contexts.items()],
    )
    first = (connection.execute("SELECT max(id) FROM chunks").fetchone()[0] or 0) + 1
    connection.executemany(
        "INSERT INTO chunks VALUES (?, ?, ?, ?, ?)",
        [(first + at, text_id, each.start, each.end, contexts[each.context]) for at, each in enumerate(chunks)],
    )
    connection.executemany(
        "INSERT INTO words(rowid, body, context) VALUES (?, ?, ?)",
        [(first + at, body, context) for at, (body, context) in enumerate(prepared.words)],
    )
    return TextId(text_id)


def delete_text(connection: sqlite3.Connection, text_id: TextId, analysers: Analysers) -> None:
    """Delete a text and everything made from it."""
    row = connection.execute("SELECT language, n_chars FROM texts WHERE id = ?", (text_id,)).fetchone()
    if row is None:
        return
    analyser = analysers.of(row[0])
    text = read_text(connection, text_id, 0, row[1])
    contexts = dict(connection.execute("SELECT number, label FROM contexts WHERE text_id = ?", (text_id,)))
    chunks = connection.execute("SELECT id, start, end, context FROM chunks WHERE text_id = ? ORDER BY id", (text_id,))
    connection.executemany(
        "INSERT INTO words(words, rowid, body, context) VALUES ('delete', ?, ?, ?)",
        [
            (chunk_id, " ".join(analyser.words(text[start:end])), " ".join(analyser.words(contexts[context])))
            for chunk_id, start, end, context in chunks.fetchall()
        ],
    )
    connection.execute("DELETE FROM vectors WHERE chunk_id IN (SELECT id FROM chunks WHERE text_id = ?)", (text_id,))
    for table in ("chunks", "contexts", "parts"):
        connection.execute(f"DELETE FROM {table} WHERE text_id = ?", (text_id,))
    connection.execute("DELETE FROM texts WHERE id = ?", (text_id,))


def read_text(connection: sqlite3.Connection, text_id: TextId, start: int, end: int) -> str:
    """Return the characters from `start` to `end` of a stored text; less where it is shorter."""
    first = max(start, 0) // PART_CHARS * PART_CHARS
    rows = connection.execute(
        "SELECT data FROM parts WHERE text_id = ? AND start >= ? AND start < ? ORDER BY start", (text_id, first, end)
    )
    text = "".join(zlib.decompress(row[0]).decode("utf-8", "surrogatepass") for row in rows)
    return text[max(start, 0) - first : max(end - first, 0)]


def read_structure(connection: sqlite3.Connection, text_id: TextId, start: int, end: int) -> Structure:
    """Return the blocks of a stored text that begin in the parts around `start` to `end`, and their unit."""
    row = connection.execute("SELECT unit, n_units FROM texts WHERE id = ?", (text_id,)).fetchone()
    if row is None:
        return Structure()
    first = max(start, 0) // PART_CHARS * PART_CHARS
    blocks: list[Block] = []
    for part, stored in connection.execute(
        "SELECT start, blocks FROM parts WHERE text_id = ? AND start >= ? AND start < ? ORDER BY start",
        (text_id, first, end),
    ):
        decoded = structure_from(zlib.decompress(stored).decode("utf-8", "surrogatepass"), PART_CHARS)
        for block in decoded.blocks:
            whole = replace(block, start=block.start + part, end=block.end + part)
            if blocks and blocks[-1].end == whole.start and _goes_on(blocks[-1], whole):
                blocks[-1] = replace(blocks[-1], end=whole.end)  # it was cut at the border of two parts
            else:
                blocks.append(whole)
    return Structure(Unit(row[0]), tuple(blocks), row[1])


def place_of(connection: sqlite3.Connection, text_id: TextId, start: int, end: int) -> Place | None:
    """Return where a range of a stored text stands; None where nothing is known of it."""
    return read_structure(connection, text_id, start, end).place(start, end)


def _part(document: Extracted, start: int) -> tuple[bytes, bytes]:
    """Return one part, its text and its blocks (cut at the part, positions from its start), both packed."""
    text = document.text[start : start + PART_CHARS]
    blocks = tuple(
        replace(block, start=max(block.start - start, 0), end=min(block.end - start, len(text)))
        for block in document.structure.blocks_in(start, start + len(text))
    )
    encoded = Structure(document.structure.unit, blocks).encoded()
    return (
        zlib.compress(text.encode("utf-8", "surrogatepass")),
        zlib.compress(encoded.encode("utf-8", "surrogatepass")),
    )


def _goes_on(before: Block, block: Block) -> bool:
    return (before.kind, before.number, before.row, before.headings) == (
        block.kind,
        block.number,
        block.row,
        block.headings,
    )


def contexts_of(connection: sqlite3.Connection, keys: Sequence[tuple[TextId, int]]) -> list[str]:
    """Return what heads the chunks of these texts and context numbers."""
    found = []
    for text_id, number in keys:
        row = connection.execute(
            "SELECT label FROM contexts WHERE text_id = ? AND number = ?", (text_id, number)
        ).fetchone()
        found.append("" if row is None else str(row[0]))
    return found
