"""One readable column that scrolls, for pages of prose and cards; and the rows that stand in it.

Knows widths and margins; must not know what is on a page.
"""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QVBoxLayout, QWidget

from app.theme import SIZES, Theme


class Column(QScrollArea):
    """Put widgets into `column`."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.setObjectName("column")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        body = QWidget()
        body.setObjectName("columnBody")
        self._holder = QWidget()
        self.column = QVBoxLayout(self._holder)
        self.column.setContentsMargins(0, 0, 0, 0)
        self.column.setSpacing(SIZES.space_2)
        centre = QHBoxLayout(body)
        centre.setContentsMargins(SIZES.space_5, SIZES.space_4, SIZES.space_5, SIZES.space_4)
        centre.addStretch(1)
        centre.addWidget(self._holder, 1000)
        centre.addStretch(1)
        self.setWidget(body)
        theme.changed.connect(self.on_width)
        self.on_width()

    def on_width(self) -> None:
        """Keep the column readable at every size of text."""
        self._holder.setMaximumWidth(self._theme.px(SIZES.column))


class Card(QFrame):
    """A surface with a hairline; put widgets into `column`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("card")
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(SIZES.space_4, SIZES.space_3, SIZES.space_4, SIZES.space_3)
        self.column.setSpacing(SIZES.space_2)


def row(*widgets: QWidget) -> QHBoxLayout:
    """Return widgets side by side, from the left."""
    layout = QHBoxLayout()
    layout.setSpacing(SIZES.space_2)
    for widget in widgets:
        layout.addWidget(widget)
    layout.addStretch(1)
    return layout
