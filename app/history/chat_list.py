"""The conversations as rows: pinned ones, folders, then the others by day; and how a row is drawn.

Knows titles, dates and dragging; must not know the store or jobs. Rows are drawn, not widgets, and all of one height,
so that thousands of them cost nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from PySide6.QtCore import QAbstractListModel, QMimeData, QModelIndex, QPersistentModelIndex, QRect, QSize, Qt, Signal
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from app.icons import icon
from app.plain_text import tooltip
from app.theme import SIZES, Theme
from core.store.chats import Chat, ChatId, FolderId
from core.store.history import Folder

UNTITLED = "New chat"
PINNED = "Pinned"
MIME = "application/x-tern-chats"
Index = QModelIndex | QPersistentModelIndex


@dataclass(frozen=True, slots=True)
class Heading:
    """A line above the conversations of a day."""

    text: str


@dataclass(frozen=True, slots=True)
class FolderRow:
    """A folder; its conversations follow where it is open."""

    folder: Folder
    n_chats: int
    is_open: bool


Row = Heading | FolderRow | Chat


def grouped(
    chats: Sequence[Chat], today: date, folders: Sequence[Folder] = (), opened: frozenset[FolderId] = frozenset()
) -> list[Row]:
    """Return pinned conversations, folders, and the others, the last used first, with a heading before each day."""
    rows: list[Row] = []
    pinned = sorted((chat for chat in chats if chat.pinned_at is not None), key=_pinned_at)
    if pinned:
        rows.append(Heading(PINNED))
        rows.extend(pinned)
    if folders:
        rows.append(Heading("Folders"))
    known = {folder.id for folder in folders}
    for folder in folders:
        inside = [chat for chat in chats if chat.folder_id == folder.id]
        is_open = folder.id in opened
        rows.append(FolderRow(folder, len(inside), is_open))
        if is_open:
            inside.sort(key=_updated_at, reverse=True)
            rows.extend(inside)
    shown = ""
    loose = (chat for chat in chats if chat.pinned_at is None and chat.folder_id not in known)
    for chat in sorted(loose, key=_updated_at, reverse=True):
        heading = _heading_of((today - datetime.fromtimestamp(chat.updated_at).date()).days)
        if heading != shown:
            rows.append(Heading(heading))
            shown = heading
        rows.append(chat)
    return rows


def _pinned_at(chat: Chat) -> float:
    return chat.pinned_at or 0.0


def _updated_at(chat: Chat) -> float:
    return chat.updated_at


def _heading_of(days_ago: int) -> str:
    if days_ago <= 0:
        return "Today"
    if days_ago == 1:
        return "Yesterday"
    if days_ago < 7:
        return "Last 7 days"
    return "Last 30 days" if days_ago < 30 else "Older"


class ChatListModel(QAbstractListModel):
    """Headings, folders and conversations as rows; titles and names can be edited, conversations dragged."""

    renamed = Signal(object, str)
    folder_renamed = Signal(object, str)
    dropped = Signal(object, object)  # ids of chats, the row that they were dropped on

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: list[Row] = []
        self._places: dict[ChatId, int] = {}

    @property
    def rows(self) -> Sequence[Row]:
        """All rows."""
        return self._rows

    def set_rows(self, rows: list[Row]) -> None:
        """Show other rows; nothing happens when they are the same."""
        if rows != self._rows:
            self.beginResetModel()
            self._rows = rows
            # The first place counts: a pinned chat that is in an open folder stands in both.
            self._places = {}
            for number, row in enumerate(rows):
                if isinstance(row, Chat):
                    self._places.setdefault(row.id, number)
            self.endResetModel()

    def row_at(self, index: Index) -> Row | None:
        """Return what stands at `index`."""
        return self._rows[index.row()] if index.isValid() else None

    def chat_at(self, index: Index) -> Chat | None:
        """Return the conversation at `index`; None for anything else."""
        row = self.row_at(index)
        return row if isinstance(row, Chat) else None

    def index_of(self, chat_id: ChatId | None) -> QModelIndex:
        """Return where a conversation stands; invalid when it is not in the list."""
        number = None if chat_id is None else self._places.get(chat_id)
        return QModelIndex() if number is None else self.index(number)

    def index_of_folder(self, folder_id: FolderId) -> QModelIndex:
        """Return where a folder stands; invalid when it is not in the list."""
        for number, row in enumerate(self._rows):
            if isinstance(row, FolderRow) and row.folder.id == folder_id:
                return self.index(number)
        return QModelIndex()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 (Qt's signature)
        """Return the number of rows."""
        return 0 if parent.isValid() else len(self._rows)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Return title, tooltip or the text to edit."""
        row = self._rows[index.row()]
        is_text = role == Qt.ItemDataRole.DisplayRole
        match row:
            case Heading(text):
                return text if is_text else None
            case FolderRow(folder, n_chats, is_open):
                if role == Qt.ItemDataRole.AccessibleTextRole:
                    return f"Folder {folder.name}, {n_chats} chats, {'open' if is_open else 'closed'}"
                if role == Qt.ItemDataRole.ToolTipRole:
                    return tooltip(folder.name)
                return folder.name if is_text or role == Qt.ItemDataRole.EditRole else None
            case Chat():
                if is_text or role == Qt.ItemDataRole.AccessibleTextRole:
                    return row.title or UNTITLED
                if role == Qt.ItemDataRole.EditRole:
                    return row.title
                return tooltip(row.title) if role == Qt.ItemDataRole.ToolTipRole else None

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Let conversations be chosen, edited and dragged, and be dropped on everything else."""
        flag = Qt.ItemFlag
        match self.row_at(index):
            case Chat():
                return flag.ItemIsEnabled | flag.ItemIsSelectable | flag.ItemIsEditable | flag.ItemIsDragEnabled
            case FolderRow():
                return flag.ItemIsEnabled | flag.ItemIsSelectable | flag.ItemIsEditable | flag.ItemIsDropEnabled
            case _:
                return flag.ItemIsDropEnabled

    def setData(self, index: Index, value: object, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Tell that a title was edited; the new one is shown when it has been stored."""
        row, text = self.row_at(index), str(value).strip()
        if role != Qt.ItemDataRole.EditRole or not text:
            return False
        if isinstance(row, FolderRow) and text != row.folder.name:
            self.folder_renamed.emit(row.folder.id, text)
            return True
        if isinstance(row, Chat) and text != row.title:
            self.renamed.emit(row.id, text)
            return True
        return False

    def supportedDropActions(self) -> Qt.DropAction:
        """Conversations are moved."""
        return Qt.DropAction.MoveAction

    def mimeTypes(self) -> list[str]:
        """Only this list's own rows are taken."""
        return [MIME]

    def mimeData(self, indexes: Sequence[QModelIndex]) -> QMimeData:
        """Carry the ids of conversations; they mean nothing to other programs."""
        data = QMimeData()
        ids = [str(chat.id) for chat in map(self.chat_at, indexes) if chat is not None]
        data.setData(MIME, ",".join(ids).encode())
        return data

    def dropMimeData(self, data: QMimeData, _action: Qt.DropAction, _row: int, _column: int, parent: Index) -> bool:
        """Tell where conversations were dropped. False: the rows themselves are never taken out by the view."""
        target = self.row_at(parent)
        ids = bytes(data.data(MIME).data()).decode("ascii", "replace").split(",")
        chat_ids = [ChatId(int(each)) for each in ids if each.isdecimal()]
        if target is not None and chat_ids:
            self.dropped.emit(chat_ids, target)
        return False


class ChatDelegate(QStyledItemDelegate):
    """Draws headings small, folders with their icon and conversations with a soft selection."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """Return the height of every row."""
        return QSize(0, self._theme.px(SIZES.body) + SIZES.space_4)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Draw one row."""
        model = index.model()
        row = model.row_at(index) if isinstance(model, ChatListModel) else None  # other lists have plain rows
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        is_heading = isinstance(row, Heading)
        box = option.rect.adjusted(SIZES.space_2, 1, -SIZES.space_2, -1)
        if not is_heading:
            self._paint_state(painter, box, option.state)
        painter.setFont(self._theme.font(SIZES.small if is_heading else SIZES.body, strong=is_heading))
        painter.setPen(self._theme.color("ink_2" if is_heading else "ink"))
        room = box.adjusted(SIZES.space_2, 0, -SIZES.space_2, 0)
        text = str(index.data() or "").replace("\n", " ")
        if isinstance(row, FolderRow):
            room = self._paint_folder(painter, room, row)
        elif isinstance(model, ChatListModel) and isinstance(row, Chat) and _is_under_folder(model, index.row()):
            room.adjust(SIZES.icon + SIZES.space_2, 0, 0, 0)
        shown = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, room.width())
        upright = Qt.AlignmentFlag.AlignBottom if is_heading else Qt.AlignmentFlag.AlignVCenter
        painter.drawText(room.adjusted(0, 0, 0, -2 if is_heading else 0), upright | Qt.TextFlag.TextSingleLine, shown)
        painter.restore()

    def _paint_state(self, painter: QPainter, box: QRect, state: QStyle.StateFlag) -> None:
        flag = QStyle.StateFlag
        if state & (flag.State_Selected | flag.State_MouseOver):
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self._theme.color("selected" if state & flag.State_Selected else "hover"))
            painter.drawRoundedRect(box, SIZES.radius_control, SIZES.radius_control)
        if state & flag.State_HasFocus and state & flag.State_KeyboardFocusChange:
            pen = painter.pen()
            pen.setColor(self._theme.color("sea"))
            pen.setWidth(2)
            pen.setStyle(Qt.PenStyle.SolidLine)
            painter.setPen(pen)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(box.adjusted(1, 1, -1, -1), SIZES.radius_control, SIZES.radius_control)

    def _paint_folder(self, painter: QPainter, room: QRect, row: FolderRow) -> QRect:
        side = SIZES.icon - 4
        top = room.center().y() - side // 2
        name = "chevron-down" if row.is_open else "chevron-right"
        color = self._theme.tokens.ink_2
        icon(name, color, side).paint(painter, QRect(room.left() - 2, top, side, side))
        count = str(row.n_chats)
        painter.save()
        painter.setFont(self._theme.font(SIZES.small))
        painter.setPen(self._theme.color("ink_2"))
        right = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
        painter.drawText(room, right, count)
        painter.restore()
        return room.adjusted(side + SIZES.space_1, 0, -SIZES.space_5, 0)


def _is_under_folder(model: ChatListModel, number: int) -> bool:
    """Tell whether the chat in this row stands below its folder and not among the pinned ones."""
    row = model.rows[number]
    if not isinstance(row, Chat) or row.folder_id is None:
        return False
    while number > 0 and isinstance(model.rows[number], Chat):
        number -= 1
    above = model.rows[number]
    return isinstance(above, FolderRow) and above.folder.id == row.folder_id
