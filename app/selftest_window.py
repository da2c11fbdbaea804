"""Shows the window on an empty data directory, waits until it is painted, and closes it again.

Knows when a window counts as shown; must not know what is in it. Without a screen Qt paints into memory.
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from PySide6.QtCore import QEvent, QEventLoop, QObject
from PySide6.QtGui import QGuiApplication, QImage

from app.cli import has_screen
from app.window import Session, make_application
from core.paths import AppPaths

WAIT_S: Final = 15.0
LEAST_COLOURS: Final = 8  # text is smoothed, so any painted text has more
_STEP_MS: Final = 20


class NotShownError(Exception):
    """The window did not appear as it should; the message says what was missing."""


class _PaintCounter(QObject):
    """Counts how often a widget was painted."""

    def __init__(self) -> None:
        super().__init__()
        self.n_paints = 0

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        """Let every event through."""
        self.n_paints += event.type() == QEvent.Type.Paint
        return False


def show_window(directory: Path) -> str:
    """Show Tern's window with its data in `directory` and return in words what was seen.

    Raises:
        NotShownError: it was not shown, not painted, or did not end.
    """
    if not has_screen(os.environ, sys.platform):
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    application = make_application(["tern"])
    paths = AppPaths(directory)
    paths.create()
    session = Session(paths)
    counter = _PaintCounter()
    session.window.pane.installEventFilter(counter)
    try:
        session.start()
        is_complete = _wait(application, lambda: _is_painted(session, counter))
        picture = session.window.grab().toImage()
    finally:
        session.window.close()
        has_ended = session.end()
        session.window.deleteLater()
    if not is_complete:
        raise NotShownError(
            f"after {WAIT_S:.0f} s it was not shown and painted with the history open and a model loaded"
        )
    n_colours = count_colours(picture)
    if n_colours < LEAST_COLOURS:
        raise NotShownError(f"its picture has only {n_colours} colours")
    if not has_ended:
        raise NotShownError("it did not end when it was closed")
    where = QGuiApplication.platformName()
    return f"shown and painted by {where!r}, {picture.width()} x {picture.height()}, {n_colours} colours"


def _is_painted(session: Session, counter: _PaintCounter) -> bool:
    handle = session.window.windowHandle()
    is_shown = handle is not None and handle.isExposed() and counter.n_paints > 0
    return is_shown and session.window.services is not None and session.runner.is_idle


def _wait(application: QGuiApplication, is_done: Callable[[], bool]) -> bool:
    """Let events run until `is_done()`, at most WAIT_S."""
    deadline = time.monotonic() + WAIT_S
    while not is_done():
        if time.monotonic() > deadline:
            return False
        application.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents, _STEP_MS)
    return True


def count_colours(picture: QImage) -> int:
    """Return how many colours a sample of the picture has."""
    step = max(1, min(picture.width(), picture.height()) // 200)
    return len({picture.pixel(x, y) for y in range(0, picture.height(), step) for x in range(0, picture.width(), step)})
