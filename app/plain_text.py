"""The one way to show foreign text outside the transcript: always as plain text.

Knows which Qt widgets guess that a string is HTML (labels, message boxes, tooltips) and stops them; a test forbids
those widgets everywhere else. Must not know where the text comes from.
"""

import html
from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QMessageBox, QPushButton, QSizePolicy, QWidget


class PlainLabel(QLabel):
    """A label that never reads HTML; `kind` picks its look from the stylesheet."""

    def __init__(self, text: str = "", *, kind: str = "", wrap: bool = False, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setWordWrap(wrap)
        if kind:
            self.setProperty("kind", kind)
        self.setText(text)

    def set_kind(self, kind: str) -> None:
        """Change the look."""
        if self.property("kind") != kind:
            self.setProperty("kind", kind)
            self.style().unpolish(self)
            self.style().polish(self)


class ElidedLabel(PlainLabel):
    """A label of one line that ends in an ellipsis where there is no room; the whole text is its tooltip."""

    def __init__(self, text: str = "", *, kind: str = "", parent: QWidget | None = None) -> None:
        self._full = text
        super().__init__(text, kind=kind, parent=parent)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def set_full_text(self, text: str) -> None:
        """Show `text`, shortened to the width."""
        self._full = text
        self._elide()

    def resizeEvent(self, event: object) -> None:
        """Shorten anew."""
        super().resizeEvent(event)  # type: ignore[arg-type]
        self._elide()

    def _elide(self) -> None:
        shown = self.fontMetrics().elidedText(self._full, Qt.TextElideMode.ElideRight, max(self.width(), 20))
        self.setText(shown)
        set_tooltip(self, self._full if shown != self._full else "")


def set_tooltip(widget: QWidget, text: str) -> None:
    """Give `widget` a tooltip of plain text."""
    widget.setToolTip(tooltip(text))


def tooltip(text: str) -> str:
    """Return `text` so that a tooltip shows it letter for letter (also for a model's tooltip role)."""
    return f"<p>{html.escape(text)}</p>" if "<" in text or "&" in text else text


def menu_text(text: str) -> str:
    """Return `text` for an action or a button, where & would mark a shortcut."""
    return " ".join(text.split()).replace("&", "&&")


def ask(
    parent: QWidget,
    *,
    title: str,
    text: str,
    details: str = "",
    yes: str,
    is_destructive: bool = False,
    on_yes: Callable[[], object],
) -> QMessageBox:
    """Open a question that does not stop the window; Cancel is the default."""
    box = QMessageBox(parent)
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setIcon(QMessageBox.Icon.NoIcon)
    box.setWindowTitle(title)
    box.setText(text)
    box.setInformativeText(details)
    label = box.findChild(QLabel, "qt_msgbox_informativelabel")
    if isinstance(label, QLabel):
        label.setTextFormat(Qt.TextFormat.PlainText)
    button = QPushButton(yes, box)
    button.setProperty("kind", "stop" if is_destructive else "primary")
    box.addButton(button, QMessageBox.ButtonRole.AcceptRole)
    box.setDefaultButton(box.addButton(QMessageBox.StandardButton.Cancel))
    button.clicked.connect(lambda: on_yes())
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.open()
    return box


def tell(parent: QWidget, *, title: str, text: str, details: str = "") -> QMessageBox:
    """Open a notice that needs no decision (About)."""
    box = QMessageBox(parent)
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setWindowTitle(title)
    box.setText(text)
    box.setInformativeText(details)
    label = box.findChild(QLabel, "qt_msgbox_informativelabel")
    if isinstance(label, QLabel):
        label.setTextFormat(Qt.TextFormat.PlainText)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.open()
    return box
