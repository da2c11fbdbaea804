"""One collection: how far it is, where its files come from, each file with its state, and what can be done.

Knows a collection as values; must not know the index or jobs.
"""

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QProgressBar,
    QPushButton,
    QTableView,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.library.files import FileTable
from app.library.words import patterns_in_words, problem_in_words, progress_in_words, state_in_words
from app.plain_text import ElidedLabel, PlainLabel
from app.theme import SIZES
from core.events import IndexProgress
from core.library.index.collections import Collection, FileState, IndexedFile, Source

FILES_AT_ONCE = 1_000
_FILTERS: tuple[tuple[str, FileState | None], ...] = (
    ("All files", None), ("With problems", FileState.FAILED), ("Waiting", FileState.QUEUED),
    ("Left out", FileState.LEFT_OUT),
)  # fmt: skip


class CollectionPage(QWidget):
    """The collection that is chosen in the list."""

    pause_requested = Signal(bool)
    cancel_requested = Signal()
    rescan_requested = Signal()
    retry_requested = Signal(object)  # FileState
    rename_requested = Signal()
    forget_requested = Signal()
    filter_changed = Signal(object)  # FileState | None
    source_removed = Signal(object)  # Source
    patterns_requested = Signal(object)  # Source
    file_opened = Signal(object)  # IndexedFile

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("libraryPage")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.collection: Collection | None = None
        self._is_running = False
        self.name = ElidedLabel(kind="page")
        self.state = PlainLabel("", kind="secondary", wrap=True)
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setAccessibleName("How much is read")
        self.doing = ElidedLabel(kind="small")
        self.pause = _button("Pause", "Pause reading this collection")
        self.cancel = _button("Cancel", "Leave out the files that wait")
        self.rescan = _button("Look again", "Look for new and changed files")
        self.retry = _button("Read what was left out", "Read the files that were left out")
        self.rename = _button("Rename…", "Rename this collection")
        self.forget = _button("Forget…", "Forget this collection")
        self.filter = QComboBox()
        self.filter.setAccessibleName("Which files are listed")
        for words, state in _FILTERS:
            self.filter.addItem(words, state)
        self.files = FileTable()
        self.table = self._table()
        self.detail = PlainLabel("", kind="secondary", wrap=True)
        self.more = PlainLabel("", kind="small", wrap=True)
        self._sources = QVBoxLayout()
        self._sources.setSpacing(SIZES.space_1)
        self._arrange()
        self._connect()

    @property
    def file_state(self) -> FileState | None:
        """Which files are listed; None for all."""
        found = self.filter.currentData()
        return FileState(found) if found is not None else None

    def show_collection(self, collection: Collection, *, is_running: bool) -> None:
        """Show how far a collection is."""
        before, self.collection = self.collection, collection
        self._is_running = is_running
        self.name.set_full_text(collection.name)
        self.state.setText(state_in_words(collection))
        if before is None or before.sources != collection.sources:
            self._show_sources(collection.sources)
        is_waiting = collection.n_queued > 0
        self.pause.setVisible(is_waiting or collection.is_paused)
        self.pause.setText("Resume" if collection.is_paused else "Pause")
        self.pause.setAccessibleName(f"{self.pause.text()} reading this collection")
        self.cancel.setVisible(is_waiting)
        self.retry.setVisible(bool(collection.n_left_out) and not is_waiting)
        total = collection.n_indexed + collection.n_failed + collection.n_queued
        self.progress.setVisible(is_waiting)
        self.progress.setRange(0, max(1, total))
        self.progress.setValue(total - collection.n_queued)
        if collection.is_paused and is_waiting:
            self.doing.set_full_text("Paused. What is read already is searchable.")
        elif not is_running:
            self.doing.set_full_text("")
        self.doing.setVisible(is_waiting or is_running)

    def show_progress(self, progress: IndexProgress) -> None:
        """Show what is going on."""
        if self.collection is not None and not self.collection.is_paused:
            self.doing.setVisible(True)
            self.doing.set_full_text(progress_in_words(progress))

    def show_files(self, files: Sequence[IndexedFile]) -> None:
        """List files; the chosen one stays chosen."""
        chosen = self.chosen_file()
        self.files.set_files(files)
        row = next((i for i, each in enumerate(files) if chosen is not None and each.id == chosen.id), -1)
        if row < 0:
            row = next((i for i, each in enumerate(files) if each.problem is not None), 0)
        if files:
            self.table.selectRow(row)
        self.on_file_chosen()
        is_more = len(files) >= FILES_AT_ONCE
        self.more.setText(f"The first {FILES_AT_ONCE:,} files are listed; search finds them all." if is_more else "")
        self.more.setVisible(is_more)

    def chosen_file(self) -> IndexedFile | None:
        """Return the file that is chosen in the table; None without one."""
        row = self.table.currentIndex().row()
        return self.files.files[row] if 0 <= row < len(self.files.files) else None

    def on_file_chosen(self) -> None:
        """Say what is wrong with the chosen file and what to do."""
        file = self.chosen_file()
        words = problem_in_words(file) if file is not None else ""
        self.detail.setText(words)
        self.detail.setVisible(bool(words))

    def on_file_activated(self) -> None:
        """Open the chosen file."""
        file = self.chosen_file()
        if file is not None and file.text_id is not None:
            self.file_opened.emit(file)

    def _show_sources(self, sources: Sequence[Source]) -> None:
        while (item := self._sources.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        for source in sources:
            self._sources.addWidget(self._source_row(source))

    def _source_row(self, source: Source) -> QWidget:
        row = QWidget()
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SIZES.space_1)
        path = str(source.path).encode("utf-8", "replace").decode("utf-8")
        patterns = patterns_in_words(source.include, source.exclude)
        label = ElidedLabel(kind="secondary")
        label.set_full_text(f"{path} ({patterns})" if patterns else path)
        layout.addWidget(label, 1)
        if source.is_folder:
            which = _action("Which files…", f"Choose which files of {path} are read")
            which.clicked.connect(lambda: self.patterns_requested.emit(source))
            layout.addWidget(which)
        out = _action("Take out…", f"Take {path} out of this collection")
        out.clicked.connect(lambda: self.source_removed.emit(source))
        layout.addWidget(out)
        return row

    def _table(self) -> QTableView:
        table = QTableView()
        table.setObjectName("libraryFiles")
        table.setModel(self.files)
        table.setAccessibleName("Files of this collection")
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setShowGrid(False)
        table.setTabKeyNavigation(False)
        table.setWordWrap(False)
        table.verticalHeader().hide()
        header = table.horizontalHeader()
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(2, QHeaderView.ResizeMode.ResizeToContents)
        header.setResizeContentsPrecision(50)
        return table

    def _arrange(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(SIZES.space_5, SIZES.space_4, SIZES.space_5, SIZES.space_4)
        layout.setSpacing(SIZES.space_2)
        layout.addWidget(self.name)
        layout.addWidget(self.state)
        doing = QHBoxLayout()
        doing.setSpacing(SIZES.space_2)
        doing.addWidget(self.doing, 1)
        doing.addWidget(self.pause)
        doing.addWidget(self.cancel)
        layout.addWidget(self.progress)
        layout.addLayout(doing)
        layout.addLayout(self._sources)
        files = QHBoxLayout()
        files.addWidget(self.filter)
        files.addWidget(self.more, 1)
        files.addStretch(1)
        layout.addSpacing(SIZES.space_1)
        layout.addLayout(files)
        layout.addWidget(self.table, 1)
        layout.addWidget(self.detail)
        foot = QHBoxLayout()
        foot.setSpacing(SIZES.space_2)
        for each in (self.rescan, self.retry, self.rename):
            foot.addWidget(each)
        foot.addStretch(1)
        foot.addWidget(self.forget)
        layout.addLayout(foot)

    def _connect(self) -> None:
        self.pause.clicked.connect(lambda: self.pause_requested.emit(self.pause.text() == "Pause"))
        self.cancel.clicked.connect(self.cancel_requested)
        self.rescan.clicked.connect(self.rescan_requested)
        self.retry.clicked.connect(lambda: self.retry_requested.emit(FileState.LEFT_OUT))
        self.rename.clicked.connect(self.rename_requested)
        self.forget.clicked.connect(self.forget_requested)
        self.filter.currentIndexChanged.connect(lambda _index: self.filter_changed.emit(self.file_state))
        self.table.selectionModel().currentRowChanged.connect(lambda _now, _before: self.on_file_chosen())
        self.table.activated.connect(lambda _index: self.on_file_activated())


def _button(words: str, name: str) -> QPushButton:
    button = QPushButton(words)
    button.setAccessibleName(name)
    return button


def _action(words: str, name: str) -> QToolButton:
    button = QToolButton()
    button.setText(words)
    button.setAccessibleName(name)
    button.setProperty("kind", "action")
    return button
