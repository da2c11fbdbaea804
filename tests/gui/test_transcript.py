"""The transcript: only rows in sight are widgets, the place is held, the end is followed only when in sight."""

import pytest

from app.chat.message_model import MessageModel, Row, RowKind
from app.chat.rows import RowActions
from app.chat.segments import CodeSegment, TableSegment, TextSegment
from app.chat.transcript import Transcript
from app.theme import Theme

pytestmark = pytest.mark.gui


@pytest.fixture
def transcript(qtbot):
    theme = Theme()
    model = MessageModel()
    view = Transcript(model, theme, RowActions(lambda _h: None, lambda _a: None, lambda: None))
    view.model = model
    view.resize(800, 600)
    qtbot.addWidget(view)
    view.show()
    qtbot.waitExposed(view)
    return view


def fill(view: Transcript, n_rows: int) -> None:
    rows = []
    for number in range(n_rows):
        rows.append(Row(RowKind.USER, f"question {number}"))
        rows.append(Row(RowKind.ANSWER, f"answer {number}\n\n" + "some words " * (number % 60)))
    view.model._rows = rows
    view.model.reset.emit()


def test_a_long_chat_makes_few_widgets_and_opens_at_its_end(transcript) -> None:
    fill(transcript, 1_000)
    assert 0 < len(transcript.live_rows) < 40
    assert 1_999 in transcript.live_rows
    assert transcript.verticalScrollBar().value() == transcript.verticalScrollBar().maximum()


def test_scrolling_through_keeps_few_widgets(transcript) -> None:
    fill(transcript, 300)
    bar = transcript.verticalScrollBar()
    for share in (0.5, 0.1, 0.0, 0.8):
        bar.setValue(int(bar.maximum() * share))
        assert 0 < len(transcript.live_rows) < 40
    bar.setValue(0)
    assert 0 in transcript.live_rows


def test_new_text_is_followed_only_at_the_end(transcript) -> None:
    fill(transcript, 30)
    index = transcript.model.append(Row(RowKind.ANSWER, is_streaming=True))
    transcript.model.add_text(index, "line\n" * 50)
    bar = transcript.verticalScrollBar()
    assert bar.value() == bar.maximum()
    bar.setValue(100)
    assert not transcript.is_following
    before = sorted((row, view.y()) for row, view in transcript.live_rows.items() if view.y() > -1_000)
    transcript.model.add_text(index, "more\n" * 50)
    assert sorted((row, view.y()) for row, view in transcript.live_rows.items() if view.y() > -1_000) == before
    transcript.scroll_to_end()
    assert bar.value() == bar.maximum()


def test_rows_above_never_move_what_is_read(transcript) -> None:
    fill(transcript, 200)
    bar = transcript.verticalScrollBar()
    bar.setValue(bar.maximum() // 2)
    row, y = next((row, view.y()) for row, view in sorted(transcript.live_rows.items()) if 0 <= view.y() < 500)
    for step in (-30, -30, -30):
        y -= step
        bar.setValue(bar.value() + step)
        assert transcript.live_rows[row].y() == y


@pytest.mark.parametrize("size", [1, 7, 400])
def test_a_streamed_answer_ends_like_a_stored_one(transcript, size: int) -> None:
    text = (
        "# Head\n\nPara **bold** one.\n\n- a\n- b\n\n```py\nx = 1\ny = 2\n```\n\n|a|b|\n|-|-|\n|1|2|\n\nLast *words*."
    )
    index = transcript.model.append(Row(RowKind.ANSWER, is_streaming=True))
    for start in range(0, len(text), size):
        transcript.model.add_text(index, text[start : start + size])
    transcript.model.finish(index, "")
    stored = transcript.model.append(Row(RowKind.ANSWER, text))
    assert shown(transcript.live_rows[index]) == shown(transcript.live_rows[stored])
    assert transcript.live_rows[index].height() == transcript.live_rows[stored].height()


def shown(view) -> list[tuple[str, str]]:
    seen = []
    for segment in view._body.segments:
        if isinstance(segment, TextSegment | TableSegment):
            seen.append((type(segment).__name__, segment.toPlainText()))
        elif isinstance(segment, CodeSegment):
            seen.append(("code", segment._text.toPlainText()))
    return seen


def test_a_long_message_of_the_user_is_shown_in_part_first(transcript, qtbot) -> None:
    text = "some words here\n" * 3_000
    index = transcript.model.append(Row(RowKind.USER, text))
    view = transcript.live_rows[index]
    assert len(view._body.segments[0].toPlainText()) < 5_000
    view.on_show_all()
    qtbot.waitUntil(lambda: len(view._body.segments[0].toPlainText()) >= len(text) - 2)
