"""How the model's context is shared out, as a thin bar with a line of words.

Knows colours and words for the parts; must not know how they are counted.
"""

from PySide6.QtCore import QRectF
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from app.plain_text import PlainLabel, set_tooltip
from app.theme import SIZES, Theme
from core.budget import Budget

# What a part is called, and its colour.
_PARTS = (
    ("system", "ink_2", "Instructions"),
    ("passages", "amber", "Passages of documents (at most)"),
    ("history", "sea", "Messages before"),
    ("draft", "leaf", "Your message"),
    ("reserve", "selected", "Room for the answer"),
)


class BudgetBar(QWidget):
    """Shows a Budget; hidden while there is none."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._strip = _Strip(theme)
        self._words = PlainLabel(kind="small")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(SIZES.space_1, 0, SIZES.space_1, 0)
        layout.setSpacing(SIZES.space_1)
        layout.addWidget(self._strip)
        layout.addWidget(self._words)
        self.setAccessibleName("Room in the model's context")
        self.hide()

    @property
    def words(self) -> str:
        """What is said."""
        return self._words.text()

    def show_budget(self, budget: Budget | None) -> None:
        """Show how the context is shared out now."""
        self.setVisible(budget is not None)
        if budget is None:
            return
        self._strip.show_budget(budget)
        self._words.setText(in_words(budget))
        self._words.set_kind("warning" if budget.too_many else "small")
        parts = "\n".join(f"{name}: {getattr(budget, key):,} tokens" for key, _, name in _PARTS)
        set_tooltip(self, f"{parts}\nThe model holds {budget.context_length:,} tokens.")
        self.setAccessibleDescription(parts)


def in_words(budget: Budget) -> str:
    """Return the state of the context as one line."""
    if budget.too_many:
        return f"Too long by {budget.too_many:,} tokens."
    said = f"{budget.used:,} of {budget.context_length:,} tokens, {budget.reserve:,} kept for the answer"
    if budget.n_dropped:
        noun = "message is" if budget.n_dropped == 1 else "messages are"
        said += f". The oldest {budget.n_dropped:,} {noun} not seen any more"
    return said + "."


class _Strip(QWidget):
    """The bar itself."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._budget: Budget | None = None
        self.setFixedHeight(SIZES.space_1)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        theme.changed.connect(self.update)

    def show_budget(self, budget: Budget) -> None:
        """Paint another one."""
        self._budget = budget
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Paint the parts side by side, the room for the answer at the end."""
        budget = self._budget
        if budget is None:
            return
        painter = QPainter(self)
        painter.fillRect(self.rect(), self._theme.color("line"))
        scale = self.width() / max(budget.context_length, budget.used + budget.reserve, 1)
        left = 0.0
        for key, token, _ in _PARTS:
            width = getattr(budget, key) * scale
            if key == "reserve":
                left = self.width() - width
            colour = "coral" if budget.too_many and key == "draft" else token
            painter.fillRect(QRectF(left, 0, max(width - 1, 0), self.height()), self._theme.color(colour))
            left += width
        painter.end()
