"""What can be done with one message: words under it that show themselves under the pointer or with the focus.

Knows words, places and the order of the actions; must not know what an action does. The buttons are made when they are
first needed, so that a row that only scrolls by costs nothing for them.
"""

from collections.abc import Callable
from enum import Enum, auto

from PySide6.QtGui import QFocusEvent
from PySide6.QtWidgets import QToolButton, QWidget

from app.chat.message_model import Row, RowKind
from app.plain_text import set_tooltip
from app.theme import SIZES, Theme


class MessageAction(Enum):
    """What a person can do with a message."""

    COPY = auto()
    COPY_MARKDOWN = auto()
    EDIT = auto()
    AGAIN = auto()
    CONTINUE = auto()
    PREVIOUS = auto()
    NEXT = auto()
    DETAILS = auto()
    DELETE = auto()


_WORDS = {
    MessageAction.COPY: ("Copy", "Copy this message"),
    MessageAction.COPY_MARKDOWN: ("Copy Markdown", "Copy this message as Markdown"),
    MessageAction.EDIT: ("Edit", "Edit this message in a new branch"),
    MessageAction.AGAIN: ("Again", "Answer again; this answer is kept"),
    MessageAction.CONTINUE: ("Continue", "Go on with this answer"),
    MessageAction.PREVIOUS: ("‹", "Show the version before"),
    MessageAction.NEXT: ("›", "Show the version after"),
    MessageAction.DETAILS: ("Details", "How this answer was made"),
    MessageAction.DELETE: ("Delete", "Delete this message and what follows it"),
}
OnAction = Callable[[MessageAction, Row], object]


def actions_for(row: Row) -> tuple[MessageAction, ...]:
    """Return what can be done with `row`, in the order in which it is offered."""
    action = MessageAction
    if row.is_streaming or row.kind not in (RowKind.USER, RowKind.ANSWER):
        return ()
    copy = (action.COPY,) if row.text else ()
    if not row.message_id:
        return copy
    if row.kind is RowKind.USER:
        return (action.EDIT, *copy, action.DELETE)
    resume = (action.CONTINUE,) if row.is_cut and row.text else ()
    markdown = (action.COPY_MARKDOWN,) if row.text else ()
    details = (action.DETAILS,) if row.message is not None else ()
    return (*copy, action.AGAIN, *resume, *details, *markdown, action.DELETE)


class QuietButton(QToolButton):
    """A button that shows itself under the pointer or with the focus, without moving anything."""

    def __init__(self, text: str, name: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setText(text)
        self.setAccessibleName(name)
        set_tooltip(self, name)
        self.setProperty("kind", "action")
        self.setProperty("quiet", True)
        self.setFocusPolicy(self.focusPolicy().StrongFocus)

    def set_quiet(self, is_quiet: bool) -> None:
        """Show or hide the words."""
        if self.property("quiet") != is_quiet:
            self.setProperty("quiet", is_quiet)
            self.style().unpolish(self)
            self.style().polish(self)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show the words."""
        self.set_quiet(False)
        super().focusInEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Hide the words again."""
        self.set_quiet(True)
        super().focusOutEvent(event)


class MessageBar(QWidget):
    """The actions of one message in a line; the switch between versions is always in sight where there are several."""

    def __init__(self, row: Row, theme: Theme, on_action: OnAction, parent: QWidget, *, at_right: bool = False) -> None:
        super().__init__(parent)
        self._row = row
        self._on_action = on_action
        self._at_right = at_right
        self._height = theme.px(SIZES.small) + SIZES.space_3
        self._buttons: dict[MessageAction, QuietButton] = {}
        self._count: QToolButton | None = None
        self._is_awake = False
        self.refresh()

    @property
    def buttons(self) -> dict[MessageAction, QuietButton]:
        """The buttons that exist, by what they do."""
        return self._buttons

    def height_for(self) -> int:
        """Return the height, which never changes."""
        return self._height

    def refresh(self) -> None:
        """Follow the row."""
        wanted: list[MessageAction] = list(actions_for(self._row)) if self._is_awake else []
        if len(self._row.siblings) > 1 and not self._row.is_streaming:
            wanted += [MessageAction.PREVIOUS, MessageAction.NEXT]
        for action in [each for each in self._buttons if each not in wanted]:
            self._buttons.pop(action).deleteLater()
        for action in wanted:
            if action not in self._buttons:
                self._buttons[action] = self._make(action)
        self._show_versions()
        self._place()

    def wake(self, after: QWidget | None = None) -> None:
        """Make the buttons and show them; the keyboard reaches them behind `after`."""
        if not self._is_awake:
            self._is_awake = True
            self.refresh()
            before = after
            for action in self._in_order():
                if before is not None:
                    QWidget.setTabOrder(before, self._buttons[action])
                before = self._buttons[action]
        self.set_quiet(False)

    def set_quiet(self, is_quiet: bool) -> None:
        """Show or hide the words; those of versions stay."""
        for action, button in self._buttons.items():
            if action not in (MessageAction.PREVIOUS, MessageAction.NEXT):
                button.set_quiet(is_quiet and not button.hasFocus())

    def say_copied(self, action: MessageAction) -> None:
        """Confirm a copy in the button itself."""
        if action in self._buttons:
            self._buttons[action].setText("Copied")
            self._place()

    def resizeEvent(self, event: object) -> None:
        """Keep to the edge."""
        super().resizeEvent(event)  # type: ignore[arg-type]
        self._place()

    def _make(self, action: MessageAction) -> QuietButton:
        words, name = _WORDS[action]
        button = QuietButton(words, name, self)
        if action in (MessageAction.PREVIOUS, MessageAction.NEXT):
            button.set_quiet(False)
        button.clicked.connect(lambda: self._on_action(action, self._row))
        button.show()
        return button

    def _show_versions(self) -> None:
        siblings = self._row.siblings
        has_several = MessageAction.NEXT in self._buttons
        if has_several and self._count is None:
            self._count = QToolButton(self)
            self._count.setProperty("kind", "action")
            self._count.setEnabled(False)
        if self._count is not None:
            self._count.setVisible(has_several)
        if not has_several or self._count is None or self._row.message_id not in siblings:
            return
        number = siblings.index(self._row.message_id) + 1
        self._count.setText(f"{number}/{len(siblings)}")
        self._count.setAccessibleName(f"Version {number} of {len(siblings)}")
        self._buttons[MessageAction.PREVIOUS].setEnabled(number > 1)
        self._buttons[MessageAction.NEXT].setEnabled(number < len(siblings))

    def _in_order(self) -> list[MessageAction]:
        versions = (MessageAction.PREVIOUS, MessageAction.NEXT)
        others = [each for each in actions_for(self._row) if each in self._buttons]
        return [*(each for each in versions if each in self._buttons), *others]

    def _place(self) -> None:
        widgets: list[QToolButton] = []
        for action in self._in_order():
            if action is MessageAction.NEXT and self._count is not None:
                widgets.append(self._count)
            widgets.append(self._buttons[action])
        widths = [widget.sizeHint().width() for widget in widgets]
        left = self.width() - sum(widths) + SIZES.space_1 if self._at_right else -SIZES.space_1 - 2
        for widget, width in zip(widgets, widths, strict=True):
            widget.setGeometry(left, 0, width, self._height)
            left += width
