"""What the window of the documents says."""

from pathlib import Path

import pytest

from app.library import words
from core.errors import AppError, ErrorCode
from core.events import IndexProgress, IndexStage
from core.library.index.collections import Collection, CollectionId, FileId, FileState, Forgetting, IndexedFile
from core.library.index.indexer import Preview


def collection(**facts: object) -> Collection:
    counts = {"n_indexed": 3, "n_queued": 0, "n_failed": 0, "n_left_out": 0, "n_bytes": 2_000_000}
    made = {"id": CollectionId(1), "name": "Leases", "is_paused": False, "sources": ()} | counts | facts
    return Collection(**made)  # type: ignore[arg-type]


def test_the_state_names_what_is_searchable_and_what_is_not() -> None:
    assert words.state_in_words(collection()) == "3 files searchable, 2 MB"
    busy = collection(n_indexed=1, n_queued=1_200, n_failed=2, n_left_out=4)
    assert words.state_in_words(busy) == "1 file searchable, 1,200 waiting, 2 could not be read, 4 left out, 2 MB"
    assert words.short_state(collection(is_paused=True, n_queued=2)) == "paused, 2 waiting"
    assert words.short_state(collection(n_failed=2)) == "3 files, 2 with problems"


def test_progress_tells_the_stage_and_the_time_left() -> None:
    reading = IndexProgress(IndexStage.READING, 3, 40, 1, 2, "lease.pdf", 12.3)
    assert words.progress_in_words(reading) == "Reading 3 of 40 files, 13 s left: lease.pdf"
    looking = IndexProgress(IndexStage.LOOKING, 3_000, 3_000, 1, 2, "x", None)
    assert words.progress_in_words(looking) == "Looking for files: 3,000 so far"


@pytest.mark.parametrize(
    ("preview", "is_large"),
    [
        (Preview(5_000, 10, 1.0, 0, ()), False),
        (Preview(5_001, 10, 1.0, 0, ()), True),
        (Preview(2, 2_000_000_001, 1.0, 0, ()), True),
        (Preview(2, 10, 121.0, 0, ()), True),
    ],
)
def test_much_is_asked_about(preview: Preview, is_large: bool) -> None:
    assert words.is_large(preview) is is_large


def test_the_estimate_says_what_is_left_out() -> None:
    said = words.preview_in_words(Preview(6_000, 3_000_000_000, 300.0, 12, ("a",)))
    assert said.startswith("6,000 files, 3.0 GB: about 5 min")
    assert "12 files of other kinds" in said
    assert "1 place cannot be opened" in said


def test_forgetting_says_exactly_what_goes_and_what_stays() -> None:
    said = words.forgetting_in_words(Forgetting(16, 12, 8_161, 28, 0, 1))
    for part in ("16 files", "12 of them", "8,161 characters", "28 passages", "1 file", "not touched"):
        assert part in said
    assert "vectors" not in said


def test_a_failed_file_tells_the_reason_and_the_way_out() -> None:
    problem = AppError(ErrorCode.DOCUMENT_PROTECTED, path=Path("lease.pdf"))
    file = IndexedFile(FileId(1), Path("lease.pdf"), 10, FileState.FAILED, problem, None)
    assert words.file_state_in_words(file) == "The document has a password"
    assert "save a copy without the password" in words.problem_in_words(file)
    assert words.problem_in_words(IndexedFile(FileId(1), Path("a"), 1, FileState.INDEXED, None, None)) == ""


def test_patterns_are_read_as_people_write_them() -> None:
    assert words.patterns_from(" *.pdf, drafts/* ;; x") == ("*.pdf", "drafts/*", "x")
    assert words.patterns_in_words(("*.pdf",), ("old",)) == "only *.pdf; without old"
