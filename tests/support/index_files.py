"""An index over files in a folder, brought up to date on request."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import AppError, ErrorCode
from core.events import CancelToken
from core.library.extract.formats import read
from core.library.extracted import Extracted
from core.library.index.collections import CollectionId, Collections
from core.library.index.database import IndexDatabase
from core.library.index.indexer import Changes, Done, Indexer
from core.library.index.searcher import Found, Searcher
from core.library.index.structure import with_structure
from core.library.reading import DocumentText

VERSIONS = {"extractor": "1", "chunker": "1", "analyser": "1"}


@dataclass
class OpenIndex:
    """`events` is what was emitted, `read` the files that were read, in order."""

    path: Path
    versions: dict[str, str] = field(default_factory=lambda: dict(VERSIONS))
    events: list[object] = field(default_factory=list)
    read: list[str] = field(default_factory=list)
    before_read: Callable[[Path], None] = lambda path: None

    def __post_init__(self) -> None:
        self.database = IndexDatabase.open(self.path, self.versions)
        self.collections = Collections(self.database, clock=lambda: 0.0)
        self.indexer = Indexer(self.database, self._read)
        self.searcher = Searcher(self.database)

    def _read(self, path: Path, cancel: CancelToken) -> Extracted:
        self.before_read(path)
        document = with_structure(_read_here(path))
        self.read.append(path.name)
        return document

    def add(self, name: str, *paths: Path, **patterns: list[str]) -> CollectionId:
        collection_id = self.collections.create(name)
        self.collections.add(collection_id, paths, **patterns)
        self.update()
        return collection_id

    def rescan(self) -> Changes:
        return self.indexer.rescan(CancelToken(), self.events.append)

    def run(self) -> Done:
        return self.indexer.run(CancelToken(), self.events.append)

    def update(self) -> Changes:
        changes = self.rescan()
        self.run()
        return changes

    def search(self, question: str, **options: object) -> Found:
        return self.searcher.search(question, cancel=CancelToken(), **options)

    def found(self, question: str, **options: object) -> list[str]:
        return [hit.document for hit in self.search(question, **options).hits]

    def state(self) -> dict[str, object]:
        """Return everything that is in the index but for ids and times, to compare two of them."""
        with self.database.read() as connection:
            files = connection.execute(
                """SELECT f.path, f.size, f.sha256, f.state, t.key FROM files AS f LEFT JOIN texts AS t ON t.id =
                text_id
                   ORDER BY f.source_id, f.path"""
            ).fetchall()
            chunks = connection.execute(
                """SELECT t.key, t.n_chunks, c.start, c.end, x.label FROM texts AS t
                   LEFT JOIN chunks AS c ON c.text_id = t.id
                   LEFT JOIN contexts AS x ON x.text_id = t.id AND x.number = c.context ORDER BY t.key, c.start"""
            ).fetchall()
            terms = connection.execute("SELECT term, doc, cnt FROM terms ORDER BY term").fetchall()
            parts = connection.execute(
                "SELECT t.key, p.start, p.data, p.blocks FROM parts AS p JOIN texts AS t ON t.id = text_id ORDER BY "
                "1, 2"
            ).fetchall()
            orphans = connection.execute(
                "SELECT count(*) FROM chunks WHERE text_id NOT IN (SELECT id FROM texts)"
            ).fetchone()
        return {"files": files, "chunks": chunks, "terms": terms, "parts": parts, "orphans": orphans[0]}

    def close(self) -> None:
        self.database.close()


def _read_here(path: Path) -> DocumentText:
    """Return the text of a small file without a child process."""
    try:
        content = path.read_bytes()
        text = read(path.name, content, lambda _done, _total: None)[1].text()
    except OSError as exc:
        raise AppError(ErrorCode.DOCUMENT_UNREADABLE, path=path, reason=str(exc.strerror)) from exc
    except AppError as error:
        raise AppError(error.code, **error.facts | {"path": path}) from error
    if not text.strip():
        raise AppError(ErrorCode.DOCUMENT_EMPTY, path=path)
    return DocumentText(path.name, hashlib.sha256(content).hexdigest(), text)
