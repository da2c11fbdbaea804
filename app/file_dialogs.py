"""The system's windows in which a person points at files and folders; none of them stops the window behind it.

Knows how to ask; must not know what is done with the answer.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog, QWidget


def choose_folder(parent: QWidget, title: str, on_chosen: Callable[[Path], object]) -> QFileDialog:
    """Ask for one folder."""
    dialog = QFileDialog(parent, title)
    dialog.setFileMode(QFileDialog.FileMode.Directory)
    dialog.setOption(QFileDialog.Option.ShowDirsOnly)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.fileSelected.connect(lambda name: on_chosen(Path(name)))
    dialog.open()
    return dialog


def choose_new_file(parent: QWidget, title: str, name: str, on_chosen: Callable[[Path], object]) -> QFileDialog:
    """Ask where to write a file; `name` is what it is called unless the person says otherwise."""
    dialog = QFileDialog(parent, title)
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setFileMode(QFileDialog.FileMode.AnyFile)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.selectFile(name)
    dialog.fileSelected.connect(lambda chosen: on_chosen(Path(chosen)))
    dialog.open()
    return dialog


def choose_file(parent: QWidget, title: str, on_chosen: Callable[[Path], object], kinds: str = "") -> QFileDialog:
    """Ask for one file that exists; `kinds` is a filter as Qt spells it."""
    dialog = QFileDialog(parent, title)
    dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    if kinds:
        dialog.setNameFilters([kinds, "All files (*)"])
    dialog.fileSelected.connect(lambda name: on_chosen(Path(name)))
    dialog.open()
    return dialog


def choose_files(
    parent: QWidget, title: str, on_chosen: Callable[[Sequence[Path]], object], filters: Sequence[str] = ()
) -> QFileDialog:
    """Ask for files that exist; `filters` are kinds of files as Qt writes them, the first one is offered first."""
    dialog = QFileDialog(parent, title)
    dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
    if filters:
        dialog.setNameFilters(list(filters))
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.filesSelected.connect(lambda names: on_chosen([Path(name) for name in names]))
    dialog.open()
    return dialog


def choose_target(
    parent: QWidget, title: str, name: str, filters: Sequence[str], on_chosen: Callable[[Path, str], object]
) -> QFileDialog:
    """Ask where to write a file and in which format; the chosen filter goes along."""
    dialog = QFileDialog(parent, title)
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setFileMode(QFileDialog.FileMode.AnyFile)
    dialog.setNameFilters(list(filters))
    dialog.selectFile(name)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.fileSelected.connect(lambda chosen: on_chosen(Path(chosen), dialog.selectedNameFilter()))
    dialog.open()
    return dialog
