"""The list of conversations, grouped by day, with what can be done to each.

Knows titles and dates; must not know the store or jobs: it tells what is wanted and is given what to show.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, QPoint, QSize, Qt, Signal
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import (
    QListView,
    QMenu,
    QPushButton,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from app.icons import icon
from app.plain_text import PlainLabel, ask, tooltip
from app.theme import SIZES, Theme
from core.store.chats import Chat, ChatId

UNTITLED = "New chat"
_Index = QModelIndex | QPersistentModelIndex


@dataclass(frozen=True, slots=True)
class Heading:
    """A line above the conversations of a day."""

    text: str


def grouped(chats: Sequence[Chat], today: date) -> list[Heading | Chat]:
    """Return the conversations, the last used first, with a heading before each group of days."""
    rows: list[Heading | Chat] = []
    shown = ""
    for chat in sorted(chats, key=lambda chat: chat.updated_at, reverse=True):
        heading = _heading_of((today - datetime.fromtimestamp(chat.updated_at).date()).days)
        if heading != shown:
            rows.append(Heading(heading))
            shown = heading
        rows.append(chat)
    return rows


def _heading_of(days_ago: int) -> str:
    if days_ago <= 0:
        return "Today"
    if days_ago == 1:
        return "Yesterday"
    if days_ago < 7:
        return "Last 7 days"
    return "Last 30 days" if days_ago < 30 else "Older"


class ChatListModel(QAbstractListModel):
    """Headings and conversations as rows; a title can be edited."""

    renamed = Signal(object, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: list[Heading | Chat] = []

    def set_rows(self, rows: list[Heading | Chat]) -> None:
        """Show other rows; nothing happens when they are the same."""
        if rows != self._rows:
            self.beginResetModel()
            self._rows = rows
            self.endResetModel()

    def chat_at(self, index: _Index) -> Chat | None:
        """Return the conversation at `index`; None for a heading or nothing."""
        row = self._rows[index.row()] if index.isValid() else None
        return row if isinstance(row, Chat) else None

    def index_of(self, chat_id: ChatId | None) -> QModelIndex:
        """Return where a conversation stands; invalid when it is not in the list."""
        for number, row in enumerate(self._rows):
            if isinstance(row, Chat) and row.id == chat_id:
                return self.index(number)
        return QModelIndex()

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008 (Qt's signature)
        """Return the number of rows."""
        return 0 if parent.isValid() else len(self._rows)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Return title, tooltip or the text to edit."""
        row = self._rows[index.row()]
        if isinstance(row, Heading):
            return row.text if role == Qt.ItemDataRole.DisplayRole else None
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return row.title or UNTITLED
        if role == Qt.ItemDataRole.EditRole:
            return row.title
        return tooltip(row.title) if role == Qt.ItemDataRole.ToolTipRole else None

    def flags(self, index: _Index) -> Qt.ItemFlag:
        """Let conversations be chosen and edited, headings nothing."""
        if self.chat_at(index) is None:
            return Qt.ItemFlag.NoItemFlags
        return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEditable

    def setData(self, index: _Index, value: object, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Tell that a title was edited; the new one is shown when it has been stored."""
        chat, title = self.chat_at(index), str(value).strip()
        if chat is None or role != Qt.ItemDataRole.EditRole or not title or title == chat.title:
            return False
        self.renamed.emit(chat.id, title)
        return True


class ChatDelegate(QStyledItemDelegate):
    """Draws headings small and conversations with a soft selection."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme

    def sizeHint(self, option: QStyleOptionViewItem, index: _Index) -> QSize:
        """Return a row's height."""
        is_heading = not index.flags() & Qt.ItemFlag.ItemIsEnabled
        text = self._theme.px(SIZES.small if is_heading else SIZES.body)
        sizes = self._theme.sizes
        return QSize(0, text + (sizes.space_5 if is_heading else sizes.space_4))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        """Draw one row."""
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        is_heading = not index.flags() & Qt.ItemFlag.ItemIsEnabled
        box = option.rect.adjusted(SIZES.space_2, 1, -SIZES.space_2, -1)
        state = option.state
        fill = "selected" if state & QStyle.StateFlag.State_Selected else "hover"
        if not is_heading and state & (QStyle.StateFlag.State_Selected | QStyle.StateFlag.State_MouseOver):
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self._theme.color(fill))
            painter.drawRoundedRect(box, SIZES.radius_control, SIZES.radius_control)
        painter.setFont(self._theme.font(SIZES.small if is_heading else SIZES.body, strong=is_heading))
        painter.setPen(self._theme.color("ink_2" if is_heading else "ink"))
        room = box.adjusted(SIZES.space_2, SIZES.space_2 if is_heading else 0, -SIZES.space_2, 0)
        text = str(index.data() or "").replace("\n", " ")
        shown = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, room.width())
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextSingleLine, shown)
        painter.restore()


class Sidebar(QWidget):
    """New chat, and the conversations."""

    new_requested = Signal()
    opened = Signal(object)
    renamed = Signal(object, str)
    delete_confirmed = Signal(object)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("sidebar")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._theme = theme
        self._current: ChatId | None = None
        self._new = QPushButton("New chat")
        self._new.setProperty("kind", "newChat")
        self._new.clicked.connect(self.new_requested)
        self._model = ChatListModel(self)
        self._model.renamed.connect(self.renamed)
        self._list = self._make_list()
        self._none = PlainLabel("Your conversations will be listed here.", kind="small", wrap=True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, SIZES.space_3, 0, SIZES.space_3)
        layout.setSpacing(SIZES.space_2)
        self._none_holder = _indented(self._none, SIZES.space_4)
        layout.addWidget(_indented(self._new, SIZES.space_3))
        layout.addWidget(self._none_holder)
        layout.addWidget(self._list, 1)
        self.setMinimumWidth(SIZES.sidebar * 2 // 3)
        theme.changed.connect(self.on_theme_changed)
        self.on_theme_changed()

    @property
    def list_view(self) -> QListView:
        """The list, for keyboard focus."""
        return self._list

    def show_chats(self, chats: Sequence[Chat], today: date) -> None:
        """Show these conversations."""
        if self._list.state() == QListView.State.EditingState:
            return  # a title is being typed; the next change shows it
        self._model.set_rows(grouped(chats, today))
        self._none_holder.setVisible(not chats)
        self.set_current(self._current)

    def titles(self) -> list[str]:
        """Return what is listed, headings included."""
        return [str(self._model.data(self._model.index(row))) for row in range(self._model.rowCount())]

    def set_current(self, chat_id: ChatId | None) -> None:
        """Mark the open conversation."""
        self._current = chat_id
        index = self._model.index_of(chat_id)
        if index.isValid():
            self._list.setCurrentIndex(index)
        else:
            self._list.clearSelection()
            self._list.setCurrentIndex(QModelIndex())

    def current_title(self) -> str:
        """Return the title of the open conversation, or an empty string."""
        chat = self._model.chat_at(self._model.index_of(self._current))
        return chat.title if chat else ""

    def step(self, by: int) -> None:
        """Open the conversation `by` places further down."""
        rows = [i for i in range(self._model.rowCount()) if self._model.chat_at(self._model.index(i))]
        here = self._model.index_of(self._current)
        place = rows.index(here.row()) + by if here.isValid() else 0
        if 0 <= place < len(rows):
            self.on_clicked(self._model.index(rows[place]))

    def rename_current(self) -> None:
        """Edit the title of the open conversation in place."""
        index = self._model.index_of(self._current)
        if index.isValid():
            self._list.edit(index)

    def delete_current(self) -> None:
        """Ask whether to delete the open conversation."""
        self._ask_delete(self._model.chat_at(self._model.index_of(self._current)))

    def on_clicked(self, index: QModelIndex) -> None:
        """Open a conversation."""
        chat = self._model.chat_at(index)
        if chat is not None:
            self.opened.emit(chat.id)

    def on_menu_requested(self, spot: QPoint) -> None:
        """Offer what can be done to the conversation under the pointer."""
        index = self._list.indexAt(spot)
        chat = self._model.chat_at(index)
        if chat is None:
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction("Rename", lambda: self._list.edit(index))
        menu.addAction("Delete…", lambda: self._ask_delete(chat))
        menu.popup(self._list.viewport().mapToGlobal(spot))

    def on_theme_changed(self) -> None:
        """Recolour the icon and redraw."""
        self._new.setIcon(icon("plus", self._theme.tokens.sea, SIZES.icon))
        self._list.viewport().update()
        self._list.scheduleDelayedItemsLayout()

    def _ask_delete(self, chat: Chat | None) -> None:
        if chat is None:
            return
        ask(
            self.window(),
            title="Delete this conversation?",
            text=f"“{chat.title or UNTITLED}” will be deleted for good.",
            details="Its text is erased from this computer. This cannot be undone.",
            yes="Delete",
            is_destructive=True,
            on_yes=lambda: self.delete_confirmed.emit(chat.id),
        )

    def _make_list(self) -> QListView:
        made = QListView()
        made.setObjectName("chatList")
        made.setAccessibleName("Conversations")
        made.setModel(self._model)
        made.setItemDelegate(ChatDelegate(self._theme, made))
        made.setEditTriggers(QListView.EditTrigger.EditKeyPressed | QListView.EditTrigger.DoubleClicked)
        made.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        made.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        made.setMouseTracking(True)
        made.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        made.customContextMenuRequested.connect(self.on_menu_requested)
        made.clicked.connect(self.on_clicked)
        made.activated.connect(self.on_clicked)
        return made


def _indented(widget: QWidget, side: int) -> QWidget:
    holder = QWidget()
    layout = QVBoxLayout(holder)
    layout.setContentsMargins(side, 0, side, 0)
    layout.addWidget(widget)
    return holder
