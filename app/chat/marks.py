"""The places of words in one row on screen, marked without changing its text.

Knows text fields and selections; must not know which words are looked for, or where else they stand.
"""

from collections.abc import Iterable

from PySide6.QtCore import QPoint
from PySide6.QtGui import QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QPlainTextEdit, QTextBrowser, QTextEdit, QWidget

from app.theme import Theme

Field = QTextBrowser | QPlainTextEdit


def mark_places(fields: Iterable[Field], words: str, current: int, theme: Theme) -> tuple[Field, QTextCursor] | None:
    """Mark all places of `words`, the one of number `current` strongly, and return that one."""
    found: tuple[Field, QTextCursor] | None = None
    number = 0
    for field in fields:
        selections = []
        for cursor in _places(field, words):
            is_current = number == current
            selections.append(_selection(cursor, theme, is_current=is_current))
            found = (field, cursor) if is_current else found
            number += 1
        field.setExtraSelections(selections)
    return found


def top_of(field: Field, cursor: QTextCursor, row: QWidget) -> int:
    """Return how far below the top of `row` a place is, in pixels."""
    at = QTextCursor(cursor)
    at.setPosition(cursor.selectionStart())
    return field.mapTo(row, QPoint(0, 0)).y() + field.cursorRect(at).top()


def _places(field: Field, words: str) -> Iterable[QTextCursor]:
    document = field.document()
    cursor = QTextCursor(document)
    while words and not (cursor := document.find(words, cursor)).isNull():
        yield QTextCursor(cursor)


def _selection(cursor: QTextCursor, theme: Theme, *, is_current: bool) -> QTextEdit.ExtraSelection:
    made = QTextEdit.ExtraSelection()
    look = QTextCharFormat()
    look.setBackground(theme.color("sea" if is_current else "mark"))
    look.setForeground(theme.color("on_sea" if is_current else "ink"))
    made.cursor, made.format = cursor, look  # type: ignore[attr-defined]
    return made
