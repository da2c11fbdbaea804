"""A page as a picture, with the words of a passage marked.

Knows pixels and boxes; must not know PDF.
"""

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QKeyEvent, QPainter, QPaintEvent, QPixmap, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QFrame, QScrollArea, QWidget

from app.theme import LIGHT, SIZES
from core.library.page_messages import Box, PageImage

_MARGIN = 0.0015  # around the marked words, as a share of the page
_SEEN_AT = 0.3  # how far down the view the marked words are brought


class _Page(QWidget):
    """The picture itself."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("pagePicture")
        self.pixmap = QPixmap()
        self.boxes: Sequence[Box] = ()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the page, then the marks as a pen for marking does: the letters stay black."""
        if self.pixmap.isNull():
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawPixmap(self.rect(), self.pixmap)
        painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_Multiply)
        # The page is paper in the dark look as well, so its marks are those of the light one.
        for left, top, right, bottom in self.boxes:
            corner = QPointF((left - _MARGIN) * self.width(), (top - _MARGIN) * self.height())
            other = QPointF((right + _MARGIN) * self.width(), (bottom + _MARGIN) * self.height())
            painter.fillRect(QRectF(corner, other), QColor(LIGHT.mark))


class PagePicture(QScrollArea):
    """A page that can be moved under the window; `zoom` 1 fits its width."""

    resized = Signal()
    zoom_requested = Signal(int)  # steps
    turn_requested = Signal(int)  # pages

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("pageArea")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setAlignment(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop)
        self.setAccessibleName("The page")
        self._page = _Page()
        self.setWidget(self._page)
        self._zoom = 1.0
        self._shape = 1.4  # height over width

    @property
    def zoom(self) -> float:
        """How large the page is; 1 fits the width."""
        return self._zoom

    @property
    def boxes(self) -> Sequence[Box]:
        """What is marked."""
        return self._page.boxes

    @property
    def has_picture(self) -> bool:
        """True once a page is shown."""
        return not self._page.pixmap.isNull()

    def wanted_width(self) -> int:
        """Return how many pixels of the screen the page is wide at this zoom."""
        return max(1, round(self._page_size().width() * self.devicePixelRatioF()))

    def show_page(self, page: PageImage) -> None:
        """Show another page, at its marks where it has some."""
        row = 4 * page.width
        image = QImage(page.pixels, page.width, page.height, row, QImage.Format.Format_RGBX8888)
        self._page.pixmap = QPixmap.fromImage(image)
        self._page.boxes = page.boxes
        self._shape = page.height / page.width
        self._fit()
        self._page.update()

    def clear(self) -> None:
        """Show nothing."""
        self._page.pixmap, self._page.boxes = QPixmap(), ()
        self._page.update()

    def set_zoom(self, zoom: float) -> None:
        """Make the page larger or smaller; the middle of the view stays where it is."""
        bar = self.verticalScrollBar()
        share = (bar.value() + self.viewport().height() / 2) / max(1, self._page.height())
        self._zoom = zoom
        self._fit()
        bar.setValue(round(share * self._page.height() - self.viewport().height() / 2))

    def go_to_marks(self) -> None:
        """Bring the first marked words into sight, else the top of the page."""
        if not self._page.boxes:
            self.verticalScrollBar().setValue(0)
            return
        top = min(box[1] for box in self._page.boxes) * self._page.height()
        left = min(box[0] for box in self._page.boxes) * self._page.width()
        self.verticalScrollBar().setValue(round(top - _SEEN_AT * self.viewport().height()))
        self.horizontalScrollBar().setValue(round(left - SIZES.space_6))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit the page anew."""
        super().resizeEvent(event)
        self._fit()
        self.resized.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Turn the page at its end."""
        bar = self.verticalScrollBar()
        if event.key() in (Qt.Key.Key_PageDown, Qt.Key.Key_Space) and bar.value() == bar.maximum():
            self.turn_requested.emit(1)
        elif event.key() == Qt.Key.Key_PageUp and bar.value() == bar.minimum():
            self.turn_requested.emit(-1)
        else:
            super().keyPressEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom with Ctrl."""
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.zoom_requested.emit(1 if event.angleDelta().y() > 0 else -1)
            event.accept()
        else:
            super().wheelEvent(event)

    def _page_size(self) -> QSize:
        room = max(SIZES.column // 4, self.viewport().width() - 2 * SIZES.space_3)
        width = max(1, round(min(room, SIZES.column * 2) * self._zoom))
        return QSize(width, max(1, round(width * self._shape)))

    def _fit(self) -> None:
        self._page.resize(self._page_size())
