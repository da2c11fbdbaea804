"""The budget bar while typing, what is offered for a message that is too long, and pasting of any size."""

import pytest
from PySide6.QtCore import QMimeData

pytestmark = pytest.mark.gui


@pytest.fixture
def window(qtbot, open_window, make_engine):
    return open_window(make_engine(["ok"]))


def typed(qtbot, session, text: str) -> None:
    session.window.pane.composer.text.setPlainText(text)
    settle(qtbot, session)


def settle(qtbot, session) -> None:
    session.window.budget.on_count()
    qtbot.waitUntil(lambda: session.runner.is_idle and not session.window.chat.is_busy)


def test_the_bar_follows_what_is_typed(qtbot, window) -> None:
    typed(qtbot, window, "")
    empty = window.window.budget.budget
    typed(qtbot, window, "some words")
    budget = window.window.budget.budget
    assert budget.draft > 0
    assert budget.used == empty.used + budget.draft
    bar = window.window.pane.composer.budget_bar
    assert f"{budget.used:,} of 512 tokens" in bar.words
    assert "Your message" in bar.accessibleDescription()


def test_a_message_that_is_too_long_can_be_cut(qtbot, window) -> None:
    typed(qtbot, window, "many words here " * 100)
    assert window.window.budget.budget.too_many > 0
    assert window.window.pane.composer._cut.isVisible()
    before = len(window.window.pane.composer.text.toPlainText())
    window.window.pane.composer._cut.click()
    qtbot.waitUntil(lambda: len(window.window.pane.composer.text.toPlainText()) < before)
    settle(qtbot, window)
    assert window.window.budget.budget.too_many == 0
    assert not window.window.pane.composer._cut.isVisible()
    assert window.window.pane.composer.text.toPlainText().startswith("many words here")


def test_a_message_that_is_too_long_can_become_a_document(qtbot, window) -> None:
    typed(qtbot, window, "many words here " * 100)
    window.window.pane.composer._document.click()
    settle(qtbot, window)
    assert window.window.pane.composer.text.toPlainText() == ""
    assert window.window.pane.composer.chips.names == ("Pasted text.txt",)


@pytest.mark.parametrize("text", ["words and words " * 20_000, "x" * 20_000, "line\n" * 30_000])
def test_a_large_paste_becomes_a_document(qtbot, window, text: str) -> None:
    data = QMimeData()
    data.setText(text)
    window.window.pane.composer.text.insertFromMimeData(data)
    assert window.window.pane.composer.text.toPlainText() == ""
    settle(qtbot, window)
    assert window.window.pane.composer.chips.names == ("Pasted text.txt",)


def test_the_line_stands_where_the_model_begins_to_see(qtbot, window) -> None:
    for number in range(6):
        window.window.pane.composer.set_text(f"{number} " + "many words here " * 12)
        window.window.pane.composer.on_submit()
        qtbot.waitUntil(lambda: not window.window.chat.is_busy and window.runner.is_idle)
    typed(qtbot, window, "one more")
    transcript = window.window.pane.transcript
    row = transcript._seen_from
    assert row > 0
    assert window.window.messages.rows[row].message_id == window.window.budget.budget.seen_from
    transcript.set_position(row, 0)
    assert transcript._seen_line.isVisible()
    assert transcript._seen_line.geometry().bottom() < transcript.live_rows[row].y()
