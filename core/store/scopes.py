"""What single conversations answer from: the chat alone, documents alone or both, and which collections; as rows.

Knows one small table; must not know the index: collections are numbers here, and one that was forgotten finds nothing.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from core.store.chats import ChatId
from core.store.database import Database


class AnswerFrom(StrEnum):
    """What an answer is made from."""

    CHAT = "chat"  # the model alone, even where there are documents
    DOCUMENTS = "documents"  # where they do not say it the model is not asked
    BOTH = "both"  # documents where they say something about it


@dataclass(frozen=True, slots=True)
class ChatScope:
    """What a conversation answers from; `collections` are CollectionIds of the index."""

    answer_from: AnswerFrom = AnswerFrom.BOTH
    collections: tuple[int, ...] = ()


class ScopeStore:
    """Scopes in a Database; calls block on the disk and may come from any thread."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def get(self, chat_id: ChatId) -> ChatScope:
        """Return what a conversation answers from; the standard for one that is not there or cannot be read."""
        with self._database.read() as connection:
            row = connection.execute(
                "SELECT answer_from, collections FROM chat_scopes WHERE chat_id = ?", (chat_id,)
            ).fetchone()
        if row is None:
            return ChatScope()
        try:
            return ChatScope(AnswerFrom(row[0]), tuple(int(each) for each in json.loads(row[1])))
        except (ValueError, TypeError):
            return ChatScope()

    def set(self, chat_id: ChatId, scope: ChatScope) -> None:
        """Keep what a conversation answers from; nothing happens when it was deleted meanwhile."""
        with self._database.write() as connection:
            connection.execute("DELETE FROM chat_scopes WHERE chat_id = ?", (chat_id,))
            if scope != ChatScope():
                connection.execute(
                    """INSERT INTO chat_scopes(chat_id, answer_from, collections, changed_at)
                       SELECT id, ?, ?, ? FROM chats WHERE id = ?""",
                    (scope.answer_from.value, json.dumps(list(scope.collections)), self._clock(), chat_id),
                )
