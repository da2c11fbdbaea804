"""Walking folders: which files belong to a source, and what they look like from outside.

Knows the file system; must not know the index. Links to folders are not followed, so no loop is; hidden files and what
programs keep for themselves are left out; what cannot be opened is counted, not hidden.
"""

import fnmatch
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from core.events import CancelToken, Interrupted

_CHECK_EVERY: Final = 256
_MAX_DEPTH: Final = 100
_LEFT_OUT_FOLDERS: Final = frozenset(
    {"__pycache__", "node_modules", "$recycle.bin", "system volume information", "venv", "site-packages"}
)
_LEFT_OUT_FILES: Final = frozenset({"thumbs.db", "desktop.ini"})
_TEMPORARY: Final = ("~$", ".~lock.")  # what office programs put beside an open file
# What is read of a folder; a file that is added by itself is always tried.
_READABLE: Final = (
    ".pdf .docx .pptx .xlsx .odt .ods .odp .rtf .epub .html .htm .xhtml .md .markdown .rst .adoc .org .tex .txt .text "
    ".log .csv .tsv .tab .json .jsonl .xml .eml .mbox .srt .vtt .py .pyx .js .ts .jsx .tsx .java .kt .c .h .cc .cpp "
    ".hpp .cs .go .rs .rb .php .swift .m .sh .ps1 .sql .r .jl .lua .pl .scala .toml .yaml .yml .ini .cfg .css"
)
READABLE_SUFFIXES: Final = frozenset(_READABLE.split())


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file of a source; `path` is relative to it with forward slashes, empty for a source that is a file."""

    path: str
    size: int
    mtime_ns: int


@dataclass(slots=True)
class Walk:
    """What a walk could not take; filled in while it goes on."""

    unreadable: list[str] = field(default_factory=list)  # folders and files, as they are called
    n_other_kinds: int = 0
    is_missing: bool = False  # the source itself is not there


def walk(
    root: Path, *, is_folder: bool, include: Sequence[str], exclude: Sequence[str], report: Walk, cancel: CancelToken
) -> Iterator[FoundFile]:
    """Yield the files of a source in the order of their names.

    include, exclude: patterns like "*.pdf" or "drafts/*", compared with the name and with the path from the source on,
    without regard to case. No `include` stands for the kinds of file that Tern reads.

    Raises:
        Interrupted: `cancel` was cancelled.
    """
    try:
        status = root.stat()
    except OSError:
        report.is_missing = True
        return
    if not is_folder:
        if stat.S_ISREG(status.st_mode):
            yield FoundFile("", status.st_size, status.st_mtime_ns)
        else:
            report.is_missing = True
        return
    wanted = _Wanted(include, exclude)
    yield from _walk(root, "", wanted, report, cancel, 0)


@dataclass
class _Wanted:
    include: Sequence[str]
    exclude: Sequence[str]

    def __post_init__(self) -> None:
        self.include = [pattern.casefold() for pattern in self.include]
        self.exclude = [pattern.casefold().rstrip("/") for pattern in self.exclude]

    def takes_folder(self, path: str, name: str) -> bool:
        if name.startswith(".") or name.casefold() in _LEFT_OUT_FOLDERS:
            return False
        return not _matches(self.exclude, path, name)

    def takes_file(self, path: str, name: str) -> bool:
        if name.startswith((".", *_TEMPORARY)) or name.casefold() in _LEFT_OUT_FILES:
            return False
        return not _matches(self.exclude, path, name)

    def is_kind(self, path: str, name: str) -> bool:
        if self.include:
            return _matches(self.include, path, name)
        return os.path.splitext(name)[1].lower() in READABLE_SUFFIXES  # noqa: PTH122 - of a name, 100,000 times


def _matches(patterns: Sequence[str], path: str, name: str) -> bool:
    low_path, low_name = path.casefold(), name.casefold()
    return any(fnmatch.fnmatchcase(low_name, each) or fnmatch.fnmatchcase(low_path, each) for each in patterns)


def _walk(
    folder: Path, prefix: str, wanted: _Wanted, report: Walk, cancel: CancelToken, depth: int
) -> Iterator[FoundFile]:
    if depth > _MAX_DEPTH:
        report.unreadable.append(prefix)
        return
    try:
        with os.scandir(folder) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        report.unreadable.append(prefix or str(folder))
        return
    for number, entry in enumerate(listed):
        if number % _CHECK_EVERY == 0 and cancel.is_cancelled:
            raise Interrupted
        path = f"{prefix}{entry.name}"
        try:
            path.encode("utf-8")
            if entry.is_dir(follow_symlinks=False):
                if wanted.takes_folder(path, entry.name) and not _is_junction(entry):
                    yield from _walk(folder / entry.name, f"{path}/", wanted, report, cancel, depth + 1)
                continue
            if not wanted.takes_file(path, entry.name) or entry.is_dir():
                continue
            status = entry.stat()
        except (OSError, UnicodeEncodeError):
            report.unreadable.append(path.encode("utf-8", "replace").decode("utf-8"))
            continue
        if not stat.S_ISREG(status.st_mode):
            continue
        if not wanted.is_kind(path, entry.name):
            report.n_other_kinds += 1
            continue
        yield FoundFile(path, status.st_size, status.st_mtime_ns)


def _is_junction(entry: "os.DirEntry[str]") -> bool:
    """True for a junction of Windows, a link that is no symbolic one; DirEntry tells from Python 3.12 on."""
    is_junction = getattr(entry, "is_junction", None)
    return bool(is_junction()) if is_junction is not None else False
