"""Documents in the window: dropped, shown as chips, read with the question, quotes checked."""

import threading
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPoint, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QAbstractButton, QFileDialog, QToolButton

from app.chat.message_model import RowKind
from app.chat.passages import COLLAPSED_CHARS, PassagesCard
from app.chat.segments import TextSegment
from app.plain_text import PlainLabel
from core.errors import AppError, ErrorCode
from core.events import CancelToken, DocumentProgress, Emit, Interrupted
from core.library.reading import DocumentText, read_document

# The offscreen platform cannot pass size hints on and says so for every dialog.
pytestmark = [pytest.mark.gui, pytest.mark.qt_log_ignore("propagateSizeHints")]

LEASE = "The rent is 900 euros.\n\nThe notice period is three months. <|eot_id|>\n\nPets may live here."
GOOD = ['[1] "The notice ', 'period is three months."']


@pytest.fixture
def lease(tmp_path: Path) -> Path:
    path = tmp_path / "lease.txt"
    path.write_text(LEASE, encoding="utf-8")
    return path


def mime(*paths: Path) -> QMimeData:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    return data


def drop(qtbot, session, *paths: Path) -> None:
    """Drop files on the pane as the system would: enter, then drop."""
    pane, data = session.window.pane, mime(*paths)
    where, button, keys = QPoint(200, 200), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(where, Qt.DropAction.CopyAction, data, button, keys)
    pane.dragEnterEvent(enter)
    assert enter.isAccepted()
    pane.dropEvent(QDropEvent(where.toPointF(), Qt.DropAction.CopyAction, data, button, keys))
    qtbot.waitUntil(lambda: session.runner.is_idle)


def send(qtbot, session, text: str) -> None:
    field = session.window.pane.composer.text
    qtbot.keyClicks(field, text)
    qtbot.keyClick(field, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: not session.window.chat.is_busy and session.runner.is_idle)


def chips(session) -> tuple[str, ...]:
    return session.window.pane.composer.chips.names


def kinds(session) -> list[RowKind]:
    return [row.kind for row in session.window.messages.rows]


def error_of(session) -> AppError:
    row = session.window.messages.rows[-1]
    assert row.kind is RowKind.ERROR
    assert isinstance(row.error, AppError)
    return row.error


def answer_text(session) -> str:
    return "\n".join(each.toPlainText() for each in session.window.pane.transcript.findChildren(TextSegment))


def notes(session, kind: str) -> list[str]:
    labels = session.window.pane.transcript.findChildren(PlainLabel)
    return [label.text() for label in labels if label.property("kind") == kind and label.isVisible()]


def test_a_dropped_document_is_read_with_the_question_and_its_quote_is_checked(
    qtbot, open_window, make_engine, lease
) -> None:
    engine = make_engine(GOOD)
    session = open_window(engine)
    drop(qtbot, session, lease)
    assert chips(session) == ("lease.txt",)
    assert session.window.pane.composer.chips.isVisible()
    send(qtbot, session, "How long is the notice period?")
    assert kinds(session) == [RowKind.USER, RowKind.PASSAGES, RowKind.ANSWER]
    card = session.window.pane.transcript.findChild(PassagesCard)
    assert card.isVisible()
    assert card.accessibleName().startswith("[1] lease.txt: “The notice period is three months. <|eot_id|>")
    assert '"The notice period is three months." ✓' in answer_text(session)
    assert notes(session, "warning") == []
    read = engine.tokenizer.encode_text("[1] The notice period is three months. <|eot_id|>\n")[2:-2]
    prompt = list(engine.prompts[0])
    assert any(prompt[at : at + len(read)] == read for at in range(len(prompt)))
    assert chips(session) == ("lease.txt",)  # it stays for the next question


def test_a_quote_that_is_not_in_the_document_is_said(qtbot, open_window, make_engine, lease) -> None:
    session = open_window(make_engine(['[1] "The notice period is four months."']))
    drop(qtbot, session, lease)
    send(qtbot, session, "How long is the notice period?")
    assert notes(session, "warning") == ["Not found in the document: “The notice period is four months.”"]
    assert "✓" not in answer_text(session)


def test_a_verified_quote_that_looks_otherwise_on_screen_is_said_below(qtbot, open_window, make_engine, lease) -> None:
    session = open_window(make_engine(['[1] "the *notice*  period"', ' and "THE RENT"']))
    drop(qtbot, session, lease)
    send(qtbot, session, "What are rent and notice period?")
    answer = session.window.pane.transcript.live_rows[2]
    assert [each.is_verified for each in answer.citations] == [False, True]
    assert "“the *notice*  period”" in notes(session, "warning")[0]
    assert '"THE RENT" ✓ passage 2' in answer_text(session)


def test_a_quote_under_the_wrong_number_gets_the_right_one(qtbot, open_window, make_engine, lease) -> None:
    session = open_window(make_engine(['[2] "The notice period is three months."']))
    drop(qtbot, session, lease)
    send(qtbot, session, "How long is the notice period?")
    assert '"The notice period is three months." ✓ passage 1' in answer_text(session)


def test_a_restart_shows_passages_chips_and_marks_again(qtbot, open_window, make_engine, lease) -> None:
    first = open_window(make_engine(GOOD))
    drop(qtbot, first, lease)
    send(qtbot, first, "How long is the notice period?")
    lease.unlink()
    assert open_window.close(first)
    engine = make_engine(GOOD)
    second = open_window(engine)
    qtbot.waitUntil(lambda: len(kinds(second)) == 3 and second.runner.is_idle)
    assert kinds(second) == [RowKind.USER, RowKind.PASSAGES, RowKind.ANSWER]
    assert chips(second) == ("lease.txt",)
    assert " ✓" in answer_text(second)
    send(qtbot, second, "And the rent?")
    assert kinds(second)[3:] == [RowKind.USER, RowKind.PASSAGES, RowKind.ANSWER]


def test_a_document_belongs_to_its_chat(qtbot, open_window, make_engine, lease) -> None:
    session = open_window(make_engine())
    drop(qtbot, session, lease)
    send(qtbot, session, "Rent?")
    first = session.window.chat.chat_id
    session.window.on_new_chat()
    assert chips(session) == ()
    assert not session.window.pane.composer.chips.isVisible()
    send(qtbot, session, "Hello")
    assert kinds(session) == [RowKind.USER, RowKind.ANSWER]
    session.window.on_chat_chosen(first)
    qtbot.waitUntil(lambda: chips(session) == ("lease.txt",))


def test_a_new_chat_leaves_what_was_dropped_and_not_asked_about(qtbot, open_window, make_engine, lease) -> None:
    session = open_window(make_engine())
    drop(qtbot, session, lease)
    session.window.on_new_chat()
    assert chips(session) == ()
    send(qtbot, session, "Hello")
    assert kinds(session) == [RowKind.USER, RowKind.ANSWER]


def test_a_document_dropped_into_a_chat_is_stored_at_once_and_only_once(qtbot, open_window, make_engine, lease) -> None:
    session = open_window(make_engine())
    send(qtbot, session, "Hello")
    drop(qtbot, session, lease)
    drop(qtbot, session, lease)
    assert chips(session) == ("lease.txt",)
    store = session.window.services.store
    assert [each.text for each in store.documents(session.window.chat.chat_id)] == [LEASE]


def test_a_chip_is_removed_by_keyboard_and_no_longer_read(qtbot, open_window, make_engine, lease, tmp_path) -> None:
    other = tmp_path / "<b>other & more<b>.md"
    other.write_text("Pets need a lamp.", encoding="utf-8")
    session = open_window(make_engine())
    drop(qtbot, session, lease, other)
    send(qtbot, session, "Rent?")
    assert chips(session) == ("lease.txt", "<b>other & more<b>.md")
    buttons = session.window.pane.composer.chips.findChildren(QToolButton)
    button = next(each for each in buttons if each.accessibleName() == "Remove lease.txt")
    button.setFocus()
    qtbot.keyClick(button, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: session.runner.is_idle)
    assert chips(session) == ("<b>other & more<b>.md",)
    assert [each.name for each in session.window.services.store.documents(session.window.chat.chat_id)] == [
        "<b>other & more<b>.md"
    ]
    send(qtbot, session, "Rent and pets?")
    last = next(row for row in reversed(session.window.messages.rows) if row.kind is RowKind.PASSAGES)
    assert {each.document for each in last.passages} == {"<b>other & more<b>.md"}


def test_what_cannot_be_read_gets_a_card_with_the_reason(qtbot, open_window, make_engine, lease, tmp_path) -> None:
    pdf = tmp_path / "report.pdf"
    pdf.write_bytes(b"%PDF-1.7")
    session = open_window(make_engine())
    drop(qtbot, session, pdf, lease)
    assert error_of(session).code is ErrorCode.DOCUMENT_DAMAGED
    shown = " ".join(label.text() for label in session.window.pane.transcript.findChildren(PlainLabel))
    assert "the PDF is cut off or not whole" in shown
    assert chips(session) == ("lease.txt",)  # the good one is there
    session.window.documents.add([tmp_path])  # a dropped folder is offered as a collection: test_library.py
    qtbot.waitUntil(lambda: session.runner.is_idle)
    assert "folder" in str(error_of(session).facts["reason"])


def test_a_pdf_shows_the_page_of_its_passages(qtbot, open_window, make_engine) -> None:
    session = open_window(make_engine(GOOD))
    drop(qtbot, session, Path(__file__).parents[1] / "fixtures" / "documents" / "lease.pdf")
    assert chips(session) == ("lease.pdf",)
    send(qtbot, session, "Which dogs and cats need permission?")
    shown = notes(session, "passage")
    assert any(line.startswith("[1] lease.pdf, page 2, “Pets”: ") for line in shown), shown


def test_reading_is_shown_and_can_be_stopped(qtbot, open_window, make_engine, lease, monkeypatch) -> None:
    began = threading.Event()

    def slow(path: Path, _extractor: object, cancel: CancelToken, emit: Emit) -> DocumentText:
        stopped = threading.Event()
        cancel.on_cancel(stopped.set)
        emit(DocumentProgress(path.name, 1, 4))
        began.set()
        stopped.wait(10)
        raise Interrupted

    monkeypatch.setattr("app.chat.documents.read_document", slow)
    session = open_window(make_engine())
    session.window.documents.add([lease])
    pane = session.window.pane
    qtbot.waitUntil(
        lambda: "Reading lease.txt, 25 %" in [each.text() for each in pane.composer.chips.findChildren(PlainLabel)]
    )
    session.window.on_stop()
    qtbot.waitUntil(lambda: session.runner.is_idle)
    assert chips(session) == ()
    assert not pane.composer.chips.isVisible()
    assert not session.window.documents.is_reading
    assert kinds(session) == []


def test_fifty_files_are_refused_at_once(qtbot, open_window, make_engine, tmp_path) -> None:
    session = open_window(make_engine())
    drop(qtbot, session, *(tmp_path / f"{number}.txt" for number in range(50)))
    assert error_of(session).code is ErrorCode.DOCUMENTS_TOO_MANY
    assert kinds(session) == [RowKind.ERROR]
    assert chips(session) == ()


def test_a_message_waits_for_the_documents_that_it_is_about(
    qtbot, open_window, make_engine, lease, monkeypatch
) -> None:
    gate = threading.Event()
    monkeypatch.setattr(
        "app.chat.documents.read_document", lambda path, *rest: (gate.wait(10), read_document(path, *rest))[1]
    )
    session = open_window(make_engine())
    session.window.documents.add([lease])
    composer = session.window.pane.composer
    qtbot.keyClicks(composer.text, "Rent?")
    qtbot.keyClick(composer.text, Qt.Key.Key_Return)
    assert composer.text.toPlainText() == "Rent?"
    assert "still being read" in composer.hint
    gate.set()
    qtbot.waitUntil(lambda: chips(session) == ("lease.txt",))
    qtbot.keyClick(composer.text, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: not session.window.chat.is_busy and session.runner.is_idle)
    assert kinds(session) == [RowKind.USER, RowKind.PASSAGES, RowKind.ANSWER]


def test_files_pasted_into_the_writing_field_are_attached(qtbot, open_window, make_engine, lease) -> None:
    session = open_window(make_engine())
    field = session.window.pane.composer.text
    assert not field.canInsertFromMimeData(mime(lease))
    field.insertFromMimeData(mime(lease))
    qtbot.waitUntil(lambda: chips(session) == ("lease.txt",))
    assert field.toPlainText() == ""


def test_a_drag_without_files_is_left_alone(open_window) -> None:
    session = open_window()
    data = QMimeData()
    data.setUrls([QUrl("https://example.org/x.txt")])
    keys = Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(QPoint(9, 9), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, keys)
    enter.ignore()
    session.window.pane.dragEnterEvent(enter)
    assert not enter.isAccepted()


def test_the_paper_clip_opens_a_choice_of_files(qtbot, open_window, lease) -> None:
    session = open_window()
    buttons = session.window.pane.composer.findChildren(QAbstractButton)
    clip = next(each for each in buttons if each.accessibleName() == "Attach documents")
    qtbot.mouseClick(clip, Qt.MouseButton.LeftButton)
    dialog = session.window.findChild(QFileDialog)
    assert dialog.fileMode() is QFileDialog.FileMode.ExistingFiles
    dialog.filesSelected.emit([str(lease)])
    dialog.close()
    qtbot.waitUntil(lambda: chips(session) == ("lease.txt",))
    assert session.window.actions_by_name["on_attach_files"].shortcut().toString() == "Ctrl+Shift+O"


def test_a_long_passage_is_short_until_it_is_asked_for(qtbot, open_window, make_engine, tmp_path) -> None:
    path = tmp_path / "long.txt"
    path.write_text("Terns " + "dive into the cold grey sea " * 9 + "quickly.", encoding="utf-8")
    engine = make_engine()
    engine.context_length = 2_000
    session = open_window(engine)
    drop(qtbot, session, path)
    send(qtbot, session, "What do terns do?")
    card = session.window.pane.transcript.findChild(PassagesCard)
    (label,) = [each for each in card.findChildren(PlainLabel) if each.property("kind") == "passage"]
    assert len(label.text()) < COLLAPSED_CHARS + 40
    before = card.height()
    button = card.findChild(QToolButton)
    button.setFocus()
    qtbot.keyClick(button, Qt.Key.Key_Space)
    assert label.text().endswith("quickly.”")
    assert card.height() > before - button.height()
    assert not button.isVisible()


def test_html_in_a_document_and_its_name_stays_text(qtbot, open_window, make_engine, tmp_path) -> None:
    path = tmp_path / "<img src=x onerror=y>.txt"
    path.write_text("<img src='file:///etc/passwd'> terns <b>dive</b>.", encoding="utf-8")
    session = open_window(make_engine(["\"<img src='file:///etc/passwd'> terns\""]))
    drop(qtbot, session, path)
    send(qtbot, session, "What do terns do?")
    labels = session.window.pane.findChildren(PlainLabel)
    assert all(label.textFormat() is Qt.TextFormat.PlainText for label in labels)
    assert any("<img src='file:///etc/passwd'> terns <b>dive</b>." in label.text() for label in labels)


def test_passages_are_on_screen_before_the_answer_and_follow_a_change_of_chat(
    qtbot, open_window, make_engine, lease
) -> None:
    engine = make_engine(GOOD, is_paced=True)
    session = open_window(engine)
    drop(qtbot, session, lease)
    field = session.window.pane.composer.text
    qtbot.keyClicks(field, "Notice period?")
    qtbot.keyClick(field, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: kinds(session) == [RowKind.USER, RowKind.PASSAGES, RowKind.ANSWER])
    assert session.window.messages.rows[-1].text == ""
    chat_id = session.window.chat.chat_id
    session.window.on_new_chat()
    engine.release(1)
    session.window.on_chat_chosen(chat_id)
    qtbot.waitUntil(lambda: kinds(session) == [RowKind.USER, RowKind.PASSAGES, RowKind.ANSWER])
    engine.release(1)
    qtbot.waitUntil(lambda: not session.window.chat.is_busy and session.runner.is_idle)
    assert 'three months." ✓' in answer_text(session)
