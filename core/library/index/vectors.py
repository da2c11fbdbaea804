"""Vectors of the chunks: filled in slice by slice behind the words, and searched with one product of a matrix.

Knows an embedder by its protocol; must not know a model or files. Numbers are kept as int8 with one factor a vector: an
index of 100,000 vectors of 640 numbers takes 64 MB, and no measurable part of the order is lost.
"""

import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from core.errors import AppError, ErrorCode
from core.events import CancelToken, Emit, IndexProgress, IndexStage, Interrupted
from core.library.index.contents import TextId, contexts_of, read_text
from core.library.index.database import IndexDatabase, meta, set_meta

_SLICE: Final = 16  # chunks between two commits
_ROWS_AT_ONCE: Final = 4096
_EMBEDDER: Final = "embedder"
_EMIT_EVERY_S: Final = 0.1
_HALVINGS: Final = 6


class Embedder(Protocol):
    """What makes vectors; core/inference/embedding.py has one."""

    @property
    def dim(self) -> int:
        """Length of a vector."""

    def embed(self, texts: Sequence[str], *, is_query: bool = False, cancel: CancelToken) -> NDArray[np.float32]:
        """Return float32 (n, dim), rows of length 1; raises AppError PROMPT_TOO_LONG, Interrupted."""


def fill_vectors(
    database: IndexDatabase,
    embedder: Embedder,
    name: str,
    cancel: CancelToken,
    emit: Emit,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Give every chunk that lacks one its vector; returns how many. Emits IndexProgress (MEANING).

    Meant for a lane and a process priority of its own: each slice is committed, so it may be cancelled at any time.

    Args:
        database: the index.
        embedder: makes the vectors.
        name: of the model and its version; vectors of another one are dropped first.
        cancel: stops within a slice; what was committed stays.
        emit: gets IndexProgress.
        clock: monotonic, in seconds.

    Raises:
        Interrupted: `cancel` was cancelled.
        AppError: as the database and the embedder.
    """
    _keep_only(database, f"{name}/{embedder.dim}")
    with database.read() as connection:
        total = connection.execute("SELECT count(*) FROM chunks").fetchone()[0]
        n_had = n_done = connection.execute("SELECT count(*) FROM vectors").fetchone()[0]
    began_at = clock()
    told_at: float | None = None
    while rows := _slice(database):
        vectors = np.concatenate([_embedded(embedder, text, cancel) for _, text in rows])
        with database.write() as connection:
            connection.executemany(
                # The chunk may have been deleted meanwhile.
                "INSERT OR REPLACE INTO vectors SELECT id, ?2 FROM chunks WHERE id = ?1",
                [(chunk_id, _packed(vector)) for (chunk_id, _), vector in zip(rows, vectors, strict=True)],
            )
        n_done += len(rows)
        now = clock()
        if told_at is None or now - told_at >= _EMIT_EVERY_S or n_done >= total:
            told_at = now
            left = (now - began_at) * (total - n_done) / (n_done - n_had) if n_done < total else 0.0
            emit(IndexProgress(IndexStage.MEANING, n_done, max(total, n_done), 0, 0, "", max(left, 0.0)))
    return int(n_done - n_had)


class VectorSearch:
    """The vectors of an index in memory, read again when they change. One thread at a time."""

    def __init__(self) -> None:
        self._state: tuple[int, str, str] | None = None
        self._ids = np.zeros(0, np.int64)
        self._rows = np.zeros((0, 0), np.int8)
        self._factors = np.zeros(0, np.float32)

    def nearest(
        self, connection: sqlite3.Connection, query: NDArray[np.float32], limit: int
    ) -> list[tuple[int, float]]:
        """Return (chunk, cosine) of the `limit` chunks nearest to `query`, float32 (dim,), the nearest first."""
        self._load(connection, len(query))
        if not len(self._ids):
            return []
        scores = np.empty(len(self._ids), np.float32)
        for start in range(0, len(scores), _ROWS_AT_ONCE):  # int8 is cast block by block: a copy of all would be large
            rows = self._rows[start : start + _ROWS_AT_ONCE]
            scores[start : start + len(rows)] = rows.astype(np.float32) @ query
        scores *= self._factors
        limit = min(limit, len(scores))
        best = np.argpartition(-scores, limit - 1)[:limit]
        best = best[np.argsort(-scores[best], kind="stable")]
        return [(int(self._ids[at]), float(scores[at])) for at in best]

    def _load(self, connection: sqlite3.Connection, dim: int) -> None:
        count = connection.execute("SELECT count(*) FROM vectors").fetchone()[0]
        state = (count, meta(connection, "epoch") or "", meta(connection, _EMBEDDER) or "")
        if state == self._state:
            return
        ids = np.zeros(count, np.int64)
        rows = np.zeros((count, dim), np.int8)
        factors = np.zeros(count, np.float32)
        n_rows = 0
        for chunk_id, data in connection.execute("SELECT chunk_id, data FROM vectors"):
            if len(data) == dim + 4:
                ids[n_rows] = chunk_id
                factors[n_rows] = np.frombuffer(data, "<f4", 1)[0]
                rows[n_rows] = np.frombuffer(data, np.int8, dim, 4)
                n_rows += 1
        self._state = state
        self._ids, self._rows, self._factors = ids[:n_rows], rows[:n_rows], factors[:n_rows]


def _keep_only(database: IndexDatabase, embedder: str) -> None:
    with database.write() as connection:
        if meta(connection, _EMBEDDER) != embedder:
            connection.execute("DELETE FROM vectors")
            set_meta(connection, _EMBEDDER, embedder)


def _slice(database: IndexDatabase) -> list[tuple[int, str]]:
    """Return the next chunks without a vector, each with what heads it in front of its text."""
    with database.read() as connection:
        rows = (
            connection.execute(
                """SELECT id, text_id, start, end, context FROM chunks
               WHERE id > coalesce((SELECT max(chunk_id) FROM vectors), 0) ORDER BY id LIMIT ?""",
                (_SLICE,),
            ).fetchall()
            or connection.execute(
                """SELECT id, text_id, start, end, context FROM chunks
               WHERE id NOT IN (SELECT chunk_id FROM vectors) ORDER BY id LIMIT ?""",
                (_SLICE,),
            ).fetchall()
        )
        contexts = contexts_of(connection, [(TextId(row[1]), row[4]) for row in rows])
        return [
            (row[0], f"{context}\n{read_text(connection, TextId(row[1]), row[2], row[3])}".strip())
            for row, context in zip(rows, contexts, strict=True)
        ]


def _embedded(embedder: Embedder, text: str, cancel: CancelToken) -> NDArray[np.float32]:
    """Return the vector of a text, float32 (1, dim); of one that is too long, that of its beginning."""
    for _ in range(_HALVINGS):
        if cancel.is_cancelled:
            raise Interrupted
        try:
            return embedder.embed([text], cancel=cancel)
        except AppError as error:
            if error.code is not ErrorCode.PROMPT_TOO_LONG:
                raise
            text = text[: len(text) // 2]
    return np.zeros((1, embedder.dim), np.float32)


def _packed(vector: NDArray[np.float32]) -> bytes:
    """Return a vector as its factor (float32) and int8 numbers."""
    factor = np.float32(max(float(np.abs(vector).max(initial=0.0)), 1e-12) / 127)
    packed: bytes = factor.astype("<f4").tobytes() + np.rint(vector / factor).astype(np.int8).tobytes()
    return packed
