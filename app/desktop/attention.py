"""Tells that an answer begins and ends: a screen reader always, the person in another program after a long one.

Knows when an answer is long; must not know what is in it: no word of a conversation leaves the window.
"""

import time
from collections.abc import Callable

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QGuiApplication

from app.words import tr

LONG_S = 10.0


class Attention(QObject):
    """Follows `busy_changed` of the conversation; `clock` is monotonic, in seconds."""

    announced = Signal(str)
    wanted = Signal(str)  # a sentence for somebody who does not look at Tern

    def __init__(
        self,
        parent: QObject,
        clock: Callable[[], float] = time.monotonic,
        is_in_front: Callable[[], bool] | None = None,
    ) -> None:
        super().__init__(parent)
        self._clock = clock
        self._is_in_front = is_in_front or _is_in_front
        self._since: float | None = None
        self.is_enabled = True

    def on_busy_changed(self, is_busy: bool) -> None:
        """Begin to count with an answer, and tell at its end."""
        if is_busy:
            self._since = self._clock()
            self.announced.emit(tr("The answer is being written."))
            return
        since, self._since = self._since, None
        if since is not None and self._clock() - since >= LONG_S and self.is_enabled and not self._is_in_front():
            self.wanted.emit(tr("The answer is finished."))


def _is_in_front() -> bool:
    return QGuiApplication.applicationState() == Qt.ApplicationState.ApplicationActive
