"""What the window of the documents says of collections, files and progress; no Qt.

Knows values of the index; must not know widgets. File names in it are foreign: they are shown as plain text.
"""

from collections.abc import Sequence
from typing import Final

from app import notices
from app.document_words import place_in_words
from app.download_words import seconds_in_words
from app.notices import bytes_in_words
from core.events import IndexProgress, IndexStage
from core.library.index.collections import Collection, FileState, Forgetting, IndexedFile
from core.library.index.indexer import Preview
from core.library.index.searcher import Hit

ASK_FILES: Final = 5_000  # from so many files, bytes or seconds on the person is asked before anything is read
ASK_BYTES: Final = 2_000_000_000
ASK_SECONDS: Final = 120.0
FORMATS: Final = (
    "PDF, Word, PowerPoint, Excel, LibreOffice, RTF, EPUB, web pages, Markdown, text, tables, e-mail, subtitles and "
    "source code"
)
SNIPPET_CHARS: Final = 320


def files_in_words(number: int) -> str:
    """Return a number of files."""
    return "1 file" if number == 1 else f"{number:,} files"


def state_in_words(collection: Collection) -> str:
    """Return how far a collection is."""
    parts = [f"{files_in_words(collection.n_indexed)} searchable"]
    if collection.n_queued:
        parts.append(f"{collection.n_queued:,} waiting")
    if collection.n_failed:
        parts.append(f"{collection.n_failed:,} could not be read")
    if collection.n_left_out:
        parts.append(f"{collection.n_left_out:,} left out")
    parts.append(bytes_in_words(collection.n_bytes))
    return ", ".join(parts)


def short_state(collection: Collection) -> str:
    """Return the same for a narrow list."""
    if collection.is_paused and collection.n_queued:
        return f"paused, {collection.n_queued:,} waiting"
    if collection.n_queued:
        return f"{collection.n_queued:,} waiting"
    problems = f", {collection.n_failed:,} with problems" if collection.n_failed else ""
    return f"{files_in_words(collection.n_indexed)}{problems}"


def progress_in_words(progress: IndexProgress) -> str:
    """Return what is going on and how long it will take."""
    match progress.stage:
        case IndexStage.LOOKING:
            return f"Looking for files: {progress.done_files:,} so far"
        case IndexStage.READING:
            left = "" if progress.seconds_left is None else f", {seconds_in_words(progress.seconds_left)} left"
            return f"Reading {progress.done_files:,} of {files_in_words(progress.total_files)}{left}: {progress.file}"
        case IndexStage.REMOVING:
            return f"Taking out {files_in_words(progress.total_files)} that are gone"
        case _:
            return f"Learning what the texts mean: {progress.done_files:,} of {progress.total_files:,}"


def file_state_in_words(file: IndexedFile) -> str:
    """Return how far a file is, in a few words."""
    match file.state:
        case FileState.QUEUED:
            return "Waiting"
        case FileState.INDEXED:
            return "Searchable"
        case FileState.FAILED:
            return notices.notice_for(file.problem).title if file.problem is not None else "Could not be read"
        case FileState.LEFT_OUT:
            return "Left out"
        case _:
            return "Not there any more"


def problem_in_words(file: IndexedFile) -> str:
    """Return why a file could not be read and what to do; "" where it could."""
    if file.problem is None:
        return (
            "You left this file out. “Read what was left out” takes it in." if file.state is FileState.LEFT_OUT else ""
        )
    notice = notices.notice_for(file.problem)
    return f"{notice.what} {notice.advice}"


def is_large(preview: Preview) -> bool:
    """Tell whether the person is asked before so much is read."""
    return preview.n_files > ASK_FILES or preview.n_bytes > ASK_BYTES or preview.seconds > ASK_SECONDS


def preview_in_words(preview: Preview) -> str:
    """Return what adding would read."""
    words = f"{files_in_words(preview.n_files)}, {bytes_in_words(preview.n_bytes)}"
    words += f": about {seconds_in_words(preview.seconds)} on this computer, in the background."
    if preview.n_other_kinds:
        words += f" {files_in_words(preview.n_other_kinds)} of other kinds will be left out."
    if preview.unreadable:
        n_shut = len(preview.unreadable)
        words += " 1 place cannot be opened." if n_shut == 1 else f" {n_shut:,} places cannot be opened."
    return words


def forgetting_in_words(going: Forgetting) -> str:
    """Return exactly what is deleted, and what is not."""
    words = (
        f"Deleted from Tern: the list of {files_in_words(going.n_files)}, what was read of {going.n_texts:,} of them "
    )
    words += f"({going.n_chars:,} characters), {going.n_chunks:,} passages of the search"
    words += f" and {going.n_vectors:,} vectors." if going.n_vectors else "."
    if going.n_shared:
        words += f" {files_in_words(going.n_shared)} of them can still be found: other collections hold them as well."
    return words + " Your files themselves are not touched. Passages in chats stay."


def hit_title(hit: Hit) -> str:
    """Return document and place."""
    where = place_in_words(hit.place)
    return f"{hit.document}, {where}" if where else hit.document


def snippet(text: str, n_chars: int = SNIPPET_CHARS) -> str:
    """Return the beginning of a passage on one line."""
    words = " ".join(text.split())
    return words if len(words) <= n_chars else words[:n_chars].rpartition(" ")[0] + " …"


def patterns_from(text: str) -> tuple[str, ...]:
    """Return the patterns that a person wrote, such as `*.pdf, drafts/*`."""
    return tuple(each.strip() for each in text.replace(";", ",").split(",") if each.strip())


def patterns_in_words(include: Sequence[str], exclude: Sequence[str]) -> str:
    """Return what a folder takes in, where that is not everything."""
    parts = [f"only {', '.join(include)}"] if include else []
    if exclude:
        parts.append(f"without {', '.join(exclude)}")
    return "; ".join(parts)
