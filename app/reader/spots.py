"""What the page view is opened with: places in documents, and how each document is fetched.

Knows where documents are kept; must not know widgets. `load` of a spot blocks on the disk and runs beside the window.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from core.events import Passage
from core.library.extracted import Structure, structure_from
from core.library.index.collections import IndexedFile
from core.library.index.contents import TextId
from core.library.index.searcher import Hit
from core.library.index.viewing import find_file, find_passage, open_document
from core.library.leaves import Opened, open_text
from core.store.chats import ChatId
from core.store.documents import Document

if TYPE_CHECKING:
    from app.wiring import Services


@dataclass(frozen=True, slots=True)
class Spot:
    """A passage of a document; spots with the same `key` are in the same document.

    `start` and `end` are characters of the document's text; `text` is what stood there when the passage was made, ""
    for a document without a passage.
    """

    key: Hashable
    name: str
    start: int
    end: int
    text: str
    load: Callable[[], Opened | None]


def hit_spots(services: "Services", hits: Sequence[Hit]) -> list[Spot]:
    """Return what a search over all documents found."""
    return [
        Spot(
            (each.text_id, each.path), shown(each.path.name), each.start, each.end, each.text,
            partial(_open_indexed, services, each.text_id, each.path),
        )
        for each in hits
    ]  # fmt: skip


def file_spot(services: "Services", file: IndexedFile) -> Spot:
    """Return the beginning of a file of a collection."""
    return Spot(
        (file.text_id, file.path), shown(file.path.name), 0, 0, "",
        partial(_open_indexed, services, file.text_id, file.path),
    )  # fmt: skip


def passage_spots(
    services: "Services", chat_id: ChatId | None, passages: Sequence[Passage], path_of: Mapping[str, Path]
) -> list[Spot]:
    """Return the passages of a question; `path_of`: where the files of the chat lay, by SHA-256."""
    return [
        Spot(
            (chat_id, each.document), shown(each.document), each.start, each.end, each.text,
            partial(_open_passage, services, chat_id, each, path_of),
        )
        for each in passages
    ]  # fmt: skip


def shown(name: str) -> str:
    """Return a file name as one line that can be shown."""
    return " ".join(name.encode("utf-8", "replace").decode("utf-8").split())


def _open_indexed(services: "Services", text_id: TextId | None, path: Path) -> Opened | None:
    documents = services.collections.get(must_exist=True) if services.collections is not None else None
    if documents is None or text_id is None:
        return None
    return open_document(documents.database, text_id, path)


def _open_passage(
    services: "Services", chat_id: ChatId | None, passage: Passage, path_of: Mapping[str, Path]
) -> Opened | None:
    """Find the document that a passage is of: among those of the chat, then in the collections."""
    own = services.store.documents(chat_id) if chat_id is not None else []
    for each in own:
        if each.name == passage.document and each.text[passage.start : passage.end] == passage.text:
            return _open_own(services, each, path_of)
    documents = services.collections.get(must_exist=True) if services.collections is not None else None
    if documents is None:
        return None
    found = find_passage(documents.database, passage.document, passage.start, passage.text)
    return None if found is None else open_document(documents.database, *found)


def _open_own(services: "Services", document: Document, path_of: Mapping[str, Path]) -> Opened:
    path = path_of.get(document.sha256)
    documents = services.collections.get(must_exist=True) if services.collections is not None else None
    if path is None and documents is not None:
        path = find_file(documents.database, document.sha256)
    try:
        structure = structure_from(document.structure, len(document.text))
    except ValueError:
        structure = Structure()
    return open_text(document.name, document.text, structure, path=path, sha256=document.sha256)
