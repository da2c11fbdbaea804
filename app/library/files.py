"""The files of a collection as a table, and why one could not be read.

Knows files as values; must not know the index.
"""

from collections.abc import Sequence

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt

from app.library.words import file_state_in_words, problem_in_words
from app.notices import bytes_in_words
from app.plain_text import tooltip
from core.library.index.collections import FileState, IndexedFile

_Index = QModelIndex | QPersistentModelIndex
_NO_INDEX = QModelIndex()
_TITLES = ("File", "State", "Size")
_SIGNS = {FileState.FAILED: "! ", FileState.INDEXED: "✓ "}


class FileTable(QAbstractTableModel):
    """Name, state and size of each file."""

    def __init__(self) -> None:
        super().__init__()
        self.files: list[IndexedFile] = []

    def set_files(self, files: Sequence[IndexedFile]) -> None:
        """Show other files."""
        if list(files) == self.files:
            return
        self.beginResetModel()
        self.files = list(files)
        self.endResetModel()

    def rowCount(self, parent: _Index = _NO_INDEX) -> int:
        """Return the number of files."""
        return 0 if parent.isValid() else len(self.files)

    def columnCount(self, parent: _Index = _NO_INDEX) -> int:
        """Return the number of columns."""
        return 0 if parent.isValid() else len(_TITLES)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Return the title of a column."""
        if orientation is Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return _TITLES[section]
        return None

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Return the words of a cell, or what its tooltip says."""
        file = self.files[index.row()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return self._words(file, index.column())
            case Qt.ItemDataRole.ToolTipRole:
                return tooltip(problem_in_words(file) or _plain(str(file.path)))
            case Qt.ItemDataRole.TextAlignmentRole if index.column() == 2:
                return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            case _:
                return None

    def _words(self, file: IndexedFile, column: int) -> str:
        match column:
            case 0:
                return _plain(file.path.name)
            case 1:
                return _SIGNS.get(file.state, "") + file_state_in_words(file)
            case _:
                return bytes_in_words(file.size)


def _plain(name: str) -> str:
    return " ".join(name.encode("utf-8", "replace").decode("utf-8").split())
