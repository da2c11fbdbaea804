import json
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from core.errors import AppError, ErrorCode
from core.events import CancelToken, Interrupted, Passage, ReplyStats, StopReason
from core.exchange.archive import all_chat_ids, read_chat
from core.exchange.exporting import ExportFormat, export_chats
from core.exchange.importing import read_import, store_import
from core.exchange.pages import Labels
from core.presets import ChatOverrides
from core.store.chats import ChatStore, MessageState, ReplyRecord
from core.store.database import Database
from core.store.history import ChatPlace, HistoryStore
from core.store.overrides import OverrideStore
from core.store.scopes import AnswerFrom, ChatScope, ScopeStore

LABELS = Labels(you="You", answer="Tern", untitled="New chat", sources="Sources", when=lambda _when: "a day")
RECORD = ReplyRecord(
    "tiny", (1, 2, 3), StopReason.STOP_TOKEN, 2**63 + 5, ReplyStats(3, 0, 3, 0.1, 0.2, 5), '{"a": 1.0}'
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(tmp_path / "history.sqlite3")
    yield opened
    opened.close()


def _filled(database: Database) -> None:
    store, history = ChatStore(database), HistoryStore(database)
    first, second, third = (
        store.create_chat("First <b>"),
        store.create_chat("Second"),
        store.create_chat("in the trash"),
    )
    prompt = store.add_prompt(first, "A question\nwith 🐦 and \u202e")
    store.set_context(prompt, [Passage(1, "a.txt", 0, 4, "Text")])
    reply = store.begin_reply(first, "tiny")
    store.append_reply(reply, "part")
    store.finish_reply(reply, "**An** answer", MessageState.DONE, RECORD)
    store.add_document(first, "a.txt", "0" * 64, "Text")
    history.pin([first], is_pinned=True)
    history.move([first], history.create_folder("Work"))
    history.save_place(first, ChatPlace("a draft", 1, 20))
    OverrideStore(database).set(first, ChatOverrides("precise", "Be brief."))
    ScopeStore(database).set(first, ChatScope(AnswerFrom.DOCUMENTS, (1, 2)))
    single = store.add_prompt(second, "gone")
    store.add_prompt(second, "stays")
    stopped = store.begin_reply(second, "tiny")
    store.finish_reply(stopped, "half", MessageState.STOPPED, None)
    history.trash_messages([single])
    store.add_prompt(third, "still here")
    history.trash_chats([third])


def _export(database: Database, target: Path, file_format: ExportFormat) -> int:
    ids = all_chat_ids(database)
    return export_chats(database, ids, target, file_format, LABELS, CancelToken(), lambda _event: None)


def test_our_json_loses_nothing(database: Database, tmp_path: Path) -> None:
    _filled(database)
    path = tmp_path / "all.json"
    assert _export(database, path, ExportFormat.JSON) == 3
    other = Database.open(tmp_path / "other.sqlite3")
    found = read_import(path, other, CancelToken())
    store_import(other, path, found.chats, CancelToken(), lambda _event: None)
    assert [read_chat(other, each) for each in all_chat_ids(other)] == [
        read_chat(database, each) for each in all_chat_ids(database)
    ]
    first = ChatStore(other).chats()[-1].id
    assert ChatStore(other).messages(first)[1].reply == RECORD
    again = tmp_path / "again.json"
    _export(other, again, ExportFormat.JSON)
    assert again.read_bytes() == path.read_bytes()
    assert read_import(path, database, CancelToken()).already_there == 3
    other.close()


def test_every_column_of_a_chat_is_in_the_json(database: Database, tmp_path: Path) -> None:
    _filled(database)
    path = tmp_path / "all.json"
    _export(database, path, ExportFormat.JSON)
    chat = json.loads(path.read_text("utf-8"))["chats"][0]
    links = {"id", "chat_id", "parent_id", "message_id", "folder_id", "checksum"}
    with database.read() as connection:
        for table, found in (
            ("chats", chat["chat"]),
            ("messages", chat["messages"][1]),
            ("replies", chat["messages"][1]["reply"]),
            ("documents", chat["documents"][0]),
            ("chat_overrides", chat["overrides"]),
            ("chat_scopes", chat["scope"]),
            ("places", chat["place"]),
        ):
            columns = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")} - links
            assert columns <= set(found), table
        tables = {
            row[0]
            for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            if not row[0].startswith(("sqlite_", "message_search", "title_search", "search_state"))
        }
    # A table that is added is exported too, or named here with the reason why not.
    assert tables == {"chats", "messages", "replies", "documents", "chat_overrides", "chat_scopes", "places", "folders"}


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


HOSTILE = """<script>alert(1)</script> <img src=http://h/x> ![p](http://h/p.png) [l](javascript:alert(1)) <http://h/>
[ref]: http://h/ref
[ref]
<iframe src="file:///etc/passwd"></iframe> &lt;script&gt; </article></body>
```"><script>x
code </code></pre><script>
```
| a | b |
|---|---|
| <b>x</b> | ![](x) |
"""


def test_a_page_loads_and_runs_nothing(database: Database, tmp_path: Path) -> None:
    store = ChatStore(database)
    chat_id = store.create_chat("</title><script>t")
    store.add_prompt(chat_id, HOSTILE)
    reply = store.begin_reply(chat_id, "<script>m")
    store.finish_reply(reply, HOSTILE, MessageState.DONE, None)
    path = tmp_path / "page.html"
    _export(database, path, ExportFormat.HTML)
    elements = _Elements()
    elements.feed(path.read_text("utf-8"))
    assert {tag for tag, _attributes in elements.found} <= {
        *("html", "head", "meta", "title", "style", "body", "article", "h1", "p", "b", "br", "div", "pre", "code"),
        *("table", "thead", "tbody", "tr", "th", "td", "strong", "em", "ul", "ol", "li", "blockquote", "hr"),
    }
    names = {name for tag, attributes in elements.found for name in attributes if tag != "meta"}
    assert names <= {"class", "style"}
    assert "alert(1)" in path.read_text("utf-8")  # as text


def test_markdown_and_html_show_what_the_list_shows(database: Database, tmp_path: Path) -> None:
    _filled(database)
    for file_format in (ExportFormat.MARKDOWN, ExportFormat.HTML):
        path = tmp_path / f"all.{file_format.value}"
        assert _export(database, path, file_format) == 3
        text = path.read_text("utf-8")
        assert "stays" in text
        assert "gone" not in text
    assert "<strong>An</strong> answer" in text
    assert "# First <b>\n" in (tmp_path / "all.md").read_text("utf-8")


def test_pages_show_the_branch_that_is_shown(database: Database, tmp_path: Path) -> None:
    store = ChatStore(database)
    chat_id = store.create_chat("t")
    first = store.add_prompt(chat_id, "the first wording")
    store.add_prompt(chat_id, "another wording", instead_of=first)
    path = tmp_path / "page.md"
    _export(database, path, ExportFormat.MARKDOWN)
    assert "another wording" in path.read_text("utf-8")
    assert "the first wording" not in path.read_text("utf-8")


def test_an_export_is_there_whole_or_not_at_all(database: Database, tmp_path: Path) -> None:
    _filled(database)
    path = tmp_path / "all.json"
    path.write_text("before", "utf-8")
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Interrupted):
        export_chats(database, all_chat_ids(database), path, ExportFormat.JSON, LABELS, cancel, lambda _event: None)
    assert path.read_text("utf-8") == "before"
    with pytest.raises(AppError) as caught:
        _export(database, tmp_path / "missing" / "all.json", ExportFormat.JSON)
    assert caught.value.code is ErrorCode.OUTPUT_UNWRITABLE
    assert not list(tmp_path.glob("*.tmp"))
