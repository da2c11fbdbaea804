"""Small questions about a collection: its name, and which files of a folder are read.

Knows words and fields; must not know the index.
"""

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLineEdit, QPushButton, QVBoxLayout, QWidget

from app.library.words import patterns_from
from app.plain_text import PlainLabel
from app.theme import SIZES
from core.library.index.collections import MAX_NAME_CHARS, Source


class _Asking(QDialog):
    """Fields under each other and two buttons; it does not stop the window behind it."""

    def __init__(self, parent: QWidget, title: str, yes: str) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.fields: list[QLineEdit] = []
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(SIZES.space_4, SIZES.space_4, SIZES.space_4, SIZES.space_4)
        self._column.setSpacing(SIZES.space_2)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.yes = QPushButton(yes)
        self.yes.setProperty("kind", "primary")
        buttons.addButton(self.yes, QDialogButtonBox.ButtonRole.AcceptRole)
        self.yes.setDefault(True)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        self._column.addWidget(buttons)
        self.setMinimumWidth(SIZES.column * 2 // 3)

    def add(self, label: str, text: str, hint: str = "") -> QLineEdit:
        """Add a field with its label above and one line under it."""
        field = QLineEdit(text)
        field.setAccessibleName(label)
        at = self._column.count() - 1
        self._column.insertWidget(at, PlainLabel(label, kind="strong"))
        self._column.insertWidget(at + 1, field)
        if hint:
            self._column.insertWidget(at + 2, PlainLabel(hint, kind="small", wrap=True))
        self.fields.append(field)
        return field


def ask_name(parent: QWidget, title: str, name: str, on_named: Callable[[str], object]) -> QDialog:
    """Ask for the name of a collection."""
    dialog = _Asking(parent, title, "Save")
    field = dialog.add("Name", name)
    field.setMaxLength(MAX_NAME_CHARS)
    field.selectAll()
    field.textChanged.connect(lambda text: dialog.yes.setEnabled(bool(text.strip())))
    dialog.accepted.connect(lambda: on_named(field.text()))
    dialog.open()
    return dialog


def ask_patterns(
    parent: QWidget, source: Source, on_chosen: Callable[[tuple[str, ...], tuple[str, ...]], object]
) -> QDialog:
    """Ask which files of a folder are read."""
    dialog = _Asking(parent, "Which files are read", "Save and look again")
    include = dialog.add(
        "Only files like", ", ".join(source.include), "For example: *.pdf, reports/*. Empty: all kinds that Tern reads."
    )
    exclude = dialog.add(
        "But none like", ", ".join(source.exclude), "For example: drafts/*, *old*. These are not read at all."
    )
    dialog.accepted.connect(lambda: on_chosen(patterns_from(include.text()), patterns_from(exclude.text())))
    dialog.open()
    return dialog
