"""What becomes of Tern when its window is closed: the question before work is lost, and the icon in the tray.

Knows what runs, by the names of lanes; must not know what the jobs do.
"""

from collections.abc import Callable

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QSystemTrayIcon, QWidget

from app.icons import application_icon
from app.words import tr

# What is said of the work in a lane that ends with Tern. Others are short, or carried out to their end.
_SENTENCES = {
    "download": "A download is running. What has arrived is kept, and it goes on from there the next time.",
    "models": "A model file is being checked or copied. That begins anew the next time.",
    "library": "Documents are being read. Those that are not finished are not attached.",
    "index": "Documents are being indexed. That goes on the next time.",
}


def work_at_risk(lanes: frozenset[str], *, is_answering: bool) -> list[str]:
    """Return a sentence for everything that would be cut off now; none means that nobody needs to be asked."""
    said = [tr(words) for lane, words in _SENTENCES.items() if lane in lanes]
    if is_answering:
        said.insert(0, tr("An answer is being written. It stops where it is now; what is there is kept."))
    return said


class Tray(QObject):
    """The icon beside the clock: shows the window or quits."""

    show_requested = Signal()
    quit_requested = Signal()

    def __init__(
        self,
        parent: QWidget,
        is_available: Callable[[], bool] = QSystemTrayIcon.isSystemTrayAvailable,
    ) -> None:
        super().__init__(parent)
        self._is_available = is_available
        self._icon: QSystemTrayIcon | None = None
        self.menu = QMenu(parent)
        for text, signal in ((tr("Show Tern"), self.show_requested), (tr("Quit Tern"), self.quit_requested)):
            action = QAction(text, self.menu)
            action.setMenuRole(QAction.MenuRole.NoRole)
            action.triggered.connect(signal)
            self.menu.addAction(action)

    @property
    def is_shown(self) -> bool:
        """True while the icon is there, so that a hidden window can be had again."""
        return self._icon is not None and self._is_available()

    def set_wanted(self, is_wanted: bool) -> None:
        """Show the icon, where the system has a place for it, or take it away."""
        if is_wanted and self._icon is None and self._is_available():
            self._icon = QSystemTrayIcon(application_icon(), self)
            self._icon.setToolTip("Tern")
            self._icon.setContextMenu(self.menu)
            self._icon.activated.connect(self.on_activated)
            self._icon.messageClicked.connect(self.show_requested)
            self._icon.show()
        elif not is_wanted and self._icon is not None:
            self._icon.hide()
            self._icon.deleteLater()
            self._icon = None

    def say(self, title: str, text: str) -> None:
        """Show a short message beside the icon."""
        if self._icon is not None:
            self._icon.showMessage(title, text, application_icon())

    def on_activated(self, reason: QSystemTrayIcon.ActivationReason) -> None:
        """Show the window on a click."""
        if reason in (QSystemTrayIcon.ActivationReason.Trigger, QSystemTrayIcon.ActivationReason.DoubleClick):
            self.show_requested.emit()
