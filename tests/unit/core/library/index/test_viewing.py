"""Stored texts as documents: by number, by passage, by content."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from core.events import CancelToken, Unit
from core.library.extracted import Block, BlockKind, Extracted, Format, Structure
from core.library.index.collections import CollectionId, Collections
from core.library.index.database import IndexDatabase
from core.library.index.indexer import Indexer
from core.library.index.viewing import find_file, find_passage, open_document


def read(path: Path, _cancel: CancelToken) -> Extracted:
    text = path.read_text(encoding="utf-8")
    blocks = (Block(BlockKind.PARAGRAPH, 0, len(text), number=7),)
    return Extracted(path.name, sha256(text.encode()).hexdigest(), Format.PDF, text, Structure(Unit.PAGE, blocks, 7))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[IndexDatabase]:
    folder = tmp_path / "docs"
    (folder / "old").mkdir(parents=True)
    (folder / "lease_1.txt").write_text("The rent is 900 euros.", encoding="utf-8")
    (folder / "old" / "lease_1.txt").write_text("The rent is 800 euros.", encoding="utf-8")
    made = IndexDatabase.open(tmp_path / "index.db", {})
    collections = Collections(made)
    collections.add(collections.create("Leases"), [folder])
    indexer = Indexer(made, read)
    indexer.rescan(CancelToken(), lambda _event: None)
    indexer.run(CancelToken(), lambda _event: None)
    yield made
    made.close()


def test_a_passage_finds_its_own_document_among_namesakes(database: IndexDatabase) -> None:
    found = find_passage(database, "lease_1.txt", 12, "800 euros")
    assert found is not None
    opened = open_document(database, *found)
    assert opened is not None
    assert opened.path is not None
    assert opened.path.parent.name == "old"
    assert opened.text == "The rent is 800 euros."
    assert (opened.format, opened.leaves[-1].number) == (Format.PDF, 7)
    assert opened.sha256 == sha256(opened.text.encode()).hexdigest()


def test_what_is_not_there_is_not_found(database: IndexDatabase) -> None:
    assert find_passage(database, "lease_1.txt", 12, "700 euros") is None
    assert find_passage(database, "lease%1.txt", 12, "800 euros") is None  # no pattern
    assert find_passage(database, "ease_1.txt", 12, "800 euros") is None
    assert find_passage(database, "lease_1.txt", 12, "800 euros", [CollectionId(99)]) is None
    assert find_file(database, "0" * 64) is None


def test_content_finds_its_file_and_a_forgotten_text_is_gone(database: IndexDatabase) -> None:
    content = sha256(b"The rent is 900 euros.").hexdigest()
    path = find_file(database, content)
    assert path is not None
    assert path.name == "lease_1.txt"
    found = find_passage(database, "lease_1.txt", 0, "The rent is 900")
    assert found is not None
    collections = Collections(database)
    collections.forget(collections.all()[0].id, CancelToken())
    assert open_document(database, found[0]) is None
