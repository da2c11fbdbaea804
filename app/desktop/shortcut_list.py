"""The list of all keys, in a small window of its own.

Knows how it looks; the keys are given to it.
"""

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QDialog,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from app.plain_text import PlainLabel
from app.theme import SIZES, Theme
from app.words import tr


class ShortcutList(QDialog):
    """Two columns of groups; Esc, F1 or the button close it."""

    def __init__(self, shortcuts: Sequence[tuple[str, str, str]], theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Keyboard shortcuts"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        body = QWidget()
        body.setObjectName("shortcutBody")
        columns = QHBoxLayout(body)
        columns.setContentsMargins(SIZES.space_5, SIZES.space_5, SIZES.space_5, SIZES.space_4)
        columns.setSpacing(SIZES.space_6)
        groups = _grouped(shortcuts)
        is_wide = parent.width() >= theme.px(SIZES.column)
        for half in _halves(groups) if is_wide else (groups,):
            column = QVBoxLayout()
            column.setSpacing(SIZES.space_4)
            for name, lines in half:
                column.addWidget(_Group(name, lines))
            column.addStretch(1)
            columns.addLayout(column, 1)
        scroll = QScrollArea()
        scroll.setObjectName("shortcutPage")
        scroll.setAccessibleName(tr("Keyboard shortcuts"))
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # so that the arrow keys scroll
        scroll.setWidget(body)
        close = QPushButton(tr("Close"))
        close.clicked.connect(self.reject)
        close.setDefault(True)
        foot = QHBoxLayout()
        foot.setContentsMargins(SIZES.space_5, SIZES.space_2, SIZES.space_5, SIZES.space_4)
        foot.addWidget(PlainLabel(tr("All other commands: press {keys}.", keys=_palette_keys()), kind="small"))
        foot.addStretch(1)
        foot.addWidget(close)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(scroll, 1)
        layout.addLayout(foot)
        for keys in ("F1", "Ctrl+/", "Ctrl+W"):
            QShortcut(QKeySequence(keys), self, self.reject)
        close.setFocus()
        self.resize(
            min(theme.px(SIZES.column), parent.width() - SIZES.space_6),
            min(body.sizeHint().height() + theme.px(SIZES.space_6) * 3, parent.height() - SIZES.space_6),
        )


class _Group(QWidget):
    """A heading and its lines: words at the beginning, keys at the end."""

    def __init__(self, name: str, lines: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self.setAccessibleName(name)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(SIZES.space_4)
        grid.setVerticalSpacing(SIZES.space_2)
        grid.setColumnStretch(0, 1)
        grid.addWidget(PlainLabel(name, kind="heading"), 0, 0, 1, 2)
        for row, (words, keys) in enumerate(lines, 1):
            grid.addWidget(PlainLabel(words, wrap=True), row, 0)
            shown = PlainLabel(keys, kind="secondary")
            shown.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            grid.addWidget(shown, row, 1)


def _grouped(shortcuts: Sequence[tuple[str, str, str]]) -> list[tuple[str, list[tuple[str, str]]]]:
    groups: dict[str, list[tuple[str, str]]] = {}
    for group, words, keys in shortcuts:
        groups.setdefault(group, []).append((words, keys))
    return list(groups.items())


_Groups = list[tuple[str, list[tuple[str, str]]]]


def _halves(groups: _Groups) -> tuple[_Groups, _Groups]:
    """Cut where both columns are nearest to the same length."""
    lengths = [len(lines) + 2 for _name, lines in groups]
    cut = min(range(len(groups) + 1), key=lambda i: abs(sum(lengths[:i]) - sum(lengths[i:])))
    return groups[:cut], groups[cut:]


def _palette_keys() -> str:
    return QKeySequence("Ctrl+K").toString(QKeySequence.SequenceFormat.NativeText)
