"""Joins the conversation with the documents: dropped folders become collections, passages and hits open their page.

Knows which presenter takes what; must not know the index, jobs' insides or how a page is drawn.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from app.chat.documents import DocumentsPresenter
from app.chat.presenter import ChatPresenter
from app.chat.rows import Span
from app.chat.scope import ScopePresenter
from app.jobs import JobRunner
from app.library.presenter import LibraryPresenter
from app.plain_text import ask
from app.reader.presenter import PagePresenter
from app.reader.spots import file_spot, hit_spots, passage_spots, shown
from app.wiring import Services
from core.events import Passage
from core.library.index.collections import IndexedFile
from core.library.index.searcher import Hit

_MOST_NAMES = 3  # of folders in a question


class DocumentsDesk(QObject):
    """What a person does with documents from the conversation's window."""

    def __init__(
        self,
        window: QWidget,
        runner: JobRunner,
        chat: ChatPresenter,
        documents: DocumentsPresenter,
        library: LibraryPresenter,
        reader: PagePresenter,
        scope: ScopePresenter,
        services: Callable[[], Services | None],
    ) -> None:
        super().__init__(window)
        self._window = window
        self._runner = runner
        self._chat = chat
        self._documents = documents
        self._library = library
        self._reader = reader
        self._scope = scope
        self._services = services
        library.changed.connect(lambda: scope.show_collections(library.collections))
        library.file_opened.connect(self.on_file_opened)
        library.hits_opened.connect(self.on_hits)

    def on_files_given(self, paths: Sequence[Path]) -> None:
        """Give dropped files to the conversation; a folder is offered as a collection."""
        self._runner.start(
            "lookup",
            lambda _cancel, _emit: [path for path in paths if path.is_dir()],
            on_done=lambda folders: self._on_given(paths, folders if isinstance(folders, list) else []),
            on_failed=self._chat.show_error,
        )

    def on_passage(self, passages: Sequence[Passage], index: int, span: Span | None) -> None:
        """Open a document at a passage, or at the words of it that were quoted."""
        services = self._services()
        if services is None:
            return
        spots = passage_spots(services, self._chat.chat_id, passages, self._documents.path_of)
        if span is not None:
            start = spots[index].start
            words = spots[index].text[span[0] - start : span[1] - start]
            spots[index] = replace(spots[index], start=span[0], end=span[1], text=words)
        self._reader.open(spots, index)

    def on_hits(self, hits: Sequence[Hit], index: int) -> None:
        """Open a document at what a search has found."""
        services = self._services()
        if services is not None:
            self._reader.open(hit_spots(services, hits), index)

    def on_file_opened(self, file: IndexedFile) -> None:
        """Open a file of a collection at its beginning."""
        services = self._services()
        if services is not None:
            self._reader.open([file_spot(services, file)])

    def _on_given(self, paths: Sequence[Path], folders: Sequence[Path]) -> None:
        files = [path for path in paths if path not in folders]
        if files:
            self._documents.add(files)
        if folders:
            name = ", ".join(shown(folder.name) for folder in folders[:_MOST_NAMES])
            ask(
                self._window,
                title="Make a collection?",
                text=f"Make a collection of {name}?",
                details="All documents in it become searchable, and this chat can answer from them. Everything stays "
                "on this computer.",
                yes="Make a collection",
                on_yes=lambda: self._library.add(
                    folders, then=lambda made: self._scope.on_toggled(int(made), is_on=True)
                ),
            )
