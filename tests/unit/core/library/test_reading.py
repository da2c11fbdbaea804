from pathlib import Path

import pytest

from core.errors import AppError
from core.events import CancelToken
from core.library.extracted import structure_from
from core.library.extractor import Extractor
from core.library.reading import MAX_DOCUMENTS, check_count, read_document


def test_a_file_becomes_text_with_its_structure(tmp_path: Path) -> None:
    path = tmp_path / "a\u202etxt.md"
    path.write_bytes(b"# Terns\r\n\r\nThey dive.")
    extractor = Extractor()
    try:
        document = read_document(path, extractor, CancelToken(), lambda _event: None)
    finally:
        extractor.close()
    assert (document.name, document.text) == ("atxt.md", "# Terns\n\nThey dive.")
    assert structure_from(document.structure, len(document.text)).blocks[1].headings == ("Terns",)


def test_a_conversation_has_a_bound_of_documents() -> None:
    check_count(MAX_DOCUMENTS)
    with pytest.raises(AppError) as caught:
        check_count(MAX_DOCUMENTS + 1)
    assert caught.value.facts == {"found": MAX_DOCUMENTS + 1, "limit": MAX_DOCUMENTS}
