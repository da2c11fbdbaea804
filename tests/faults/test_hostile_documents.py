"""Documents that attack a reader cost their file alone, and each failure is a listed reason."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # not a package: the import mode is importlib

from hostile_documents import ATTACKS, peak_bytes, read_one

from core.library.extract_messages import Limits
from core.library.extractor import Extractor

QUICK = (
    "spaces.txt", "zeros.txt", "name.docx", "lying-size.docx", "members-20000.docx", "nested.docx", "laughs.docx",
    "xxe.docx", "xxe.odt", "xxe.xml", "laughs.xml", "nested.odt", "repeated-cells.ods", "sparse.xlsx", "cut.xlsx",
    "cut.docx", "cut.pdf", "cut.epub", "cut.rtf", "locked.pdf", "scan.pdf", "huge-page.pdf", "page-count-lies.pdf",
    "pages-20000.pdf", "loop.pdf", "nested.rtf", "binary.rtf", "nested.html", "nested.json", "nested-objects.json",
    "number.json", "nested.xml",
)  # fmt: skip
MEMORY = 1 << 30
# What is no document is never given out as one; all else is read or refused by one of these.
REFUSALS = {
    "document_empty", "document_unknown", "document_scanned", "document_protected", "document_damaged",
    "document_too_long", "document_too_slow", "document_too_heavy", "document_crashed",
}  # fmt: skip
NEVER_READ = (
    "zeros.txt", "lying-size.docx", "laughs.docx", "xxe.docx", "xxe.odt", "xxe.xml", "laughs.xml", "locked.pdf",
    "scan.pdf",
)  # fmt: skip


@pytest.fixture(scope="module")
def extractor() -> Iterator[Extractor]:
    made = Extractor(limits=Limits(memory_bytes=MEMORY))
    yield made
    made.close()


def check(extractor: Extractor, directory: Path, name: str) -> None:
    path = directory / name
    path.write_bytes(ATTACKS[name]())
    ended, seconds, peak = read_one(extractor, path)
    code = ended.partition(":")[0]
    assert code in REFUSALS or (code == "read" and name not in NEVER_READ), ended
    assert "root:" not in ended
    assert seconds < Limits().wall_s + 10
    assert peak < MEMORY
    good = directory / "good.txt"
    good.write_text("Terns dive.", encoding="utf-8")
    assert read_one(extractor, good)[0].startswith("read: 11 characters")


@pytest.mark.parametrize("name", QUICK)
def test_an_attack_costs_its_file_alone(extractor: Extractor, tmp_path: Path, name: str) -> None:
    check(extractor, tmp_path, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(ATTACKS) - set(QUICK) - {"empty.pdf"}))
def test_a_slow_attack_costs_its_file_alone(extractor: Extractor, tmp_path: Path, name: str) -> None:
    check(extractor, tmp_path, name)


def test_the_memory_of_the_child_is_seen(extractor: Extractor, tmp_path: Path) -> None:
    good = tmp_path / "good.txt"
    good.write_text("Terns dive.", encoding="utf-8")
    read_one(extractor, good)
    assert peak_bytes(extractor) >= 0
