"""Which passages the model reads with a question of a conversation: of its own documents and of its collections.

Knows where a conversation's documents and collections are kept and how they are searched; must not know how an answer
is made. Runs on the thread that owns the engine.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from core.events import CancelToken
from core.library.index.collections import CollectionId
from core.library.index.searcher import Searcher
from core.library.reading import DocumentText
from core.library.search import CountTokens, Library
from core.library.together import FoundPassages, find_together
from core.store.chats import ChatId, ChatStore, MessageRole
from core.store.scopes import AnswerFrom, ChatScope, ScopeStore

_WORDS_FROM: Final = 3  # questions before, that a follow-up may refer to


@dataclass(frozen=True, slots=True)
class PassageFinder:
    """Finds passages for conversations; without `scopes` and `searcher` in their own documents alone."""

    store: ChatStore
    library: Library
    scopes: ScopeStore | None = None
    searcher: Searcher | None = None

    def find(
        self,
        chat_id: ChatId,
        question: str,
        words: Sequence[str] | None,
        count_tokens: CountTokens,
        budget: int,
        cancel: CancelToken,
        limit: int,
    ) -> FoundPassages | None:
        """Return what the model is to read: nothing where the conversation is to answer without documents.

        None: it answers from documents alone, and there are none or they hold no word of the question.

        Raises:
            AppError: as the store and the index.
        """
        scope = self._scope(chat_id)
        nothing = FoundPassages(())
        if scope.answer_from is AnswerFrom.CHAT:
            return nothing
        is_only = scope.answer_from is AnswerFrom.DOCUMENTS
        stored = self.store.documents(chat_id)
        documents = [DocumentText(each.name, each.sha256, each.text, each.structure) for each in stored]
        collections = [CollectionId(each) for each in scope.collections] if self.searcher is not None else []
        if not documents and not collections:
            return None if is_only else nothing
        if words is None and collections:
            words = self.search_words(chat_id, question)
        found = find_together(
            self.library, documents, self.searcher, collections, question, words, count_tokens, budget, cancel, limit
        )
        if cancel.is_cancelled:
            return nothing
        if is_only:
            return found if found.passages else None
        return found if found.is_likely else nothing

    def refuses(self, chat_id: ChatId, found: FoundPassages | None) -> bool:
        """Tell whether the model is not to be asked: documents alone answer, and they do not say it."""
        if found is None:
            return True
        return not found.is_likely and self._scope(chat_id).answer_from is AnswerFrom.DOCUMENTS

    def search_words(self, chat_id: ChatId, question: str) -> tuple[str, ...]:
        """Return what collections are searched for, with what a follow-up refers to; for a person to change."""
        if self.searcher is None:
            return ()
        asked = [each.text for each in self.store.messages(chat_id) if each.role is MessageRole.USER]
        if asked and asked[-1] == question:  # it is stored before it is answered
            asked.pop()
        before: tuple[str, ...] = ()
        for earlier in asked[-_WORDS_FROM:]:
            before = self.searcher.words_for(earlier, before)
        return self.searcher.words_for(question, before)

    def _scope(self, chat_id: ChatId) -> ChatScope:
        return self.scopes.get(chat_id) if self.scopes is not None else ChatScope()
