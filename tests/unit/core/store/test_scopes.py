"""What single conversations answer from, as rows."""

from pathlib import Path

import pytest

from core.store.chats import ChatId, ChatStore
from core.store.database import Database
from core.store.scopes import AnswerFrom, ChatScope, ScopeStore


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database.open(tmp_path / "history.sqlite3")


def test_a_scope_is_kept_with_its_conversation(database: Database) -> None:
    chats, scopes = ChatStore(database), ScopeStore(database)
    chat = chats.create_chat()
    assert scopes.get(chat) == ChatScope()
    scopes.set(chat, ChatScope(AnswerFrom.DOCUMENTS, (3, 1)))
    assert scopes.get(chat) == ChatScope(AnswerFrom.DOCUMENTS, (3, 1))
    chats.delete_chat(chat)
    assert scopes.get(chat) == ChatScope()
    database.close()


def test_a_conversation_that_is_gone_gets_none(database: Database) -> None:
    scopes = ScopeStore(database)
    scopes.set(ChatId(9), ChatScope(AnswerFrom.CHAT))
    assert scopes.get(ChatId(9)) == ChatScope()
    database.close()


def test_a_row_that_cannot_be_read_is_the_standard(database: Database) -> None:
    chat, scopes = ChatStore(database).create_chat(), ScopeStore(database)
    scopes.set(chat, ChatScope(AnswerFrom.CHAT))
    with database.write() as connection:
        connection.execute("UPDATE chat_scopes SET collections = '{'")
    assert scopes.get(chat) == ChatScope()
    database.close()
