"""Manners: commands from one table, the palette, quitting, the tray, notifications, quick actions."""

from collections import Counter

import pytest
from PySide6.QtCore import QMimeData, Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QApplication, QMessageBox

from app.desktop.leaving import Tray
from app.menus import entries, shortcuts
from app.plain_text import PlainLabel
from app.window_state import WindowState
from core.inference.rewriting import Task

pytestmark = [pytest.mark.gui, pytest.mark.qt_log_ignore("propagateSizeHints", "does not support raise")]


@pytest.fixture(autouse=True)
def quit_policy():
    yield
    QApplication.setQuitOnLastWindowClosed(True)


def send(qtbot, session, text: str) -> None:
    field = session.window.pane.composer.text
    qtbot.keyClicks(field, text)
    qtbot.keyClick(field, Qt.Key.Key_Return)


def wait_idle(qtbot, session) -> None:
    qtbot.waitUntil(lambda: not session.window.chat.is_busy and session.runner.is_idle)


def questions(session) -> list[QMessageBox]:
    return [box for box in session.window.findChildren(QMessageBox) if box.isVisible()]


def open_palette(qtbot, session):
    session.window.desktop.show_palette()
    return session.window.desktop.palette


# Commands


def test_no_two_commands_share_a_key(open_window, make_engine) -> None:
    session = open_window(make_engine())
    bound = Counter(
        keys.toString()
        for action in session.window.findChildren(QAction)
        for keys in action.shortcuts()
        if not keys.isEmpty()
    )
    assert not [keys for keys, n in bound.items() if n > 1]
    # Qt's own keys of text fields are not bound, but they are taken.
    taken = Counter(keys for _menu, _words, both in shortcuts() for keys in both.split(" or "))
    assert not [keys for keys, n in taken.items() if n > 1]


def test_every_action_of_the_menus_is_in_the_palette(open_window, make_engine) -> None:
    session = open_window(make_engine())
    offered = {entry.action for entry in entries(session.window.actions_by_name)}
    for menu in session.window.menuBar().actions():
        for action in menu.menu().actions():
            assert action.isSeparator() or action in offered, action.text()


def test_about_preferences_and_quit_have_their_roles(open_window, make_engine) -> None:
    session = open_window(make_engine())
    roles = Counter(
        action.menuRole() for menu in session.window.menuBar().actions() for action in menu.menu().actions()
    )
    for role in (QAction.MenuRole.AboutRole, QAction.MenuRole.PreferencesRole, QAction.MenuRole.QuitRole):
        assert roles[role] == 1
    assert QAction.MenuRole.TextHeuristicRole not in [
        action.menuRole()
        for menu in session.window.menuBar().actions()
        for action in menu.menu().actions()
        if not action.isSeparator()
    ]


def test_commands_are_enabled_when_they_are_of_use(qtbot, open_window, make_engine) -> None:
    engine = make_engine(is_paced=True)
    session = open_window(engine)
    actions = session.window.actions_by_name
    assert not actions["on_stop"].isEnabled()
    assert not actions["on_copy_answer"].isEnabled()
    assert not actions["on_rename_chat"].isEnabled()
    send(qtbot, session, "Hi")
    assert actions["on_stop"].isEnabled()
    engine.release(99)
    wait_idle(qtbot, session)
    assert not actions["on_stop"].isEnabled()
    assert actions["on_copy_answer"].isEnabled()
    assert actions["on_rename_chat"].isEnabled()
    session.window.on_new_chat()
    assert not actions["on_copy_answer"].isEnabled()


# Palette and list of keys


def test_a_command_is_found_and_carried_out_by_keys_alone(qtbot, open_window, make_engine) -> None:
    session = open_window(make_engine())
    qtbot.keyClick(session.window, Qt.Key.Key_K, Qt.KeyboardModifier.ControlModifier)
    palette = session.window.desktop.palette
    qtbot.waitUntil(lambda: palette.isVisible() and palette.field.hasFocus())
    was_hidden = session.window.sidebar.isHidden()
    qtbot.keyClicks(palette.field, "sideb")
    assert palette.titles()[0] == "Sidebar"
    qtbot.keyClick(palette.field, Qt.Key.Key_Return)
    assert palette.isHidden()
    assert session.window.sidebar.isHidden() is not was_hidden
    qtbot.waitUntil(session.window.pane.composer.text.hasFocus)


def test_the_arrow_keys_choose_and_pass_over_what_cannot_be_used(qtbot, open_window, make_engine) -> None:
    session = open_window(make_engine())
    palette = open_palette(qtbot, session)
    qtbot.keyClick(palette.field, Qt.Key.Key_Up)  # round to the end
    last = palette.list.currentItem()
    assert last.flags() & Qt.ItemFlag.ItemIsEnabled
    assert palette.titles().index("Stop the answer") > palette.titles().index(last.text())
    qtbot.keyClick(palette.field, Qt.Key.Key_Down)
    assert palette.list.currentRow() == 0
    qtbot.keyClick(palette.field, Qt.Key.Key_PageDown)
    assert palette.list.currentRow() == 9


def test_a_command_that_cannot_be_used_is_not_carried_out(qtbot, open_window, make_engine) -> None:
    session = open_window(make_engine())
    palette = open_palette(qtbot, session)
    qtbot.keyClicks(palette.field, "stop the ans")
    assert palette.titles()[0] == "Stop the answer"
    qtbot.keyClick(palette.field, Qt.Key.Key_Return)
    assert palette.isVisible()


def test_escape_leaves_the_palette_and_not_the_answer(qtbot, open_window, make_engine) -> None:
    engine = make_engine(is_paced=True)
    session = open_window(engine)
    send(qtbot, session, "Hi")
    palette = open_palette(qtbot, session)
    qtbot.keyClick(palette.field, Qt.Key.Key_Escape)
    assert palette.isHidden()
    assert session.window.chat.is_busy
    engine.release(99)
    wait_idle(qtbot, session)


def test_what_was_used_last_comes_first_also_after_a_restart(qtbot, open_window, make_engine, app_paths) -> None:
    session = open_window(make_engine())
    for words in ("larger text", "keyboard shortcuts"):
        palette = open_palette(qtbot, session)
        qtbot.keyClicks(palette.field, words)
        qtbot.keyClick(palette.field, Qt.Key.Key_Return)
    session.window.desktop.shortcut_list.close()
    open_window.close(session)
    assert WindowState.load(app_paths.data).recent_commands == "desktop.show_shortcuts,on_larger_text"
    again = open_window(make_engine())
    assert open_palette(qtbot, again).titles()[:2] == ["Keyboard shortcuts", "Larger text"]


@pytest.mark.parametrize("keys", ["F1", "Ctrl+/"])
def test_all_keys_are_listed_in_a_window(qtbot, open_window, make_engine, keys: str) -> None:
    session = open_window(make_engine())
    combination = QKeySequence(keys)[0]
    qtbot.keyClick(session.window, combination.key(), combination.keyboardModifiers())
    qtbot.waitUntil(lambda: session.window.desktop.shortcut_list is not None)
    shown = session.window.desktop.shortcut_list
    texts = {label.text() for label in shown.findChildren(PlainLabel)}
    for _menu, words, both in shortcuts():
        assert {words, both} <= texts
    shown.close()


# Quitting and the tray


def test_closing_asks_only_while_an_answer_is_written(qtbot, open_window, make_engine) -> None:
    engine = make_engine(is_paced=True)
    session = open_window(engine)
    send(qtbot, session, "Hi")
    engine.release(2)
    assert not session.window.close()
    (question,) = questions(session)
    assert "answer" in question.informativeText()
    session.window.close()
    assert len(questions(session)) == 1
    question.button(QMessageBox.StandardButton.Cancel).click()
    assert session.window.isVisible()
    assert session.window.chat.is_busy
    engine.release(99)
    wait_idle(qtbot, session)
    assert session.window.close()


def test_quitting_all_the_same_keeps_what_is_there(qtbot, open_window, make_engine) -> None:
    engine = make_engine(is_paced=True)
    session = open_window(engine)
    send(qtbot, session, "Hi")
    session.window.desktop.leave()
    (question,) = questions(session)
    question.buttons()[0].click()
    qtbot.waitUntil(lambda: not session.window.isVisible())


def test_the_system_ends_a_session_without_a_question(qtbot, open_window, make_engine) -> None:
    session = open_window(make_engine(is_paced=True))
    send(qtbot, session, "Hi")
    session.window.desktop.stop_asking()
    assert session.window.close()


class FakeTray(Tray):
    """A tray that is always there and keeps what it says."""

    def __init__(self, window) -> None:
        super().__init__(window, lambda: True)
        self.said: list[str] = []

    def set_wanted(self, is_wanted: bool) -> None:
        self._icon = object() if is_wanted else None  # type: ignore[assignment]

    def say(self, title: str, text: str) -> None:
        self.said.append(text)


@pytest.fixture
def with_tray(monkeypatch) -> None:
    monkeypatch.setattr("app.desktop.part.Tray", FakeTray)


@pytest.mark.usefixtures("with_tray")
def test_with_the_tray_the_window_hides_and_says_so_once(qtbot, open_window, make_engine) -> None:
    session = open_window(make_engine())
    window = session.window
    window.live.set("keeps_in_tray", True)
    for _ in range(2):
        window.close()
        assert window.isHidden()
        assert not QApplication.quitOnLastWindowClosed()
        window.desktop.tray.show_requested.emit()
        assert window.isVisible()
    assert len(window.desktop.tray.said) == 1
    window.live.set("keeps_in_tray", False)
    assert window.close()


@pytest.mark.usefixtures("with_tray")
def test_quit_in_the_tray_quits(qtbot, open_window, make_engine) -> None:
    session = open_window(make_engine())
    session.window.live.set("keeps_in_tray", True)
    session.window.close()
    session.window.desktop.tray.quit_requested.emit()
    assert not session.window.desktop.tray.is_shown
    assert QApplication.quitOnLastWindowClosed()


def test_without_a_place_for_icons_closing_quits(qtbot, open_window, make_engine) -> None:
    session = open_window(make_engine())
    session.window.live.set("keeps_in_tray", True)
    if session.window.desktop.tray.is_shown:
        pytest.skip("this system has a tray")
    assert session.window.close()


@pytest.mark.usefixtures("with_tray")
def test_a_long_answer_is_told_by_the_tray_where_there_is_one(qtbot, open_window, make_engine, monkeypatch) -> None:
    session = open_window(make_engine())
    alerts: list[object] = []
    monkeypatch.setattr(QApplication, "alert", lambda *facts: alerts.append(facts))
    desktop = session.window.desktop
    desktop.attention.wanted.emit("The answer is finished.")
    assert len(alerts) == 1
    session.window.live.set("keeps_in_tray", True)
    desktop.attention.wanted.emit("The answer is finished.")
    assert len(alerts) == 1
    assert desktop.tray.said == ["The answer is finished."]
    session.window.live.set("notifies_when_done", False)
    assert not desktop.attention.is_enabled


# Quick actions


def begin(qtbot, session, text: str):
    field = session.window.pane.composer.text
    field.setPlainText(text)
    field.selectAll()
    field.setFocus()
    session.window.desktop.show_quick_actions()
    return session.window.desktop.quick


def test_selected_text_is_rewritten_compared_and_put_back(qtbot, open_window, make_engine) -> None:
    engine = make_engine(["It ", "is good."])
    session = open_window(engine)
    quick = begin(qtbot, session, "It is very good.")
    assert quick.text.toPlainText() == "It is very good."
    quick.task_buttons[Task.REWRITE].click()
    wait_idle(qtbot, session)
    assert quick.result_text == "It is good."
    assert quick.outcome.toPlainText() == "It is very good."  # with what was taken out, struck out
    quick.changes.setChecked(False)
    assert quick.outcome.toPlainText() == "It is good."
    quick._copy.click()
    assert QApplication.clipboard().text() == "It is good."
    quick._replace.click()
    assert session.window.pane.composer.text.toPlainText() == "It is good."
    assert not session.window.services.store.chats()  # nothing of it is stored


def test_a_translation_goes_into_the_chosen_language(qtbot, open_window, make_engine) -> None:
    session = open_window(make_engine())
    quick = begin(qtbot, session, "Some text")
    asked: list[str] = []
    quick.requested.connect(lambda _task, _text, language: asked.append(language))
    spanish = next(action for action in quick.language.menu().actions() if action.text() == "Spanish")
    spanish.trigger()
    assert "Spanish" in quick.language.accessibleName()
    quick.task_buttons[Task.TRANSLATE].click()
    wait_idle(qtbot, session)
    assert asked == ["Spanish"]


def test_a_task_can_be_stopped(qtbot, open_window, make_engine) -> None:
    engine = make_engine(is_paced=True)
    session = open_window(engine)
    quick = begin(qtbot, session, "Some text")
    quick.task_buttons[Task.EXPLAIN].click()
    assert not quick.task_buttons[Task.EXPLAIN].isEnabled()
    engine.release(1)
    qtbot.waitUntil(lambda: quick.result_text == "Hello ")
    qtbot.keyClick(quick, Qt.Key.Key_Escape)
    wait_idle(qtbot, session)
    assert quick.isVisible()
    assert quick.result_text == "Hello"
    assert "Stopped" in quick._status.text()
    assert not session.window.desktop.is_writing


def test_the_starter_says_why_it_does_not_rewrite(qtbot, open_window, make_engine, tmp_path) -> None:
    from core.models.installed import InstalledModel

    session = open_window(make_engine(), models=[InstalledModel("starter", tmp_path, is_starter=True)])
    quick = begin(qtbot, session, "Some text")
    assert not any(button.isEnabled() for button in quick.task_buttons.values())
    assert "starter model" in quick._status.text()


def test_a_failure_is_said_in_words_and_the_text_stays(qtbot, open_window, make_engine) -> None:
    engine = make_engine()
    session = open_window(engine)
    quick = begin(qtbot, session, "far too long " * 400)
    quick.task_buttons[Task.SHORTEN].click()
    wait_idle(qtbot, session)
    assert quick._status.text()
    assert quick.text.toPlainText().startswith("far too long")
    assert quick.task_buttons[Task.SHORTEN].isEnabled()


def test_a_huge_paste_is_cut_and_that_is_said(qtbot, open_window, make_engine) -> None:
    session = open_window(make_engine())
    session.window.desktop.show_quick_actions()
    quick = session.window.desktop.quick
    pasted = QMimeData()
    pasted.setText("word " * 2_000_000)
    quick.text.insertFromMimeData(pasted)
    assert len(quick.text.toPlainText()) == 20_000
    assert "cut" in quick._status.text()


def test_hostile_text_of_a_model_stays_text(qtbot, open_window, make_engine) -> None:
    session = open_window(make_engine(["<img src=file:///etc/passwd>", "<b>x</b>"]))
    quick = begin(qtbot, session, "<i>old</i>")
    quick.task_buttons[Task.REWRITE].click()
    wait_idle(qtbot, session)
    quick.changes.setChecked(False)
    assert quick.outcome.toPlainText() == "<img src=file:///etc/passwd><b>x</b>"
