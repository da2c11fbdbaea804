"""Files from outside: the Dock, "open with", a second start."""

from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, QUrl
from PySide6.QtGui import QFileOpenEvent
from PySide6.QtWidgets import QApplication

from app.handed_files import FileOpenFilter, HandedFiles
from app.window import Session, _watch_for_raise
from core.instance import InstanceLock, leave_raise_request
from core.paths import AppPaths

pytestmark = pytest.mark.gui


def names(session: Session) -> list[str]:
    return [each.name for each in session.window.documents._attached]


@pytest.fixture
def letters(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "Brief eins.txt", tmp_path / "письмо.txt"]
    for path in paths:
        path.write_text(f"This is {path.stem}.", "utf-8")
    return paths


def test_files_given_before_the_history_is_open_wait_for_it(
    qtbot, app_paths: AppPaths, make_engine, monkeypatch, letters: list[Path]
) -> None:
    monkeypatch.setattr("app.wiring.all_models", lambda _paths, _settings: ())
    session = Session(app_paths, load_model=lambda *_arguments: make_engine())
    try:
        HandedFiles(session.window).take(letters)
        assert names(session) == []
        session.start()
        qtbot.waitUntil(lambda: len(names(session)) == 2 and session.runner.is_idle)
        assert names(session) == [path.name for path in letters]
    finally:
        session.window.close()
        session.end()
        session.window.deleteLater()


def test_files_given_later_begin_a_new_conversation(qtbot, open_window, make_engine, letters: list[Path]) -> None:
    session = open_window(make_engine())
    handed = HandedFiles(session.window)
    handed.on_listed()
    session.window.chat.on_submitted("Hello")
    qtbot.waitUntil(lambda: session.runner.is_idle and session.window.chat.chat_id is not None)
    for path in letters:  # one event each, as Finder sends them
        handed.take([path])
    qtbot.waitUntil(lambda: len(names(session)) == 2 and session.runner.is_idle)
    assert session.window.chat.chat_id is None


def test_a_drop_on_the_dock_icon_is_an_event_of_the_application(qtbot, letters: list[Path]) -> None:
    taken: list[Path] = []
    application = QApplication.instance()
    assert application is not None
    watcher = FileOpenFilter(taken.extend)
    application.installEventFilter(watcher)
    try:
        QApplication.sendEvent(application, QFileOpenEvent(QUrl.fromLocalFile(str(letters[1]))))
        QApplication.sendEvent(application, QEvent(QEvent.Type.User))
    finally:
        application.removeEventFilter(watcher)
    assert taken == [letters[1]]


def test_a_second_start_is_noticed_without_polling(
    qtbot, open_window, make_engine, letters: list[Path], monkeypatch
) -> None:
    session = open_window(make_engine())
    shown: list[bool] = []
    monkeypatch.setattr(session.window, "show_in_front", lambda: shown.append(True))
    handed = HandedFiles(session.window)
    handed.on_listed()
    lock = InstanceLock.acquire(session.window._paths.lock)
    try:
        timer = _watch_for_raise(session, lock, handed)
        timer.stop()
        leave_raise_request(session.window._paths.lock, letters[:1])
        qtbot.waitUntil(lambda: names(session) == [letters[0].name] and session.runner.is_idle)
        assert shown == [True]
    finally:
        lock.release()
