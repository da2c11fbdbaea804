"""The list of conversations with search and trash, and what can be done to each.

Knows titles, dates and places in the list; must not know the store or jobs: it tells what is wanted and is given what
to show.
"""

from collections.abc import Sequence
from datetime import date
from functools import partial

from PySide6.QtCore import QEvent, QItemSelectionModel, QModelIndex, QObject, QPoint, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLineEdit,
    QListView,
    QMenu,
    QPushButton,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.history.bars import JobBar, NoticeBar
from app.history.chat_list import PINNED, ChatDelegate, ChatListModel, FolderRow, Heading, grouped
from app.history.chat_menu import fill_chat_menu
from app.history.results import ResultsDelegate, ResultsModel
from app.history.trash import TrashView
from app.icons import icon
from app.plain_text import PlainLabel
from app.theme import SIZES, Theme
from core.store.chats import Chat, ChatId, FolderId
from core.store.history import Folder
from core.store.search import Hit


class Sidebar(QWidget):
    """New chat, search, and the conversations."""

    new_requested = Signal()
    opened = Signal(object)
    renamed = Signal(object, str)
    delete_requested = Signal(object)  # ids
    pin_requested = Signal(object, bool)  # ids
    move_requested = Signal(object, object)  # ids, a folder's id or None
    folder_requested = Signal(object)  # ids that go into the new folder
    folder_renamed = Signal(object, str)
    folder_deleted = Signal(object)
    export_requested = Signal(object)  # ids
    search_changed = Signal(str)
    hit_chosen = Signal(object)
    trash_requested = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("sidebar")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._theme = theme
        self._current: ChatId | None = None
        self._chats: Sequence[Chat] = ()
        self._folders: Sequence[Folder] = ()
        self._today = date.min
        self._open_folders: frozenset[FolderId] = frozenset()
        self._new = QPushButton("New chat")
        self._new.setProperty("kind", "newChat")
        self._new.clicked.connect(self.new_requested)
        self._trash_button = QToolButton()
        self._trash_button.setAccessibleName("Trash")
        self._trash_button.setToolTip("Trash")
        self._trash_button.clicked.connect(self.trash_requested)
        self.search = self._make_search()
        self._model = ChatListModel(self)
        self._model.renamed.connect(self.renamed)
        self._model.folder_renamed.connect(self.folder_renamed)
        self._model.dropped.connect(self.on_dropped)
        self._list = self._make_list()
        self._results = ResultsModel(self)
        self.results_view = self._make_results()
        self._none = PlainLabel("Your conversations will be listed here.", kind="small", wrap=True)
        self._nothing = PlainLabel("Nothing found.", kind="small", wrap=True)
        self.trash = TrashView(theme)
        self.trash.closed.connect(self.show_list)
        self.notice = NoticeBar(theme)
        self.job = JobBar()
        self._arrange()
        theme.changed.connect(self.on_theme_changed)
        self.on_theme_changed()

    @property
    def list_view(self) -> QListView:
        """The list, for keyboard focus."""
        return self._list

    def show_chats(self, chats: Sequence[Chat], today: date, folders: Sequence[Folder] = ()) -> None:
        """Show these conversations; what was chosen and where the list was scrolled to stays."""
        self._chats, self._today, self._folders = chats, today, folders
        if self._list.state() == QListView.State.EditingState:
            return  # a title is being typed; the next change shows it
        chosen, top = self.chosen_ids(), self._list.verticalScrollBar().value()
        self._model.set_rows(grouped(chats, today, folders, self._open_folders))
        self._none_holder.setVisible(not chats and not folders)
        self._list.verticalScrollBar().setValue(top)
        if len(chosen) > 1:
            for chat_id in chosen:
                index = self._model.index_of(chat_id)
                self._list.selectionModel().select(index, QItemSelectionModel.SelectionFlag.Select)
        else:
            self.set_current(self._current)

    def titles(self) -> list[str]:
        """Return what is listed, headings included."""
        return [str(self._model.data(self._model.index(row))) for row in range(self._model.rowCount())]

    def chosen_ids(self) -> list[ChatId]:
        """Return the conversations that are chosen in the list."""
        rows = sorted(index.row() for index in self._list.selectedIndexes())
        found = (self._model.chat_at(self._model.index(row)) for row in rows)
        return list(dict.fromkeys(chat.id for chat in found if chat is not None))

    def choose(self, chat_ids: Sequence[ChatId]) -> None:
        """Choose conversations, as the person would with Ctrl."""
        self._list.clearSelection()
        for chat_id in chat_ids:
            flag = QItemSelectionModel.SelectionFlag.Select
            self._list.selectionModel().select(self._model.index_of(chat_id), flag)

    def set_current(self, chat_id: ChatId | None) -> None:
        """Mark the open conversation; several that are chosen stay so as long as it is the same one."""
        if chat_id == self._current and len(self.chosen_ids()) > 1:
            return
        self._current = chat_id
        index = self._model.index_of(chat_id)
        if index.isValid():
            if index != self._list.currentIndex() or len(self._list.selectedIndexes()) != 1:
                self._list.setCurrentIndex(index)
        else:
            self._list.clearSelection()
            self._list.setCurrentIndex(QModelIndex())

    def current_title(self) -> str:
        """Return the title of the open conversation, or an empty string."""
        return next((chat.title for chat in self._chats if chat.id == self._current), "")

    def step(self, by: int) -> None:
        """Open the conversation `by` places further down."""
        rows = [number for number, row in enumerate(self._model.rows) if isinstance(row, Chat)]
        here = self._model.index_of(self._current)
        place = rows.index(here.row()) + by if here.isValid() else 0
        if 0 <= place < len(rows):
            self.on_activated(self._model.index(rows[place]))

    def rename_current(self) -> None:
        """Edit the title of the open conversation in place."""
        self.show_list()
        chat = next((each for each in self._chats if each.id == self._current), None)
        if chat is not None and chat.folder_id is not None and chat.pinned_at is None:
            self._open_folders |= {chat.folder_id}
            self._show_again()
        index = self._model.index_of(self._current)
        if index.isValid():
            self._list.edit(index)

    def rename(self, chat_id: ChatId) -> None:
        """Edit the title of a conversation in place."""
        self._list.edit(self._model.index_of(chat_id))

    def edit_folder(self, folder_id: FolderId) -> None:
        """Edit the name of a folder in place."""
        index = self._model.index_of_folder(folder_id)
        if index.isValid():
            self._list.scrollTo(index)
            self._list.setFocus()
            self._list.edit(index)

    def ids_to_act_on(self) -> list[ChatId]:
        """Return what a command concerns: the chosen conversations, else the open one."""
        return self.chosen_ids() or ([] if self._current is None else [self._current])

    def show_list(self) -> None:
        """Show the conversations, without search and trash."""
        self.search.clear()
        self._stack.setCurrentWidget(self._list_page)

    def show_trash(self) -> None:
        """Show the trash."""
        self.search.clear()
        self._stack.setCurrentWidget(self.trash)
        self.trash.list_view.setFocus()

    @property
    def is_trash_shown(self) -> bool:
        """True while the trash is in sight."""
        return self._stack.currentWidget() is self.trash

    def show_hits(self, hits: Sequence[Hit]) -> None:
        """Show what a search has found."""
        self._results.set_hits(hits)
        self._nothing_holder.setVisible(not hits)
        self._stack.setCurrentWidget(self._results_page)

    def focus_search(self) -> None:
        """Let the person type what to look for."""
        self.show()
        self.search.setFocus()
        self.search.selectAll()

    def on_activated(self, index: QModelIndex) -> None:
        """Open a conversation, or open or close a folder."""
        row = self._model.row_at(index)
        if isinstance(row, FolderRow):
            self._open_folders ^= {row.folder.id}
            self._show_again()
            self._list.setCurrentIndex(self._model.index_of_folder(row.folder.id))
        elif isinstance(row, Chat):
            self.opened.emit(row.id)

    def on_clicked(self, index: QModelIndex) -> None:
        """Open what was clicked, unless more is being chosen with it."""
        row = self._model.row_at(index)
        if isinstance(row, FolderRow) or len(self._list.selectedIndexes()) == 1:
            self.on_activated(index)

    def on_search_changed(self, text: str) -> None:
        """Look for what is typed, or show the list again."""
        if text.strip():
            self.search_changed.emit(text)
        elif self._stack.currentWidget() is self._results_page:
            self._stack.setCurrentWidget(self._list_page)

    def on_hit_activated(self, index: QModelIndex) -> None:
        """Open the conversation at the place that was found."""
        hit = self._results.hit_at(index)
        if hit is not None:
            self.hit_chosen.emit(hit)

    def on_dropped(self, chat_ids: Sequence[ChatId], target: object) -> None:
        """Move conversations to where they were dropped: into a folder, onto the pinned ones, or among the others."""
        match target:
            case FolderRow(folder):
                self.move_requested.emit(chat_ids, folder.id)
            case Heading(text) if text == PINNED:
                self.pin_requested.emit(chat_ids, True)
            case _:
                self.move_requested.emit(chat_ids, None)

    def on_menu_requested(self, spot: QPoint) -> None:
        """Offer what can be done to the rows under the pointer, or to the chosen ones."""
        row = self._model.row_at(self._list.indexAt(spot))
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        if isinstance(row, FolderRow):
            menu.addAction("Rename the folder", partial(self.edit_folder, row.folder.id))
            menu.addAction("Delete the folder, keep its chats", partial(self.folder_deleted.emit, row.folder.id))
        elif isinstance(row, Chat):
            chosen = self.chosen_ids()
            ids = chosen if row.id in chosen else [row.id]
            fill_chat_menu(menu, [chat for chat in self._chats if chat.id in ids], self._folders, self)
        else:
            menu.addAction("New folder", partial(self.folder_requested.emit, []))
        menu.popup(self._list.viewport().mapToGlobal(spot))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Keys of the list and of the search field."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.ShortcutOverride:
            if event.key() == Qt.Key.Key_Escape and watched in (self.search, self.results_view) and self.search.text():
                event.accept()  # else it would stop the answer
                return True
            return super().eventFilter(watched, event)
        if not isinstance(event, QKeyEvent) or event.type() != QEvent.Type.KeyPress:
            return super().eventFilter(watched, event)
        key = event.key()
        if watched is self._list and key in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self._delete_chosen()
            return True
        if watched is self._list and key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.on_activated(self._list.currentIndex())
            return True
        if watched is self.search and key == Qt.Key.Key_Escape:
            self.show_list()
            self._list.setFocus()
            return True
        if watched is self.search and key in (Qt.Key.Key_Down, Qt.Key.Key_Return) and self._results.rowCount():
            self.results_view.setFocus()
            self.results_view.setCurrentIndex(self._results.index(0))
            return True
        if watched is self.results_view and key == Qt.Key.Key_Escape:
            self.show_list()
            return True
        if watched is self.results_view and key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.on_hit_activated(self.results_view.currentIndex())
            return True
        return super().eventFilter(watched, event)

    def on_theme_changed(self) -> None:
        """Recolour the icons and redraw."""
        tokens = self._theme.tokens
        self._new.setIcon(icon("plus", tokens.sea, SIZES.icon))
        self._trash_button.setIcon(icon("trash-2", tokens.ink_2, SIZES.icon))
        self._trash_button.setIconSize(QSize(SIZES.icon, SIZES.icon))
        self._search_icon.setIcon(icon("search", tokens.ink_2, SIZES.icon - 2))
        for view in (self._list, self.results_view):
            view.viewport().update()
            view.scheduleDelayedItemsLayout()

    def _show_again(self) -> None:
        self.show_chats(self._chats, self._today, self._folders)

    def _delete_chosen(self) -> None:
        row = self._model.row_at(self._list.currentIndex())
        ids = self.chosen_ids()
        if ids:
            self.delete_requested.emit(ids)
        elif isinstance(row, FolderRow):
            self.folder_deleted.emit(row.folder.id)

    def _make_search(self) -> QLineEdit:
        made = QLineEdit()
        made.setPlaceholderText("Search all chats")
        made.setAccessibleName("Search all chats")
        made.setClearButtonEnabled(True)
        made.setMaxLength(500)
        self._search_icon = made.addAction(
            icon("search", self._theme.tokens.ink_2, SIZES.icon), QLineEdit.ActionPosition.LeadingPosition
        )
        self._search_icon.setText("Search all chats")  # for screen readers: it is a button
        made.textChanged.connect(self.on_search_changed)
        made.installEventFilter(self)
        return made

    def _make_list(self) -> QListView:
        made = self._bare_list("Conversations")
        made.setModel(self._model)
        delegate = ChatDelegate(self._theme, made)
        # What changed while a title was being typed is shown now.
        delegate.closeEditor.connect(lambda: QTimer.singleShot(0, self, self._show_again))
        made.setItemDelegate(delegate)
        made.setSelectionMode(QListView.SelectionMode.ExtendedSelection)
        made.setEditTriggers(QListView.EditTrigger.EditKeyPressed | QListView.EditTrigger.DoubleClicked)
        made.setDragDropMode(QListView.DragDropMode.DragDrop)
        made.setDefaultDropAction(Qt.DropAction.MoveAction)
        made.setDropIndicatorShown(True)
        made.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        made.customContextMenuRequested.connect(self.on_menu_requested)
        made.clicked.connect(self.on_clicked)
        return made

    def _make_results(self) -> QListView:
        made = self._bare_list("Search results")
        made.setModel(self._results)
        made.setItemDelegate(ResultsDelegate(self._theme, made))
        made.clicked.connect(self.on_hit_activated)
        return made

    def _bare_list(self, name: str) -> QListView:
        made = QListView()
        made.setObjectName("chatList")
        made.setAccessibleName(name)
        made.setUniformItemSizes(True)
        made.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        made.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        made.setMouseTracking(True)
        made.installEventFilter(self)
        return made

    def _arrange(self) -> None:
        self._none_holder = _indented(self._none, SIZES.space_4)
        self._nothing_holder = _indented(self._nothing, SIZES.space_4)
        self._list_page = _page(self._none_holder, self._list)
        self._results_page = _page(self._nothing_holder, self.results_view)
        self._stack = QStackedWidget()
        for page in (self._list_page, self._results_page, self.trash):
            self._stack.addWidget(page)
        top = QHBoxLayout()
        top.setContentsMargins(SIZES.space_3, 0, SIZES.space_2, 0)
        top.setSpacing(SIZES.space_1)
        top.addWidget(self._new, 1)
        top.addWidget(self._trash_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, SIZES.space_3, 0, SIZES.space_3)
        layout.setSpacing(SIZES.space_2)
        layout.addLayout(top)
        layout.addWidget(_indented(self.search, SIZES.space_3))
        layout.addWidget(self._stack, 1)
        layout.addWidget(self.job)
        layout.addWidget(_indented(self.notice, SIZES.space_2))
        self.setMinimumWidth(SIZES.sidebar * 2 // 3)


def _page(note: QWidget, view: QListView) -> QWidget:
    page = QWidget()
    layout = QVBoxLayout(page)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(SIZES.space_1)
    layout.addWidget(note)
    layout.addWidget(view, 1)
    return page


def _indented(widget: QWidget, side: int) -> QWidget:
    holder = QWidget()
    layout = QVBoxLayout(holder)
    layout.setContentsMargins(side, 0, side, 0)
    layout.addWidget(widget)
    return holder
