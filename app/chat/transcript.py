"""The conversation as a scrolling column: only the rows in sight are widgets, so its length costs nothing.

Knows rows and scrolling; must not know the store, jobs or models. The position is held by the first row in sight, so
rows that turn out higher or lower than guessed never move what is being read. The end is followed only when in sight.
"""

from bisect import bisect_right
from itertools import accumulate

from PySide6.QtCore import QEvent, QPoint, QSize, Qt
from PySide6.QtGui import QPaintEvent, QResizeEvent, QShowEvent, QWheelEvent
from PySide6.QtWidgets import QAbstractScrollArea, QApplication, QFrame, QToolButton, QWidget

from app.chat.message_bar import MessageAction, QuietButton
from app.chat.message_model import MessageModel, Row
from app.chat.rows import RowActions, RowView, SeenLine, estimated_height, make_row, owner_row
from app.icons import icon
from app.theme import SIZES, Theme

_NEAR_END = SIZES.space_2
_FAR_AWAY = 100_000
_MARGIN_SHARE = 0.5  # rows are made this share of a screen ahead


class Transcript(QAbstractScrollArea):
    """Shows a MessageModel."""

    def __init__(self, model: MessageModel, theme: Theme, actions: RowActions, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("transcript")
        self.setAccessibleName("Conversation")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._model = model
        self._theme = theme
        self._actions = actions
        self._views: dict[int, RowView] = {}
        self._heights: list[int] = []
        self._measured: list[bool] = []
        self._width = 0
        self._is_following = True
        self._anchor = (0, 0)  # first row in sight, pixels of it above the edge
        self._is_placing = False
        self._seen_from = -1  # the first row that the model sees, where it does not see all
        self._seen_line = SeenLine(theme, self.viewport())
        self._marked = ""  # words that are looked for
        self._marked_place = (-1, -1)  # the row and the number of the place that is shown
        self._held: tuple[tuple[int, int] | None, int | None] | None = None
        self._to_end = self._make_to_end_button()
        self.verticalScrollBar().valueChanged.connect(self.on_scrolled)
        model.reset.connect(self.on_reset)
        model.appended.connect(self.on_appended)
        model.changed.connect(self.on_changed)
        model.text_added.connect(self.on_text_added)
        model.replaced.connect(self.on_replaced)
        QApplication.instance().focusChanged.connect(self.on_focus_changed)  # type: ignore[union-attr]
        theme.changing.connect(self.on_theme_changing)
        theme.changed.connect(self.on_theme_changed)

    @property
    def is_following(self) -> bool:
        """True while the end is in sight and stays there."""
        return self._is_following

    @property
    def live_rows(self) -> dict[int, RowView]:
        """The widgets that exist now, by row."""
        return self._views

    def scroll_to_end(self) -> None:
        """Go to the end and follow it."""
        self._is_following = True
        self.relayout()

    def position(self) -> tuple[int, int]:
        """Return the first row in sight and how many pixels of it are above the edge; row -1: the end is followed."""
        return (-1, 0) if self._is_following else self._anchor

    def set_position(self, row: int, offset: int) -> None:
        """Put a row at the upper edge again."""
        if 0 <= row < len(self._model.rows):
            self._is_following = False
            self._anchor = (row, offset)
            self.relayout()
            bar = self.verticalScrollBar()
            self._is_following = bar.value() >= bar.maximum() - _NEAR_END

    def show_message(self, message_id: int) -> bool:
        """Put a stored message at the upper edge; False where it is not among the rows."""
        for number, row in enumerate(self._model.rows):
            if row.message_id == message_id:
                self.set_position(number, -SIZES.space_4)
                return True
        return False

    def row_of(self, view: RowView) -> Row | None:
        """Return the row that a widget shows."""
        return next((self._model.rows[i] for i, each in self._views.items() if each is view), None)

    def say_copied(self, row: Row, action: MessageAction) -> None:
        """Confirm a copy under the message."""
        for index, view in self._views.items():
            if self._model.rows[index] is row and view.bar is not None:
                view.bar.say_copied(action)

    def on_focus_changed(self, _before: QWidget | None, now: QWidget | None) -> None:
        """Show what can be done with the message that the keyboard has reached."""
        view = owner_row(now)
        if view is not None and view in self._views.values():
            view.wake(now if not isinstance(now, QuietButton) else None)

    def scroll_by_page(self, pages: float) -> None:
        """Scroll by a part of what is in sight."""
        bar = self.verticalScrollBar()
        bar.setValue(bar.value() + round(pages * self.viewport().height()))

    def on_reset(self) -> None:
        """Show other rows, from their end."""
        self._drop_views()
        self._heights, self._measured = [], []
        self._seen_from = -1
        self._is_following = True
        self.relayout()

    def on_appended(self, _index: int) -> None:
        """Show one more row."""
        self.relayout()

    def on_changed(self, index: int) -> None:
        """Show a row anew."""
        if index in self._views:
            self._views[index].refresh(self._model.rows[index])
        self._remeasure(index)

    def on_text_added(self, index: int, text: str) -> None:
        """Show streamed characters."""
        if index in self._views:
            self._views[index].append(text)
        self._remeasure(index)

    def on_replaced(self, index: int) -> None:
        """Make a row anew."""
        if index in self._views:
            view = self._views.pop(index)
            view.hide()
            view.deleteLater()
        self._remeasure(index)

    def set_seen_from(self, message_id: int | None) -> None:
        """Draw the line from which on the model sees the conversation; None: it sees all of it."""
        rows = self._model.rows
        row = next((i for i, each in enumerate(rows) if message_id and each.message_id == message_id), -1)
        if row == self._seen_from:
            return
        for changed in (self._seen_from, row):
            if 0 <= changed < len(self._measured):
                self._measured[changed] = False
        self._seen_from = row
        self._seen_line.setVisible(False)
        self.relayout()

    @property
    def first_row(self) -> int:
        """The first row in sight."""
        return bisect_right(self._tops(), self.verticalScrollBar().value()) - 1 if self._heights else 0

    def set_marks(self, words: str) -> None:
        """Mark all places of `words` in whatever comes into sight; "" takes the marks away."""
        if words != self._marked:
            self._marked, self._marked_place = words, (-1, -1)
        for index, view in self._views.items():
            view.mark(words, self._marked_place[1] if index == self._marked_place[0] else -1)

    def show_place(self, row: int, number: int) -> None:
        """Put one place of the marked words in sight."""
        before, self._marked_place = self._marked_place[0], (row, number)
        if before != row and before in self._views:
            self._views[before].mark(self._marked, -1)
        if not 0 <= row < len(self._model.rows):
            return
        self.set_position(row, 0)
        view = self._views.get(row)
        top = None if view is None else view.mark(self._marked, number)
        if top is not None:
            self._remeasure(row)
            self.set_position(row, top - self.viewport().height() // 3)

    def hold(self, message_id: int | None) -> None:
        """Stay in place over the next change of all rows, with a message in sight where one is named."""
        self._held = (None if self._is_following else self._anchor, message_id)

    def release(self) -> None:
        """Take the place up again."""
        held, self._held = self._held, None
        if held is None:
            return
        anchor, message_id = held
        if anchor is not None:
            self.set_position(*anchor)
        if message_id is not None and not self._is_in_sight(message_id):
            self.show_message(message_id)

    def _is_in_sight(self, message_id: int) -> bool:
        for index, view in self._views.items():
            if self._model.rows[index].message_id == message_id:
                return 0 <= view.y() < self.viewport().height()
        return False

    def on_row_resized(self) -> None:
        """Measure what is in sight again."""
        self._measured = [False] * len(self._measured)
        self.relayout()

    def on_theme_changing(self) -> None:
        """Drop the rows: they are made anew, so nothing is gained by restyling them."""
        self._drop_views()

    def on_theme_changed(self) -> None:
        """Make the rows anew: they hold fonts and colours."""
        self._drop_views()
        self._width = 0
        self.relayout()

    def on_scrolled(self, value: int) -> None:
        """Hold on to what is now in sight."""
        if self._is_placing:
            return
        self._is_following = value >= self.verticalScrollBar().maximum() - _NEAR_END
        tops = self._tops()
        row = max(0, min(bisect_right(tops, value) - 1, len(self._heights) - 1))
        self._anchor = (row, value - tops[row] if self._heights else 0)
        self.relayout()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Lay out at the new width."""
        super().resizeEvent(event)
        self.relayout()

    def showEvent(self, event: QShowEvent) -> None:
        """Lay out what has changed while hidden."""
        super().showEvent(event)
        self.relayout()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Scroll by pixels where the device gives them."""
        pixels = event.pixelDelta().y() or event.angleDelta().y() * 60 // 120
        bar = self.verticalScrollBar()
        bar.setValue(bar.value() - pixels)
        event.accept()

    def viewportEvent(self, event: QEvent) -> bool:
        """Leave painting of the empty area to the style."""
        if isinstance(event, QPaintEvent):
            return False
        return super().viewportEvent(event)

    def relayout(self) -> None:
        """Measure and place the rows in sight; everything else is arithmetic."""
        if self._is_placing or not self.isVisible():
            return
        self._is_placing = True
        try:
            self._sync_rows()
            value = self._settle()
            self._place(value)
        finally:
            self._is_placing = False

    def _sync_rows(self) -> None:
        width = self.column_width()
        rows = self._model.rows
        if width != self._width:
            self._width = width
            self._heights, self._measured = [], []
        for row in rows[len(self._heights) :]:
            self._heights.append(estimated_height(row, width, self._theme))
            self._measured.append(False)

    def column_width(self) -> int:
        """Return the width of the reading column."""
        room = self.width() - 2 * SIZES.space_5  # the scroll bar fits into the margin
        return max(120, min(self._theme.px(SIZES.column), room))

    def _settle(self) -> int:
        """Measure rows until all in sight are known; return the scroll position."""
        view_height = self.viewport().height()
        ahead = int(view_height * _MARGIN_SHARE)
        for _ in range(50):
            tops = self._tops()
            value = self._wanted_value(tops, view_height)
            unknown = [
                i for i in self._in_sight(tops, value - ahead, value + view_height + ahead) if not self._measured[i]
            ]
            if not unknown:
                break
            for index in unknown:
                self._measure(index)
        self._update_bar(tops[-1], view_height, value)
        return value

    def _wanted_value(self, tops: list[int], view_height: int) -> int:
        last = max(0, tops[-1] - view_height)
        if self._is_following:
            return last
        row, offset = self._anchor
        return max(0, min(tops[min(row, len(tops) - 1)] + offset, last))

    def _tops(self) -> list[int]:
        """Return the top of every row, and behind them the height in all."""
        tops = list(accumulate((height + self._theme.sizes.space_4 for height in self._heights), initial=SIZES.space_5))
        tops[-1] += SIZES.space_2
        return tops

    def _in_sight(self, tops: list[int], start: int, end: int) -> range:
        n_rows = len(self._heights)
        first = max(0, bisect_right(tops, start) - 1)
        return range(min(first, n_rows), min(bisect_right(tops, end), n_rows))

    def _measure(self, index: int) -> None:
        if index not in self._views:
            view = make_row(self._model.rows[index], self._theme, self._actions, self.viewport())
            view.setGeometry(0, -_FAR_AWAY, self._width, SIZES.space_6)
            view.show()  # a hidden text field does not take its width
            self._views[index] = view
            if self._marked:
                view.mark(self._marked, self._marked_place[1] if self._marked_place[0] == index else -1)
        self._heights[index] = self._views[index].height_for(self._width) + self._room_above(index)
        self._measured[index] = True

    def _place(self, value: int) -> None:
        tops = self._tops()
        view_height = self.viewport().height()
        ahead = int(view_height * _MARGIN_SHARE)
        wanted = self._in_sight(tops, value - ahead, value + view_height + ahead)
        left = (self.width() - self._width) // 2  # centred like the composer, whatever the scroll bar takes
        for index in [i for i in self._views if i not in wanted]:
            self._forget(index)
        for index in wanted:
            if index not in self._views:
                self._measure(index)
            view = self._views[index]
            above = self._room_above(index)
            view.setGeometry(left, tops[index] - value + above, self._width, self._heights[index] - above)
            view.show()
            if above:
                self._seen_line.setGeometry(left, tops[index] - value, self._width, above)
        self._seen_line.setVisible(self._seen_from in wanted)
        self._to_end.setVisible(not self._is_following and bool(self._heights))
        self._to_end.raise_()
        corner = QPoint(left + self._width - SIZES.space_6, view_height - SIZES.space_6 - SIZES.space_2)
        self._to_end.move(corner)

    def _room_above(self, index: int) -> int:
        return self._seen_line.sizeHint().height() if index == self._seen_from else 0

    def _forget(self, index: int) -> None:
        if owner_row(QApplication.focusWidget()) is self._views[index] or self._model.rows[index].is_streaming:
            self._views[index].move(0, -_FAR_AWAY)  # kept: it has the focus, or is being written
            return
        view = self._views.pop(index)
        self._measured[index] = True
        view.hide()
        view.deleteLater()

    def _remeasure(self, index: int) -> None:
        if index < len(self._measured):
            self._measured[index] = False
        self.relayout()

    def _update_bar(self, total: int, view_height: int, value: int) -> None:
        bar = self.verticalScrollBar()
        bar.setRange(0, max(0, total - view_height))
        bar.setPageStep(view_height)
        bar.setSingleStep(SIZES.space_5)
        bar.setValue(value)

    def _drop_views(self) -> None:
        for view in self._views.values():
            view.hide()
            view.deleteLater()
        self._views = {}

    def _make_to_end_button(self) -> QToolButton:
        button = QToolButton(self.viewport())
        button.setObjectName("toEnd")
        button.setAccessibleName("Go to the newest message")
        button.setIcon(icon("arrow-down", self._theme.tokens.ink_2, SIZES.icon))
        button.setIconSize(QSize(SIZES.icon, SIZES.icon))
        button.setFixedSize(SIZES.space_6, SIZES.space_6)
        button.clicked.connect(self.scroll_to_end)
        button.hide()
        return button
