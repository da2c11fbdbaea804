"""The trash: what was deleted in the last thirty days, to take back or to delete for good.

Knows titles, days and buttons; must not know the store: it tells what is wanted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from PySide6.QtCore import QAbstractListModel, QEvent, QModelIndex, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QHBoxLayout, QListView, QPushButton, QToolButton, QVBoxLayout, QWidget

from app.history.chat_list import UNTITLED, ChatDelegate, Index
from app.icons import icon
from app.plain_text import PlainLabel, ask, tooltip
from app.theme import SIZES, Theme
from core.store.chats import Chat, ChatId, MessageId
from core.store.history import TRASH_DAYS, TrashedMessage

_OVERRIDE = QEvent.Type.ShortcutOverride


@dataclass(frozen=True, slots=True)
class Trashed:
    """Conversations and single messages of the trash."""

    chats: tuple[ChatId, ...] = ()
    messages: tuple[MessageId, ...] = ()

    def __len__(self) -> int:
        return len(self.chats) + len(self.messages)


class TrashModel(QAbstractListModel):
    """One row a deleted conversation or message."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: list[Chat | TrashedMessage] = []

    def set_rows(self, rows: Sequence[Chat | TrashedMessage]) -> None:
        """Show what is in the trash."""
        self.beginResetModel()
        self._rows = list(rows)
        self.endResetModel()

    def chosen(self, indexes: Sequence[QModelIndex]) -> Trashed:
        """Return what stands in rows; in all of them where `indexes` is empty."""
        rows = [self._rows[index.row()] for index in indexes] or self._rows
        return Trashed(
            tuple(row.id for row in rows if isinstance(row, Chat)),
            tuple(row.id for row in rows if isinstance(row, TrashedMessage)),
        )

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 (Qt's signature)
        """Return the number of rows."""
        return 0 if parent.isValid() else len(self._rows)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Return what a row says."""
        row = self._rows[index.row()]
        text = row.title or UNTITLED if isinstance(row, Chat) else f"Message: {' '.join(row.text.split())}"
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return text
        if role == Qt.ItemDataRole.ToolTipRole:
            when = datetime.fromtimestamp(row.deleted_at or 0.0)
            return tooltip(f"{text} (deleted on {when:%d.%m.%Y})")
        return None


class TrashView(QWidget):
    """The list with its buttons."""

    closed = Signal()
    restore_requested = Signal(object)  # Trashed
    erase_confirmed = Signal(object)  # Trashed

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._model = TrashModel(self)
        self._back = QToolButton()
        self._back.setAccessibleName("Back to the conversations")
        self._back.clicked.connect(self.closed)
        self._empty = PlainLabel("The trash is empty.", kind="small", wrap=True)
        self.list_view = QListView()
        self.list_view.setObjectName("chatList")
        self.list_view.setAccessibleName("Trash")
        self.list_view.setModel(self._model)
        self.list_view.setSelectionMode(QListView.SelectionMode.ExtendedSelection)
        self.list_view.setItemDelegate(ChatDelegate(theme, self.list_view))
        self.list_view.setMouseTracking(True)
        self.list_view.setUniformItemSizes(True)
        self.list_view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list_view.selectionModel().selectionChanged.connect(self.on_selection_changed)
        self.restore_button = QPushButton("Restore")
        self.restore_button.clicked.connect(self.on_restore)
        self.erase_button = QPushButton("Delete for good…")
        self.erase_button.clicked.connect(self.on_erase)
        self.empty_button = QPushButton("Empty the trash…")
        self.empty_button.clicked.connect(self.on_empty)
        self._arrange()
        theme.changed.connect(self.on_theme_changed)
        self.on_theme_changed()

    def show_trash(self, chats: Sequence[Chat], messages: Sequence[TrashedMessage]) -> None:
        """Show what is in the trash."""
        rows: list[Chat | TrashedMessage] = [*chats, *messages]
        self._model.set_rows(sorted(rows, key=lambda row: row.deleted_at or 0.0, reverse=True))
        self._empty.setVisible(not rows)
        self.list_view.setVisible(bool(rows))
        self.empty_button.setEnabled(bool(rows))
        self.on_selection_changed()

    def on_selection_changed(self, *_selections: object) -> None:
        """Offer what can be done to the chosen rows."""
        has_any = self.list_view.selectionModel().hasSelection()
        self.restore_button.setEnabled(has_any)
        self.erase_button.setEnabled(has_any)

    def on_restore(self) -> None:
        """Take the chosen rows back."""
        chosen = self.list_view.selectedIndexes()
        if chosen:
            self.restore_requested.emit(self._model.chosen(chosen))

    def on_erase(self) -> None:
        """Ask whether to delete the chosen rows for good."""
        chosen = self.list_view.selectedIndexes()
        if chosen:
            self._ask(self._model.chosen(chosen))

    def on_empty(self) -> None:
        """Ask whether to delete everything in the trash for good."""
        self._ask(self._model.chosen(()))

    def event(self, event: QEvent) -> bool:
        """Keep Escape, which would stop the answer elsewhere."""
        if isinstance(event, QKeyEvent) and (event.type(), event.key()) == (_OVERRIDE, Qt.Key.Key_Escape):
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Leave with Escape, delete with Delete."""
        if event.key() == Qt.Key.Key_Escape:
            self.closed.emit()
        elif event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.on_erase()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.on_restore()
        else:
            super().keyPressEvent(event)

    def on_theme_changed(self) -> None:
        """Recolour the arrow."""
        self._back.setIcon(icon("arrow-left", self._theme.tokens.ink_2, SIZES.icon))
        self._back.setIconSize(QSize(SIZES.icon, SIZES.icon))

    def _ask(self, chosen: Trashed) -> None:
        if not chosen:
            return
        n = len(chosen)
        ask(
            self.window(),
            title="Delete for good?",
            text="1 entry of the trash will be deleted for good."
            if n == 1
            else f"{n} entries of the trash will be deleted for good.",
            details="The text is erased from this computer, from the daily backups too. This cannot be undone.",
            yes="Delete for good",
            is_destructive=True,
            on_yes=lambda: self.erase_confirmed.emit(chosen),
        )

    def _arrange(self) -> None:
        top = QHBoxLayout()
        top.setContentsMargins(SIZES.space_2, 0, SIZES.space_3, 0)
        top.addWidget(self._back)
        top.addWidget(PlainLabel("Trash", kind="heading"), 1)
        note = PlainLabel(f"What is here is deleted for good after {TRASH_DAYS} days.", kind="small", wrap=True)
        text = QVBoxLayout()
        text.setContentsMargins(SIZES.space_4, 0, SIZES.space_3, 0)
        text.addWidget(note)
        text.addWidget(self._empty)
        buttons = QVBoxLayout()
        buttons.setContentsMargins(SIZES.space_3, 0, SIZES.space_3, 0)
        buttons.setSpacing(SIZES.space_1)
        for button in (self.restore_button, self.erase_button, self.empty_button):
            buttons.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SIZES.space_2)
        layout.addLayout(top)
        layout.addLayout(text)
        layout.addWidget(self.list_view, 1)
        layout.addStretch(0)
        layout.addLayout(buttons)
