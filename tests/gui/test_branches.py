"""Messages in the window: edited as branches, answered again, continued, deleted and brought back, replayed."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication

from app.chat.message_bar import MessageAction, actions_for
from app.chat.message_model import RowKind
from core.events import StopReason
from core.store.chats import MessageState

pytestmark = [pytest.mark.gui, pytest.mark.qt_log_ignore("propagateSizeHints")]


@pytest.fixture
def chat(qtbot, open_window, make_engine):
    return Chat(qtbot, open_window, make_engine())


class Chat:
    """One window, talked to as a person would."""

    def __init__(self, qtbot, open_window, engine) -> None:
        self.qtbot, self.engine = qtbot, engine
        self.session = open_window(engine)
        self.window = self.session.window

    @property
    def rows(self):
        return [row for row in self.window.messages.rows if row.kind in (RowKind.USER, RowKind.ANSWER)]

    @property
    def texts(self) -> list[str]:
        return [row.text for row in self.rows]

    def send(self, text: str) -> None:
        self.window.pane.composer.set_text(text)
        self.window.pane.composer.on_submit()
        self.settle()

    def settle(self) -> None:
        self.qtbot.waitUntil(lambda: not self.window.chat.is_busy and self.session.runner.is_idle)

    def act(self, action: MessageAction, index: int) -> None:
        self.window.branches.on_action(action, self.rows[index])

    def answer_with(self, *words: str) -> None:
        self.engine.words = words


def test_an_edit_makes_a_branch_and_the_arrows_lead_back(chat) -> None:
    chat.send("First")
    chat.send("Second")
    chat.window.pane.composer.set_text("half a thought")
    chat.act(MessageAction.EDIT, 0)
    assert chat.window.pane.composer.text.toPlainText() == "First"
    assert chat.window.pane.composer.is_editing
    chat.answer_with("Other")
    chat.send("First, better")
    assert chat.texts == ["First, better", "Other"]
    assert chat.window.pane.composer.text.toPlainText() == "half a thought"
    assert len(chat.rows[0].siblings) == 2
    chat.act(MessageAction.PREVIOUS, 0)
    chat.settle()
    assert [text for text in chat.texts if "fake" not in text] == ["First", "Second"]
    chat.act(MessageAction.NEXT, 0)
    chat.settle()
    assert chat.texts == ["First, better", "Other"]
    chat.send("Further")
    assert chat.texts[:3] == ["First, better", "Other", "Further"]


def test_editing_can_be_given_up_with_escape(chat) -> None:
    chat.send("First")
    chat.act(MessageAction.EDIT, 0)
    chat.window.on_stop()
    assert not chat.window.pane.composer.is_editing
    assert chat.window.pane.composer.text.toPlainText() == ""
    chat.send("Second")
    assert [row.text for row in chat.rows if row.kind is RowKind.USER] == ["First", "Second"]


def test_answering_again_keeps_both_answers(chat) -> None:
    chat.send("Why?")
    first = chat.texts[1]
    chat.answer_with("Because.")
    chat.act(MessageAction.AGAIN, 1)
    chat.settle()
    assert chat.texts == ["Why?", "Because."]
    assert len(chat.rows[1].siblings) == 2
    assert chat.engine.prompts[0] == chat.engine.prompts[1]
    bar = chat.window.pane.transcript.live_rows[1].bar
    assert bar.buttons[MessageAction.PREVIOUS].isEnabled()
    assert not bar.buttons[MessageAction.NEXT].isEnabled()
    bar.buttons[MessageAction.PREVIOUS].click()
    chat.settle()
    assert chat.texts == ["Why?", first]


def test_an_answer_that_fails_brings_back_the_one_before(chat) -> None:
    chat.send("Why?")
    chat.answer_with()
    chat.engine.error = RuntimeError("broken")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.jobs._log.exception", lambda *_: None)
        chat.act(MessageAction.AGAIN, 1)
        chat.settle()
    kinds = [row.kind for row in chat.window.messages.rows]
    assert kinds == [RowKind.USER, RowKind.ANSWER, RowKind.ERROR]
    assert len(chat.rows[1].siblings) == 2


def test_a_cut_answer_goes_on_where_it_stopped(chat) -> None:
    chat.engine.reason = StopReason.MAX_TOKENS
    chat.answer_with("one ", "two ")
    chat.send("Count")
    assert MessageAction.CONTINUE in actions_for(chat.rows[1])
    chat.engine.reason = StopReason.STOP_TOKEN
    chat.answer_with("one ", "two ", "three")
    chat.engine.n_begun_words = 2
    chat.act(MessageAction.CONTINUE, 1)
    chat.settle()
    assert chat.texts == ["Count", "one two three"]
    assert MessageAction.CONTINUE not in actions_for(chat.rows[1])
    stored = chat.window.services.store.messages(chat.window.chat.chat_id)
    assert [(message.text, message.state) for message in stored][1] == ("one two three", MessageState.DONE)


def test_a_deleted_message_comes_back_with_undo(chat) -> None:
    chat.send("First")
    chat.send("Second")
    before = chat.texts
    chat.act(MessageAction.DELETE, 2)
    chat.settle()
    assert chat.texts == before[:2]
    assert "2 messages deleted" in chat.window.branches.notice.text
    chat.window.branches.notice.button.click()
    chat.settle()
    assert chat.texts == before
    chat.act(MessageAction.DELETE, 1)
    chat.settle()
    trashed = chat.window.services.history.trashed_messages()
    assert len(trashed) == 3


def test_copying_gives_text_rich_text_or_markdown(chat) -> None:
    chat.answer_with("A **bold** word <b>x</b>")
    chat.send("Go")
    chat.act(MessageAction.COPY, 1)
    data = QGuiApplication.clipboard().mimeData()
    assert data.text() == "A bold word <b>x</b>"
    assert "<strong>bold</strong>" in data.html()
    assert "&lt;b&gt;" in data.html()
    chat.act(MessageAction.COPY_MARKDOWN, 1)
    assert QGuiApplication.clipboard().text() == "A **bold** word <b>x</b>"


def test_nothing_is_changed_under_an_answer_that_is_being_written(qtbot, open_window, make_engine) -> None:
    chat = Chat(qtbot, open_window, make_engine())
    chat.send("First")
    chat.engine._is_paced = True
    chat.window.pane.composer.set_text("Second")
    chat.window.pane.composer.on_submit()
    chat.act(MessageAction.DELETE, 0)
    chat.act(MessageAction.AGAIN, 1)
    assert "Stop the answer first" in chat.window.pane.composer.hint
    assert chat.texts[0] == "First"
    chat.window.on_stop()
    chat.settle()
    assert len(chat.rows) == 4


def test_the_details_tell_how_an_answer_was_made(chat) -> None:
    chat.send("Go")
    chat.act(MessageAction.DETAILS, 1)
    details = chat.window.branches._details
    shown = " ".join(label.text() for label in details.findChildren(type(details._words)))
    for word in ("Seed", "fake", "Temperature", "words"):
        assert word in shown
    assert not details.replay.isEnabled()  # the fake records no tokens
    details.close()


def test_the_keyboard_reaches_the_actions_of_a_message(chat, qtbot) -> None:
    chat.send("Go")
    view = chat.window.pane.transcript.live_rows[1]
    view._body.segments[0].setFocus()
    chat.window.pane.transcript.on_focus_changed(None, view._body.segments[0])
    assert MessageAction.AGAIN in view.bar.buttons
    for button in view.bar.buttons.values():
        assert button.accessibleName()
        assert button.focusPolicy() & Qt.FocusPolicy.TabFocus
    chat.answer_with("New.")
    chat.window.on_message_command("AGAIN")
    chat.settle()
    assert chat.texts[1] == "New."
