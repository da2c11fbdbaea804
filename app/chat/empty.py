"""What an empty conversation shows: the name, one sentence, things to try, and the state of the model.

Knows words; must not know models or chats.
"""

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from app.chat.model_session import ModelState
from app.plain_text import PlainLabel
from app.theme import SIZES

SENTENCE = "A private assistant that runs on this computer. Nothing you write leaves it."
STARTER_EXAMPLES = (
    "What can Tern do?",
    "How do I get the full model?",
    "What does the temperature setting do?",
    "Does anything leave my computer?",
)
EXAMPLES = (
    "Explain how tides work in five sentences.",
    "Write a friendly mail that moves a meeting to Thursday.",
    "Give me three ideas for a rainy afternoon with children.",
    "What does this Python line do: sorted(words, key=len)?",
)


class ExampleButton(QPushButton):
    """A button whose words wrap."""

    def __init__(self, text: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("kind", "example")
        self.setAccessibleName(text)
        label = PlainLabel(text, wrap=True, parent=self)
        label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.text_shown = text
        self._label = label
        self._inside = QVBoxLayout(self)
        self._inside.setContentsMargins(SIZES.space_4, SIZES.space_3, SIZES.space_4, SIZES.space_3)
        self._inside.addWidget(label)
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def show_text(self, text: str) -> None:
        """Offer another example."""
        self.text_shown = text
        self._label.setText(text)
        self.setAccessibleName(text)

    def heightForWidth(self, width: int) -> int:
        """Return the height of the wrapped words."""
        return self._inside.heightForWidth(width)

    def sizeHint(self) -> QSize:
        """Return the size of the words."""
        return self._inside.sizeHint()

    def minimumSizeHint(self) -> QSize:
        """Return the least size of the words."""
        return self._inside.minimumSize()


class EmptyState(QWidget):
    """Teaches by example; a click on one puts it into the composer."""

    example_chosen = Signal(str)
    model_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("emptyState")
        self._model = PlainLabel(kind="secondary", wrap=True)
        self._examples = [self._example(text) for text in EXAMPLES]
        self._choose = QPushButton("Open a model folder…")
        self._choose.clicked.connect(self.model_requested)
        self._arrange()

    def show_model(self, state: ModelState) -> None:
        """Tell the state of the model in one line."""
        self._model.setText(state.sentence)
        is_starter = state.model is not None and state.model.is_starter  # it knows Tern and little else
        for button, example in zip(self._examples, STARTER_EXAMPLES if is_starter else EXAMPLES, strict=True):
            button.show_text(example)
        self._choose.setVisible(not state.is_ready and not state.is_loading)

    def _arrange(self) -> None:
        column = QWidget()
        column.setMaximumWidth(SIZES.column)
        inside = QVBoxLayout(column)
        inside.setContentsMargins(0, SIZES.space_5, 0, SIZES.space_5)
        inside.setSpacing(SIZES.space_2)
        inside.addWidget(PlainLabel("Tern", kind="title"))
        inside.addWidget(PlainLabel(SENTENCE, kind="secondary", wrap=True))
        inside.addSpacing(SIZES.space_4)
        grid = QGridLayout()
        grid.setSpacing(SIZES.space_2)
        for index, button in enumerate(self._examples):
            grid.addWidget(button, index // 2, index % 2)
        inside.addLayout(grid)
        inside.addSpacing(SIZES.space_4)
        inside.addWidget(self._model)
        inside.addWidget(self._choose, 0, Qt.AlignmentFlag.AlignLeft)
        outside = QVBoxLayout(self)
        outside.setContentsMargins(0, 0, 0, 0)
        outside.addStretch(2)
        centre = QHBoxLayout()
        centre.setContentsMargins(SIZES.space_5, 0, SIZES.space_5, 0)
        centre.addStretch(1)
        centre.addWidget(column, 1000)
        centre.addStretch(1)
        outside.addLayout(centre)
        outside.addStretch(3)

    def _example(self, text: str) -> ExampleButton:
        button = ExampleButton(text)
        button.clicked.connect(lambda: self.example_chosen.emit(button.text_shown))
        return button
