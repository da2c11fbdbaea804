"""Getting, keeping and removing models in the window; faults end in cards; safe mode; the padlock."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QApplication, QMessageBox, QPushButton

from app.models.downloads import Phase
from app.models.presenter import ModelsPresenter
from app.models.tasks import KeptModel, Origin
from app.window import Session
from core import offline
from core.errors import AppError, ErrorCode
from core.events import CancelToken, Emit, Interrupted
from core.models.download import Download
from core.models.installed import InstalledModel
from core.settings import Settings
from core.specs import Page
from core.start_guard import FILE_NAME, StartGuard, Step

pytestmark = [pytest.mark.gui, pytest.mark.qt_log_ignore("propagateSizeHints|does not support raise")]
NOBODY = "http://127.0.0.1:9"  # the port of nobody: refused at once


@pytest.fixture
def open_session(qtbot, app_paths, make_engine, monkeypatch, tmp_path) -> Iterator[Callable[..., Session]]:
    """Return what opens a window with the starter model and what is imported; engines are fakes."""
    monkeypatch.setattr("app.models.tasks.measure_speed", lambda _cancel, _emit: 12e9)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    opened: list[Session] = []

    def open_one(
        *, greets: bool = False, guard: StartGuard | None = None, load: object = None, waits: bool = True
    ) -> Session:
        def loaded(_path: Path, _settings: object, _cancel: CancelToken, _emit: Emit) -> object:
            return make_engine()

        session = Session(app_paths, load_model=load or loaded, greets=greets, guard=guard)
        opened.append(session)
        session.start()
        qtbot.waitExposed(session.window)
        if waits:
            qtbot.waitUntil(lambda: session.window.services is not None and session.runner.is_idle, timeout=10_000)
        return session

    yield open_one
    for session in opened:
        session.window.close()
        session.end()
        session.window.deleteLater()


def part(session: Session) -> ModelsPresenter:
    return session.window.model_part.presenter


def idle(qtbot, session: Session) -> None:
    qtbot.waitUntil(lambda: session.runner.is_idle, timeout=20_000)


def press(qtbot, button: object) -> None:
    assert isinstance(button, QAbstractButton)
    qtbot.waitUntil(lambda: button.isVisible() and button.isEnabled())
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def confirm(parent: object, text: str) -> None:
    box = next(box for box in parent.findChildren(QMessageBox) if box.isVisible())
    next(button for button in box.buttons() if button.text().replace("&", "") == text).click()


def fail_with(monkeypatch, error: AppError) -> None:
    def run(_self: Download, _cancel: CancelToken, _emit: Emit) -> InstalledModel:
        raise error

    monkeypatch.setattr(Download, "run", run)


def open_steps(qtbot, session: Session):
    session.window.on_get_model()
    idle(qtbot, session)
    return part(session).pane


def test_the_first_start_shows_the_three_steps_once(qtbot, open_session, app_paths) -> None:
    session = open_session(greets=True)
    qtbot.waitUntil(lambda: part(session).is_pane_shown)
    idle(qtbot, session)
    pane = part(session).pane
    assert "cores" in pane.verdict.text() or "core" in pane.verdict.text()
    assert "words a second" in pane.verdict.text()
    assert pane.download.isEnabled()
    assert session.window.pane.composer.isVisible()  # the starter can be asked all the while
    session.window.close()
    idle(qtbot, session)
    assert json.loads((app_paths.data / "window.json").read_text())["has_been_greeted"] is True
    again = open_session(greets=True)
    assert not part(again).is_pane_shown


def test_a_message_goes_before_the_steps(qtbot, open_session) -> None:
    session = open_session()
    open_steps(qtbot, session)
    qtbot.keyClicks(session.window.pane.composer.text, "Hello")
    qtbot.keyClick(session.window.pane.composer.text, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: not part(session).is_pane_shown)
    idle(qtbot, session)
    assert session.window.chat.last_answer() == "Hello from the fake."


CARDS = [
    (ErrorCode.DOWNLOAD_NO_SPACE, {"path": "/m", "needed_bytes": 9, "free_bytes": 1}, "Not enough room", "Continue"),
    (ErrorCode.DOWNLOAD_READ_ONLY, {"path": "/m"}, "read-only", "Choose another folder…"),
    (ErrorCode.DOWNLOAD_FORBIDDEN, {"path": "/m", "reason": "no"}, "may not be written", "Choose another folder…"),
    (ErrorCode.PROXY_REFUSED, {"proxy": "http://p", "reason": "no"}, "proxy refuses", "Network settings…"),
    (ErrorCode.CERTIFICATE_UNTRUSTED, {"host": "h", "reason": "no"}, "not trusted", "Network settings…"),
    (ErrorCode.CA_UNREADABLE, {"path": "/c", "reason": "no"}, "certificate file", "Network settings…"),
    (ErrorCode.CLOCK_WRONG, {"host": "h", "today": "d", "reason": "no"}, "clock", "Try again"),
    (ErrorCode.DOWNLOAD_DAMAGED, {"file": "f", "host": "h"}, "damaged", "Try again"),
]


@pytest.mark.parametrize(("code", "facts", "title", "label"), CARDS, ids=[card[0].value for card in CARDS])
def test_every_fault_ends_in_its_card(qtbot, open_session, monkeypatch, code, facts, title, label) -> None:
    fail_with(monkeypatch, AppError(code, **facts))
    session = open_session()
    pane = open_steps(qtbot, session)
    press(qtbot, pane.download)
    idle(qtbot, session)
    assert title in pane.card.accessibleName()
    assert label in [button.text() for button in pane.card.findChildren(QPushButton)]
    assert part(session).downloads.view.phase is Phase.FAILED
    assert "Download stopped" in session.window.status.text()
    part(session).on_cancel()
    idle(qtbot, session)
    assert pane.card is None
    assert pane.download.isVisible()


def test_a_card_about_the_network_leads_to_its_settings(qtbot, open_session, monkeypatch) -> None:
    fail_with(monkeypatch, AppError(ErrorCode.PROXY_REFUSED, proxy="http://p", reason="no"))
    session = open_session()
    pane = open_steps(qtbot, session)
    press(qtbot, pane.download)
    idle(qtbot, session)
    pane.card.findChildren(QPushButton)[0].click()
    assert session.window.preferences.window.page is Page.NETWORK


def test_an_unreachable_hub_is_waited_for_and_can_be_paused(qtbot, open_session, app_paths) -> None:
    Settings().with_value("hub_address", NOBODY).with_value("proxy", "none").save(app_paths.settings)
    session = open_session()
    pane = open_steps(qtbot, session)
    press(qtbot, pane.download)
    qtbot.waitUntil(lambda: "no connection" in pane.progress.sentence.text(), timeout=20_000)
    assert "Trying again" in pane.progress.sentence.text()
    assert pane.progress.network.isVisible()
    assert "Download waits" in session.window.status.text()
    press(qtbot, pane.progress.pause)
    qtbot.waitUntil(lambda: part(session).downloads.view.phase is Phase.PAUSED, timeout=10_000)
    assert pane.progress.resume.isVisible()


def test_a_file_in_the_place_of_the_folder_is_a_card(qtbot, open_session, tmp_path) -> None:
    session = open_session()
    pane = open_steps(qtbot, session)
    taken = tmp_path / "taken"
    taken.write_text("not a folder")
    part(session).set_folder(taken)
    press(qtbot, pane.download)
    idle(qtbot, session)
    assert pane.card is not None
    assert str(taken) == session.window.settings.text("models_directory")
    session.window.live.reset("models_directory")


def test_a_begun_download_is_offered_at_the_next_start(qtbot, open_session, app_paths) -> None:
    name = "bitnet-b1.58-2B-4T"
    (app_paths.models / f".downloading-{name}").mkdir()
    session = open_session(greets=True)
    qtbot.waitUntil(lambda: part(session).is_pane_shown)
    idle(qtbot, session)
    assert part(session).downloads.view.phase is Phase.PAUSED
    assert part(session).pane.progress.resume.isVisible()
    part(session).on_cancel()
    idle(qtbot, session)
    assert not (app_paths.models / f".downloading-{name}").exists()


def test_a_child_that_is_left_over_is_waited_for(qtbot, open_session, monkeypatch) -> None:
    monkeypatch.setattr("app.models.downloads._WAIT_MS", 1)
    answers = [AppError(ErrorCode.DOWNLOAD_RUNNING, name="m"), AppError(ErrorCode.DOWNLOAD_RUNNING, name="m")]

    def run(_self: Download, _cancel: CancelToken, _emit: Emit) -> InstalledModel:
        raise answers.pop() if answers else AppError(ErrorCode.DOWNLOAD_FAILED, reason="the third time")

    monkeypatch.setattr(Download, "run", run)
    session = open_session()
    pane = open_steps(qtbot, session)
    press(qtbot, pane.download)
    qtbot.waitUntil(lambda: pane.card is not None)
    assert answers == []
    assert "ended unexpectedly" in pane.card.accessibleName()


def test_a_dropped_model_is_taken_over_tried_and_removed(qtbot, open_session, app_paths, tiny_model_dir) -> None:
    source = tiny_model_dir(lambda files: None)
    session = open_session()
    open_steps(qtbot, session)
    session.window.pane.files_given.emit([source])
    pane = part(session).pane
    qtbot.waitUntil(lambda: pane.examples[0].isVisible(), timeout=20_000)
    idle(qtbot, session)
    copied = app_paths.models / source.name
    assert (copied / "receipt.json").is_file()
    assert session.window.models.state.model.path == copied
    assert session.window.settings.text("model_path") == str(copied)
    session.window.on_models()
    idle(qtbot, session)
    window = part(session).window
    card = window.kept[source.name]
    assert card.state.text() == "Answers now"
    press(qtbot, card.remove)
    confirm(window, "Remove")
    idle(qtbot, session)
    assert not copied.exists()
    assert source.exists()
    assert session.window.models.state.model.is_starter
    assert "is removed" in window.result.text()


def test_a_dropped_document_is_still_a_document(qtbot, open_session, tmp_path) -> None:
    note = tmp_path / "note.txt"
    note.write_text("The ferry leaves at nine.")
    session = open_session()
    session.window.pane.files_given.emit([note])
    qtbot.waitUntil(lambda: [doc.name for doc in session.window.documents.pending()] == ["note.txt"], timeout=10_000)


def test_what_is_no_model_is_refused_in_a_card(qtbot, open_session, tmp_path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(100))
    session = open_session()
    session.window.on_models()
    idle(qtbot, session)
    part(session).take_over([broken])
    qtbot.waitUntil(lambda: part(session).window.card is not None, timeout=10_000)
    assert "model" in part(session).window.card.accessibleName()


def test_a_spoiled_model_is_found_by_verifying(qtbot, open_session, app_paths, tiny_model_dir) -> None:
    session = open_session()
    part(session).keeping.take_over(tiny_model_dir(lambda files: None))
    idle(qtbot, session)
    model = session.window.models.state.model
    weights = model.path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x55")
    session.window.on_models()
    idle(qtbot, session)
    window = part(session).window
    press(qtbot, window.kept[model.name].verify)
    idle(qtbot, session)
    assert "not as it should be" in window.result.text()


def test_a_model_that_is_too_large_asks_first(qtbot, open_session) -> None:
    session = open_session()
    session.window.on_models()
    idle(qtbot, session)
    wanted: list[object] = []
    part(session).model_wanted.connect(wanted.append)
    huge = KeptModel(InstalledModel("huge", Path("/nowhere"), False), Origin.STORED, 1, 1 << 50, "Huge")
    part(session).on_use(huge)
    assert wanted == []
    confirm(part(session).window, "Load it anyway")
    assert wanted == [huge.model]


def test_the_cache_of_other_tools_is_offered_and_only_named(qtbot, open_session, tmp_path, tiny_model_dir) -> None:
    revision = "04c3b9ad9361b824064a1f25ea60a8be9599b127"
    snapshot = tmp_path / "hub" / "models--microsoft--bitnet-b1.58-2B-4T" / "snapshots" / revision
    snapshot.parent.mkdir(parents=True)
    tiny_model_dir(lambda files: None).rename(snapshot)
    session = open_session()
    pane = open_steps(qtbot, session)
    press(qtbot, pane.use_cached)
    idle(qtbot, session)
    assert pane.card is not None  # it is not what is published under that name, so it is refused
    assert "damaged" in pane.card.accessibleName()


def test_the_list_for_another_computer_can_be_copied(qtbot, open_session) -> None:
    session = open_session()
    pane = open_steps(qtbot, session)
    press(qtbot, pane.no_internet)
    press(qtbot, pane.offline.copy)
    text = QApplication.clipboard().text()
    assert "https://huggingface.co/microsoft/bitnet-b1.58-2B-4T/resolve/" in text
    assert "1,178,623,988 bytes" in text


def test_loading_can_be_cancelled_and_the_window_stays_usable(qtbot, open_session, make_engine) -> None:
    engine = make_engine()
    is_slow = [True]

    def load(_path: Path, _settings: object, cancel: CancelToken, _emit: Emit) -> object:
        if is_slow:
            stopped = Event()
            cancel.on_cancel(stopped.set)
            assert stopped.wait(10)
            raise Interrupted
        return engine

    window = open_session(load=load, waits=False).window
    qtbot.waitUntil(lambda: window.status.cancel.isVisible())
    press(qtbot, window.status.cancel)
    assert "not loaded" in window.status.text()
    qtbot.waitUntil(lambda: window.runner.is_idle)
    is_slow.clear()
    window.models.load(window.models.state.model)
    qtbot.waitUntil(lambda: window.models.state.is_ready)


def test_after_two_failed_starts_no_model_is_loaded(qtbot, open_session, app_paths) -> None:
    for _ in range(2):
        killed = StartGuard(app_paths.data)
        killed.begin()
        with killed.during(Step.MODEL, "large-model"):
            left = (app_paths.data / FILE_NAME).read_bytes()
        (app_paths.data / FILE_NAME).write_bytes(left)
    guard = StartGuard(app_paths.data)
    guard.begin()
    session = open_session(guard=guard)
    idle(qtbot, session)
    window = session.window
    assert not window.models.state.is_ready
    assert [row.error.facts["name"] for row in window.messages.rows if row.error is not None] == ["large-model"]
    assert not (app_paths.data / FILE_NAME).exists()  # the next start is a usual one
    window._try_again()
    qtbot.waitUntil(lambda: window.models.state.is_ready)


def test_the_padlock_counts_and_leads_to_the_proof(qtbot, open_session, monkeypatch) -> None:
    checks = tuple(offline.Check(name, True, "") for name in offline.CheckName)
    monkeypatch.setattr(offline, "self_test", lambda: offline.SelfTest(checks))
    session = open_session()
    assert "Offline" in session.window.status.padlock.text()
    press(qtbot, session.window.status.padlock)
    assert session.window.preferences.window.page is Page.PRIVACY
    facts = session.window.model_part.network.facts
    press(qtbot, facts.test)
    idle(qtbot, session)
    assert facts.tested.text().startswith("Everything was refused")
    assert "No download has ever connected" in facts.hosts.text()


def test_a_self_test_that_connects_is_said_loudly(qtbot, open_session, monkeypatch) -> None:
    checks = (offline.Check(offline.CheckName.CONNECT, False, "it was possible"),)
    monkeypatch.setattr(offline, "self_test", lambda: offline.SelfTest(checks))
    session = open_session()
    session.window.on_preferences(Page.PRIVACY)
    session.window.model_part.network.test()
    idle(qtbot, session)
    assert "Not everything was refused" in session.window.model_part.network.facts.tested.text()
