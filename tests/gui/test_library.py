"""The window of the documents: adding, progress, problems, search, opening a page, forgetting; scopes of chats."""

import shutil
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPoint, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QAbstractButton, QDialog, QLineEdit, QMessageBox, QPushButton

from app.chat.message_model import RowKind
from app.chat.passages import OpenableLine, PassagesCard
from app.library import words
from app.library.cards import OpenableCard
from core.library.index.collections import FileState
from core.store.scopes import AnswerFrom, ChatScope

pytestmark = [pytest.mark.gui, pytest.mark.qt_log_ignore("propagateSizeHints", "does not support raise")]

DOCUMENTS = Path(__file__).resolve().parent.parent / "fixtures" / "documents"
LEASE = "The rent is 900 euros.\n\nThe notice period is three months.\n\nPets <b>may</b> live here."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "Leases"
    made.mkdir()
    (made / "notice.txt").write_text(LEASE, encoding="utf-8")
    (made / "empty.txt").write_text("", encoding="utf-8")
    return made


@pytest.fixture
def session(open_window, make_engine):
    return open_window(make_engine(['[1] "The notice ', 'period is three months."']))


def settle(qtbot, session) -> None:
    qtbot.waitUntil(lambda: session.runner.is_idle and not session.window.library._refresh.isActive(), timeout=20_000)


def add(qtbot, session, *paths: Path):
    session.window.on_my_documents()
    session.window.library.add(list(paths))
    settle(qtbot, session)
    return session.window.library.window


def search(qtbot, session, text: str) -> list[OpenableCard]:
    library = session.window.library.window
    library.search.setText(text)
    qtbot.waitUntil(lambda: not library._wait.isActive())
    settle(qtbot, session)
    return library.results.cards


def question(parent) -> QMessageBox:
    return next(each for each in parent.findChildren(QMessageBox) if each.isVisible())


def answer(box: QMessageBox, words: str) -> None:
    next(each for each in box.findChildren(QPushButton) if each.text() == words).click()


def send(qtbot, session, text: str) -> None:
    session.window.pane.composer.set_text(text)
    session.window.pane.composer.on_submit()
    qtbot.waitUntil(lambda: not session.window.chat.is_busy and session.runner.is_idle, timeout=20_000)


def test_a_folder_becomes_a_collection_with_the_state_of_every_file(qtbot, session, folder) -> None:
    library = add(qtbot, session, folder)
    assert library.page.name.text() == "Leases"
    assert library.page.state.text().startswith("1 file searchable, 1 could not be read")
    states = {each.path.name: each.state for each in library.page.files.files}
    assert states == {"empty.txt": FileState.FAILED, "notice.txt": FileState.INDEXED}
    assert "there is no text in it" in library.page.detail.text()
    assert "Choose another file" in library.page.detail.text()
    assert not library.page.progress.isVisible()


def test_search_as_typed_shows_passages_as_plain_text_and_opens_them(qtbot, session, folder) -> None:
    library = add(qtbot, session, folder)
    (card, *_) = search(qtbot, session, "pets liv")
    assert "<b>may</b>" in card.text.text()
    assert card.title.text().startswith("notice.txt")
    library.search.setFocus()
    library.on_enter()
    card.opened.emit()
    settle(qtbot, session)
    reader = session.window.reader
    assert reader.window.isVisible()
    assert not reader.window.shows_picture
    start, end = reader.marked
    assert "Pets" in reader.document.text[start:end]
    assert len(reader.window.text.extraSelections()) == 1
    assert search(qtbot, session, "zebra") == []
    assert "No document" in library.results.title.text()


def test_much_is_asked_about_before_a_byte_is_read(qtbot, session, folder, monkeypatch) -> None:
    monkeypatch.setattr(words, "ASK_FILES", 1)
    library = add(qtbot, session, folder)
    assert session.window.library.collections == []
    box = question(library)
    assert "2 files" in box.text()
    answer(box, "Add them")
    settle(qtbot, session)
    assert session.window.library.collections[0].n_indexed == 1


def test_a_paused_collection_waits_and_goes_on(qtbot, session, folder) -> None:
    library = add(qtbot, session, folder)
    chosen = library.collection_id
    session.window.library.set_paused(chosen, is_paused=True)
    settle(qtbot, session)
    (folder / "more.txt").write_text("Keys are two.", encoding="utf-8")
    library.page.rescan.click()
    settle(qtbot, session)
    assert session.window.library.collections[0].n_queued >= 1
    assert library.page.pause.text() == "Resume"
    assert "Paused" in library.page.doing.text() or library.page.doing.width() < 60
    library.page.pause.click()
    settle(qtbot, session)
    assert session.window.library.collections[0].n_queued == 0
    assert session.window.library.collections[0].n_indexed == 2


def test_waiting_files_can_be_left_out_and_read_after_all(qtbot, session, folder) -> None:
    library = add(qtbot, session, folder)
    chosen = library.collection_id
    session.window.library.set_paused(chosen, is_paused=True)
    settle(qtbot, session)
    (folder / "more.txt").write_text("Keys are two.", encoding="utf-8")
    library.page.rescan.click()
    settle(qtbot, session)
    library.page.cancel.click()
    settle(qtbot, session)
    assert session.window.library.collections[0].n_left_out >= 1
    session.window.library.set_paused(chosen, is_paused=False)
    settle(qtbot, session)
    library.page.retry.click()
    settle(qtbot, session)
    assert session.window.library.collections[0].n_left_out == 0
    assert session.window.library.collections[0].n_indexed == 2


def test_files_alone_go_into_the_chosen_collection_and_folders_make_their_own(qtbot, session, folder, tmp_path) -> None:
    library = add(qtbot, session, folder)
    loose = tmp_path / "loose.txt"
    loose.write_text("A loose leaf.", encoding="utf-8")
    other = tmp_path / "sub" / "Leases"
    shutil.copytree(folder, other)
    add(qtbot, session, loose)
    assert [each.name for each in session.window.library.collections] == ["Leases"]
    add(qtbot, session, other)
    assert [each.name for each in session.window.library.collections] == ["Leases", "Leases 2"]
    assert library.page.name.text() == "Leases 2"


def test_forget_says_what_goes_and_deletes_it(qtbot, session, folder) -> None:
    library = add(qtbot, session, folder)
    library.page.forget.click()
    settle(qtbot, session)
    box = question(library)
    assert "2 files" in box.informativeText()
    assert "not touched" in box.informativeText()
    answer(box, "Forget it")
    settle(qtbot, session)
    assert session.window.library.collections == []
    assert (folder / "notice.txt").exists()
    assert search(qtbot, session, "notice") == []


def test_patterns_and_names_can_be_changed(qtbot, session, folder) -> None:
    library = add(qtbot, session, folder)
    library.page.rename_requested.emit()
    dialog = next(each for each in library.findChildren(QDialog) if each.isVisible())
    dialog.findChild(QLineEdit).setText("Flats")
    dialog.accept()
    settle(qtbot, session)
    assert library.page.name.text() == "Flats"
    library.page.patterns_requested.emit(library.page.collection.sources[0])
    dialog = next(each for each in library.findChildren(QDialog) if each.isVisible())
    dialog.findChildren(QLineEdit)[1].setText("empty*")
    dialog.accept()
    settle(qtbot, session)
    assert session.window.library.collections[0].n_failed == 0


def test_what_is_not_there_is_told_where_documents_are(qtbot, session, tmp_path) -> None:
    library = add(qtbot, session, tmp_path / "gone")
    assert "There is nothing to add" in [each.text() for each in library.findChildren(type(library.page.state))]


def test_a_folder_dropped_on_the_chat_is_offered_as_a_collection_and_answers_it(qtbot, session, folder) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(folder))])
    where, keys = QPoint(200, 200).toPointF(), Qt.KeyboardModifier.NoModifier
    session.window.pane.dropEvent(QDropEvent(where, Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, keys))
    settle(qtbot, session)
    answer(question(session.window), "Make a collection")
    settle(qtbot, session)
    (made,) = session.window.library.collections
    assert session.window.scope.current == ChatScope(AnswerFrom.BOTH, (made.id,))
    assert session.window.pane.composer.scope.text() == "Both: Leases"
    send(qtbot, session, "How long is the notice period?")
    kinds = [row.kind for row in session.window.messages.rows]
    assert kinds == [RowKind.USER, RowKind.PASSAGES, RowKind.ANSWER]
    assert session.window.services.scopes.get(session.window.chat.chat_id).collections == (made.id,)
    card = session.window.pane.transcript.findChild(PassagesCard)
    qtbot.keyClick(card.findChildren(OpenableLine)[0], Qt.Key.Key_Return)
    settle(qtbot, session)
    start, end = session.window.reader.marked
    assert "notice period" in session.window.reader.document.text[start:end]


def test_documents_only_says_what_is_not_in_them(qtbot, session, folder) -> None:
    add(qtbot, session, folder)
    button = session.window.pane.composer.scope
    button.mode_chosen.emit(AnswerFrom.DOCUMENTS)
    button.collection_toggled.emit(int(session.window.library.collections[0].id), True)
    assert button.text() == "Only: Leases"
    send(qtbot, session, "What is the capital of Mongolia?")
    assert "not in your documents" in session.window.messages.rows[-1].note
    session.window.on_new_chat()
    assert button.text() == "Documents"
    session.window.chat.open_chat(session.window.history.chats[0].id)
    settle(qtbot, session)
    assert button.text() == "Only: Leases"
    assert "not in your documents" in session.window.messages.rows[-1].note


def test_a_page_is_drawn_with_marks_and_the_stored_text_stands_in_for_a_file_that_moved(
    qtbot, session, tmp_path
) -> None:
    path = tmp_path / "lease.pdf"
    shutil.copy(DOCUMENTS / "lease.pdf", path)
    add(qtbot, session, path)
    search(qtbot, session, "notice period")[0].opened.emit()
    settle(qtbot, session)
    reader = session.window.reader
    assert reader.window.shows_picture
    assert reader.window.picture.boxes
    assert "age 1 of 2" in reader.window.place.text()
    reader.window.next_page.click()
    settle(qtbot, session)
    assert "age 2 of 2" in reader.window.place.text()
    reader.window.as_text.click()
    assert "Pets" in reader.window.text.toPlainText()
    reader.window.search.setText("deposit")
    qtbot.waitUntil(lambda: not reader._find.isActive())
    settle(qtbot, session)
    assert reader.window.found.text().startswith("1 of")
    reader.window.larger.click()
    assert reader.window.fit.text() == "125 %"
    reader.close()
    path.unlink()
    search(qtbot, session, "notice period of")[0].opened.emit()
    settle(qtbot, session)
    assert not reader.window.shows_picture
    assert "not where it was" in reader.window.note.text()
    assert "notice period" in reader.window.text.toPlainText()


def test_a_changed_file_is_not_taken_for_what_was_read(qtbot, session, tmp_path) -> None:
    path = tmp_path / "lease.pdf"
    shutil.copy(DOCUMENTS / "lease.pdf", path)
    add(qtbot, session, path)
    cards = search(qtbot, session, "notice period")
    path.write_bytes((DOCUMENTS / "costs.pdf").read_bytes())
    cards[0].opened.emit()
    settle(qtbot, session)
    assert not session.window.reader.window.shows_picture
    assert "has changed" in session.window.reader.window.note.text()


def test_every_control_has_a_name(qtbot, session, folder) -> None:
    library = add(qtbot, session, folder)
    search(qtbot, session, "rent")[0].opened.emit()
    settle(qtbot, session)
    for window in (library, session.window.reader.window):
        for button in window.findChildren(QAbstractButton):
            if button.isVisible():
                assert button.accessibleName() or button.text() or button.parent().accessibleName(), button
