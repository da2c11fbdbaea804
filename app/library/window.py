"""The window of the person's documents: search above, collections at the left, the chosen one or what was found.

Knows where things stand; must not know the index or jobs. Files and folders may be dropped anywhere on it.
"""

from collections.abc import Sequence

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QAction, QDragEnterEvent, QDropEvent, QKeySequence
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QProgressBar,
    QPushButton,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app.chat.cards import ErrorCard
from app.chat.composer import local_files
from app.library.collection_page import CollectionPage
from app.library.results import Results
from app.library.words import FORMATS, short_state
from app.plain_text import PlainLabel
from app.theme import SIZES, Theme
from core.events import IndexProgress
from core.library.index.collections import Collection, CollectionId
from core.library.index.searcher import Hit

SEARCH_AFTER_MS = 120  # without a key
_ID = Qt.ItemDataRole.UserRole


class LibraryWindow(QWidget):
    """Everything about documents in one place; it does not stop the conversation's window."""

    files_requested = Signal()
    folder_requested = Signal()
    dropped = Signal(list)  # paths
    searched = Signal(str)
    chosen = Signal(object)  # CollectionId | None
    hit_opened = Signal(int)

    def __init__(self, theme: Theme) -> None:
        super().__init__(None, Qt.WindowType.Window)
        self.setObjectName("libraryWindow")
        self.setAttribute(Qt.WidgetAttribute.WA_QuitOnClose, False)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAcceptDrops(True)
        self.setWindowTitle("My documents – Tern")
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search in all documents")
        self.search.setAccessibleName("Search in all documents")
        self.search.setClearButtonEnabled(True)
        self.add_files = QPushButton("Add files…")
        self.add_folder = QPushButton("Add a folder…")
        self.list = QListWidget()
        self.list.setObjectName("libraryList")
        self.list.setAccessibleName("Collections")
        self.page = CollectionPage()
        self.results = Results()
        self.looking = _Looking()
        self._empty = _Empty()
        self._stack = QStackedWidget()
        for each in (self._empty, self.page, self.results):
            self._stack.addWidget(each)
        self._problems = QVBoxLayout()
        self._collections: list[Collection] = []
        self._wait = QTimer(self)
        self._wait.setSingleShot(True)
        self._wait.setInterval(SEARCH_AFTER_MS)
        self._arrange()
        self._connect()
        theme.dress(self)
        theme.changed.connect(self.on_theme_changed)
        self._theme = theme
        self.on_theme_changed()
        self.setMinimumSize(SIZES.window_least[0], SIZES.window_least[1])
        self.resize(SIZES.window[0] * 7 // 8, SIZES.window[1])

    @property
    def collection_id(self) -> CollectionId | None:
        """The collection that is chosen; None without any."""
        item = self.list.currentItem()
        return CollectionId(item.data(_ID)) if item is not None else None

    @property
    def is_searching(self) -> bool:
        """True while what was found is shown instead of a collection."""
        return self._stack.currentWidget() is self.results

    def show_collections(self, collections: Sequence[Collection], *, is_running: bool) -> None:
        """Show all collections; the chosen one stays chosen."""
        self._collections = list(collections)
        chosen = self.collection_id
        self.list.blockSignals(True)
        if [each.id for each in collections] != [self.list.item(i).data(_ID) for i in range(self.list.count())]:
            self.list.clear()
            for each in collections:
                item = QListWidgetItem()
                item.setData(_ID, int(each.id))
                self.list.addItem(item)
        row = 0
        for index, each in enumerate(collections):
            name = " ".join(each.name.split())
            self.list.item(index).setText(f"{name}\n{short_state(each)}")
            self.list.item(index).setData(Qt.ItemDataRole.AccessibleTextRole, f"{name}, {short_state(each)}")
            row = index if each.id == chosen else row
        if collections:
            self.list.setCurrentRow(row)
        self.list.blockSignals(False)
        self._show_chosen(is_running=is_running)
        if self.collection_id != chosen:
            self.chosen.emit(self.collection_id)

    def choose(self, collection_id: CollectionId) -> None:
        """Go to a collection."""
        for row in range(self.list.count()):
            if self.list.item(row).data(_ID) == int(collection_id):
                self.search.clear()
                self.list.setCurrentRow(row)

    def show_progress(self, progress: IndexProgress) -> None:
        """Show what is going on."""
        self.page.show_progress(progress)

    def show_hits(self, hits: Sequence[Hit]) -> None:
        """Show what was found, unless the search was given up meanwhile."""
        if self.search.text().strip():
            self.results.show_hits(hits)
            self._stack.setCurrentWidget(self.results)

    def show_error(self, error: BaseException) -> None:
        """Put a card above everything."""
        card = ErrorCard(error, lambda _action: self._dismiss(card))
        self._problems.addWidget(card)

    def show_in_front(self) -> None:
        """Open the window, or bring it forward."""
        self.show()
        self.raise_()
        self.activateWindow()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Show that files can be dropped."""
        if local_files(event.mimeData()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Take files and folders."""
        event.acceptProposedAction()
        self.dropped.emit(local_files(event.mimeData()))

    def on_typed(self, text: str) -> None:
        """Search a moment after the last key; an empty field shows the collection again."""
        if text.strip():
            self._stack.setCurrentWidget(self.results)
            self.results.show_searching()
            self._wait.start()
        else:
            self._wait.stop()
            self.results.show_hits(())
            self._show_page()

    def on_enter(self) -> None:
        """Go from the field to the first hit."""
        if self.results.cards:
            self.results.cards[0].setFocus()

    def on_row(self) -> None:
        """Show the collection that was chosen."""
        self.search.clear()
        self.chosen.emit(self.collection_id)
        self._show_chosen(is_running=False)

    def on_theme_changed(self) -> None:
        """Give the list the room that its text needs."""
        self.list.setMinimumWidth(self._theme.px(SIZES.sidebar) * 3 // 4)

    def _dismiss(self, card: QWidget) -> None:
        card.hide()
        self._problems.removeWidget(card)
        card.deleteLater()

    def _show_chosen(self, *, is_running: bool) -> None:
        chosen = next((each for each in self._collections if each.id == self.collection_id), None)
        if chosen is not None:
            self.page.show_collection(chosen, is_running=is_running)
        if not self.search.text().strip():
            self._show_page()

    def _show_page(self) -> None:
        self._stack.setCurrentWidget(self.page if self._collections else self._empty)

    def _arrange(self) -> None:
        top = QFrame()
        top.setObjectName("libraryTop")
        row = QHBoxLayout(top)
        row.setContentsMargins(SIZES.space_4, SIZES.space_3, SIZES.space_4, SIZES.space_3)
        row.setSpacing(SIZES.space_2)
        row.addWidget(self.search, 1)
        row.addWidget(self.add_files)
        row.addWidget(self.add_folder)
        rail = QFrame()
        rail.setObjectName("libraryRail")
        side = QVBoxLayout(rail)
        side.setContentsMargins(SIZES.space_2, SIZES.space_3, SIZES.space_2, SIZES.space_3)
        side.addWidget(self.list)
        right = QWidget()
        column = QVBoxLayout(right)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self._problems.setContentsMargins(SIZES.space_4, SIZES.space_2, SIZES.space_4, 0)
        column.addWidget(self.looking)
        column.addLayout(self._problems)
        column.addWidget(self._stack, 1)
        splitter = QSplitter(Qt.Orientation.Horizontal)
        splitter.setChildrenCollapsible(False)
        splitter.setHandleWidth(1)
        splitter.addWidget(rail)
        splitter.addWidget(right)
        splitter.setStretchFactor(1, 1)
        splitter.setSizes([SIZES.sidebar, SIZES.window[0]])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(top)
        layout.addWidget(splitter, 1)

    def _connect(self) -> None:
        self.search.textChanged.connect(self.on_typed)
        self.search.returnPressed.connect(self.on_enter)
        self._wait.timeout.connect(lambda: self.searched.emit(self.search.text()))
        self.add_files.clicked.connect(self.files_requested)
        self.add_folder.clicked.connect(self.folder_requested)
        self._empty.files.clicked.connect(self.files_requested)
        self._empty.folder.clicked.connect(self.folder_requested)
        self.list.currentRowChanged.connect(lambda _row: self.on_row())
        self.results.opened.connect(self.hit_opened)
        for keys, what in (("Ctrl+W", self.close), ("Ctrl+F", self.search.setFocus), ("Esc", self._on_escape)):
            action = QAction(self)
            action.setShortcut(QKeySequence(keys))
            action.triggered.connect(what)
            self.addAction(action)

    def _on_escape(self) -> None:
        """Leave the search, then the window."""
        if self.search.text():
            self.search.clear()
            self.search.setFocus()
        else:
            self.close()


class _Looking(QWidget):
    """What is looked at before anything is added, with a way to stop."""

    def __init__(self) -> None:
        super().__init__()
        self._bar = QProgressBar()
        self._bar.setRange(0, 0)
        self._bar.setTextVisible(False)
        self.words = PlainLabel("", kind="small")
        self.stop = QPushButton("Stop")
        self.stop.setAccessibleName("Stop looking for files")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(SIZES.space_5, SIZES.space_3, SIZES.space_5, 0)
        layout.addWidget(self.words, 1)
        layout.addWidget(self._bar)
        layout.addWidget(self.stop)
        self.hide()

    def show_words(self, words: str) -> None:
        """Say what is looked at; "" hides it."""
        self.words.setText(words)
        self.setVisible(bool(words))


class _Empty(QWidget):
    """Where documents go, as long as there are none."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("libraryPage")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        area = QFrame()
        area.setObjectName("dropArea")
        self.files = QPushButton("Add files…")
        self.folder = QPushButton("Add a folder…")
        inside = QVBoxLayout(area)
        inside.setContentsMargins(SIZES.space_6, SIZES.space_6, SIZES.space_6, SIZES.space_6)
        inside.setSpacing(SIZES.space_3)
        title = PlainLabel("Drop files or a folder here", kind="page")
        what = PlainLabel(f"{FORMATS}.", kind="secondary", wrap=True)
        how = PlainLabel(
            "They become searchable within seconds, on this computer alone. Your files stay where they are.",
            kind="secondary",
            wrap=True,
        )
        for label in (title, what, how):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            inside.addWidget(label)
        row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(self.files)
        row.addWidget(self.folder)
        row.addStretch(1)
        inside.addLayout(row)
        outside = QVBoxLayout(self)
        outside.setContentsMargins(SIZES.space_6, SIZES.space_6, SIZES.space_6, SIZES.space_6)
        outside.addStretch(1)
        outside.addWidget(area)
        outside.addStretch(1)
