"""`tern chat` through a pipe and at a terminal: what is said, what is kept, and how it ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from terminal import Tern, start_tern

from core.instance import InstanceLock
from core.paths import resolve
from core.store.chats import ChatStore, Message, MessageRole, MessageState
from core.store.database import Database

MODEL = Path(__file__).parents[1] / "fixtures" / "tied-h256" / "hf-packed"
CHAT = ("chat", "--model", MODEL, "--seed", "3", "--max-tokens", "6")

needs_terminal = pytest.mark.skipif(sys.platform == "win32", reason="needs pseudo-terminals")


@pytest.fixture
def tern(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Tern:
    return Tern(capsys, monkeypatch)


def history() -> list[list[Message]]:
    """Return the messages of each saved conversation, the first one first."""
    database = Database.open(resolve().database)
    try:
        store = ChatStore(database)
        return [store.messages(chat.id) for chat in sorted(store.chats(), key=lambda chat: chat.id)]
    finally:
        database.close()


def test_each_piped_line_is_answered_and_saved(tern: Tern) -> None:
    ended = tern(*CHAT, stdin="Grüße\n\nWhat is 2+2?\r\n/new\nlast, without an end".encode())
    assert ended.code == 0
    first, second = history()
    assert [message.text for message in first if message.role is MessageRole.USER] == ["Grüße", "What is 2+2?"]
    assert [message.text for message in second if message.role is MessageRole.USER] == ["last, without an end"]
    answers = [message for chat in (first, second) for message in chat if message.role is MessageRole.ASSISTANT]
    assert [message.state for message in answers] == [MessageState.DONE] * 3
    assert "> " not in ended.out
    assert "\x1b" not in ended.out


def test_nothing_is_kept_on_request_and_the_answers_are_the_same(tern: Tern) -> None:
    lines = b"Hello\nAnd now?\n"
    kept = tern(*CHAT, stdin=lines)
    resolve().database.unlink()
    not_kept = tern(*CHAT, "--no-history", stdin=lines)
    assert not_kept.code == 0
    assert not_kept.out == kept.out
    assert not resolve().database.exists()


def test_a_new_conversation_forgets(tern: Tern) -> None:
    for options in ([], ["--no-history"]):
        once = tern(*CHAT, *options, stdin=b"Hello\n").out
        assert tern(*CHAT, *options, stdin=b"Hello\n/new\nHello\n").out == once * 2
        assert tern(*CHAT, *options, stdin=b"Hello\nHello\n").out != once * 2


def test_the_system_text_can_be_changed(tern: Tern) -> None:
    ended = tern(*CHAT, "--system", "Rhyme.", stdin=b"/system\n/system Be brief.\n/system\n")
    shown = [line for line in ended.err.splitlines() if "told first" in line]
    assert [line.rpartition(": ")[2] for line in shown] == ["Rhyme.", "Be brief.", "Be brief."]
    changed = tern(*CHAT, "--no-history", stdin=b"/system Be brief.\nHello\n").out
    assert changed == tern(*CHAT, "--no-history", "--system", "Be brief.", stdin=b"Hello\n").out


def test_commands_are_no_messages(tern: Tern) -> None:
    ended = tern(*CHAT, stdin=b"/help\n/dance\n/quit\nnever read\n")
    assert ended.code == 0
    assert "/system TEXT" in ended.out
    assert "There is no command /dance" in ended.err
    assert history() == []


def test_no_input_loads_no_model(tern: Tern) -> None:
    assert tern(*CHAT).out == ""


def test_a_message_that_cannot_be_answered_is_told_and_the_chat_goes_on(tern: Tern) -> None:
    for options in ([], ["--no-history"]):
        ended = tern(*CHAT, *options, stdin=b"word " * 2000 + b"\nHello\n")
        assert ended.code == 2
        assert ended.err.count("tern: ") == 1
        assert ended.out == tern(*CHAT, "--no-history", stdin=b"Hello\n").out


def test_input_that_is_no_text_is_refused(tern: Tern) -> None:
    ended = tern(*CHAT, stdin=b"\xff\n")
    assert ended.code == 2
    assert ended.is_one_line()


def test_a_second_instance_is_told_what_works_beside_the_first(tern: Tern) -> None:
    resolve().create()
    lock = InstanceLock.acquire(resolve().lock)
    try:
        ended = tern(*CHAT, stdin=b"Hello\n")
        assert ended.code == 2
        assert ended.is_one_line()
        assert "--no-history" in ended.err
        assert tern(*CHAT, "--no-history", stdin=b"Hello\n").code == 0
        assert tern("ask", "--model", MODEL, "--max-tokens", "1", "Hello").code == 0
    finally:
        lock.release()
    assert tern(*CHAT, stdin=b"Hello\n").code == 0


def test_a_damaged_history_is_told(tern: Tern) -> None:
    resolve().create()
    resolve().database.write_bytes(b"no database at all" * 100)
    ended = tern(*CHAT, stdin=b"Hello\n")
    assert ended.code == 0
    assert "The history was damaged" in ended.err
    assert len(history()) == 1


class AtTerminal:
    """A person at a pseudo-terminal."""

    def __init__(self, master: int, process: "subprocess.Popen[bytes]") -> None:
        self._master = master
        self.process = process
        self.seen = ""

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def interrupt(self) -> None:
        # CPython's readline does not notice a signal between showing the prompt and waiting for keys.
        time.sleep(0.2)
        self.process.send_signal(signal.SIGINT)

    def wait_for(self, text: str) -> None:
        """Wait until `text` was shown since the last call."""
        until = time.monotonic() + 30
        while text not in self.seen:
            assert time.monotonic() < until, self.seen
            self.seen += os.read(self._master, 4096).decode(errors="replace")
        self.seen = self.seen.partition(text)[2]

    def code(self) -> int:
        return self.process.wait(timeout=30)


@contextmanager
def at_terminal(*arguments: object, slow: bool = False) -> Iterator[AtTerminal]:
    try:
        master, slave = os.openpty()
    except OSError as exc:
        pytest.skip(f"this system has no pseudo-terminals: {exc}")
    env = {**os.environ, "TERM": "xterm"}
    process = start_tern(*arguments, slow=slow, stdin=slave, stdout=slave, stderr=slave, env=env)
    os.close(slave)
    try:
        yield AtTerminal(master, process)
    finally:
        process.kill()
        process.wait()
        os.close(master)


@needs_terminal
def test_at_a_terminal_there_is_a_prompt_and_ctrl_d_leaves() -> None:
    with at_terminal(*CHAT) as person:
        person.wait_for("hf-packed, saved. /help")
        person.wait_for("> ")
        person.type("Hello\\\n")
        person.wait_for(". ")
        person.type("there\n")
        person.wait_for("longest answer")
        person.wait_for("> ")
        person.type("\x04")
        assert person.code() == 0
    assert history()[0][0].text == "Hello\nthere"


@needs_terminal
def test_ctrl_c_stops_an_answer_and_a_second_one_leaves() -> None:
    with at_terminal(*CHAT[:3], "--max-tokens", "200", "--temperature", "2", slow=True) as person:
        person.wait_for("> ")
        person.type("Hello\n")
        person.wait_for("Hello\r\n")
        person.interrupt()
        person.wait_for("You stopped this answer.")
        person.wait_for("> ")
        person.interrupt()
        assert person.code() == 130
    prompt, answer = history()[0]
    assert (prompt.text, answer.state) == ("Hello", MessageState.STOPPED)


@needs_terminal
def test_ctrl_c_at_a_fresh_prompt_asks_for_a_second_one() -> None:
    with at_terminal(*CHAT, "--no-history") as person:
        person.wait_for("> ")
        person.interrupt()
        person.wait_for("Ctrl-C again or Ctrl-D leaves.")
        person.wait_for("> ")
        person.interrupt()
        assert person.code() == 130
