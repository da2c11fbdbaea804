"""Exports of other programs, made here in their shapes, and files that only pretend to be such."""

import json
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import AppError, ErrorCode
from core.events import CancelToken, ExchangeProgress, Interrupted
from core.exchange import importing
from core.exchange.importing import Import, Source, read_import, store_import
from core.store import search
from core.store.chats import ChatStore, MessageRole
from core.store.database import Database
from core.store.history import HistoryStore
from core.store.overrides import OverrideStore


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(tmp_path / "history.sqlite3")
    yield opened
    opened.close()


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, object], Path]:
    def write_one(name: str, content: object) -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return path

    return write_one


def read(path: Path, database: Database) -> Import:
    return read_import(path, database, CancelToken())


def assert_read_or_refused(path: Path, database: Database) -> None:
    refused = None
    try:
        read(path, database)
    except AppError as error:
        refused = error.code
    assert refused in (None, ErrorCode.CHATS_UNREADABLE, ErrorCode.CHATS_NONE)


def store(found: Import, database: Database) -> None:
    store_import(database, found.path, found.chats, CancelToken(), lambda _event: None)


def texts(database: Database) -> list[list[tuple[str, str]]]:
    chats = ChatStore(database)
    return [
        [(message.role.value, message.text) for message in chats.messages(chat.id)]
        for chat in sorted(chats.chats(), key=lambda chat: chat.id)
    ]


def _node(parent: str | None, role: str, content: object, **more: object) -> dict[str, object]:
    message = {"author": {"role": role}, "content": content, "create_time": 1_700_000_001.5, **more}
    return {"parent": parent, "message": message}


def _said(text: str) -> dict[str, object]:
    return {"content_type": "text", "parts": [text]}


CHATGPT: list[dict[str, Any]] = [
    {
        "title": "Terns & gulls",
        "create_time": 1_700_000_000.25,
        "update_time": 1_700_000_100.0,
        "current_node": "e",
        "mapping": {
            "root": {"parent": None, "message": None},
            "s": _node("root", "system", _said("You are ChatGPT")),
            "a": _node("s", "user", _said("What is a tern?")),
            "b": _node("a", "assistant", _said("A first answer"), metadata={"model_slug": "gpt-4"}),
            "b2": _node("a", "assistant", _said("A better answer"), metadata={"model_slug": "gpt-4"}),
            "c": _node("b2", "user", {"content_type": "multimodal_text", "parts": [{"asset": "x"}, "And this?"]}),
            "d": _node("c", "tool", {"content_type": "text", "parts": ["search result"]}),
            "h": _node("d", "assistant", _said("hidden"), metadata={"is_visually_hidden_from_conversation": True}),
            "e": _node("h", "assistant", {"content_type": "code", "text": "print(1)"}),
        },
    }
]

LM_STUDIO: dict[str, Any] = {
    "name": "Reading",
    "createdAt": 1_700_000_000_000,
    "userLastMessagedAt": 1_700_000_050_000,
    "lastUsedModel": {"identifier": "qwen"},
    "perChatPredictionConfig": {"fields": [{"key": "llm.prediction.systemPrompt", "value": "Be brief."}]},
    "messages": [
        {
            "currentlySelected": 1,
            "versions": [
                {"type": "singleStep", "role": "user", "content": [{"type": "text", "text": "Old"}]},
                {"type": "singleStep", "role": "user", "content": [{"type": "text", "text": "Hello"}]},
            ],
        },
        {
            "currentlySelected": 0,
            "versions": [
                {
                    "type": "multiStep",
                    "role": "assistant",
                    "steps": [
                        {
                            "type": "contentBlock",
                            "style": {"type": "thinking"},
                            "content": [{"type": "text", "text": "hm"}],
                        },
                        {
                            "type": "contentBlock",
                            "genInfo": {"identifier": "qwen-2"},
                            "content": [{"type": "text", "text": "Hi."}],
                        },
                        {"type": "debugInfoBlock", "debugInfo": "x"},
                    ],
                }
            ],
        },
    ],
}


def _qstring(text: str) -> bytes:
    raw = text.encode("utf-16-be")
    return struct.pack(">I", len(raw)) + raw


def gpt4all(version: int, items: list[tuple[str, str]], *, with_state: bool = False) -> bytes:
    """Write a .chat file as the versions of GPT4All did."""
    out = bytes.fromhex("F5D553CC") + struct.pack(">iq", version, 1_700_000_000)
    out += _qstring("id") + _qstring("Sea birds") + _qstring("") + _qstring("llama.gguf")
    if version >= 3:
        out += struct.pack(">I", 1) + _qstring("collection")
    if version < 11:
        if version >= 6:
            out += bytes([with_state])
        if version >= 2:
            out += struct.pack(">ii", 1, 0)
        out += _qstring("the last response") + _qstring("name") + struct.pack(">I", 12)
        if with_state or version < 6:
            out += struct.pack(">I", 0) if version < 4 else b""
            out += struct.pack(">I", 3)
            out += struct.pack(">I", 2048) if version >= 7 else b""
            out += struct.pack(">q", 2) + bytes(8) if version < 9 else b""
            out += struct.pack(">q", 3) + bytes(12) + struct.pack(">I", 5) + b"state"
    out += struct.pack(">i", len(items))
    for kind, text in items:
        out += struct.pack(">i", 0) if version < 12 else b""
        out += _qstring(kind) + _qstring(text)
        out += _qstring("") if version < 10 else b""
        out += struct.pack(">I", 0xFFFFFFFF) + bytes(4)
        out += bytes(1) if version >= 11 and kind == "Response: " else b""
        if version >= 8:
            out += (
                struct.pack(">q", 1) + b"".join(_qstring(each) for each in "abcdefg") + struct.pack(">iii", 1, -1, -1)
            )
        elif version >= 3:
            out += _qstring("") + struct.pack(">I", 0)
        if version >= 10:
            out += struct.pack(">q", 1) + struct.pack(">I", 3) + b"url" + struct.pack(">I", 2) + b"xx"
        if version >= 12:
            if kind == "Response: ":
                inner = _qstring("Think: ") + _qstring("hm") + struct.pack(">iq", 12, 0)
                outer = _qstring("Response: ") + _qstring("") + struct.pack(">q", 1) + inner
                out += struct.pack(">q", 1) + outer
            else:
                out += struct.pack(">q", 0)
    return out


def test_chatgpt_gives_the_branch_that_was_open(database: Database, write: Callable[[str, object], Path]) -> None:
    found = read(write("conversations.json", CHATGPT), database)
    assert (found.source, len(found.chats), found.n_messages, found.left_out) == (Source.CHATGPT, 1, 5, 3)
    store(found, database)
    assert texts(database) == [
        [
            ("user", "What is a tern?"),
            ("assistant", "A better answer"),
            ("user", "And this?"),
            ("assistant", "```\nprint(1)\n```"),
        ]
    ]
    chat = ChatStore(database).chats()[0]
    assert (chat.title, chat.created_at, chat.updated_at) == ("Terns & gulls", 1_700_000_000.25, 1_700_000_100.0)
    answers = [each for each in ChatStore(database).messages(chat.id) if each.role is MessageRole.ASSISTANT]
    assert answers[0].model == "gpt-4"
    assert len(answers[0].siblings) == 2  # the other answer is kept beside it
    assert [hit.chat_id for hit in search.search(database, "better")] == [chat.id]


def test_chatgpt_is_read_inside_its_zip(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("user.json", "{}")
        archive.writestr("conversations-000.json", json.dumps(CHATGPT))
        archive.writestr("conversations-001.json", json.dumps([]))
    assert read(path, database).n_messages == 5


def test_lm_studio_gives_the_versions_that_were_shown(database: Database, write: Callable[[str, object], Path]) -> None:
    found = read(write("1.conversation.json", LM_STUDIO), database)
    assert (found.source, found.n_messages, found.left_out) == (Source.LM_STUDIO, 3, 0)
    store(found, database)
    assert texts(database) == [[("user", "Hello"), ("assistant", "Hi.")]]
    chat = ChatStore(database).chats()[0]
    assert (chat.title, chat.created_at, chat.updated_at) == ("Reading", 1_700_000_000.0, 1_700_000_050.0)
    assert ChatStore(database).messages(chat.id)[1].model == "qwen-2"
    assert OverrideStore(database).get(chat.id).system_prompt == "Be brief."


@pytest.mark.parametrize("version", range(1, 13))
@pytest.mark.parametrize("with_state", [False, True])
def test_gpt4all_of_every_version(
    database: Database, write: Callable[[str, object], Path], version: int, with_state: bool
) -> None:
    content = gpt4all(version, [("Prompt: ", "Grüße 🐦"), ("Response: ", "An answer")], with_state=with_state)
    found = read(write("gpt4all-x.chat", content), database)
    assert found.source is Source.GPT4ALL
    store(found, database)
    assert texts(database) == [[("user", "Grüße 🐦"), ("assistant", "An answer")]]
    chat = ChatStore(database).chats()[0]
    assert (chat.title, chat.created_at) == ("Sea birds", 1_700_000_000.0)
    assert ChatStore(database).messages(chat.id)[1].model == "llama.gguf"


def test_what_is_there_already_is_not_added_again(database: Database, write: Callable[[str, object], Path]) -> None:
    path = write("conversations.json", CHATGPT)
    store(read(path, database), database)
    again = read(path, database)
    assert (len(again.chats), again.already_there) == (0, 1)


def test_a_stopped_import_leaves_nothing(database: Database, write: Callable[[str, object], Path]) -> None:
    many = [{**CHATGPT[0], "create_time": float(1_700_000_000 + number)} for number in range(5)]
    found = read(write("conversations.json", many), database)
    cancel = CancelToken()
    seen: list[ExchangeProgress] = []

    def emit(event: object) -> None:
        assert isinstance(event, ExchangeProgress)
        seen.append(event)
        if event.done == 3:
            cancel.cancel()

    with pytest.raises(Interrupted):
        store_import(database, found.path, found.chats, cancel, emit)
    assert [(event.done, event.total) for event in seen] == [(1, 5), (2, 5), (3, 5)]
    assert ChatStore(database).chats() == HistoryStore(database).trash() == []


HOSTILE: dict[str, bytes] = {
    "empty": b"",
    "not json": b"hello",
    "cut": b'[{"mapping": {',
    "deep": b"[" * 200_000,
    "deep objects": b'{"messages":' * 50_000,
    "not utf-8": b'{"messages": ["\xff\xfe"]}',
    "infinite": b'{"format": "tern-chats", "version": 1, "chats": [Infinity]}',
    "huge number": b'{"format": "tern-chats", "version": ' + b"9" * 10_000 + b"}",
    "unknown": b'{"hello": 1}',
    "number": b"17",
    "mapping is a list": b'[{"mapping": []}]',
    "mapping in the second": b'[{"mapping": {}}, {"mapping": 3}]',
    "newer": b'{"format": "tern-chats", "version": 2, "chats": []}',
    "chats is no list": b'{"format": "tern-chats", "version": 1, "chats": {}}',
    "chat is no object": b'{"format": "tern-chats", "version": 1, "chats": [1]}',
    "zip without": b"PK\x03\x04 not a zip",
    "gpt4all cut": gpt4all(12, [("Prompt: ", "x")])[:-3],
    "gpt4all more": gpt4all(12, [("Prompt: ", "x")]) + b"x",
    "gpt4all newer": bytes.fromhex("F5D553CC") + struct.pack(">i", 13),
    "gpt4all huge count": gpt4all(12, [])[:-4] + struct.pack(">i", 2_000_000_000),
    "gpt4all negative": gpt4all(12, [])[:-4] + struct.pack(">i", -1),
    "gpt4all huge text": bytes.fromhex("F5D553CC") + struct.pack(">iqI", 12, 1, 0xFFFFFFF0),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_with_a_reason(
    database: Database, write: Callable[[str, object], Path], name: str
) -> None:
    with pytest.raises(AppError) as caught:
        read(write("file", HOSTILE[name]), database)
    assert caught.value.code is ErrorCode.CHATS_UNREADABLE
    assert caught.value.facts["reason"]


@pytest.mark.parametrize(
    "chat",
    [
        {"chat": {"title": 5, "created_at": 1.0, "updated_at": 1.0}},
        {"chat": {"title": "t", "created_at": True, "updated_at": 1.0}},
        {"chat": {"title": "t", "created_at": 1.0}},
        {"chat": {"title": "t", "created_at": 1.0, "updated_at": 1.0, "pinned_at": 10**30}},
        {"chat": {}, "folder": 3},
        {"chat": {"title": "t", "created_at": 1.0, "updated_at": 1.0}, "messages": [{"role": "user", "text": "x"}]},
        {
            "chat": {"title": "t", "created_at": 1.0, "updated_at": 1.0},
            "messages": [
                {"role": "root", "text": "x", "state": "done", "created_at": 1.0},
            ],
        },
        {
            "chat": {"title": "t", "created_at": 1.0, "updated_at": 1.0},
            "messages": [{"role": "user", "text": "x", "state": "done", "created_at": 1.0, "parent": 7}],
        },
    ],
)
def test_what_breaks_a_rule_of_the_history_is_refused_whole(
    database: Database, write: Callable[[str, object], Path], chat: object
) -> None:
    good = {"chat": {"title": "good", "created_at": 1.0, "updated_at": 1.0}, "messages": []}
    with pytest.raises(AppError) as caught:
        store(read(write("f.json", {"format": "tern-chats", "version": 1, "chats": [good, chat]}), database), database)
    assert caught.value.code is ErrorCode.CHATS_UNREADABLE
    assert ChatStore(database).chats() == []


def test_too_much_is_refused_whatever_the_zip_claims(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "MAX_BYTES", 1_000_000)
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("conversations.json", b"[" + b" " * 3_000_000 + b"]")
    with pytest.raises(AppError) as caught:
        read(path, database)
    assert "larger" in str(caught.value.facts["reason"])


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_mutated_chat_file_gets_past_the_reader(database: Database, tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(gpt4all(data.draw(st.integers(1, 12)), [("Prompt: ", "question"), ("Response: ", "answer")]))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(4, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "mutated.chat"
    path.write_bytes(content)
    assert_read_or_refused(path, database)


_KEYS = (
    *("mapping", "messages", "message", "author", "role", "content", "parts", "content_type", "versions", "steps"),
    *("type", "text", "currentlySelected", "parent", "metadata", "name", "createdAt", "title"),
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(_KEYS),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(
    data=st.dictionaries(st.sampled_from(["mapping", "messages", "title", "current_node", "name"]), _JSON)
    | st.lists(_JSON, max_size=3)
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_json_of_any_shape_is_read_or_refused(database: Database, tmp_path: Path, data: object) -> None:
    path = tmp_path / "any.json"
    path.write_text(json.dumps(data), "utf-8")
    assert_read_or_refused(path, database)
