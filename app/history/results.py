"""What a search over all conversations has found: title and the words around each place, with the words marked.

Knows hits and drawing; must not know how anything is found. Titles and snippets are foreign text and are drawn as such:
marks are ranges of characters, no markup.
"""

from collections.abc import Sequence

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPointF, QRect, QSize, Qt
from PySide6.QtGui import QPainter, QTextCharFormat, QTextLayout, QTextOption
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from app.history.chat_list import UNTITLED, Index
from app.theme import SIZES, Theme
from core.store.search import Hit

_LINES = 2


class ResultsModel(QAbstractListModel):
    """One row a hit."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._hits: list[Hit] = []

    def set_hits(self, hits: Sequence[Hit]) -> None:
        """Show other hits."""
        self.beginResetModel()
        self._hits = list(hits)
        self.endResetModel()

    def hit_at(self, index: Index) -> Hit | None:
        """Return the hit at `index`."""
        return self._hits[index.row()] if index.isValid() else None

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 (Qt's signature)
        """Return the number of hits."""
        return 0 if parent.isValid() else len(self._hits)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Return a hit as a screen reader says it."""
        hit = self._hits[index.row()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            title = hit.title or UNTITLED
            return title if hit.message_id is None else f"{title}: {hit.snippet}"
        return None


class ResultsDelegate(QStyledItemDelegate):
    """Draws title and snippet."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """Return the height of every row."""
        px = self._theme.px
        return QSize(0, px(SIZES.body) * 3 // 2 + _LINES * px(SIZES.small) * 3 // 2 + SIZES.space_3)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Draw one hit."""
        model = index.model()
        assert isinstance(model, ResultsModel)
        hit = model.hit_at(index)
        if hit is None:
            return
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = option.rect.adjusted(SIZES.space_2, 1, -SIZES.space_2, -1)
        flag = QStyle.StateFlag
        if option.state & (flag.State_Selected | flag.State_MouseOver):
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self._theme.color("selected" if option.state & flag.State_Selected else "hover"))
            painter.drawRoundedRect(box, SIZES.radius_control, SIZES.radius_control)
        room = box.adjusted(SIZES.space_2, SIZES.space_1, -SIZES.space_2, -SIZES.space_1)
        is_title = hit.message_id is None
        title = " ".join((hit.title or UNTITLED).split())
        height = self._draw(painter, room, title, hit.marks if is_title and title == hit.snippet else (), is_title=True)
        if not is_title:
            room.adjust(0, height, 0, 0)
            self._draw(painter, room, hit.snippet, hit.marks, is_title=False)
        painter.restore()

    def _draw(
        self, painter: QPainter, room: QRect, text: str, marks: Sequence[tuple[int, int]], *, is_title: bool
    ) -> int:
        """Draw text in one line, or in two where it is a snippet; returns its height."""
        font = self._theme.font(SIZES.body if is_title else SIZES.small)
        painter.setFont(font)
        lines = 1 if is_title else _LINES
        if is_title and not marks:
            text = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, room.width())
        layout = QTextLayout(text, font)
        option = QTextOption()
        option.setWrapMode(
            QTextOption.WrapMode.NoWrap if is_title else QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere
        )
        layout.setTextOption(option)
        layout.setFormats(self._formats(text, marks))
        layout.beginLayout()
        height = 0.0
        for _ in range(lines):
            line = layout.createLine()
            if not line.isValid():
                break
            line.setLineWidth(room.width())
            line.setPosition(QPointF(0, height))
            height += line.height()
        layout.endLayout()
        painter.setPen(self._theme.color("ink" if is_title else "ink_2"))
        painter.setClipRect(room)
        layout.draw(painter, QPointF(room.topLeft()))
        painter.setClipping(False)
        return int(height) + 2

    def _formats(self, text: str, marks: Sequence[tuple[int, int]]) -> list[QTextLayout.FormatRange]:
        ranges = []
        for low, high in marks:
            made = QTextLayout.FormatRange()
            # Qt counts UTF-16 units.
            made.start = len(text[:low].encode("utf-16-le", "replace")) // 2
            made.length = len(text[low:high].encode("utf-16-le", "replace")) // 2
            look = QTextCharFormat()
            look.setBackground(self._theme.color("mark"))
            look.setForeground(self._theme.color("ink"))
            made.format = look
            ranges.append(made)
        return ranges
