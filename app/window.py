"""Opens the window and stays until it is closed: application, theme, instance lock, services, and a bounded end.

Knows the order of starting and ending; must not know what is in the window.
"""

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QFileSystemWatcher, QTimer
from PySide6.QtWidgets import QApplication, QMainWindow

from app.chat.cards import ErrorCard
from app.handed_files import FileOpenFilter, HandedFiles
from app.icons import application_icon
from app.jobs import JobRunner
from app.main_window import MainWindow
from app.notices import Action
from app.theme import SIZES, Density, Scheme, Theme
from app.window_state import WindowState
from app.wiring import LoadModel
from core.errors import AppError, ErrorCode
from core.instance import InstanceLock, leave_raise_request
from core.paths import AppPaths
from core.settings import Settings
from core.start_guard import StartGuard

END_WITHIN_S = 2.5
RAISE_POLL_MS = 10_000  # only where the system does not tell of new files, as on some network disks


class Session:
    """One window on one data directory, with everything that it needs and that must end with it."""

    def __init__(
        self,
        paths: AppPaths,
        *,
        model: Path | None = None,
        load_model: LoadModel | None = None,
        guard: StartGuard | None = None,
        greets: bool = False,
    ) -> None:
        settings = Settings.load(paths.settings)
        if model is not None:
            settings = settings.with_value("model_path", str(model))
        self.runner = JobRunner()
        self.theme = Theme(
            Scheme(settings.text("theme")), settings.integer("text_size_percent"), Density(settings.text("density"))
        )
        self.theme.apply()
        state = WindowState.load(paths.data)
        self.window = MainWindow(paths, settings, state, self.runner, self.theme, load_model, guard)
        self._greets = greets
        self.theme.dress(self.window)

    def start(self) -> None:
        """Show the window, then begin the slow things."""
        self.window.show()
        self.window.start(greets=self._greets)

    def end(self, within_s: float = END_WITHIN_S) -> bool:
        """Stop and save everything; True when all threads ended in time. Call it once, with the window closed."""
        self.window.chat.stop()
        ended = self.runner.shutdown(within_s)
        if ended:
            self.window.models.close()
            self.window.documents.close()
            self.window.reader.end()
            if self.window.services is not None:
                self.window.services.close()
        self.theme.changing.disconnect()
        self.theme.changed.disconnect()
        return ended


def make_application(arguments: Sequence[str]) -> QApplication:
    """Return the one QApplication, named and dressed."""
    existing = QApplication.instance()
    application = existing if isinstance(existing, QApplication) else QApplication(list(arguments))
    application.setStyle("Fusion")
    application.setApplicationName("Tern")
    application.setApplicationDisplayName("Tern")
    application.setDesktopFileName("tern")
    application.setWindowIcon(application_icon())
    return application


def run_window(
    paths: AppPaths,
    *,
    model: Path | None = None,
    files: Sequence[Path] = (),
    arguments: Sequence[str] = ("tern",),
) -> int:
    """Open the window on `paths`, with the model in the directory `model` if given; returns the exit code.

    `files` become the documents of a new conversation. A second start on the same data directory brings the first
    window forward, with its files, and ends.
    """
    application = make_application(arguments)
    try:
        paths.create()
        lock = InstanceLock.acquire(paths.lock)
    except AppError as error:
        if error.code is ErrorCode.ALREADY_RUNNING:
            leave_raise_request(paths.lock, files)
            return 0
        return _show_failure(application, error)
    try:
        guard = StartGuard(paths.data)
        guard.begin()
        session = Session(paths, model=model, guard=guard, greets=True)
        handed = HandedFiles(session.window)
        handed.take(files)
        application.installEventFilter(FileOpenFilter(handed.take, session.window))
        application.commitDataRequest.connect(lambda _manager: session.window.desktop.stop_asking())
        poll = _watch_for_raise(session, lock, handed)
        session.start()
        code = application.exec()
        poll.stop()
        session.end()
        return code
    finally:
        lock.release()


def _watch_for_raise(session: Session, lock: InstanceLock, handed: HandedFiles) -> QTimer:
    """Look in the store lane whether another start asked for this window, whenever a file appears beside the lock.

    The system tells of that, so that a window that nobody uses costs no processor time.
    """
    timer = QTimer(session.window)
    watcher = QFileSystemWatcher([str(lock.directory)], session.window)

    def look() -> None:
        session.runner.start("store", lambda _cancel, _emit: lock.take_raise_request(), on_done=show)

    def show(files: object) -> None:
        if isinstance(files, tuple):
            handed.take(files)
            session.window.show_in_front()

    timer.timeout.connect(look)
    watcher.directoryChanged.connect(lambda _path: look())
    timer.start(RAISE_POLL_MS)
    return timer


def _show_failure(application: QApplication, error: AppError) -> int:
    """Say in a small window why Tern cannot start; exit code 2."""
    theme = Theme()
    theme.apply()
    window = QMainWindow()
    theme.dress(window)
    window.setWindowTitle("Tern")

    def act(action: Action) -> None:
        window.close()

    window.setCentralWidget(ErrorCard(error, act))
    window.setContentsMargins(SIZES.space_4, SIZES.space_4, SIZES.space_4, SIZES.space_4)
    window.resize(SIZES.window_least[0], 0)
    window.show()
    application.exec()
    return 2
