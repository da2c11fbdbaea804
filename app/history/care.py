"""What the history needs now and then, beside the window: its index filled, old trash emptied, a backup a day, a check.

Knows the order and when; must not know SQL. Nothing here is worth keeping a person waiting for, so it begins a moment
after the start and stops with the program.
"""

from datetime import date

from PySide6.QtCore import QDate, QLocale, QObject, QTimer, Signal
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QListWidget, QVBoxLayout, QWidget

from app.history.presenter import HistoryPresenter
from app.history.sidebar import Sidebar
from app.jobs import JobRunner
from app.plain_text import PlainLabel
from app.theme import SIZES
from app.wiring import Services
from core.errors import AppError, ErrorCode
from core.events import CancelToken
from core.store import search
from core.store.backups import (
    Backup,
    Restored,
    backups,
    daily_backup,
    damaged_messages,
    erase_in_backups,
    restore,
)

BEGIN_MS = 4_000
AGAIN_MS = 60 * 60 * 1_000


class CarePresenter(QObject):
    """Looks after the history in a lane of its own."""

    failed = Signal(object)

    def __init__(self, runner: JobRunner, history: HistoryPresenter, sidebar: Sidebar) -> None:
        super().__init__(history)
        self._runner = runner
        self._history = history
        self._sidebar = sidebar
        self._cancel: CancelToken | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.begin)

    def attach(self, services: Services | None) -> None:
        """Begin in a moment, or stop because the history is being closed."""
        if self._cancel is not None:
            self._cancel.cancel()
        if services is None:
            self._timer.stop()
        else:
            self._timer.start(BEGIN_MS)

    def begin(self) -> None:
        """Do what is due."""
        services = self._history.services
        if services is None:
            return
        self._cancel = self._runner.start(
            "history",
            lambda cancel, _emit: look_after(services, date.today(), cancel),
            on_done=self._on_done,
            on_failed=self.failed.emit,
        )
        self._timer.start(AGAIN_MS)

    def offer_restore(self) -> None:
        """Show the backups and let one be chosen."""
        services = self._history.services
        if services is None:
            return
        self._runner.start(
            "history", lambda _c, _e: backups(services.paths.database), on_done=self._ask, on_failed=self.failed.emit
        )

    def _on_done(self, n_damaged: object) -> None:
        self._cancel = None
        if isinstance(n_damaged, int) and n_damaged:
            self.failed.emit(AppError(ErrorCode.MESSAGES_DAMAGED, found=n_damaged))

    def _ask(self, found: object) -> None:
        assert isinstance(found, list)
        dialog = RestoreDialog(found, self._sidebar.window())
        dialog.accepted.connect(lambda: self._restore(dialog.chosen()))
        dialog.open()

    def _restore(self, backup: Backup | None) -> None:
        services = self._history.services
        if services is None or backup is None:
            return
        self._runner.start(
            "store",
            lambda _c, _e: restore(services.database, backup.path),
            on_done=self._on_restored,
            on_failed=self.failed.emit,
        )

    def _on_restored(self, result: object) -> None:
        assert isinstance(result, Restored)
        self._sidebar.show()
        if result == Restored(0, 0, 0):
            self._sidebar.notice.say("Nothing is missing: all that the backup has is here.")
        else:
            mended = f" {result.mended} damaged messages are whole again." if result.mended else ""
            self._sidebar.notice.say(f"Brought back {result.chats} chats and {result.messages} messages.{mended}")
        self._history.refresh()
        self.begin()


def look_after(services: Services, today: date, cancel: CancelToken) -> int:
    """Fill the index, empty what is old out of the trash, back up, and check; returns how many messages are damaged.

    The check goes with the backup, once a day.
    """
    search.fill(services.database, cancel)
    chat_ids, message_ids = services.history.expired()
    if chat_ids or message_ids:
        services.history.erase(chat_ids, message_ids)
        erase_in_backups(services.paths.database, chat_ids, message_ids)
    if daily_backup(services.paths.database, today, cancel) is None:
        return 0
    return len(damaged_messages(services.paths.database, cancel))


class RestoreDialog(QDialog):
    """The backups, the newest first."""

    def __init__(self, found: list[Backup], parent: QWidget) -> None:
        super().__init__(parent)
        self._found = found
        self.setWindowTitle("Restore from a backup")
        self.setMinimumWidth(SIZES.column // 2)
        words = "What a backup has and is missing here is brought back. Nothing that is here is changed or lost."
        if not found:
            words = "There is no backup yet. Tern makes one every day and keeps seven."
        self._list = QListWidget()
        self._list.setObjectName("pickList")
        self._list.setAccessibleName("Backups")
        locale = QLocale()
        for each in found:
            day = locale.toString(QDate(each.day.year, each.day.month, each.day.day), QLocale.FormatType.LongFormat)
            self._list.addItem(f"{day}: {each.chats:,} chats, {each.messages:,} messages")
        self._list.setCurrentRow(0)
        self._list.setVisible(bool(found))
        box = QDialogButtonBox()
        box.addButton("Cancel", QDialogButtonBox.ButtonRole.RejectRole)
        button = box.addButton("Restore", QDialogButtonBox.ButtonRole.AcceptRole)
        button.setProperty("kind", "primary")
        button.setEnabled(bool(found))
        box.accepted.connect(self.accept)
        box.rejected.connect(self.reject)
        self.finished.connect(self.deleteLater)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(SIZES.space_5, SIZES.space_5, SIZES.space_5, SIZES.space_4)
        layout.setSpacing(SIZES.space_3)
        layout.addWidget(PlainLabel(words, wrap=True))
        layout.addWidget(self._list, 1)
        layout.addWidget(box)

    def chosen(self) -> Backup | None:
        """Return the backup that is chosen."""
        row = self._list.currentRow()
        return self._found[row] if 0 <= row < len(self._found) else None
