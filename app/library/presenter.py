"""Turns what the person does with collections into jobs, and what the jobs tell into the window of the documents.

Knows which lane does what: `index` reads files, one run at a time; `lookup` lists, searches and changes collections.
Must not know widgets' insides or SQL. Everything here runs on the window's thread.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from app.document_words import file_filters
from app.file_dialogs import choose_files, choose_folder
from app.jobs import JobRunner
from app.library import words
from app.library.collection_page import FILES_AT_ONCE
from app.library.dialogs import ask_name, ask_patterns
from app.library.window import LibraryWindow
from app.plain_text import ask
from app.theme import Theme
from core.errors import AppError, ErrorCode
from core.events import CancelToken, Emit, IndexProgress
from core.library.index.collections import Collection, CollectionId, FileState, Forgetting, Source
from core.library.index.indexer import Preview
from core.library.index.searcher import Found, Hit

if TYPE_CHECKING:
    from app.wiring import Documents, LazyDocuments

HITS = 30
REFRESH_MS = 500  # of the figures, while files are read
_MOST_NAMES = 100  # that are tried for a new collection
_DEFAULT_NAME = "Documents"


class LibraryPresenter(QObject):
    """Keeps the collections and their window in step."""

    changed = Signal()  # `collections` is another list now
    file_opened = Signal(object)  # IndexedFile
    hits_opened = Signal(list, int)  # hits, and which of them

    def __init__(self, runner: JobRunner, theme: Theme, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._runner = runner
        self._theme = theme
        self._documents: LazyDocuments | None = None
        self.window: LibraryWindow | None = None
        self.collections: list[Collection] = []
        self.hits: tuple[Hit, ...] = ()
        self._runs: list[CancelToken] = []
        self._search: CancelToken | None = None
        self._scan: CancelToken | None = None
        self._is_listing = False
        self._refresh = QTimer(self)
        self._refresh.setSingleShot(True)
        self._refresh.setInterval(REFRESH_MS)
        self._refresh.timeout.connect(self.refresh)

    @property
    def is_running(self) -> bool:
        """True while files are looked for or read."""
        return bool(self._runs)

    def attach(self, documents: "LazyDocuments | None") -> None:
        """Take the collections, now that the data are open, and bring them up to date with the files."""
        self._documents = documents
        self._lookup(lambda found: found.collections.all(), self._on_first_listed, must_exist=True)

    def open(self) -> LibraryWindow:
        """Show the window."""
        if self.window is None:
            self.window = self._make()
        self.window.show_in_front()
        self.refresh()
        return self.window

    def close(self) -> None:
        """Close the window with the conversation's, and stop what runs."""
        if self.window is not None:
            self.window.close()

    def refresh(self) -> None:
        """List everything anew."""
        if self._is_listing:
            self._refresh.start()
            return
        self._is_listing = True
        self._lookup(lambda found: found.collections.all(), self._on_listed)

    def add(self, paths: Sequence[Path], then: Callable[[CollectionId], object] = lambda _id: None) -> None:
        """Look how much there is, ask where that is much, and read it; `then` is told into which collection.

        Folders make a new collection; files alone go into the one that is chosen in the window, where one is.
        """
        if not paths:
            return
        chosen = self.window.collection_id if self.window is not None and self.window.isVisible() else None
        window = self.open()
        window.looking.show_words("Looking for files…")

        def work(documents: "Documents", cancel: CancelToken, emit: Emit) -> Preview:
            for path in paths:
                if not path.exists():
                    raise AppError(ErrorCode.PATH_NOT_FOUND, path=path)
            return documents.indexer.preview(paths, cancel, emit)

        def done(preview: object) -> None:
            window.looking.show_words("")
            if isinstance(preview, Preview):
                self._on_previewed(paths, chosen, then, preview)

        def failed(error: BaseException) -> None:
            window.looking.show_words("")
            self.on_failed(error)

        self._scan = self._start("lookup", work, done, failed, self._on_looking)

    def _on_looking(self, event: object) -> None:
        if isinstance(event, IndexProgress) and self.window is not None:
            self.window.looking.show_words(words.progress_in_words(event))

    def _on_previewed(
        self,
        paths: Sequence[Path],
        chosen: CollectionId | None,
        then: Callable[[CollectionId], object],
        preview: Preview,
    ) -> None:
        window = self.window
        assert window is not None
        if not words.is_large(preview):
            self._put(paths, chosen, then)
            return
        ask(
            window,
            title="Add so much?",
            text=f"There are {words.files_in_words(preview.n_files)} to read.",
            details=words.preview_in_words(preview),
            yes="Add them",
            on_yes=lambda: self._put(paths, chosen, then),
        )

    def _put(self, paths: Sequence[Path], chosen: CollectionId | None, then: Callable[[CollectionId], object]) -> None:
        def work(documents: "Documents", _cancel: CancelToken, _emit: Emit) -> CollectionId:
            is_new = chosen is None or any(path.is_dir() for path in paths)
            into = _create(documents, paths) if is_new or chosen is None else chosen
            documents.collections.add(into, paths)
            return into

        self._start("lookup", work, lambda made: self._on_put(made, then), self.on_failed)

    def _on_put(self, collection_id: object, then: Callable[[CollectionId], object]) -> None:
        if isinstance(collection_id, int):
            self.refresh()
            self._lookup(lambda found: found.collections.all(), lambda all_: self._show_new(collection_id, all_))
            self.run(CollectionId(collection_id))
            then(CollectionId(collection_id))

    def _show_new(self, collection_id: int, collections: object) -> None:
        self._on_listed(collections)
        if self.window is not None:
            self.window.choose(CollectionId(collection_id))

    def run(self, collection_id: CollectionId | None = None, *, looks: bool = True) -> None:
        """Read what waits, after looking what has changed in a collection or in all."""

        def work(documents: "Documents", cancel: CancelToken, emit: Emit) -> None:
            if looks:
                documents.indexer.rescan(cancel, emit, collection_id)
            documents.indexer.run(cancel, emit)

        switch: list[CancelToken] = []

        def ended() -> None:
            self._runs = [each for each in self._runs if each is not switch[0]]
            self.refresh()

        def failed(error: BaseException) -> None:
            ended()
            self.on_failed(error)

        switch.append(self._start("index", work, lambda _done: ended(), failed, self._on_progress))
        self._runs.append(switch[0])

    def set_paused(self, collection_id: CollectionId, *, is_paused: bool) -> None:
        """Hold the reading of a collection, or go on with it."""
        self._change(lambda found: found.collections.set_paused(collection_id, is_paused=is_paused), restarts=True)

    def cancel(self, collection_id: CollectionId) -> None:
        """Leave out what waits in a collection."""
        self._change(lambda found: found.collections.cancel_queued(collection_id), restarts=True)

    def retry(self, collection_id: CollectionId, state: FileState) -> None:
        """Read the files after all that were left out, or that failed."""
        self._change(lambda found: found.collections.requeue(collection_id, state), restarts=True)

    def rename(self, collection_id: CollectionId, name: str) -> None:
        """Give a collection another name."""
        self._change(lambda found: found.collections.rename(collection_id, name))

    def set_patterns(self, source: Source, include: Sequence[str], exclude: Sequence[str]) -> None:
        """Change which files of a folder are read, and look again."""
        self._change(lambda found: found.collections.set_patterns(source.id, include, exclude), restarts=True)

    def remove_source(self, source: Source) -> None:
        """Take a file or folder out, with everything that was made from it."""
        self._drop(lambda documents, _cancel: documents.collections.remove_source(source.id))

    def forget(self, collection_id: CollectionId) -> None:
        """Delete a collection with everything that was made from it."""
        self._drop(lambda documents, cancel: documents.collections.forget(collection_id, cancel))

    def on_failed(self, error: BaseException) -> None:
        """Say what went wrong where the documents are; without their window the next opening tells by itself."""
        if self.window is not None:
            self.window.show_error(error)

    def on_searched(self, text: str) -> None:
        """Search in all documents; a search that is overtaken is given up."""
        if self._search is not None:
            self._search.cancel()

        def work(documents: "Documents", cancel: CancelToken, _emit: Emit) -> Found:
            return documents.window_searcher.search(text, limit=HITS, as_typed=True, cancel=cancel)

        self._search = self._start("lookup", work, self._on_found, self.on_failed)

    def _on_found(self, found: object) -> None:
        if isinstance(found, Found) and self.window is not None:
            self.hits = found.hits
            self.window.show_hits(found.hits)

    def _on_progress(self, event: object) -> None:
        if isinstance(event, IndexProgress) and self.window is not None:
            self.window.show_progress(event)
            if not self._refresh.isActive():
                self._refresh.start()

    def _on_first_listed(self, collections: object) -> None:
        if isinstance(collections, list) and collections:
            self._on_listed(collections)
            self.run()

    def _on_listed(self, collections: object) -> None:
        self._is_listing = False
        if not isinstance(collections, list):
            return
        is_new = collections != self.collections
        self.collections = collections
        if self.window is not None:
            self.window.show_collections(collections, is_running=self.is_running)
            self._list_files()
        if is_new:
            self.changed.emit()

    def _list_files(self) -> None:
        window = self.window
        chosen = window.collection_id if window is not None else None
        if window is None or chosen is None:
            return
        state = window.page.file_state

        def show(files: object) -> None:
            if isinstance(files, list) and window.collection_id == chosen and window.page.file_state == state:
                window.page.show_files(files)

        self._lookup(lambda found: found.collections.files(chosen, state, limit=FILES_AT_ONCE), show)

    def _change(self, change: "Callable[[Documents], object]", *, restarts: bool = False) -> None:
        """Change something small; a run that goes by what was before is stopped and begins anew."""

        def done(_result: object) -> None:
            self.refresh()
            if restarts:
                self.run()

        if restarts:
            self._stop_runs()
        self._lookup(change, done)

    def _drop(self, drop: "Callable[[Documents, CancelToken], object]") -> None:
        """Delete something behind the run that is being stopped; what was left of it is taken out by the next run."""

        def work(documents: "Documents", cancel: CancelToken, _emit: Emit) -> None:
            drop(documents, cancel)

        self._stop_runs()
        self._start("index", work, lambda _done: self.refresh(), self.on_failed)
        self.run()

    def _stop_runs(self) -> None:
        for each in self._runs:
            each.cancel()

    def _lookup(
        self, work: "Callable[[Documents], object]", on_done: Callable[[object], None], *, must_exist: bool = False
    ) -> None:
        def failed(error: BaseException) -> None:
            self._is_listing = False
            self.on_failed(error)

        self._start("lookup", lambda documents, _c, _e: work(documents), on_done, failed, must_exist=must_exist)

    def _start(
        self,
        lane: str,
        work: "Callable[[Documents, CancelToken, Emit], object]",
        on_done: Callable[[object], None],
        on_failed: Callable[[BaseException], None],
        on_event: Callable[[object], None] = lambda _event: None,
        *,
        must_exist: bool = False,
    ) -> CancelToken:
        lazy = self._documents

        def carry_out(cancel: CancelToken, emit: Emit) -> object:
            documents = lazy.get(must_exist=must_exist) if lazy is not None else None
            return None if documents is None else work(documents, cancel, emit)

        return self._runner.start(lane, carry_out, on_event=on_event, on_done=on_done, on_failed=on_failed)

    def _make(self) -> LibraryWindow:
        window = LibraryWindow(self._theme)
        page = window.page
        window.files_requested.connect(
            lambda: choose_files(window, "Add files", lambda paths: self.add(paths), file_filters())
        )
        window.folder_requested.connect(lambda: choose_folder(window, "Add a folder", lambda path: self.add([path])))
        window.dropped.connect(lambda paths: self.add(paths))
        window.looking.stop.clicked.connect(lambda: self._scan.cancel() if self._scan is not None else None)
        window.searched.connect(self.on_searched)
        window.chosen.connect(lambda _id: self._list_files())
        window.hit_opened.connect(lambda index: self.hits_opened.emit(list(self.hits), index))
        page.filter_changed.connect(lambda _state: self._list_files())
        page.file_opened.connect(self.file_opened)
        page.pause_requested.connect(self._on_pause)
        page.cancel_requested.connect(lambda: self._with_chosen(self.cancel))
        page.rescan_requested.connect(lambda: self._with_chosen(self._look_again))
        page.retry_requested.connect(lambda state: self._with_chosen(lambda chosen: self.retry(chosen, state)))
        page.rename_requested.connect(self._ask_rename)
        page.forget_requested.connect(self._ask_forget)
        page.source_removed.connect(self._ask_remove)
        page.patterns_requested.connect(
            lambda source: ask_patterns(window, source, lambda one, other: self.set_patterns(source, one, other))
        )
        return window

    def _look_again(self, collection_id: CollectionId) -> None:
        """Look for changes and give files that could not be read another chance."""
        self._lookup(
            lambda found: found.collections.requeue(collection_id, FileState.FAILED),
            lambda _n: self.run(collection_id),
        )

    def _with_chosen(self, what: Callable[[CollectionId], object]) -> None:
        chosen = self.window.collection_id if self.window is not None else None
        if chosen is not None:
            what(chosen)

    def _on_pause(self, is_paused: bool) -> None:
        self._with_chosen(lambda chosen: self.set_paused(chosen, is_paused=is_paused))

    def _ask_rename(self) -> None:
        window = self.window
        collection = window.page.collection if window is not None else None
        if window is not None and collection is not None:
            ask_name(window, "Rename the collection", collection.name, lambda name: self.rename(collection.id, name))

    def _ask_forget(self) -> None:
        window = self.window
        collection = window.page.collection if window is not None else None
        if window is None or collection is None:
            return

        def show(going: object) -> None:
            if isinstance(going, Forgetting):
                ask(
                    window,
                    title="Forget this collection?",
                    text=f"Forget “{collection.name}”?",
                    details=words.forgetting_in_words(going),
                    yes="Forget it",
                    is_destructive=True,
                    on_yes=lambda: self.forget(collection.id),
                )

        self._lookup(lambda found: found.collections.forgetting(collection.id), show)

    def _ask_remove(self, source: Source) -> None:
        if self.window is not None:
            path = str(source.path).encode("utf-8", "replace").decode("utf-8")
            ask(
                self.window,
                title="Take it out?",
                text=f"Take {path} out of this collection?",
                details="What was read of it is deleted from Tern, unless another collection holds it as well. "
                "Your files themselves are not touched.",
                yes="Take it out",
                is_destructive=True,
                on_yes=lambda: self.remove_source(source),
            )


def _create(documents: "Documents", paths: Sequence[Path]) -> CollectionId:
    """Make a collection that is called after the folder, with a number where that name is taken."""
    first = paths[0].expanduser().absolute()
    name = (first.name if first.is_dir() else first.parent.name)[:80].strip() or _DEFAULT_NAME
    name = name.encode("utf-8", "replace").decode("utf-8")
    taken = {each.name.casefold() for each in documents.collections.all()}
    numbered = [name, *(f"{name} {number}" for number in range(2, _MOST_NAMES))]
    return documents.collections.create(next((each for each in numbered if each.casefold() not in taken), name))
