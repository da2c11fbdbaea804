"""Files on disk to clean text: encodings told apart, what cannot be read refused, invisible characters taken out.

Knows bytes and characters; must not know passages, models or the database. Only plain text is read: a file of another
format is told by its first bytes or its name and is never opened by a parser.
"""

import hashlib
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.errors import AppError, ErrorCode

MAX_BYTES: Final = 2_000_000
MAX_DOCUMENTS: Final = 8  # for one conversation

_ONLY_TEXT: Final = "only text files can be read in this version"
_MAGIC: Final = (
    (b"%PDF-", "a PDF file"),
    (b"PK\x03\x04", "a compressed or an Office file"),
    (b"\xd0\xcf\x11\xe0", "an Office file"),
    (b"{\\rtf", "an RTF file"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"\x1f\x8b", "a compressed file"),
)
_SUFFIXES: Final = {
    ".pdf": "a PDF file",
    ".doc": "a Word file",
    ".docx": "a Word file",
    ".odt": "an OpenDocument file",
    ".rtf": "an RTF file",
    ".xls": "a spreadsheet",
    ".xlsx": "a spreadsheet",
    ".ods": "a spreadsheet",
    ".ppt": "a presentation",
    ".pptx": "a presentation",
    ".odp": "a presentation",
    ".epub": "an e-book",
    ".zip": "a compressed file",
}
_BYTE_ORDER_MARKS: Final = (  # the longer ones first: that of UTF-32-LE begins like that of UTF-16-LE
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_MAX_CONTROL_SHARE: Final = 0.01
_CONTROLS: Final = bytes(byte for byte in range(32) if byte not in b"\t\n\v\f\r\x1b")
_LINE_ENDS: Final = re.compile("\r\n|[\r\v\x85\u2028]")
_PARAGRAPH_ENDS: Final = re.compile("[\f\u2029]")
# Everything that a person does not see but a model reads: controls, directions, tags, fillers (R17: a hidden order in
# a document must not reach the model). The joiners stay between characters beyond ASCII.
_INVISIBLE: Final = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_BEYOND_ASCII: Final = "[^\x00-\x7f\u200c\u200d]"
_LONE_JOINER: Final = re.compile(f"(?<!{_BEYOND_ASCII})[\u200c\u200d]|[\u200c\u200d](?!{_BEYOND_ASCII})")


@dataclass(frozen=True, slots=True)
class DocumentText:
    """A document as it is searched and quoted: `sha256` is of the file, character positions are those in `text`."""

    name: str
    sha256: str
    text: str


def read_document(path: Path) -> DocumentText:
    """Return the text of the file at `path`, with line ends as line feeds.

    Raises:
        AppError: DOCUMENT_UNREADABLE, DOCUMENT_EMPTY, DOCUMENT_TOO_LARGE.
    """
    content = _read_bytes(path)
    text = clean(_decoded(path, content))
    if not text.strip():
        raise AppError(ErrorCode.DOCUMENT_EMPTY, path=path)
    return DocumentText(_shown_name(path), hashlib.sha256(content).hexdigest(), text)


def check_count(n_documents: int) -> None:
    """Refuse more documents than one conversation holds.

    Raises:
        AppError: DOCUMENTS_TOO_MANY.
    """
    if n_documents > MAX_DOCUMENTS:
        raise AppError(ErrorCode.DOCUMENTS_TOO_MANY, found=n_documents, limit=MAX_DOCUMENTS)


def clean(text: str) -> str:
    """Return `text` with one kind of line end and without characters that nobody sees."""
    text = _PARAGRAPH_ENDS.sub("\n\n", _LINE_ENDS.sub("\n", text))
    return _LONE_JOINER.sub("", _INVISIBLE.sub("", text))


def _read_bytes(path: Path) -> bytes:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise _unreadable(path, "it is a folder; choose the files in it")
        if not stat.S_ISREG(status.st_mode):
            raise _unreadable(path, "it is not a file")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as exc:  # ValueError: a NUL in the path
        raise _unreadable(path, getattr(exc, "strerror", None) or "there is no such file") from exc
    kind = next((kind for start, kind in _MAGIC if content.startswith(start)), _SUFFIXES.get(path.suffix.lower()))
    if kind is not None and content:
        raise _unreadable(path, f"it is {kind}; {_ONLY_TEXT}")
    if len(content) > MAX_BYTES:
        size = max(status.st_size, len(content))
        raise AppError(ErrorCode.DOCUMENT_TOO_LARGE, path=path, found_bytes=size, limit_bytes=MAX_BYTES)
    return content


def _decoded(path: Path, content: bytes) -> str:
    for mark, encoding in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, "replace")
    n_controls = len(content) - len(content.translate(None, _CONTROLS))
    if b"\0" in content or n_controls > _MAX_CONTROL_SHARE * len(content):
        raise _unreadable(path, f"it holds no text; {_ONLY_TEXT}")
    text = content.decode("utf-8", "replace")
    n_bad = text.count("\ufffd")
    if n_bad == 0 or _is_mostly_utf8(text, n_bad):
        return text
    try:
        return content.decode("cp1252")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _is_mostly_utf8(text: str, n_bad: int) -> bool:
    """True when the characters beyond ASCII came out whole but for a few: chance makes none of another encoding."""
    n_whole = sum(char > "\x7f" for char in text) - n_bad
    return n_whole > 4 * n_bad


def _shown_name(path: Path) -> str:
    return " ".join(clean(path.name.encode("utf-8", "replace").decode("utf-8")).split()) or "document"


def _unreadable(path: Path, reason: str) -> AppError:
    return AppError(ErrorCode.DOCUMENT_UNREADABLE, path=path, reason=reason)
