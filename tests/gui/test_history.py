"""The list of conversations in the real window: order, folders, trash, search, export and import, drafts and places."""

import json
import sqlite3
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QAbstractButton, QAbstractItemView, QDialog, QLineEdit, QMenu, QPushButton

from app.history import care
from app.history.chat_list import FolderRow, grouped
from app.history.exchange import ImportDialog, file_name
from app.history.paper import document_of, pdf_of
from core.errors import AppError, ErrorCode
from core.events import CancelToken
from core.store.backups import backups
from core.store.chats import Chat, ChatId, ChatStore, FolderId
from core.store.database import Database
from core.store.history import Folder, HistoryStore

pytestmark = [pytest.mark.gui, pytest.mark.qt_log_ignore("propagateSizeHints", "does not support")]

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def stored(app_paths) -> Callable[..., list[ChatId]]:
    """Return what writes chats into the history before the window opens."""

    def write(*titles: str, n_messages: int = 1) -> list[ChatId]:
        database = Database.open(app_paths.database)
        store = ChatStore(database)
        ids = []
        for title in titles:
            ids.append(store.create_chat(title))
            for number in range(n_messages):
                store.add_prompt(ids[-1], f"{title} says {number}: needle of a haystack " + "word " * 30)
        database.close()
        return ids

    return write


def settle(qtbot, session) -> None:
    qtbot.waitUntil(lambda: session.runner.is_idle)


def titles(session) -> list[str]:
    return session.window.sidebar.titles()


def button(parent, text: str) -> QAbstractButton:
    return next(each for each in parent.findChildren(QPushButton) if each.text() == text)


def test_rows_stand_under_their_headings() -> None:
    today = date(2026, 11, 21)
    when = datetime(2026, 11, 21, 12).timestamp()
    day = 86_400.0
    chats = [
        Chat(ChatId(1), "now", 0, when),
        Chat(ChatId(2), "yesterday", 0, when - day),
        Chat(ChatId(3), "old", 0, when - 300 * day),
        Chat(ChatId(4), "pinned", 0, when - 300 * day, pinned_at=1.0),
        Chat(ChatId(5), "inside", 0, when, folder_id=FolderId(1)),
        Chat(ChatId(6), "its folder is gone", 0, when - 5 * day, folder_id=FolderId(9)),
    ]
    folders = [Folder(FolderId(1), "Work"), Folder(FolderId(2), "Empty")]

    def shown(opened: frozenset[FolderId]) -> list[str]:
        rows = grouped(chats, today, folders, opened)
        return [
            row.title if isinstance(row, Chat) else row.folder.name if isinstance(row, FolderRow) else f"# {row.text}"
            for row in rows
        ]

    rest = ["# Today", "now", "# Yesterday", "yesterday", "# Last 7 days", "its folder is gone", "# Older", "old"]
    assert shown(frozenset()) == ["# Pinned", "pinned", "# Folders", "Work", "Empty", *rest]
    assert shown(frozenset({FolderId(1)})) == ["# Pinned", "pinned", "# Folders", "Work", "inside", "Empty", *rest]


def test_pin_and_folders_with_the_keyboard(qtbot, open_window, make_engine, stored) -> None:
    first, second, third = stored("one", "two", "three")
    session = open_window(make_engine())
    sidebar = session.window.sidebar
    sidebar.choose([first, second])
    session.window.actions_by_name["on_pin_chats"].trigger()
    qtbot.waitUntil(lambda: titles(session)[:3] == ["Pinned", "two", "one"])
    assert sidebar.chosen_ids() == [second, first]  # still chosen: the next command can follow
    session.window.actions_by_name["on_pin_chats"].trigger()
    qtbot.waitUntil(lambda: titles(session)[0] == "Today")
    sidebar.choose([second, third])
    session.window.actions_by_name["on_new_folder"].trigger()
    qtbot.waitUntil(lambda: sidebar.list_view.state() == QAbstractItemView.State.EditingState)
    editor = sidebar.list_view.findChild(QLineEdit)
    editor.setText("Trips")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: titles(session) == ["Folders", "Trips", "Today", "one"])
    index = sidebar.list_view.model().index(1)
    assert "closed" in index.data(Qt.ItemDataRole.AccessibleTextRole)
    sidebar.list_view.setCurrentIndex(index)
    qtbot.keyClick(sidebar.list_view, Qt.Key.Key_Return)
    assert titles(session) == ["Folders", "Trips", "three", "two", "Today", "one"]
    qtbot.keyClick(sidebar.list_view, Qt.Key.Key_Delete)  # the folder: its chats stay
    qtbot.waitUntil(lambda: titles(session) == ["Today", "three", "two", "one"])
    qtbot.mouseClick(sidebar.notice.button, LEFT)
    qtbot.waitUntil(lambda: titles(session)[:2] == ["Folders", "Trips"])
    settle(qtbot, session)
    assert {chat.id for chat in session.window.history.chats if chat.folder_id} == {second, third}


def test_chats_are_dragged_into_a_folder(qtbot, open_window, make_engine, stored) -> None:
    (first,) = stored("one")
    session = open_window(make_engine())
    session.window.services.history.create_folder("New folder")
    session.window.history.refresh()
    qtbot.waitUntil(lambda: "New folder" in titles(session))
    model = session.window.sidebar.list_view.model()
    data = model.mimeData([model.index(titles(session).index("one"))])
    target = model.index(titles(session).index("New folder"))
    assert not model.dropMimeData(data, Qt.DropAction.MoveAction, -1, -1, target)
    qtbot.waitUntil(lambda: "one" not in titles(session))
    settle(qtbot, session)
    assert session.window.history.chats[0].folder_id is not None
    assert session.window.history.chats[0].id == first


def test_many_are_deleted_and_taken_back(qtbot, open_window, make_engine, stored) -> None:
    ids = stored("one", "two", "three")
    session = open_window(make_engine())
    session.window.on_chat_chosen(ids[0])
    settle(qtbot, session)
    sidebar = session.window.sidebar
    sidebar.choose(ids[:2])
    qtbot.keyClick(sidebar.list_view, Qt.Key.Key_Delete)
    qtbot.waitUntil(lambda: titles(session) == ["Today", "three"])
    assert session.window.pane.is_empty
    assert sidebar.notice.text == "Deleted 2 chats."
    session.window.actions_by_name["on_show_trash"].trigger()
    qtbot.waitUntil(lambda: sidebar.trash.list_view.model().rowCount() == 2)
    sidebar.trash.list_view.setCurrentIndex(sidebar.trash.list_view.model().index(0))
    qtbot.mouseClick(sidebar.trash.restore_button, LEFT)
    qtbot.waitUntil(lambda: sidebar.trash.list_view.model().rowCount() == 1)
    qtbot.mouseClick(sidebar.trash.empty_button, LEFT)
    qtbot.mouseClick(button(session.window, "Delete for good"), LEFT)
    qtbot.waitUntil(lambda: sidebar.trash.list_view.model().rowCount() == 0)
    settle(qtbot, session)
    qtbot.keyClick(sidebar.trash, Qt.Key.Key_Escape)
    assert len(titles(session)) == 3
    with sqlite3.connect(session.window.services.paths.database) as connection:
        assert connection.execute("SELECT count(*) FROM chats").fetchone() == (2,)


def test_search_finds_opens_and_marks(qtbot, open_window, make_engine, stored) -> None:
    ids = stored("<b>one</b>", "two", n_messages=40)
    session = open_window(make_engine())
    sidebar = session.window.sidebar
    session.window.actions_by_name["on_search_chats"].trigger()
    qtbot.keyClicks(sidebar.search, "ONE says 17")
    model = sidebar.results_view.model()
    qtbot.waitUntil(lambda: model.rowCount() == 1)
    hit = model.hit_at(model.index(0))
    assert hit.chat_id == ids[0]
    assert [hit.snippet[low:high] for low, high in hit.marks] == ["one", "says", "17"]
    sidebar.results_view.grab()  # draws the marks
    qtbot.keyClick(sidebar.search, Qt.Key.Key_Down)
    qtbot.keyClick(sidebar.results_view, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: session.window.chat.chat_id == ids[0] and bool(session.window.messages.rows))
    settle(qtbot, session)
    transcript = session.window.pane.transcript
    assert transcript.position()[0] in (16, 17)
    assert 17 in transcript.live_rows
    qtbot.keyClick(sidebar.search, Qt.Key.Key_Escape)
    assert sidebar.search.text() == ""
    assert sidebar.list_view.isVisible()


def test_a_hit_in_another_branch_is_shown(qtbot, open_window, make_engine, app_paths) -> None:
    database = Database.open(app_paths.database)
    store = ChatStore(database)
    chat_id = store.create_chat("t")
    first = store.add_prompt(chat_id, "hidden xylophone")
    store.add_prompt(chat_id, "and more of it")
    store.add_prompt(chat_id, "in its place", instead_of=first)
    database.close()
    session = open_window(make_engine())
    session.window.on_chat_chosen(chat_id)
    qtbot.waitUntil(lambda: [row.text for row in session.window.messages.rows] == ["in its place"])
    session.window.sidebar.search.setText("xylophone")
    model = session.window.sidebar.results_view.model()
    qtbot.waitUntil(lambda: model.rowCount() == 1)
    session.window.on_hit_chosen(model.hit_at(model.index(0)))
    shown = ["hidden xylophone", "and more of it"]
    qtbot.waitUntil(lambda: [row.text for row in session.window.messages.rows] == shown)


def test_search_finds_what_was_just_sent(qtbot, open_window, make_engine) -> None:
    session = open_window(make_engine())
    session.window.pane.composer.set_text("xylophone question")
    qtbot.keyClick(session.window.pane.composer.text, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: session.runner.is_idle)
    session.window.sidebar.search.setText("xylo")
    qtbot.waitUntil(lambda: session.window.sidebar.results_view.model().rowCount() == 2)  # the title too
    session.window.sidebar.search.setText("nothing like this")
    qtbot.waitUntil(lambda: session.window.sidebar.results_view.model().rowCount() == 0)


def test_the_menu_of_a_chat(qtbot, open_window, make_engine, stored) -> None:
    stored("one")
    session = open_window(make_engine())
    sidebar = session.window.sidebar
    index = sidebar.list_view.model().index(1)
    sidebar.on_menu_requested(sidebar.list_view.visualRect(index).center())
    menu = next(each for each in sidebar.findChildren(QMenu) if each.isVisible())
    words = [action.text() for action in menu.actions() if not action.isSeparator()]
    assert words == ["Rename", "Pin", "Move to a folder", "Export…", "Delete"]
    menu.close()
    sidebar.on_menu_requested(QPoint(5, 100_000))
    assert any(each.isVisible() for each in sidebar.findChildren(QMenu))


@pytest.mark.parametrize("suffix", [".md", ".html", ".pdf", ".json"])
def test_export(qtbot, open_window, make_engine, stored, tmp_path: Path, suffix: str) -> None:
    ids = stored("one", "two")
    session = open_window(make_engine())
    target = tmp_path / f"chats{suffix}"
    session.window.exchange.export_to(ids[:1], target)
    qtbot.waitUntil(lambda: "exported" in session.window.sidebar.notice.text)
    content = target.read_bytes()
    assert content.startswith({".md": b"# one", ".html": b"<!DOCTYPE", ".pdf": b"%PDF-", ".json": b"{"}[suffix])
    session.window.exchange.export_to(None, tmp_path / "all", "Web page (*.html)")
    qtbot.waitUntil(lambda: (tmp_path / "all.html").exists())
    settle(qtbot, session)


def test_import_shows_first_and_then_adds(qtbot, open_window, make_engine, tmp_path: Path) -> None:
    node = {"author": {"role": "user"}, "content": {"content_type": "text", "parts": ["Hello"]}}
    path = tmp_path / "conversations.json"
    path.write_text(
        json.dumps([{"title": "From <b>there</b>", "create_time": 5.0, "mapping": {"a": {"message": node}}}]), "utf-8"
    )
    session = open_window(make_engine())
    session.window.exchange.look_into(path)
    qtbot.waitUntil(lambda: session.window.findChild(ImportDialog) is not None)
    dialog = session.window.findChild(ImportDialog)
    assert "1 chat with 1 message from ChatGPT" in dialog.summary.text()
    assert titles(session) == []
    dialog.import_button.click()
    qtbot.waitUntil(lambda: "From <b>there</b>" in titles(session))
    path.write_text("[", "utf-8")
    session.window.exchange.look_into(path)
    qtbot.waitUntil(lambda: bool(session.window.messages.rows))
    error = session.window.messages.rows[0].error
    assert isinstance(error, AppError)
    assert error.code is ErrorCode.CHATS_UNREADABLE


def test_drafts_stay_with_their_chats(qtbot, open_window, make_engine, stored) -> None:
    first, second = stored("one", "two")
    session = open_window(make_engine())
    field = session.window.pane.composer.text
    qtbot.keyClicks(field, "for a new one")
    session.window.on_chat_chosen(first)
    settle(qtbot, session)
    assert field.toPlainText() == ""
    qtbot.keyClicks(field, "for one")
    session.window.on_chat_chosen(second)
    settle(qtbot, session)
    assert field.toPlainText() == ""
    session.window.on_chat_chosen(first)
    settle(qtbot, session)
    assert field.toPlainText() == "for one"
    session.window.on_new_chat()
    settle(qtbot, session)
    assert field.toPlainText() == "for a new one"


def test_a_draft_is_on_disk_before_anything_ends(qtbot, open_window, make_engine, app_paths) -> None:
    session = open_window(make_engine())
    qtbot.keyClicks(session.window.pane.composer.text, "not sent")

    def on_disk() -> list[tuple[str]]:
        with sqlite3.connect(app_paths.database) as connection:
            return connection.execute("SELECT draft FROM places").fetchall()

    qtbot.waitUntil(lambda: on_disk() == [("not sent",)])
    qtbot.keyClick(session.window.pane.composer.text, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: on_disk() == [] and session.runner.is_idle)
    assert session.window.pane.composer.text.toPlainText() == ""


def test_the_place_comes_back_with_the_window(qtbot, open_window, make_engine, stored) -> None:
    (first,) = stored("one", n_messages=60)
    session = open_window(make_engine())
    session.window.on_chat_chosen(first)
    qtbot.waitUntil(lambda: len(session.window.messages.rows) == 60)
    transcript = session.window.pane.transcript
    transcript.set_position(20, 13)
    qtbot.keyClicks(session.window.pane.composer.text, "draft")
    settle(qtbot, session)
    assert transcript.position() == (20, 13)
    open_window.close(session)
    again = open_window(make_engine())
    qtbot.waitUntil(lambda: len(again.window.messages.rows) == 60)
    settle(qtbot, again)
    assert again.window.pane.transcript.position() == (20, 13)
    assert again.window.pane.composer.text.toPlainText() == "draft"


def test_a_backup_is_made_and_gives_back(qtbot, open_window, make_engine, stored, app_paths) -> None:
    ids = stored("one", "two")
    session = open_window(make_engine())
    session.window.care.begin()
    qtbot.waitUntil(lambda: bool(backups(app_paths.database)) and session.runner.is_idle)
    with session.window.services.database.write() as connection:
        connection.execute("DELETE FROM chats WHERE id = ?", (ids[0],))
    session.window.actions_by_name["care.offer_restore"].trigger()
    qtbot.waitUntil(lambda: session.window.findChild(care.RestoreDialog) is not None)
    dialog = session.window.findChild(care.RestoreDialog)
    dialog.accept()
    qtbot.waitUntil(lambda: "Brought back 1 chats and 1 messages." in session.window.sidebar.notice.text)
    settle(qtbot, session)
    assert "one" in titles(session)


def test_care_empties_old_trash(open_window, make_engine, stored, monkeypatch) -> None:
    ids = stored("one", "two")
    session = open_window(make_engine())
    services = session.window.services
    HistoryStore(services.database, clock=lambda: 1_000.0).trash_chats(ids[:1])
    assert care.look_after(services, date(2026, 11, 21), CancelToken()) == 0
    assert services.history.trash() == []
    assert [chat.id for chat in services.store.chats()] == ids[1:]


def test_paper_loads_nothing(qtbot) -> None:
    document = document_of("<img src='file:///etc/passwd'><link href='http://h/x.css' rel='stylesheet'/><p>text</p>")
    assert document.toPlainText().endswith("text")
    assert pdf_of("<p>text</p>", "t").startswith(b"%PDF-")


@pytest.mark.parametrize(
    ("title", "name"),
    [("a/b\\c: d?", "a b c d"), ("...", None), ("x" * 200, "x" * 60), ("\u202eevil\n.exe", "evil .exe")],
)
def test_a_title_becomes_a_file_name(title: str, name: str | None) -> None:
    assert file_name(title) == name or (name is None and file_name(title).startswith("Chat "))


def test_everything_new_has_a_name(qtbot, open_window, make_engine, stored) -> None:
    stored("one")
    session = open_window(make_engine())
    session.window.on_show_trash()
    session.window.sidebar.job.begin("Working")
    session.window.sidebar.notice.say("Done.", "Undo", lambda: None)
    settle(qtbot, session)
    sidebar = session.window.sidebar
    for each in sidebar.findChildren(QAbstractButton):
        assert not each.isVisible() or each.text() or each.accessibleName(), each
    for each in (sidebar.search, sidebar.list_view, sidebar.results_view, sidebar.trash.list_view):
        assert each.accessibleName()
    assert session.window.findChild(QDialog) is None
