"""The documents of a conversation: files read by the extractor, and how many there may be.

Knows documents as text; must not know passages, models or the database, nor how a file is taken apart.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.errors import AppError, ErrorCode
from core.events import CancelToken, Emit
from core.library.extracted import Extracted
from core.library.extractor import Extractor

MAX_DOCUMENTS: Final = 8  # for one conversation


@dataclass(frozen=True, slots=True)
class DocumentText:
    """A document as it is searched and quoted: `sha256` is of the file, character positions are those in `text`.

    `structure` is what Structure.encoded() wrote; "" where nothing is known of the text.
    """

    name: str
    sha256: str
    text: str
    structure: str = ""


def read_document(path: Path, extractor: Extractor, cancel: CancelToken, emit: Emit) -> DocumentText:
    """Return the text of the file at `path`; emits DocumentProgress.

    Raises:
        AppError: DOCUMENT_*, EXTRACTOR_FAILED.
        Interrupted: it was cancelled.
    """
    return as_text(extractor.extract(path, cancel, emit))


def as_text(extracted: Extracted) -> DocumentText:
    """Return what was read of a file in the form in which a conversation keeps it."""
    return DocumentText(extracted.name, extracted.sha256, extracted.text, extracted.structure.encoded())


def check_count(n_documents: int) -> None:
    """Refuse more documents than one conversation holds.

    Raises:
        AppError: DOCUMENTS_TOO_MANY.
    """
    if n_documents > MAX_DOCUMENTS:
        raise AppError(ErrorCode.DOCUMENTS_TOO_MANY, found=n_documents, limit=MAX_DOCUMENTS)
