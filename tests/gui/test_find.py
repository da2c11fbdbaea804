"""Find in chat: places in rows that are no widgets now are found, counted and shown."""

import pytest

from app.chat.message_model import Row, RowKind

pytestmark = pytest.mark.gui


@pytest.fixture
def window(qtbot, open_window, make_engine):
    session = open_window(make_engine())
    rows = []
    for number in range(300):
        rows.append(Row(RowKind.USER, f"question {number}"))
        needle = "a hidden **Needle** here" if number % 100 == 7 else "plain words"
        rows.append(Row(RowKind.ANSWER, f"answer {number}: {needle}\n\n```py\nx = {number}\n```"))
    session.window.messages._rows = rows
    session.window.messages.reset.emit()
    return session


def look_for(qtbot, session, text: str) -> None:
    session.window.on_find()
    session.window.pane.find_bar.field.setText(text)
    session.window.finder.on_search()
    qtbot.waitUntil(lambda: session.runner.is_idle)


def test_places_far_away_are_counted_and_shown(qtbot, window) -> None:
    look_for(qtbot, window, "hidden needle")
    assert [row for row, _ in window.window.finder.places] == [15, 215, 415]
    seen = []
    for _ in range(3):
        window.window.on_find_next()
        row = window.window.finder.places[window.window.finder._current][0]
        view = window.window.pane.transcript.live_rows[row]
        selections = view._body.segments[0].extraSelections()
        assert [selection.cursor.selectedText() for selection in selections] == ["hidden Needle"]
        assert 0 <= view.y() < window.window.pane.transcript.viewport().height()
        seen.append(window.window.pane.find_bar.count)
    assert sorted(seen) == ["1 of 3", "2 of 3", "3 of 3"]


def test_code_is_searched_too_and_nothing_found_is_said(qtbot, window) -> None:
    look_for(qtbot, window, "x = 299")
    assert len(window.window.finder.places) == 1
    look_for(qtbot, window, "no such words")
    assert window.window.pane.find_bar.count == "Nothing found"


def test_closing_takes_the_marks_away(qtbot, window) -> None:
    look_for(qtbot, window, "answer")
    window.window.pane.find_bar.close_bar()
    for view in window.window.pane.transcript.live_rows.values():
        for segment in view._body.segments:
            field = getattr(segment, "field", segment)
            assert not field.extraSelections()


def test_a_place_in_the_hidden_part_of_a_long_message_is_shown(qtbot, window) -> None:
    window.window.messages.append(Row(RowKind.USER, "words and words\n" * 2_000 + "the very end"))
    look_for(qtbot, window, "very end")
    assert window.window.pane.find_bar.count == "1 of 1"
    view = window.window.pane.transcript.live_rows[600]
    assert view._body.segments[0].extraSelections()
