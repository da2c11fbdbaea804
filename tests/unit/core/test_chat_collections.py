"""Conversations with collections: what they answer from, follow-ups, and what the documents do not say."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from index_files import OpenIndex

from core.chat import ChatService
from core.events import CancelToken, PassagesFound, ReplyStats, StopReason
from core.inference.templates import ChatTemplate
from core.store.chats import ChatId, ChatStore, Message, MessageState
from core.store.database import Database
from core.store.scopes import AnswerFrom, ChatScope, ScopeStore

LEASE = "The notice period is three months.\n\nThe landlord must be told in writing.\n"


@dataclass(frozen=True)
class Params:
    max_tokens: int = 8
    temperature: float = 0.5
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Generation:
    text: str
    token_ids: tuple[int, ...]
    prompt_ids: tuple[int, ...]
    reason: StopReason
    stats: ReplyStats


class Tokenizer:
    template = ChatTemplate.BITNET
    prefix_ids = (256,)
    end_of_turn_id = 257
    stop_ids = frozenset({257})
    vocab_size = 512

    def encode_text(self, text: str) -> list[int]:
        return list(text.encode("utf-8"))


class Engine:
    """Answers "Yes." and keeps what it was asked."""

    name = "fake"
    is_small = False
    context_length = 4000
    tokenizer = Tokenizer()

    def __init__(self) -> None:
        self.prompts: list[str] = []

    def generate(self, ids: Sequence[int], *_rest: object) -> Generation:
        self.prompts.append(bytes(each for each in ids if each < 256).decode("utf-8"))
        return Generation("Yes.", (1,), tuple(ids), StopReason.STOP_TOKEN, ReplyStats(1, 0, 1, 0.1, 0.1, 0))


class Talk:
    """A conversation that uses one collection."""

    def __init__(self, folder: Path) -> None:
        self.index = OpenIndex(folder / "index.db")
        papers = folder / "papers"
        papers.mkdir()
        (papers / "lease.txt").write_text(LEASE, encoding="utf-8")
        (papers / "soup.txt").write_text("Boil the onions in butter for ten minutes.\n", encoding="utf-8")
        self.collection = self.index.add("Papers", papers)
        self.database = Database.open(folder / "history.sqlite3")
        self.store = ChatStore(self.database)
        self.scopes = ScopeStore(self.database)
        self.engine = Engine()
        self.service = ChatService(self.store, lambda: self.engine, scopes=self.scopes, searcher=self.index.searcher)
        self.chat: ChatId = self.store.create_chat()
        self.events: list[object] = []

    def answer_from(self, answer_from: AnswerFrom) -> None:
        self.scopes.set(self.chat, ChatScope(answer_from, (self.collection,)))

    def ask(self, text: str, words: Sequence[str] | None = None) -> Message:
        self.events.clear()
        return self.service.reply(self.chat, text, Params(), "", CancelToken(), self.events.append, words=words)

    @property
    def found(self) -> PassagesFound:
        return next(event for event in self.events if isinstance(event, PassagesFound))

    def close(self) -> None:
        self.index.close()
        self.database.close()


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Talk]:
    opened = Talk(tmp_path)
    yield opened
    opened.close()


def test_passages_of_collections_are_read_and_kept_with_the_prompt(talk: Talk) -> None:
    talk.answer_from(AnswerFrom.BOTH)
    talk.ask("What is the notice period?")
    assert talk.found.words == ("notice", "period")
    assert talk.found.is_likely
    assert "notice period is three months" in talk.engine.prompts[0]
    kept = talk.store.messages(talk.chat)[0].context
    assert [(each.document, each.text) for each in kept] == [(each.document, each.text) for each in talk.found.passages]


def test_documents_of_the_conversation_are_ranked_with_them(talk: Talk) -> None:
    talk.answer_from(AnswerFrom.BOTH)
    talk.store.add_document(talk.chat, "garage.txt", "0" * 64, "The notice period of the garage is one week.\n")
    talk.ask("What is the notice period of the garage?")
    assert [each.document for each in talk.found.passages] == ["garage.txt", "lease.txt"]


def test_a_follow_up_searches_with_what_it_refers_to(talk: Talk) -> None:
    talk.answer_from(AnswerFrom.DOCUMENTS)
    talk.ask("What is the notice period?")
    assert talk.service.search_words(talk.chat, "And when does it end?") == ("end", "notice", "period")
    talk.ask("Who must be told about it?")
    assert talk.found.words == ("must", "told", "notice", "period")


def test_words_that_a_person_changed_are_searched(talk: Talk) -> None:
    talk.answer_from(AnswerFrom.DOCUMENTS)
    talk.ask("What is the notice period?", ["onions"])
    assert [each.document for each in talk.found.passages] == ["soup.txt"]


def test_what_documents_alone_do_not_say_is_not_asked_of_the_model(talk: Talk) -> None:
    talk.answer_from(AnswerFrom.DOCUMENTS)
    message = talk.ask("Which notice did the emperor of Brazil publish yesterday?")
    assert message.reply is not None
    assert (message.text, message.state) == ("", MessageState.DONE)
    assert message.reply.stop_reason is StopReason.NOT_IN_DOCUMENTS
    assert not talk.found.is_likely
    assert talk.engine.prompts == []
    talk.ask("What is the notice period?")
    assert "Brazil" not in talk.engine.prompts[0]


def test_both_goes_on_without_passages_where_documents_do_not_say_it(talk: Talk) -> None:
    talk.answer_from(AnswerFrom.BOTH)
    assert talk.ask("Which notice did the emperor of Brazil publish yesterday?").text == "Yes."
    assert "three months" not in talk.engine.prompts[0]


def test_chat_alone_reads_no_document(talk: Talk) -> None:
    talk.answer_from(AnswerFrom.CHAT)
    talk.store.add_document(talk.chat, "garage.txt", "0" * 64, "The notice period of the garage is one week.\n")
    talk.ask("What is the notice period?")
    assert not any(isinstance(event, PassagesFound) for event in talk.events)


def test_a_collection_that_was_forgotten_is_found_nowhere(talk: Talk) -> None:
    talk.answer_from(AnswerFrom.DOCUMENTS)
    talk.index.collections.forget(talk.collection, CancelToken())
    assert talk.ask("What is the notice period?").reply.stop_reason is StopReason.NOT_IN_DOCUMENTS
