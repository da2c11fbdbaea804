"""A person's way through the window: type, stream, stop, quit, come back."""

import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QObject, Qt, Signal
from PySide6.QtWidgets import QAbstractButton, QLineEdit

from app.chat.message_model import RowKind
from app.chat.presenter import ChatPresenter
from app.plain_text import PlainLabel
from app.window import run_window
from core.errors import AppError, ErrorCode
from core.events import StopReason
from core.instance import InstanceLock
from core.models.installed import InstalledModel
from core.store.chats import ChatStore, MessageState
from core.store.database import Database

ROOT = Path(__file__).resolve().parent.parent.parent
# The offscreen platform cannot pass size hints on and says so for every dialog.
pytestmark = [pytest.mark.gui, pytest.mark.qt_log_ignore("propagateSizeHints")]


def send(qtbot, session, text: str) -> None:
    field = session.window.pane.composer.text
    qtbot.keyClicks(field, text)
    qtbot.keyClick(field, Qt.Key.Key_Return)


def texts(session) -> list[str]:
    return [row.text for row in session.window.messages.rows]


def wait_idle(qtbot, session) -> None:
    qtbot.waitUntil(lambda: not session.window.chat.is_busy and session.runner.is_idle)


def stored(session) -> list[tuple[str, MessageState]]:
    store = session.window.services.store
    return [(message.text, message.state) for chat in store.chats() for message in store.messages(chat.id)]


def test_what_is_typed_is_answered_and_stored(qtbot, open_window, make_engine) -> None:
    session = open_window(make_engine())
    assert session.window.pane.is_empty
    send(qtbot, session, "How are you?")
    wait_idle(qtbot, session)
    assert texts(session) == ["How are you?", "Hello from the fake."]
    assert stored(session) == [("How are you?", MessageState.DONE), ("Hello from the fake.", MessageState.DONE)]
    assert "How are you?" in session.window.sidebar.titles()
    assert session.window.windowTitle().startswith("How are you?")
    assert "words/s" in session.window.status.text()
    assert "Saved" in session.window.status.text()
    assert "Offline" in session.window.status.text()


def test_the_answer_grows_while_the_window_stays_alive(qtbot, open_window, make_engine) -> None:
    engine = make_engine(is_paced=True)
    session = open_window(engine)
    send(qtbot, session, "Hi")
    engine.release(2)
    qtbot.waitUntil(lambda: texts(session)[-1] == "Hello from ")
    assert session.window.pane.composer.button.text() == "Stop"
    qtbot.keyClicks(session.window.pane.composer.text, "typed meanwhile")
    assert session.window.pane.composer.text.toPlainText() == "typed meanwhile"
    engine.release(2)
    wait_idle(qtbot, session)
    assert texts(session)[-1] == "Hello from the fake."
    assert session.window.pane.composer.button.text() == "Send"


@pytest.mark.parametrize("way", ["button", "escape"])
def test_stop_keeps_what_was_written(qtbot, open_window, make_engine, way: str) -> None:
    engine = make_engine(["one "] * 50, is_paced=True)
    session = open_window(engine)
    send(qtbot, session, "Count")
    engine.release(3)
    qtbot.waitUntil(lambda: texts(session)[-1] == "one one one ")
    if way == "button":
        qtbot.mouseClick(session.window.pane.composer.button, Qt.MouseButton.LeftButton)
    else:
        session.window.actions_by_name["on_stop"].trigger()
    wait_idle(qtbot, session)
    assert texts(session)[-1] == "one one one "
    assert "stopped" in session.window.messages.rows[-1].note
    assert stored(session)[-1] == ("one one one ", MessageState.STOPPED)


def test_escape_is_bound_to_stop(qtbot, open_window) -> None:
    session = open_window()
    assert session.window.actions_by_name["on_stop"].shortcut().toString() == "Esc"


def test_a_restart_shows_everything(qtbot, open_window, make_engine) -> None:
    first = open_window(make_engine())
    send(qtbot, first, "Remember me")
    wait_idle(qtbot, first)
    first.window.resize(900, 600)
    assert open_window.close(first)
    second = open_window(make_engine())
    qtbot.waitUntil(lambda: texts(second) == ["Remember me", "Hello from the fake."])
    assert "Remember me" in second.window.sidebar.titles()
    assert second.window.size().width() == 900
    send(qtbot, second, "Again")
    wait_idle(qtbot, second)
    assert len(texts(second)) == 4


def test_quitting_during_an_answer_keeps_what_was_written(qtbot, open_window, make_engine) -> None:
    engine = make_engine(["word "] * 50, is_paced=True)
    session = open_window(engine)
    send(qtbot, session, "Tell me")
    engine.release(4)
    qtbot.waitUntil(lambda: texts(session)[-1] == "word " * 4)
    assert open_window.close(session)
    assert engine.is_closed
    again = open_window(make_engine())
    qtbot.waitUntil(lambda: len(texts(again)) == 2)
    assert texts(again) == ["Tell me", "word " * 4]
    assert again.window.messages.rows[-1].note


def test_an_answer_of_a_killed_process_is_shown_as_interrupted(qtbot, open_window, app_paths) -> None:
    database = Database.open(app_paths.database)
    store = ChatStore(database)
    chat_id = store.create_chat()
    store.add_prompt(chat_id, "Before the crash")
    store.append_reply(store.begin_reply(chat_id, "fake"), "half an ans")
    database.close()
    session = open_window()
    session.window.chat.open_chat(chat_id)
    qtbot.waitUntil(lambda: len(texts(session)) == 2)
    row = session.window.messages.rows[1]
    assert row.text == "half an ans"
    assert row.note.startswith("Interrupted")


def test_a_model_that_cannot_be_loaded_leaves_a_window_that_works(qtbot, open_window) -> None:
    error = AppError(ErrorCode.MODEL_DAMAGED, path="/m", part="model.safetensors", reason="it ends early")
    session = open_window(error)
    row = session.window.messages.rows[-1]
    assert row.kind is RowKind.ERROR
    assert row.error is error
    assert "could not be loaded" in session.window.status.text()
    assert session.window.pane.header.isEnabled()
    send(qtbot, session, "Hello?")
    wait_idle(qtbot, session)
    assert session.window.messages.rows[-1].kind is RowKind.ERROR
    assert ("Hello?", MessageState.DONE) in stored(session)


def test_without_a_model_the_message_is_kept_and_a_card_says_what_to_do(qtbot, open_window) -> None:
    session = open_window()
    send(qtbot, session, "Anyone there?")
    wait_idle(qtbot, session)
    error = session.window.messages.rows[-1].error
    assert isinstance(error, AppError)
    assert error.code is ErrorCode.MODEL_NONE_CHOSEN
    assert stored(session) == [("Anyone there?", MessageState.DONE)]


def test_an_error_in_the_middle_keeps_the_text_so_far(qtbot, open_window, make_engine) -> None:
    engine = make_engine(["some "])
    engine.error = AppError(ErrorCode.DISK_FULL, path="/d")
    session = open_window(engine)
    send(qtbot, session, "Go")
    wait_idle(qtbot, session)
    kinds = [row.kind for row in session.window.messages.rows]
    assert kinds == [RowKind.USER, RowKind.ANSWER, RowKind.ERROR]
    assert texts(session)[1] == "some "


def test_a_stopped_loop_is_told(qtbot, open_window, make_engine) -> None:
    engine = make_engine(["la "] * 5)
    engine.reason = StopReason.LOOP
    session = open_window(engine)
    send(qtbot, session, "Sing")
    wait_idle(qtbot, session)
    assert "repeat" in session.window.messages.rows[-1].note


def test_messages_that_no_longer_fit_are_told_in_the_transcript(qtbot, open_window, make_engine) -> None:
    session = open_window(make_engine(["ok"]))
    for number in range(6):
        send(qtbot, session, f"{number} " + "many words here " * 12)
        wait_idle(qtbot, session)
    notes = [row.text for row in session.window.messages.rows if row.kind is RowKind.NOTE]
    assert notes
    assert "no longer fit" in notes[-1]


def test_another_chat_can_be_read_while_an_answer_streams(qtbot, open_window, make_engine) -> None:
    engine = make_engine(is_paced=True)
    session = open_window(engine)
    engine.release(4)
    send(qtbot, session, "First chat")
    wait_idle(qtbot, session)
    first = session.window.chat.chat_id
    session.window.on_new_chat()
    send(qtbot, session, "Second chat")
    engine.release(2)
    qtbot.waitUntil(lambda: texts(session)[-1] == "Hello from ")
    second = session.window.chat.chat_id
    session.window.on_chat_chosen(first)
    qtbot.waitUntil(lambda: texts(session) == ["First chat", "Hello from the fake."])
    engine.release(1)
    session.window.on_chat_chosen(second)
    qtbot.waitUntil(lambda: texts(session) == ["Second chat", "Hello from the "])
    engine.release(1)
    wait_idle(qtbot, session)
    assert texts(session) == ["Second chat", "Hello from the fake."]


def test_rename_and_delete(qtbot, open_window, make_engine) -> None:
    session = open_window(make_engine())
    send(qtbot, session, "Old name")
    wait_idle(qtbot, session)
    session.window.on_rename_chat()
    editor = session.window.sidebar.list_view.findChild(QLineEdit)
    editor.setText("<b>New</b> name & more")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: "<b>New</b> name & more" in session.window.sidebar.titles())
    session.window.on_delete_chat()
    qtbot.waitUntil(lambda: not session.window.sidebar.titles())
    assert "<b>New</b> name & more" in session.window.sidebar.notice.text
    assert session.window.pane.is_empty
    assert stored(session) == []
    qtbot.mouseClick(session.window.sidebar.notice.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "<b>New</b> name & more" in session.window.sidebar.titles())


def test_shift_enter_starts_a_line(qtbot, open_window, make_engine) -> None:
    session = open_window(make_engine())
    field = session.window.pane.composer.text
    before = field.height()
    qtbot.keyClicks(field, "a")
    qtbot.keyClick(field, Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    qtbot.keyClicks(field, "b")
    assert field.toPlainText() == "a\nb"
    assert field.height() > before


@pytest.mark.parametrize("text", ["word " * 30_000, "x" * 50_000], ids=["too large", "unbroken"])
def test_an_unbearable_paste_becomes_a_document(qtbot, open_window, text: str) -> None:
    session = open_window()
    composer = session.window.pane.composer
    qtbot.keyClicks(composer.text, "mine")
    pasted = QMimeData()
    pasted.setText(text)
    composer.text.insertFromMimeData(pasted)
    assert composer.text.toPlainText() == "mine"
    qtbot.waitUntil(lambda: composer.chips.names == ("Pasted text.txt",))


def test_send_waits_for_the_model(qtbot, open_window) -> None:
    session = open_window()
    session.window.pane.composer.set_can_send(False)
    send(qtbot, session, "too early")
    assert session.window.pane.composer.text.toPlainText() == "too early"
    assert "loading" in session.window.pane.composer.hint


def test_every_visible_button_has_a_name(qtbot, open_window, make_engine) -> None:
    session = open_window(make_engine())
    send(qtbot, session, "Hi")
    wait_idle(qtbot, session)
    session.window.chat.show_error(AppError(ErrorCode.DISK_FULL, path="/d"))
    buttons = [button for button in session.window.findChildren(QAbstractButton) if button.isVisible()]
    assert len(buttons) > 5
    nameless = [b.objectName() or type(b).__name__ for b in buttons if not (b.text() or b.accessibleName())]
    # The two arrows that QMenuBar and QScrollBar keep are never visible here.
    assert nameless == []


def test_text_size_and_scheme_are_remembered(qtbot, open_window) -> None:
    session = open_window()
    session.window.on_larger_text()
    session.window.on_scheme_chosen(type(session.theme.scheme)("dark"))
    open_window.close(session)
    again = open_window()
    assert again.theme.text_percent == 110
    assert again.theme.is_dark


def test_a_narrow_window_hides_the_sidebar(qtbot, open_window) -> None:
    session = open_window()
    assert session.window.sidebar.isVisible()
    session.window.resize(760, 500)
    qtbot.waitUntil(lambda: not session.window.sidebar.isVisible())
    session.window.resize(1100, 700)
    qtbot.waitUntil(lambda: session.window.sidebar.isVisible())


def test_a_second_conversation_sees_only_its_own_words(qtbot, open_window, make_engine) -> None:
    engine = make_engine()
    session = open_window(engine)
    send(qtbot, session, "First")
    wait_idle(qtbot, session)
    session.window.on_new_chat()
    assert session.window.pane.is_empty
    send(qtbot, session, "First")
    wait_idle(qtbot, session)
    assert engine.prompts[0] == engine.prompts[1]


class _Emitter(QObject):
    fired = Signal(bool)


def test_this_pyside_keeps_the_references_of_none() -> None:
    """PySide6 6.12.0 loses one reference to None a void call and aborts; see ARCHITECTURE.md."""
    emitter = _Emitter()
    emitter.fired.connect(lambda _value: None)
    before = sys.getrefcount(None)
    for _ in range(5_000):
        emitter.fired.emit(True)
        emitter.setObjectName("x")
    assert abs(sys.getrefcount(None) - before) < 1_000


def test_the_presenter_has_no_widget() -> None:
    assert not any("widget" in name.lower() for name in vars(sys.modules[ChatPresenter.__module__]))


def test_the_starter_model_is_labelled(qtbot, open_window, make_engine, tmp_path) -> None:
    starter = InstalledModel("starter", tmp_path, is_starter=True)
    session = open_window(make_engine(), models=[starter])
    label = session.window.pane.findChild(PlainLabel, "starterLabel")
    assert label.isVisible()
    assert label.text() == "Starter – small, knows Tern; get the full model for real answers"
    session.window.pane.header.on_menu()
    assert session.window.pane.header.menu.actions()[0].text() == label.text()


def test_models_for_searching_are_listed_and_cannot_be_chosen(qtbot, open_window, make_engine, tmp_path) -> None:
    finder = InstalledModel("finder", tmp_path / "finder.gguf", is_starter=False, is_embedding=True)
    chat = InstalledModel("talker", tmp_path / "talker.gguf", is_starter=False)
    session = open_window(make_engine(), models=[finder, chat])
    header = session.window.pane.header
    header.on_menu()
    listed = {action.text(): action for action in header.menu.actions()}
    assert not listed["finder – for searching documents"].isEnabled()
    assert listed["talker"].isEnabled()
    assert listed["talker"].isChecked()  # the first that can answer


def test_a_window_that_cannot_start_says_why(tmp_path) -> None:
    """The data directory would have to be made inside a file."""
    blocker = tmp_path / "file"
    blocker.write_text("x")
    code = (
        "import sys; from pathlib import Path; from PySide6.QtCore import QTimer; from app import window as w\n"
        "from app.plain_text import PlainLabel; from core.paths import AppPaths\n"
        "app = w.make_application(['tern'])\n"
        "def look():\n"
        "    print([l.text() for t in app.topLevelWidgets() for l in t.findChildren(PlainLabel)]); app.quit()\n"
        "QTimer.singleShot(200, look)\n"
        f"sys.exit(w.run_window(AppPaths(Path({str(blocker / 'data')!r}))))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "Tern cannot save anything" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_second_start_brings_the_first_window_forward(app_paths) -> None:
    lock = InstanceLock.acquire(app_paths.lock)
    try:
        assert run_window(app_paths) == 0
        assert lock.take_raise_request() == ()
    finally:
        lock.release()
