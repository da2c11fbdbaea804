"""kill -9 at random moments: what was acknowledged is there, at most one second of an answer is lost."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from core.store.chats import ChatStore, Message, MessageRole, MessageState
from core.store.database import Database

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")

STEP_S = 0.05  # as in kill_child.py
CHAT_ROUNDS = 50
COMMIT_ROUNDS = 40


@dataclass
class Round:
    """What one killed writer had reported."""

    prompts: list[str] = field(default_factory=list)
    n_pieces: int = 0  # generated for the last prompt


class Killer:
    """Starts writers and kills them."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-u", str(Path(__file__).with_name("kill_child.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def round(self, job: str, path: Path, seconds: float) -> Round:
        """Let a writer work for `seconds` after it is ready, kill it and return what it had reported."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{job} {path}\n")
        self.process.stdin.flush()
        done = Round()
        pid = 0
        is_ready = is_killed = False
        for line in self._lines():
            word, _, rest = line.partition(" ")
            match word:
                case "pid":
                    pid = int(rest)
                case "ready":
                    is_ready = True
                case "prompt":
                    done.prompts.append(rest)
                    done.n_pieces = 0
                case "piece":
                    done.n_pieces = int(rest)
                case "end":
                    assert is_killed, "the writer ended by itself"
                    return done
            if pid and is_ready and not is_killed:
                time.sleep(seconds)
                os.kill(pid, signal.SIGKILL)
                is_killed = True
        raise AssertionError("the writers' process ended")

    def _lines(self) -> Iterator[str]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            yield line.rstrip("\n")

    def close(self) -> None:
        self.process.communicate()


@pytest.fixture(scope="module")
def killer() -> Iterator[Killer]:
    killer = Killer()
    yield killer
    killer.close()


def _messages(database: Database) -> list[Message]:
    store = ChatStore(database)
    found = [message for chat in store.chats() for message in store.messages(chat.id)]
    return sorted(found, key=lambda message: message.id)


def _assert_sound(database: Database) -> None:
    assert database.recovery is None
    with database.read() as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def _lost_seconds(done: Round, messages: list[Message]) -> float:
    """Generation time of the text that the last prompt's answer lost; 0.0 when it had none yet."""
    if done.n_pieces == 0:
        return 0.0
    last = messages[-1]
    pieces = last.text.split() if last.role is MessageRole.ASSISTANT else []
    assert pieces == [str(number) for number in range(1, len(pieces) + 1)]
    return (done.n_pieces - len(pieces)) * STEP_S


def _kill_chats(killer: Killer, job: str, path: Path, rounds: int) -> tuple[int, float, int, int]:
    """Return prompts lost, the worst loss of text in seconds, interrupted answers and prompts in all."""
    chance = random.Random(2)
    expected: list[str] = []
    n_interrupted = 0
    worst_s = 0.0
    for _ in range(rounds):
        done = killer.round(job, path, chance.uniform(0.0, 0.12))
        expected += done.prompts
        database = Database.open(path)
        _assert_sound(database)
        messages = _messages(database)
        worst_s = max(worst_s, _lost_seconds(done, messages))
        n_streaming = sum(message.state is MessageState.STREAMING for message in messages)
        assert ChatStore(database).recover() == n_streaming <= 1
        assert not any(message.state is MessageState.STREAMING for message in _messages(database))
        n_interrupted += n_streaming
        database.close()
    stored = {message.text for message in messages if message.role is MessageRole.USER}
    return sum(prompt not in stored for prompt in expected), worst_s, n_interrupted, len(expected)


def test_killed_while_answering_keeps_prompts_and_all_but_a_second(killer: Killer, tmp_path: Path) -> None:
    lost, worst_s, n_interrupted, n_prompts = _kill_chats(killer, "chat", tmp_path / "h.sqlite3", CHAT_ROUNDS)
    assert lost == 0
    assert worst_s <= 1.0
    # The rounds must have hit what they are for.
    assert n_prompts >= CHAT_ROUNDS * 0.5
    assert n_interrupted >= CHAT_ROUNDS * 0.5
    assert worst_s > 0.0


def test_the_harness_sees_a_store_that_forgets(killer: Killer, tmp_path: Path) -> None:
    lost, worst_s, _, _ = _kill_chats(killer, "forgetful", tmp_path / "h.sqlite3", 12)
    assert lost > 0 or worst_s > 1.0
    assert worst_s > 1.0


def test_killed_between_commits_loses_no_acknowledged_one(killer: Killer, tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite3"
    chance = random.Random(3)
    n_acknowledged = 0
    for _ in range(COMMIT_ROUNDS):
        done = killer.round("commits", path, chance.uniform(0.0, 0.06))
        n_acknowledged += len(done.prompts)
        database = Database.open(path)
        _assert_sound(database)
        chats = ChatStore(database).chats()
        texts = [message.text for message in ChatStore(database).messages(max(chat.id for chat in chats))]
        # At most the one commit that was under way is there without its report.
        assert texts[: len(done.prompts)] == done.prompts
        assert len(texts) <= len(done.prompts) + 1
        database.close()
    assert n_acknowledged >= COMMIT_ROUNDS
