"""Export, print and import of conversations: asks where, does it in a lane of its own, says what came of it.

Knows the order of questions and jobs; must not know formats.
"""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from PySide6.QtCore import QDateTime, QLocale, QObject, Signal
from PySide6.QtPrintSupport import QPrintDialog, QPrinter
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QListWidget, QVBoxLayout, QWidget

from app.file_dialogs import choose_files, choose_target
from app.history.chat_list import UNTITLED
from app.history.paper import pdf_of, print_page
from app.history.presenter import HistoryPresenter
from app.history.sidebar import Sidebar
from app.jobs import JobRunner
from app.plain_text import PlainLabel
from app.theme import SIZES
from app.wiring import Services
from core.events import CancelToken, Emit, ExchangeProgress
from core.exchange.archive import all_chat_ids
from core.exchange.exporting import ExportFormat, chats_of, export_chats, whole_file
from core.exchange.importing import Import, Source, read_import, store_import
from core.exchange.pages import Labels, as_html
from core.store.chats import ChatId

_FORMATS = (
    ("Markdown (*.md)", ".md"),
    ("Web page (*.html)", ".html"),
    ("PDF (*.pdf)", ".pdf"),
    ("Everything, to import again (*.json)", ".json"),
)
_EXPORTS = ("Exported chats (*.json *.zip *.chat)", "All files (*)")
_SHOWN_TITLES = 500
_LONG = QLocale.FormatType.LongFormat
SOURCES = {
    Source.TERN: "Tern",
    Source.CHATGPT: "ChatGPT",
    Source.GPT4ALL: "GPT4All",
    Source.LM_STUDIO: "LM Studio",
}


def labels() -> Labels:
    """Return the words on exported pages."""
    locale = QLocale()
    return Labels(
        you="You",
        answer="Tern",
        untitled=UNTITLED,
        sources="Sources",
        when=lambda when: locale.toString(QDateTime.fromSecsSinceEpoch(int(when.timestamp())), _LONG),
    )


class ExchangePresenter(QObject):
    """One export or import at a time."""

    failed = Signal(object)

    def __init__(
        self, runner: JobRunner, history: HistoryPresenter, sidebar: Sidebar, opened: Callable[[], ChatId | None]
    ) -> None:
        super().__init__(history)
        self._runner = runner
        self._history = history
        self._sidebar = sidebar
        self._opened = opened
        self._cancel: CancelToken | None = None
        sidebar.export_requested.connect(self.export)
        sidebar.job.cancelled.connect(self.stop)

    @property
    def is_busy(self) -> bool:
        """True while something is exported or imported."""
        return self._cancel is not None

    def export_chosen(self) -> None:
        """Export the chosen conversations, else the open one."""
        self.export(self._sidebar.ids_to_act_on())

    def export_every(self) -> None:
        """Export all conversations."""
        self.export(None)

    def export(self, chat_ids: Sequence[ChatId] | None) -> None:
        """Ask for a file and a format; None: all conversations."""
        if self._history.services is None or self.is_busy or chat_ids == []:
            return
        one = next((chat for chat in self._history.chats if chat_ids and chat.id == chat_ids[0]), None)
        name = file_name(one.title if one is not None and len(chat_ids or ()) == 1 else "Tern chats")
        filters = [words for words, _suffix in _FORMATS]
        if chat_ids is None:
            filters.reverse()
        choose_target(
            self._sidebar.window(), "Export", name, filters, lambda path, words: self.export_to(chat_ids, path, words)
        )

    def export_to(self, chat_ids: Sequence[ChatId] | None, path: Path, words: str = "") -> None:
        """Export to a file; its ending says the format, and `words` of the filter where it has none."""
        services = self._history.services
        if services is None or self.is_busy:
            return
        suffixes = dict(_FORMATS)
        if path.suffix.lower() not in suffixes.values():
            path = path.with_name(path.name + suffixes.get(words, ".md"))
        made_labels = labels()

        def work(cancel: CancelToken, emit: Emit) -> int:
            return _export(services, chat_ids, path, made_labels, cancel, emit)

        self._start(f"Exporting to {path.name}…", work, lambda n: f"{_chats(n)} exported to {path.name}.")

    def print_chosen(self) -> None:
        """Ask for a printer and print the chosen conversations, else the open one."""
        services, ids = self._history.services, self._sidebar.ids_to_act_on()
        if services is None or not ids or self.is_busy:
            return
        printer = QPrinter(QPrinter.PrinterMode.HighResolution)
        dialog = QPrintDialog(printer, self._sidebar.window())
        made_labels = labels()

        def work(cancel: CancelToken, emit: Emit) -> int:
            chats = list(chats_of(services.database, ids, cancel, emit))
            print_page(as_html(chats, made_labels, title="Tern"), printer)
            return len(chats)

        dialog.accepted.connect(lambda: self._start("Printing…", work, lambda n: f"{_chats(n)} sent to the printer."))
        dialog.finished.connect(dialog.deleteLater)
        dialog.setModal(True)
        dialog.show()

    def import_file(self) -> None:
        """Ask for an export of another program, or of Tern."""
        if self._history.services is not None and not self.is_busy:
            choose_files(self._sidebar.window(), "Import chats", lambda paths: self.look_into(paths[0]), _EXPORTS)

    def look_into(self, path: Path) -> None:
        """Read a file and show what would be imported."""
        services = self._history.services
        if services is None or self.is_busy:
            return

        def work(cancel: CancelToken, _emit: Emit) -> Import:
            return read_import(path, services.database, cancel)

        self._start(f"Reading {path.name}…", work, None, self._ask)

    def stop(self) -> None:
        """Stop what runs; nothing of it stays."""
        if self._cancel is not None:
            self._cancel.cancel()

    def _ask(self, found: object) -> None:
        assert isinstance(found, Import)
        dialog = ImportDialog(found, self._sidebar.window())
        dialog.accepted.connect(lambda: self._import(found))
        dialog.open()

    def _import(self, found: Import) -> None:
        services = self._history.services
        if services is None or self.is_busy:
            return

        def work(cancel: CancelToken, emit: Emit) -> int:
            return len(store_import(services.database, found.path, found.chats, cancel, emit))

        name = SOURCES[found.source]
        self._start(f"Importing from {name}…", work, lambda n: f"{_chats(n)} imported from {name}.")

    def _start(
        self,
        words: str,
        work: Callable[[CancelToken, Emit], object],
        said: Callable[[int], str] | None,
        then: Callable[[object], None] | None = None,
    ) -> None:
        job, notice = self._sidebar.job, self._sidebar.notice
        self._sidebar.show()
        job.begin(words)

        def event(progress: object) -> None:
            if isinstance(progress, ExchangeProgress):
                job.show_progress(progress.done, progress.total)

        def done(result: object) -> None:
            is_stopped = self._cancel is not None and self._cancel.is_cancelled
            self._end()
            if result is None or is_stopped:
                notice.say("Stopped. Nothing was changed.")
            elif then is not None:
                then(result)
            elif said is not None and isinstance(result, int):
                notice.say(said(result))
            self._history.refresh()

        def fail(error: BaseException) -> None:
            self._end()
            self.failed.emit(error)

        self._cancel = self._runner.start("history", work, on_event=event, on_done=done, on_failed=fail)

    def _end(self) -> None:
        self._cancel = None
        self._sidebar.job.hide()


class ImportDialog(QDialog):
    """Says what a file holds before anything is imported."""

    def __init__(self, found: Import, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Import chats")
        self.setMinimumWidth(SIZES.column * 2 // 3)
        new = len(found.chats)
        parts = [f"{_chats(new)} with {_messages(found.n_messages)} from {SOURCES[found.source]} can be imported."]
        if found.already_there:
            n = found.already_there
            parts.append(f"{_chats(n)} in it {'is' if n == 1 else 'are'} here already; nothing of that is changed.")
        if found.left_out:
            parts.append(f"{_messages(found.left_out)} cannot be taken over (tools, pictures, what was never shown).")
        self.summary = PlainLabel("\n".join(parts), wrap=True)
        titles = QListWidget()
        titles.setAccessibleName("Chats to import")
        titles.setObjectName("pickList")
        titles.setUniformItemSizes(True)
        titles.addItems([" ".join(chat.title.split()) or UNTITLED for chat in found.chats[:_SHOWN_TITLES]])
        if new > _SHOWN_TITLES:
            titles.addItem(f"and {new - _SHOWN_TITLES:,} more")
        titles.setVisible(bool(new))
        box = QDialogButtonBox()
        box.addButton("Cancel", QDialogButtonBox.ButtonRole.RejectRole)
        self.import_button = box.addButton("Import", QDialogButtonBox.ButtonRole.AcceptRole)
        self.import_button.setProperty("kind", "primary")
        self.import_button.setEnabled(bool(new))
        box.accepted.connect(self.accept)
        box.rejected.connect(self.reject)
        self.finished.connect(self.deleteLater)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(SIZES.space_5, SIZES.space_5, SIZES.space_5, SIZES.space_4)
        layout.setSpacing(SIZES.space_3)
        layout.addWidget(self.summary)
        layout.addWidget(titles, 1)
        layout.addWidget(box)


def file_name(title: str) -> str:
    """Return a title as every file system takes it."""
    clean = re.sub(r'[\\/:*?"<>|\x00-\x1f]+', " ", "".join(char if char.isprintable() else " " for char in title))
    return " ".join(clean.split()).strip(". ")[:60] or f"Chat {datetime.now():%Y-%m-%d}"


def _export(
    services: Services,
    chat_ids: Sequence[ChatId] | None,
    path: Path,
    made_labels: Labels,
    cancel: CancelToken,
    emit: Emit,
) -> int:
    suffix = path.suffix.lower()
    if chat_ids is None:
        # JSON is the one that holds everything, so it has the trash too.
        listed = [chat.id for chat in services.store.chats()]
        chat_ids = all_chat_ids(services.database) if suffix == ".json" else listed
    if suffix == ".pdf":
        chats = list(chats_of(services.database, chat_ids, cancel, emit))
        content = pdf_of(as_html(chats, made_labels, title=path.stem), path.stem)
        with whole_file(path) as file:
            file.write(content)
        return len(chats)
    return export_chats(
        services.database, chat_ids, path, ExportFormat(suffix.removeprefix(".")), made_labels, cancel, emit
    )


def _messages(n: int) -> str:
    return "1 message" if n == 1 else f"{n:,} messages"


def _chats(n: int) -> str:
    return "1 chat" if n == 1 else f"{n:,} chats"
