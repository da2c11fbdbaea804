"""From words to passages: candidates by their words (and by meaning where there are vectors), then the best of each.

Knows the index and weighs words; must not know models, files on disk or chats. Nothing that a person types reaches FTS5
but letters and digits in quotes.
"""

import sqlite3
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from core.events import CancelToken, Interrupted, Place
from core.library.extracted import Format
from core.library.index import gate
from core.library.index.analysis import folded, is_paired, words_in
from core.library.index.collections import CollectionId, FileId, full_path, languages_in
from core.library.index.contents import Analysers, TextId, contexts_of, place_of, read_text
from core.library.index.database import IndexDatabase
from core.library.index.passages import Weights, are_near_equal, best_span, idf, score
from core.library.index.query import search_words
from core.library.index.vectors import Embedder, VectorSearch

_POOL: Final = 40  # candidates that are looked at closely
_MOST_HOLDING: Final = 10_000  # chunks that the words of one search may be looked up in, the rarest words first
_MIN_PREFIX: Final = 3
_MAX_COMPLETIONS: Final = 64
_LANGUAGES: Final = 6
# What a word that no document has says against an answer: an ordinary one may be said in another way, a name or a
# number may not.
_UNSEEN: Final = 0.25
_UNSEEN_NAME: Final = 1.5
_FUSION_K: Final = 60  # Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion" (2009)
_CONTEXT_WEIGHT: Final = 0.35  # of words in the headings above a chunk
_DOCUMENT_WEIGHT: Final = 0.8  # of how well the document as a whole fits
_LOOKED_THROUGH: Final = 200  # chunks that documents are gathered from
_DOCUMENTS: Final = 15  # that are weighed as a whole
_MEAN_CHUNK_WORDS: Final = 110.0
_LINE_FORMATS: Final = frozenset({Format.CODE, Format.CSV, Format.SPREADSHEET, Format.ODS})


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that was found. Positions are characters of the stored text; `chunk_*` is what it was cut out of.

    score: for the order within one search; coverage: the share of the search's weight whose words stand in the chunk, 0
    to 1; cosine: how near it is in meaning, None without vectors.
    """

    text_id: TextId
    file_id: FileId
    path: Path
    start: int
    end: int
    text: str
    chunk_start: int
    chunk_end: int
    place: Place | None
    score: float
    coverage: float
    cosine: float | None = None

    @property
    def document(self) -> str:
        """The name of the file."""
        return self.path.name


@dataclass(frozen=True, slots=True)
class Found:
    """The hits, the best first, the words that were searched for and how likely the answer is among the hits."""

    hits: tuple[Hit, ...]
    words: tuple[str, ...]
    likelihood: float

    @property
    def is_likely(self) -> bool:
        """False where the documents most likely do not say what is asked."""
        return self.likelihood >= gate.THRESHOLD


@dataclass(frozen=True, slots=True)
class _Candidate:
    chunk_id: int
    text_id: TextId
    start: int
    end: int
    context: int
    language: str
    format: str
    text: str
    words: tuple[str, ...]  # of the text, analysed


class Searcher:
    """Searches an index, from any thread; keeps the vectors in memory once they were asked for."""

    def __init__(self, database: IndexDatabase, embedder: Embedder | None = None) -> None:
        self._database = database
        self._embedder = embedder
        self._analysers = Analysers()
        self._vectors = VectorSearch()
        self._version: int | None = None
        self._languages: tuple[str, ...] = ()
        self._n_chunks = 0
        self._mean_chunks = 0.0
        self._holding: dict[str, int] = {}  # of the words that were asked for, until the index changes
        self._lock = threading.Lock()

    def words_for(self, question: str, before: Sequence[str] = ()) -> tuple[str, ...]:
        """Return what a question is searched with; `before`: what the question before was searched with."""
        with self._lock, self._database.read() as connection:
            self._refresh(connection)
        return search_words(question, before, languages=self._languages)

    def search(
        self,
        question: str | Sequence[str],
        *,
        limit: int = 10,
        collections: Sequence[CollectionId] | None = None,
        as_typed: bool = False,
        cancel: CancelToken,
    ) -> Found:
        """Return the best `limit` passages for a question, or for words as words_for() gave them.

        Args:
            question: plain text, or words that a person may have edited.
            limit: passages at most; near-equal ones count once.
            collections: None for all.
            as_typed: the last word may be the beginning of one.
            cancel: looked at between the steps.

        Raises:
            AppError: DATABASE_LOCKED, INDEX_DAMAGED, DATA_DIR_UNWRITABLE.
            Interrupted: `cancel` was cancelled.
        """
        asked = question if isinstance(question, str) else " ".join(question)
        vector = self._embedder.embed([asked], is_query=True, cancel=cancel)[0] if self._embedder and asked else None
        with self._lock, self._database.read() as connection:
            self._refresh(connection)
            if isinstance(question, str) and not as_typed:
                words = search_words(question, languages=self._languages)
            else:
                words = tuple(dict.fromkeys(word for word, _, _ in words_in(asked)))
            weights = self._weights(connection, words, as_typed=as_typed)
            by_words, fits = self._by_words(connection, weights, collections)
            by_meaning = [] if vector is None else self._vectors.nearest(connection, vector, 4 * _POOL)
            if cancel.is_cancelled:
                raise Interrupted
            cosines = dict(by_meaning)
            ranked = self._ranked(connection, by_words, fits, cosines, weights, collections)
            hits = self._hits(connection, ranked, weights, cosines, collections, limit)
        return Found(hits, words, gate.likelihood(hits))

    def weights_for(self, words: Sequence[str]) -> Weights:
        """Return the forms and weights of words, for scoring other texts beside the index's."""
        with self._lock, self._database.read() as connection:
            self._refresh(connection)
            return self._weights(connection, words, as_typed=False)

    def _refresh(self, connection: sqlite3.Connection) -> None:
        version = connection.execute("PRAGMA data_version").fetchone()[0]
        if version != self._version:
            self._n_chunks, self._mean_chunks = connection.execute(
                "SELECT coalesce(sum(n_chunks), 0), coalesce(avg(n_chunks), 0) FROM texts"
            ).fetchone()
            self._languages = languages_in(connection)[:_LANGUAGES]
            self._holding = {}
            self._version = version

    def _weights(self, connection: sqlite3.Connection, words: Sequence[str], *, as_typed: bool) -> Weights:
        """Return for each word the forms that it has in the index's languages, each with what it says."""
        weights: dict[str, list[tuple[str, float]]] = {}
        analysers = [self._analysers.of(language) for language in self._languages or ("",)]
        for number, word in enumerate(words):
            if is_paired(word):
                for form in analysers[0].words(word):
                    weights[form] = [(form, self._idf(connection, form))]
                continue
            forms = dict.fromkeys(form for analyser in analysers for form in analyser.words(word))
            if as_typed and number == len(words) - 1:
                forms |= dict.fromkeys(self._completions(connection, folded(word)))
            # Where a word is stemmed in several ways the ways that no document has are left out.
            found = [(form, n) for form in forms if (n := self._n_holding(connection, form))]
            weights[word] = [(form, idf(n, self._n_chunks)) for form, n in found]
            if not found:
                said = idf(0, self._n_chunks) * (_UNSEEN_NAME if self._is_name(word) else _UNSEEN)
                weights[word] = [(form, said) for form in forms]
        return weights

    def _is_name(self, word: str) -> bool:
        """Tell whether a word names one thing: a number, or a capital letter where not every noun has one."""
        has_capital = word[0].isupper() and self._languages[:1] != ("german",)
        return has_capital or any(char.isdigit() for char in word)

    def _idf(self, connection: sqlite3.Connection, form: str) -> float:
        return idf(self._n_holding(connection, form), self._n_chunks)

    def _n_holding(self, connection: sqlite3.Connection, form: str) -> int:
        if form not in self._holding:
            row = connection.execute("SELECT doc FROM terms WHERE term = ?", (form,)).fetchone()
            self._holding[form] = 0 if row is None else int(row[0])
        return self._holding[form]

    def _completions(self, connection: sqlite3.Connection, beginning: str) -> list[str]:
        """Return words of the index that begin as what is being typed; stems may be shorter than that."""
        for n_chars in range(len(beginning), max(_MIN_PREFIX, len(beginning) - 3) - 1, -1):
            start = beginning[:n_chars]
            if len(start) < _MIN_PREFIX:
                return []
            rows = connection.execute(
                "SELECT term FROM terms WHERE term >= ? AND term < ? LIMIT ?",
                (start, f"{start}\U0010ffff", _MAX_COMPLETIONS),
            ).fetchall()
            if rows:
                return [str(row[0]) for row in rows]
        return []

    def _by_words(
        self, connection: sqlite3.Connection, weights: Weights, collections: Sequence[CollectionId] | None
    ) -> tuple[list[int], dict[TextId, float]]:
        """Return the chunks that FTS5 ranks highest for the rarest words, and how well their documents fit."""
        forms = sorted({form for each in weights.values() for form in each}, key=lambda form: -form[1])
        chosen: dict[str, float] = {}
        n_looked_up = 0
        for form, weight in forms:
            n_holding = self._n_holding(connection, form)
            if not n_holding or (chosen and n_looked_up + n_holding > _MOST_HOLDING):
                continue
            chosen[form] = weight
            n_looked_up += n_holding
        if not chosen:
            return [], {}
        where, values = _in_collections("c.text_id", collections)
        rows = connection.execute(
            f"""SELECT w.rowid, c.text_id FROM words AS w JOIN chunks AS c ON c.id = w.rowid
                WHERE w.words MATCH ? AND {where} ORDER BY w.rank LIMIT ?""",
            (" OR ".join(f'"{form}"' for form in chosen), *values, _LOOKED_THROUGH),
        ).fetchall()
        best = {TextId(row[1]): row[0] for row in reversed(rows)}  # of each document the best chunk
        texts = list(dict.fromkeys(TextId(row[1]) for row in rows))[:_DOCUMENTS]
        fits = {text_id: self._fit(connection, text_id, chosen) for text_id in texts}
        by_fit = sorted(fits, key=lambda text_id: -fits[text_id])[: _POOL // 2]
        chunks = dict.fromkeys([*(row[0] for row in rows[: _POOL // 2]), *(best[text_id] for text_id in by_fit)])
        return list(chunks), fits

    def _fit(self, connection: sqlite3.Connection, text_id: TextId, forms: Mapping[str, float]) -> float:
        """Return BM25 of a document, counting for each word the chunks that hold it."""
        first, last, n_chunks = connection.execute(
            "SELECT min(id), max(id), count(*) FROM chunks WHERE text_id = ?", (text_id,)
        ).fetchone()
        norm = 1.2 * (0.25 + 0.75 * n_chunks / max(self._mean_chunks, 1.0))
        total = 0.0
        for form, weight in forms.items():
            count = connection.execute(
                "SELECT count(*) FROM words WHERE words MATCH ? AND rowid BETWEEN ? AND ?", (f'"{form}"', first, last)
            ).fetchone()[0]
            total += weight * count * 2.2 / (count + norm)
        return total

    def _ranked(
        self,
        connection: sqlite3.Connection,
        by_words: Sequence[int],
        fits: Mapping[TextId, float],
        cosines: dict[int, float],
        weights: Weights,
        collections: Sequence[CollectionId] | None,
    ) -> list[tuple[_Candidate, float]]:
        """Score the candidates closely; with vectors the two orders are fused."""
        candidates = self._candidates(connection, [*dict.fromkeys([*by_words, *list(cosines)[:_POOL]])], collections)
        contexts = contexts_of(connection, [(each.text_id, each.context) for each in candidates])
        scores: dict[int, float] = {}
        for each, context in zip(candidates, contexts, strict=True):
            scores[each.chunk_id] = score(each.words, weights, _MEAN_CHUNK_WORDS).score
            if context:
                heading = self._analysers.of(each.language).words(context)
                scores[each.chunk_id] += _CONTEXT_WEIGHT * score(heading, weights, 10.0).score
        for each in candidates:
            scores[each.chunk_id] += _DOCUMENT_WEIGHT * fits.get(each.text_id, 0.0)
        if cosines:
            scores = _fused(scores, cosines)
        ranked = [(each, scores[each.chunk_id]) for each in candidates]
        return sorted(ranked, key=lambda pair: (-pair[1], pair[0].chunk_id))

    def _candidates(
        self, connection: sqlite3.Connection, chunk_ids: Sequence[int], collections: Sequence[CollectionId] | None
    ) -> list[_Candidate]:
        where, values = _in_collections("c.text_id", collections)
        marks = ", ".join("?" * len(chunk_ids))
        rows = connection.execute(
            f"""SELECT c.id, c.text_id, c.start, c.end, c.context, t.language, t.format
                FROM chunks AS c JOIN texts AS t ON t.id = c.text_id WHERE c.id IN ({marks}) AND {where}""",
            (*chunk_ids, *values),
        )
        found = []
        for row in rows.fetchall():
            text = read_text(connection, TextId(row[1]), row[2], row[3])
            words = tuple(self._analysers.of(row[5]).words(text))
            found.append(_Candidate(row[0], TextId(row[1]), row[2], row[3], row[4], row[5], row[6], text, words))
        return found

    def _hits(
        self,
        connection: sqlite3.Connection,
        ranked: Sequence[tuple[_Candidate, float]],
        weights: Weights,
        cosines: dict[int, float],
        collections: Sequence[CollectionId] | None,
        limit: int,
    ) -> tuple[Hit, ...]:
        """Cut the best passage out of each chunk; one that says the same as one before is left out."""
        hits: list[Hit] = []
        seen: list[frozenset[str]] = []
        for candidate, total in ranked:
            if len(hits) == limit:
                break
            text = candidate.text
            words_of = self._analysers.of(candidate.language).words
            words = frozenset(candidate.words)
            if any(are_near_equal(words, other) for other in seen):
                continue
            file = _file_of(connection, candidate.text_id, collections)
            if file is None:
                continue
            seen.append(words)
            span = best_span(text, words_of, weights, is_lines=candidate.format in _LINE_FORMATS)
            start, end = candidate.start + span.start, candidate.start + span.end
            hits.append(
                Hit(
                    candidate.text_id, file[0], file[1], start, end, text[span.start : span.end], candidate.start,
                    candidate.end, place_of(connection, candidate.text_id, start, end), total,
                    score(candidate.words, weights, _MEAN_CHUNK_WORDS).coverage, cosines.get(candidate.chunk_id),
                )
            )  # fmt: skip
        return tuple(hits)

    def expanded(self, hit: Hit, max_chars: int) -> Hit:
        """Return `hit` with more of what stands around it: its whole chunk, then its section, as long as that fits."""
        with self._database.read() as connection:
            rows = connection.execute(
                """SELECT start, end FROM chunks WHERE text_id = ?1 AND context = (
                     SELECT context FROM chunks WHERE text_id = ?1 AND start = ?2) ORDER BY start""",
                (hit.text_id, hit.chunk_start),
            ).fetchall()
            start, end = hit.start, hit.end
            if hit.chunk_end - hit.chunk_start <= max_chars:
                start, end = hit.chunk_start, hit.chunk_end
            for row in sorted(rows, key=lambda row: abs(row[0] - hit.chunk_start)):
                wider = min(start, row[0]), max(end, row[1])
                if (start, end) != (hit.start, hit.end) and wider[1] - wider[0] <= max_chars:
                    start, end = wider
            return replace(hit, start=start, end=end, text=read_text(connection, hit.text_id, start, end))


def _fused(scores: dict[int, float], cosines: dict[int, float]) -> dict[int, float]:
    """Return the sums of reciprocal ranks in the order by words and in that by meaning."""
    by_words = sorted((chunk for chunk in scores if scores[chunk] > 0), key=lambda chunk: -scores[chunk])
    fused = dict.fromkeys(scores, 0.0)
    for order in (by_words, list(cosines)):
        for rank, chunk in enumerate(order, 1):
            if chunk in fused:
                fused[chunk] += 1 / (_FUSION_K + rank)
    return fused


def _in_collections(column: str, collections: Sequence[CollectionId] | None) -> tuple[str, tuple[int, ...]]:
    """Return the condition that a text is one of a file in `collections` that has not gone, and its values."""
    exists = f"EXISTS(SELECT 1 FROM files AS f JOIN sources AS s ON s.id = f.source_id WHERE f.text_id = {column}"
    if collections is None:
        return f"{exists})", ()
    marks = ", ".join("?" * len(collections))
    return f"{exists} AND s.collection_id IN ({marks}))", tuple(collections)


def _file_of(
    connection: sqlite3.Connection, text_id: TextId, collections: Sequence[CollectionId] | None
) -> tuple[FileId, Path] | None:
    """Return a file that the text was read from, one that is still there before one that has gone."""
    marks = "" if collections is None else f"AND s.collection_id IN ({', '.join('?' * len(collections))})"
    row = connection.execute(
        f"""SELECT f.id, s.path, f.path FROM files AS f JOIN sources AS s ON s.id = f.source_id
            WHERE f.text_id = ? {marks} ORDER BY f.state = 'gone', f.id LIMIT 1""",
        (text_id, *(collections or ())),
    ).fetchone()
    return None if row is None else (FileId(row[0]), full_path(row[1], row[2]))
