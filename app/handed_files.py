"""Files that other programs hand over: a drop on the program's icon, "open with", a second start with --open.

Knows when the window can take them; must not know how a file is read. Every handing over begins a new conversation, so
that no document gets into one that the person is not looking at.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QEvent, QObject, QTimer
from PySide6.QtGui import QFileOpenEvent

from app.main_window import MainWindow


class HandedFiles(QObject):
    """Keeps files until the history is open, then gives them to a new conversation."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self._waiting: list[Path] = []
        self._is_history_open = False
        window.history.listed.connect(self.on_listed)

    def take(self, files: Sequence[Path]) -> None:
        """Take files now or as soon as the history is open."""
        if files and not self._waiting:
            QTimer.singleShot(0, self, self._hand_over)  # what comes in one go belongs into one conversation
        self._waiting += files

    def on_listed(self) -> None:
        """Give what has waited for the history, after the last conversation was opened."""
        if not self._is_history_open:
            self._is_history_open = True
            QTimer.singleShot(0, self, self._hand_over)

    def _hand_over(self) -> None:
        if not (self._is_history_open and self._waiting):
            return
        files, self._waiting = self._waiting, []
        self._window.on_new_chat()
        self._window.documents.add(files)


class FileOpenFilter(QObject):
    """macOS: Finder and the Dock hand files over as events of the application."""

    def __init__(self, take: Callable[[Sequence[Path]], None], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._take = take

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Take files out of the stream of events and let all others through."""
        if isinstance(event, QFileOpenEvent) and event.file():
            self._take([Path(event.file())])
            return True
        return super().eventFilter(watched, event)
