"""Messages as a tree: edited, regenerated, chosen, deleted and brought back, compared with a plain model."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from core.store.chats import ChatId, ChatStore, MessageId, MessageState
from core.store.database import Database
from core.store.history import HistoryStore
from core.store.tree import Node, Tree


def test_the_newest_of_several_messages_is_shown_until_another_is_chosen() -> None:
    nodes = [Node(1, None), Node(2, 1), Node(3, 1), Node(4, 2), Node(5, 3)]
    assert Tree(nodes).shown() == [1, 3, 5]
    nodes[1] = Node(2, 1, chosen=1)
    tree = Tree(nodes)
    assert tree.shown() == [1, 2, 4]
    assert tree.siblings(2) == tree.siblings(3) == (2, 3)
    assert tree.siblings(1) == (1,)
    assert sorted(tree.subtree(3)) == [3, 5]
    assert tree.path_to(5) == [1, 3, 5]


def test_what_followed_a_deleted_message_follows_what_it_followed() -> None:
    tree = Tree([Node(1, None), Node(2, 1, is_deleted=True), Node(3, 2, is_deleted=True), Node(4, 3)])
    assert tree.shown() == [1, 4]
    assert tree.siblings(2) == ()
    assert tree.subtree(2) == []


def test_damaged_links_make_no_circle() -> None:
    assert Tree([Node(1, 2), Node(2, 1)]).shown() == [1, 2]
    assert Tree([Node(1, 1), Node(2, 99)]).shown() == [2]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(tmp_path / "history.sqlite3")
    yield opened
    opened.close()


def exchange(store: ChatStore, chat_id: ChatId, text: str, instead_of: MessageId | None = None) -> tuple[int, int]:
    prompt = store.add_prompt(chat_id, text, instead_of)
    return prompt, answer(store, chat_id, prompt, f"to {text}")


def answer(store: ChatStore, chat_id: ChatId, prompt: MessageId, text: str) -> MessageId:
    reply = store.begin_reply(chat_id, "m", prompt)
    store.finish_reply(reply, text, MessageState.DONE, None)
    return reply


def texts(store: ChatStore, chat_id: ChatId) -> list[str]:
    return [message.text for message in store.messages(chat_id)]


def test_an_edit_is_a_branch_and_nothing_is_overwritten(database: Database) -> None:
    store = ChatStore(database)
    chat_id = store.create_chat()
    first, _ = exchange(store, chat_id, "a")
    exchange(store, chat_id, "b")
    edited, _ = exchange(store, chat_id, "a2", MessageId(first))
    assert texts(store, chat_id) == ["a2", "to a2"]
    message = store.message(MessageId(edited))
    assert message is not None
    assert message.siblings == (first, edited)
    store.choose(MessageId(first))
    assert texts(store, chat_id) == ["a", "to a", "b", "to b"]
    exchange(store, chat_id, "c")
    assert texts(store, chat_id) == ["a", "to a", "b", "to b", "c", "to c"]


def test_a_reopened_answer_is_found_by_all_its_words_once(database: Database) -> None:
    store, history = ChatStore(database), HistoryStore(database)
    chat_id = store.create_chat("t")
    _, reply = exchange(store, chat_id, "question")
    store.reopen_reply(MessageId(reply))
    store.append_reply(MessageId(reply), " and more")
    store.finish_reply(MessageId(reply), "to question and more", MessageState.DONE, None)
    assert [hit.message_id for hit in history.search("more")] == [reply]
    assert [hit.snippet for hit in history.search("to question")] == ["to question and more"]


class Plain:
    """What the window should show, kept as the simplest thing that could be right."""

    def __init__(self) -> None:
        self.parent: dict[int, int | None] = {}
        self.text: dict[int, str] = {}
        self.is_prompt: dict[int, bool] = {}
        self.order: dict[int, int] = {}  # how recently it was added or chosen
        self.hidden: set[int] = set()
        self.clock = 0

    def add(self, message_id: int, parent: int | None, text: str, *, is_prompt: bool) -> None:
        self.parent[message_id], self.text[message_id] = parent, text
        self.is_prompt[message_id] = is_prompt
        self.touch(message_id)

    def touch(self, message_id: int) -> None:
        self.clock += 1
        self.order[message_id] = self.clock

    def children(self, parent: int | None) -> list[int]:
        return [i for i in sorted(self.parent) if self.parent[i] == parent and i not in self.hidden]

    def shown(self) -> list[int]:
        path: list[int] = []
        while here := self.children(path[-1] if path else None):
            path.append(max(here, key=self.order.__getitem__))
        return path

    def below(self, message_id: int) -> set[int]:
        found = {message_id}
        for child in self.children(message_id):
            found |= self.below(child)
        return found


class Conversation(RuleBasedStateMachine):
    """Send, edit, regenerate, choose, delete and undo, in any order."""

    directory: Path

    @initialize()
    def begin(self) -> None:
        type(self).count = getattr(type(self), "count", 0) + 1
        self.database = Database.open(self.directory / f"{os.getpid()}-{type(self).count}.sqlite3")
        self.store, self.history = ChatStore(self.database), HistoryStore(self.database)
        self.chat_id = self.store.create_chat("chat")
        self.plain = Plain()
        self.undo: list[list[MessageId]] = []
        self.n = 0

    def teardown(self) -> None:
        if hasattr(self, "database"):
            self.database.close()

    def name(self) -> str:
        self.n += 1
        return f"text {self.n}"

    def pick(self, share: float, *, is_prompt: bool | None = None) -> int | None:
        wanted = [i for i in self.plain.shown() if is_prompt is None or self.plain.is_prompt[i] is is_prompt]
        return wanted[int(share * len(wanted))] if wanted else None

    @rule()
    def send(self) -> None:
        shown, text = self.plain.shown(), self.name()
        prompt = self.store.add_prompt(self.chat_id, text)
        self.plain.add(prompt, shown[-1] if shown else None, text, is_prompt=True)
        reply = answer(self.store, self.chat_id, prompt, f"to {text}")
        self.plain.add(reply, prompt, f"to {text}", is_prompt=False)

    @precondition(lambda self: self.plain.shown())
    @rule(share=st.floats(0, 0.999))
    def edit(self, share: float) -> None:
        old = self.pick(share, is_prompt=True)
        if old is not None:
            text = self.name()
            new = self.store.add_prompt(self.chat_id, text, MessageId(old))
            self.plain.add(new, self.plain.parent[old], text, is_prompt=True)

    @precondition(lambda self: self.plain.shown())
    @rule(share=st.floats(0, 0.999))
    def regenerate(self, share: float) -> None:
        prompt = self.pick(share, is_prompt=True)
        if prompt is not None:
            text = self.name()
            self.plain.add(
                answer(self.store, self.chat_id, MessageId(prompt), text), prompt, text, is_prompt=False
            )  # fmt: skip

    @precondition(lambda self: self.plain.shown())
    @rule(share=st.floats(0, 0.999), which=st.integers(0, 5))
    def choose(self, share: float, which: int) -> None:
        here = self.pick(share)
        assert here is not None
        siblings = self.plain.children(self.plain.parent[here])
        chosen = siblings[which % len(siblings)]
        self.store.choose(MessageId(chosen))
        self.plain.touch(chosen)

    @precondition(lambda self: self.plain.shown())
    @rule(share=st.floats(0, 0.999))
    def delete(self, share: float) -> None:
        here = self.pick(share)
        assert here is not None
        gone = self.store.subtree(MessageId(here))
        assert set(gone) == self.plain.below(here)
        self.history.trash_messages(gone)
        self.plain.hidden |= set(gone)
        self.undo.append(gone)

    @precondition(lambda self: self.undo)
    @rule()
    def undo_delete(self) -> None:
        back = self.undo.pop()
        self.history.restore_messages(back)
        self.plain.hidden -= set(back)

    @rule()
    def reopen(self) -> None:
        """What is stored says the same to another program."""
        path = self.database.path
        self.database.close()
        self.database = Database.open(path)
        self.store, self.history = ChatStore(self.database), HistoryStore(self.database)

    @invariant()
    def same(self) -> None:
        if not hasattr(self, "store"):
            return
        messages, shown = self.store.messages(self.chat_id), self.plain.shown()
        assert [message.id for message in messages] == shown
        assert [message.text for message in messages] == [self.plain.text[i] for i in shown]
        for message in messages:
            assert list(message.siblings) == self.plain.children(self.plain.parent[message.id])
        kept = {row.id: row.text for i in self.plain.text if (row := self.store.message(MessageId(i)))}
        assert kept == self.plain.text  # nothing is ever overwritten


def walk(directory: Path, examples: int, steps: int) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    class Machine(Conversation):
        pass

    Machine.directory = directory
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )


def test_any_order_of_edits_and_deletions_ends_as_in_the_plain_model(tmp_path: Path) -> None:
    walk(tmp_path, 10, 25)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_ten_thousand_edits_and_deletions_end_as_in_the_plain_model(tmp_path: Path) -> None:
    walk(tmp_path, 200, 50)
