"""The words for documents: what went wrong with one, and where in it a passage stands. A part of notices.py; no Qt."""

from collections.abc import Mapping, Sequence
from typing import Final

from app.wording import Action, Words
from core.errors import ErrorCode
from core.events import DocumentProgress, Place, Unit

_FILE_SAFE: Final = "Your file was not changed."
_MAX_LABEL_CHARS: Final = 60


def _words(title: str, what: str, advice: str) -> Words:
    return Words(title, what, _FILE_SAFE, advice, "Close", Action.DISMISS)


DOCUMENT_WORDS: Final[Mapping[ErrorCode, Words]] = {
    ErrorCode.DOCUMENT_UNREADABLE: _words(
        "The document cannot be opened",
        "{path} was not added: {reason}.",
        "Check that the file is there and that you may open it, then add it again.",
    ),
    ErrorCode.DOCUMENT_EMPTY: _words(
        "The document is empty",
        "{path} was not added: there is no text in it.",
        "Choose another file.",
    ),
    ErrorCode.DOCUMENT_TOO_LARGE: _words(
        "The document is too large",
        "{path} was not added: it has {found_bytes}, and a document may have {limit_bytes}.",
        "Add the part of it that you want to ask about.",
    ),
    ErrorCode.DOCUMENT_UNKNOWN: _words(
        "Tern cannot read this kind of file",
        "{path} was not added: it is {kind}.",
        "Save it as PDF, Word (.docx) or plain text and add that.",
    ),
    ErrorCode.DOCUMENT_SCANNED: _words(
        "The document is a scan",
        "{path} was not added: its {n_pages} pages are pictures without text.",
        "Make the text recognisable with a scanning program (OCR), save it as a searchable PDF and add that.",
    ),
    ErrorCode.DOCUMENT_PROTECTED: _words(
        "The document has a password",
        "{path} was not added: it can only be opened with a password.",
        "Open it yourself, save a copy without the password and add that.",
    ),
    ErrorCode.DOCUMENT_DAMAGED: _words(
        "The document is damaged",
        "{path} was not added: {reason}.",
        "Open it in the program that made it, save it again and add that.",
    ),
    ErrorCode.DOCUMENT_TOO_LONG: _words(
        "The document is too long",
        "{path} was not added: it has more than {limit} {found}.",
        "Add the part of it that you want to ask about.",
    ),
    ErrorCode.DOCUMENT_TOO_SLOW: _words(
        "The document takes too long",
        "{path} was not added: it could not be read in {limit_s} seconds.",
        "Save the part of it that you want to ask about as PDF or plain text and add that.",
    ),
    ErrorCode.DOCUMENT_TOO_HEAVY: _words(
        "The document needs too much memory",
        "{path} was not added: reading it would take more than {limit_bytes} of memory.",
        "Save the part of it that you want to ask about as PDF or plain text and add that.",
    ),
    ErrorCode.DOCUMENT_CRASHED: _words(
        "The document could not be read",
        "{path} was not added: reading it failed ({reason}).",
        "Open it in the program that made it, save it again as PDF or plain text and add that.",
    ),
    ErrorCode.DOCUMENT_QUARANTINED: _words(
        "The document is left alone",
        "{path} was not added: reading it failed twice before ({reason}), so it is not tried again.",
        "Open it in the program that made it, save it again as PDF or plain text and add that.",
    ),
    ErrorCode.EXTRACTOR_FAILED: Words(
        "Documents cannot be read now",
        "The part of Tern that reads documents could not be started: {reason}.",
        _FILE_SAFE,
        "Close other programs and try again; if it stays so, install Tern again.",
        "Close",
        Action.DISMISS,
    ),
    ErrorCode.DOCUMENTS_TOO_MANY: Words(
        "Too many documents",
        "That would make {found} documents, and a conversation holds up to {limit}.",
        "Nothing was added.",
        "Choose fewer, or ask about the others in a new chat.",
        "Close",
        Action.DISMISS,
    ),
}

_KINDS: Final[Sequence[tuple[str, str]]] = (
    ("PDF", "pdf"),
    ("Word and other texts", "docx odt rtf epub txt text md markdown rst adoc org tex html htm xhtml"),
    ("Spreadsheets and tables", "xlsx xlsm xlsb xls ods csv tsv tab"),
    ("Presentations", "pptx odp"),
    ("E-mail", "eml mbox"),
    (
        "Data, subtitles and source code",
        "json jsonl xml srt vtt log py js ts java c h cpp cs go rs rb php swift kt sh sql",
    ),
)


def file_filters() -> tuple[str, ...]:
    """Return the kinds of files that can be read, as the window for choosing files writes them."""
    every = " ".join(f"*.{suffix}" for _, suffixes in _KINDS for suffix in suffixes.split())
    kinds = (f"{name} ({' '.join(f'*.{suffix}' for suffix in suffixes.split())})" for name, suffixes in _KINDS)
    return (f"Documents ({every})", *kinds, "All files (*)")


def reading_in_words(progress: DocumentProgress) -> str:
    """Return what is being read and how far that is."""
    name = _short(progress.name)
    share = f", {100 * progress.done // progress.total} %" if progress.total > 0 else ""
    return f"Reading {name}{share}"


_UNIT_WORDS: Final[Mapping[Unit, tuple[str, str]]] = {
    Unit.PAGE: ("page", "pages"),
    Unit.SLIDE: ("slide", "slides"),
    Unit.CHAPTER: ("chapter", "chapters"),
    Unit.MESSAGE: ("message", "messages"),
    Unit.LINE: ("line", "lines"),
}


def place_in_words(place: Place | None) -> str:
    """Return where a passage stands, such as `page 3` or `sheet “Costs”, rows 4–6`; "" where nothing is known."""
    if place is None:
        return ""
    parts = [_unit_in_words(place), _rows_in_words(place)]
    if place.headings and place.unit not in (Unit.SHEET, Unit.SLIDE, Unit.MESSAGE, Unit.SECOND):
        parts.append(f"“{_short(place.headings[-1])}”")
    return ", ".join(part for part in parts if part)


def _unit_in_words(place: Place) -> str:
    first, last = place.number, place.last_number
    if first is None or place.unit is Unit.NONE:
        return ""
    if place.unit is Unit.SECOND:
        return f"at {_clock(first)}"
    if place.unit is Unit.SHEET:
        return f"sheet “{_short(place.label)}”" if place.label else f"sheet {first}"
    one, many = _UNIT_WORDS[place.unit]
    if last is not None and last > first:
        return f"{many} {first}–{last}"
    if place.unit in (Unit.MESSAGE, Unit.CHAPTER) and place.label:
        return f"{one} {first} “{_short(place.label)}”"
    return f"{one} {first}"


def _rows_in_words(place: Place) -> str:
    if place.row is None:
        return ""
    if place.last_row is not None and place.last_row > place.row:
        return f"rows {place.row}–{place.last_row}"
    return f"row {place.row}"


def _clock(seconds: int) -> str:
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _MAX_LABEL_CHARS else text[: _MAX_LABEL_CHARS - 1] + "…"
