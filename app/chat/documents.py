"""The documents of the open conversation: reads dropped files beside the window, keeps what is not stored yet.

Knows which conversation a file was given to; must not know how files are read or shown. Everything here runs on the
window's thread. A document is stored at once where the conversation is, else with its first message.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from PySide6.QtCore import QObject, Signal

from app.chat.presenter import ChatPresenter
from app.document_words import reading_in_words
from app.jobs import JobRunner
from core.errors import AppError
from core.events import CancelToken, DocumentProgress, Emit, Interrupted
from core.library.extractor import Extractor, shown_name
from core.library.reading import DocumentText, check_count, read_document
from core.store.chats import ChatId, ChatStore
from core.store.documents import Document, DocumentId


@dataclass(frozen=True, slots=True)
class _Attached:
    """A document that is shown; `stored_as` is None until it is stored, `pending` once it is."""

    name: str
    sha256: str
    stored_as: DocumentId | None = None
    pending: DocumentText | None = None


class DocumentsPresenter(QObject):
    """Holds the documents that the next question is asked about."""

    changed = Signal(list)  # names
    reading_changed = Signal(bool)
    progress_changed = Signal(str)  # what is being read, in words; "" for nothing

    def __init__(
        self, runner: JobRunner, chat: ChatPresenter, extractor: Extractor, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._runner = runner
        self._chat = chat
        self._store: ChatStore | None = None
        self._chat_id: ChatId | None = None
        self._visit = 0  # one for every time that a conversation is opened
        self._attached: list[_Attached] = []
        self._extractor = extractor  # the library lane's
        self._readings: list[CancelToken] = []
        self.path_of: dict[str, Path] = {}  # where files of a content lay when they were read; by SHA-256
        chat.pending_documents = self.pending
        chat.chat_opened.connect(self.on_chat_opened)
        chat.chat_stored.connect(self.on_chat_stored)

    def attach(self, store: ChatStore) -> None:
        """Take the store, now that it is open."""
        self._store = store

    def pending(self) -> tuple[DocumentText, ...]:
        """Return what is to be stored with the next message."""
        return tuple(each.pending for each in self._attached if each.pending is not None)

    def on_chat_opened(self) -> None:
        """Show the documents of another conversation, or none where a new one begins."""
        self._visit += 1
        self._chat_id = chat_id = self._chat.chat_id
        self._set([])
        if chat_id is not None:
            self._store_and_list(chat_id, ())

    def on_chat_stored(self, chat_id: ChatId) -> None:
        """Store what was waiting for the open conversation's first message."""
        self._chat_id = chat_id
        self._store_and_list(chat_id, self.pending())

    def add(self, paths: Sequence[Path]) -> None:
        """Read files and give them to the open conversation; what cannot be read is told, file by file."""
        extractor = self._extractor
        self._add(
            len(paths), _beginning(paths), lambda cancel, emit: _read_all(paths, extractor, cancel, emit)
        )  # fmt: skip

    def add_text(self, name: str, text: str) -> None:
        """Give a text to the open conversation, as if it had been a file of that name."""
        extractor = self._extractor
        self._add(1, f"Reading {name}", lambda cancel, emit: _read_text(name, text, extractor, cancel, emit))

    def _add(self, n_documents: int, words: str, read: Callable[[CancelToken, Emit], object]) -> None:
        try:
            check_count(len(self._attached) + n_documents)
        except AppError as error:
            self._chat.show_error(error)
            return
        visit, chat_id = self._visit, self._chat_id
        switch: list[CancelToken] = []
        switch.append(
            self._runner.start(
                "library",
                read,
                on_event=self._on_event,
                on_done=lambda results: self._on_read(switch[0], visit, chat_id, results),
                on_failed=lambda error: self._on_failed(switch[0], error),
            )
        )
        self._readings.append(switch[0])
        self.reading_changed.emit(True)
        self.progress_changed.emit(words)

    @property
    def is_reading(self) -> bool:
        """True while files are being read."""
        return bool(self._readings)

    def stop_reading(self) -> None:
        """Stop the reading of all files; what was read already stays."""
        for each in self._readings:
            each.cancel()

    def close(self) -> None:
        """End what reads; called when no job runs any more."""
        self._extractor.close()

    def remove(self, index: int) -> None:
        """Take a document out of the conversation."""
        gone = self._attached[index]
        self._set([each for each in self._attached if each is not gone])
        store, stored_as = self._store, gone.stored_as
        if store is not None and stored_as is not None:
            self._runner.start(
                "store", lambda _cancel, _emit: store.remove_document(stored_as), on_failed=self._chat.show_error
            )

    def _on_event(self, event: object) -> None:
        if isinstance(event, DocumentProgress):
            self.progress_changed.emit(reading_in_words(event))

    def _end_reading(self, switch: CancelToken) -> None:
        self._readings = [each for each in self._readings if each is not switch]
        self.reading_changed.emit(self.is_reading)
        if not self.is_reading:
            self.progress_changed.emit("")

    def _on_failed(self, switch: CancelToken, error: BaseException) -> None:
        self._end_reading(switch)
        self._chat.show_error(error)

    def _on_read(self, switch: CancelToken, visit: int, chat_id: ChatId | None, results: object) -> None:
        pairs = results if isinstance(results, list) else []  # None: cancelled before it began
        self.path_of |= {each.sha256: path for path, each in pairs if isinstance(each, DocumentText)}
        found = [each for _path, each in pairs]
        read = [each for each in found if isinstance(each, DocumentText)]
        for error in (each for each in found if isinstance(each, AppError)):
            self._chat.show_error(error)
        if visit == self._visit:
            known = {each.sha256 for each in self._attached}
            new = {each.sha256: _Attached(each.name, each.sha256, pending=each) for each in read}
            self._set([*self._attached, *(each for sha256, each in new.items() if sha256 not in known)])
            chat_id = self._chat_id  # it may have been stored meanwhile
            if new:
                self._chat.announced.emit(f"Added: {', '.join(each.name for each in new.values())}.")
        if chat_id is not None and read:
            self._store_and_list(chat_id, read)
        self._end_reading(switch)

    def _store_and_list(self, chat_id: ChatId, documents: Sequence[DocumentText]) -> None:
        store = self._store
        if store is None:
            return

        def work(_cancel: CancelToken, _emit: object) -> list[Document]:
            for each in documents:
                store.add_document(chat_id, each.name, each.sha256, each.text, each.structure)
            return store.documents(chat_id)

        self._runner.start(
            "store",
            work,
            on_done=lambda stored: self._on_listed(chat_id, stored),
            on_failed=self._chat.show_error,
        )

    def _on_listed(self, chat_id: ChatId, stored: object) -> None:
        assert isinstance(stored, list)
        if chat_id != self._chat_id:
            return  # another one was opened meanwhile
        known = {each.sha256 for each in stored}
        waiting = [each for each in self._attached if each.pending is not None and each.sha256 not in known]
        self._set([*(_Attached(each.name, each.sha256, stored_as=each.id) for each in stored), *waiting])

    def _set(self, attached: list[_Attached]) -> None:
        self._attached = attached
        self.changed.emit([each.name for each in attached])


def _beginning(paths: Sequence[Path]) -> str:
    return f"Reading {shown_name(paths[0])}" if len(paths) == 1 else f"Reading {len(paths)} documents"


def _read_text(
    name: str, text: str, extractor: Extractor, cancel: CancelToken, emit: Emit
) -> list[tuple[Path, DocumentText | AppError]]:
    """Read a text by way of a file, so that the same bounds count for it (library lane)."""
    with TemporaryDirectory(prefix="tern-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / name
        path.write_text(text, encoding="utf-8", errors="replace")
        return _read_all([path], extractor, cancel, emit)


def _read_all(
    paths: Sequence[Path], extractor: Extractor, cancel: CancelToken, emit: Emit
) -> list[tuple[Path, DocumentText | AppError]]:
    """Read one file after the other (library lane); cancelled: those that were read before."""
    results: list[tuple[Path, DocumentText | AppError]] = []
    for path in paths:
        if cancel.is_cancelled:
            break
        try:
            results.append((path, read_document(path, extractor, cancel, emit)))
        except AppError as error:
            results.append((path, error))
        except Interrupted:
            break
    return results
