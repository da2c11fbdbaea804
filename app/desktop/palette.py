"""The command palette: a field over the window that finds any command by a few letters, by keyboard alone.

Knows how commands are found and shown; must not know what they do: it is given them and tells which was chosen.
"""

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QModelIndex, QObject, QPersistentModelIndex, QRect, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QPainter
from PySide6.QtWidgets import (
    QFrame,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from app.desktop.fuzzy import score
from app.menus import Entry
from app.plain_text import PlainLabel
from app.theme import SIZES, Theme
from app.words import tr, trn

N_RECENT = 8
_N_SHOWN = 9
_ENTRY = Qt.ItemDataRole.UserRole
_STEPS = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1, Qt.Key.Key_PageDown: _N_SHOWN, Qt.Key.Key_PageUp: -_N_SHOWN}
_Index = QModelIndex | QPersistentModelIndex


def ranked(entries: Sequence[Entry], query: str, recent: Sequence[str]) -> list[Entry]:
    """Return the commands that fit `query`, the best first.

    Those used lately come first among equals, and first of all without a query; those that cannot be used now come
    last.
    """
    scored: list[tuple[bool, int, int, int, Entry]] = []
    for place, entry in enumerate(entries):
        both = (score(query, entry.title), score(query, f"{entry.menu} {entry.title}"))
        found = [each for each in both if each is not None]
        if not found:
            continue
        age = recent.index(entry.id) if entry.id in recent else len(recent)
        scored.append((not entry.action.isEnabled(), -max(found), age, place, entry))
    return [each[-1] for each in sorted(scored, key=lambda each: each[:-1])]


class Palette(QFrame):
    """Stands over its parent until a command is chosen, Esc is pressed or the focus goes elsewhere."""

    chosen = Signal(str)  # the id of a command
    announced = Signal(str)

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("palette")
        self.setAccessibleName(tr("Commands"))
        self._theme = theme
        self._entries: list[Entry] = []
        self._recent: list[str] = []
        self._came_from: QWidget | None = None
        self.field = QLineEdit()
        self.field.setAccessibleName(tr("Find a command"))
        self.field.setAccessibleDescription(tr("Type a few letters; the arrow keys choose, Enter carries it out."))
        self.field.setPlaceholderText(tr("Type a few letters of a command"))
        self.field.textEdited.connect(self.on_query)
        self.field.installEventFilter(self)
        self.list = QListWidget()
        self.list.setObjectName("paletteList")
        self.list.setAccessibleName(tr("Commands that fit"))
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # the keys of the field move in it
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setItemDelegate(_LineDelegate(theme, self.list))
        self.list.setMouseTracking(True)
        self.list.itemClicked.connect(self.on_clicked)
        self.list.currentItemChanged.connect(self.on_current)
        self._none = PlainLabel(tr("No command has these letters."), kind="secondary")
        self._none.setContentsMargins(SIZES.space_3, SIZES.space_2, SIZES.space_3, SIZES.space_3)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(SIZES.space_2, SIZES.space_2, SIZES.space_2, SIZES.space_2)
        layout.setSpacing(SIZES.space_2)
        layout.addWidget(self.field)
        layout.addWidget(self.list)
        layout.addWidget(self._none)
        parent.installEventFilter(self)
        theme.changed.connect(self.place)
        self.hide()

    def open(self, entries: Sequence[Entry], recent: Sequence[str], focus: QWidget | None) -> None:
        """Offer these commands; the focus goes back to `focus` at the end."""
        self._entries, self._recent, self._came_from = list(entries), list(recent), focus
        self.field.clear()
        self.on_query("")
        self.place()
        self.show()
        self.raise_()
        self.field.setFocus(Qt.FocusReason.PopupFocusReason)

    def leave(self) -> None:
        """Go without choosing."""
        if self.isHidden():
            return
        focus, self._came_from = self._came_from, None
        self.hide()
        if focus is not None:
            focus.setFocus(Qt.FocusReason.PopupFocusReason)

    def titles(self) -> list[str]:
        """Return what is offered, in its order."""
        return [self.list.item(row).text() for row in range(self.list.count())]

    def on_query(self, query: str) -> None:
        """Offer what fits."""
        self.list.clear()
        for entry in ranked(self._entries, query, self._recent):
            item = QListWidgetItem(entry.title)
            item.setData(_ENTRY, entry)
            item.setData(Qt.ItemDataRole.AccessibleTextRole, _spoken(entry))
            if not entry.action.isEnabled():
                item.setFlags(Qt.ItemFlag.NoItemFlags)
            self.list.addItem(item)
        n_found = self.list.count()
        self._none.setVisible(n_found == 0)
        self.list.setVisible(n_found > 0)
        if query:
            self.announced.emit(trn("{n} command fits", "{n} commands fit", n_found))
        self.list.setCurrentRow(0)
        self.place()

    def on_current(self, item: QListWidgetItem | None) -> None:
        """Say which command Enter would carry out: the focus stays in the field."""
        if item is not None and self.isVisible():
            self.announced.emit(_spoken(item.data(_ENTRY)))

    def on_clicked(self, item: QListWidgetItem) -> None:
        """Carry out a command."""
        entry: Entry = item.data(_ENTRY)
        if entry.action.isEnabled():
            self.leave()
            self.chosen.emit(entry.id)

    def place(self) -> None:
        """Stand in the upper middle of the window, no wider than can be read."""
        parent = self.parentWidget()
        assert parent is not None
        width = min(self._theme.px(SIZES.column * 3 // 4), parent.width() - 2 * SIZES.space_5)
        top = min(SIZES.space_6 * 2, max(SIZES.space_4, parent.height() // 8))
        line = line_height(self._theme)
        room = parent.height() - top - SIZES.space_5 - self.field.sizeHint().height() - 3 * SIZES.space_2
        n_lines = max(1, min(self.list.count(), _N_SHOWN, room // line))
        self.list.setFixedHeight(n_lines * line + 2)
        layout = self.layout()
        assert layout is not None
        layout.activate()
        height = layout.sizeHint().height()
        self.setGeometry(QRect((parent.width() - width) // 2, top, width, height))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Take the keys that choose, keep Esc from the menus, and follow the window's size."""
        if watched is self.parent():
            if event.type() == QEvent.Type.Resize and self.isVisible():
                self.place()
            return False
        match event.type():
            case QEvent.Type.ShortcutOverride if isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape:
                event.accept()
                return True
            case QEvent.Type.KeyPress if isinstance(event, QKeyEvent):
                return self._on_key(event)
            case QEvent.Type.FocusOut if self.isVisible():
                self._came_from = None
                self.hide()
        return False

    def _on_key(self, event: QKeyEvent) -> bool:
        key = Qt.Key(event.key())
        if key == Qt.Key.Key_Escape:
            self.leave()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            if self.list.currentItem() is not None:
                self.on_clicked(self.list.currentItem())
        elif key in _STEPS:
            self._step(_STEPS[key])
        else:
            return key in (Qt.Key.Key_Tab, Qt.Key.Key_Backtab)  # there is nowhere to go
        return True

    def _step(self, by: int) -> None:
        n_usable = sum(
            bool(self.list.item(row).flags() & Qt.ItemFlag.ItemIsEnabled) for row in range(self.list.count())
        )
        if n_usable == 0:
            return
        wanted = self.list.currentRow() + by
        # One step over an end goes round, a page stops there.
        row = wanted % n_usable if abs(by) == 1 else max(0, min(wanted, n_usable - 1))
        self.list.setCurrentRow(row)


class _LineDelegate(QStyledItemDelegate):
    """Draws a command: its words, its menu in a second voice, its keys at the end."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self._list = parent

    def sizeHint(self, option: QStyleOptionViewItem, index: _Index) -> QSize:
        """Return a line's height."""
        return QSize(0, line_height(self._theme))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        """Draw one line."""
        entry: Entry = index.data(_ENTRY)
        theme, box = self._theme, option.rect.adjusted(0, 1, 0, -1)
        is_usable = bool(index.flags() & Qt.ItemFlag.ItemIsEnabled)
        is_chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if is_usable and (is_chosen or option.state & QStyle.StateFlag.State_MouseOver):
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.color("selected" if is_chosen else "hover"))
            painter.drawRoundedRect(box, SIZES.radius_control, SIZES.radius_control)
        room = box.adjusted(SIZES.space_3, 0, -SIZES.space_3, 0)
        second = "ink" if is_chosen and is_usable else "ink_2"
        spans = [(entry.title, "ink" if is_usable else "ink_2", SIZES.body), (entry.menu, second, SIZES.small)]
        right = self._draw(painter, room, entry.keys, second, SIZES.small, at_end=True)
        room.setWidth(room.width() - right)
        if option.direction == Qt.LayoutDirection.RightToLeft:
            room.translate(right, 0)
        for text, color, size in spans:
            used = self._draw(painter, room, text, color, size) + SIZES.space_2
            room.setWidth(max(0, room.width() - used))
            if option.direction == Qt.LayoutDirection.LeftToRight:
                room.translate(used, 0)
        painter.restore()

    def _draw(self, painter: QPainter, room: QRect, text: str, color: str, size: int, *, at_end: bool = False) -> int:
        """Draw `text` where reading begins (or ends) in `room`; returns its width."""
        painter.setFont(self._theme.font(size))
        painter.setPen(self._theme.color(color))
        shown = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, room.width())
        # Qt mirrors these in a right-to-left layout.
        side = Qt.AlignmentFlag.AlignRight if at_end else Qt.AlignmentFlag.AlignLeft
        painter.setLayoutDirection(self._list.layoutDirection())
        painter.drawText(room, side | Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextSingleLine, shown)
        return painter.fontMetrics().horizontalAdvance(shown)


def line_height(theme: Theme) -> int:
    """Return the height of a line of the list."""
    return theme.px(SIZES.body) + theme.sizes.space_4 + SIZES.space_1


def _spoken(entry: Entry) -> str:
    words = [entry.title, entry.menu, entry.keys]
    if not entry.action.isEnabled():
        words.append(tr("cannot be used now"))
    return ", ".join(word for word in words if word)
