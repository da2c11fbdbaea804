"""The process that test_kill.py kills: it forks one writer a round, which works on the real store until it dies.

Protocol: the parent writes one line a round, ``<job> <database>``; this process answers ``pid <n>``, then the writer
reports what it has done, then ``end``. A report is written only after the work is on disk.
"""

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from core.chat import ChatService
from core.events import CancelToken, Emit, ReplyStats, StopReason, TextDelta
from core.inference.templates import ChatTemplate
from core.store.chats import ChatId, ChatStore, MessageId
from core.store.database import Database

STEP_S = 0.05  # generation time of one piece, on the writer's own clock
N_PIECES = 400


@dataclass(frozen=True)
class Params:
    max_tokens: int = 8


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
    """Writes the number of each piece into the text; generation time is STEP_S times that number.

    The clock counts pieces, so that a slow disk or a busy machine changes nothing in how much text a kill may cost.
    """

    name = "fake"
    is_small = False
    context_length = 100_000
    tokenizer = Tokenizer()

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._n_pieces = 0

    def clock(self) -> float:
        return self._n_pieces * STEP_S

    def generate(
        self, prompt_ids: Sequence[int], params: Params, cancel: CancelToken, emit: Emit, choices: object = ()
    ) -> Generation:
        text = ""
        for _ in range(N_PIECES):
            self._n_pieces += 1
            text += f"{self._n_pieces} "
            self._report(f"piece {self._n_pieces}")
            emit(TextDelta(f"{self._n_pieces} "))
            time.sleep(0.0005)
        stats = ReplyStats(len(prompt_ids), 0, N_PIECES, 0.1, 0.1, 0)
        return Generation(text, (), tuple(prompt_ids), StopReason.STOP_TOKEN, stats)


class ReportingStore(ChatStore):
    """The real store, which reports each prompt once it is on disk."""

    report: Callable[[str], None]

    def add_prompt(self, chat_id: ChatId, text: str, instead_of: MessageId | None = None) -> MessageId:
        message_id = super().add_prompt(chat_id, text, instead_of)
        self.report(f"prompt {text}")
        return message_id


class ForgetfulStore(ReportingStore):
    """The seeded fault: prompts are said to be stored while they are still in memory; answers grow there too."""

    def add_prompt(self, chat_id: ChatId, text: str, instead_of: MessageId | None = None) -> MessageId:
        self.report(f"prompt {text}")
        time.sleep(0.01)
        return super().add_prompt(chat_id, text, instead_of)

    def append_reply(self, message_id: MessageId, text: str) -> None:
        return


def chat(path: Path, report: Callable[[str], None], store_class: type[ReportingStore]) -> None:
    """Answer one prompt after the other until killed."""
    store = store_class(Database.open(path))
    store.report = report
    store.recover()
    number = sum(len(store.messages(chat.id)) for chat in store.chats())
    report("ready")
    while True:
        number += 1
        engine = Engine(report)
        service = ChatService(store, lambda engine=engine: engine, engine.clock)
        service.reply(store.create_chat(), f"p{os.getpid()}-{number}", Params(), "", CancelToken(), lambda _event: None)


def commits(path: Path, report: Callable[[str], None]) -> None:
    """Add prompts as fast as the disk takes them until killed."""
    store = ReportingStore(Database.open(path))
    store.report = report
    chat_id = store.create_chat("all")
    report("ready")
    number = 0
    while True:
        number += 1
        store.add_prompt(chat_id, f"p{os.getpid()}-{number}")


def write(job: str, path: Path) -> None:
    """Run one writer; never returns but by an error."""

    def report(line: str) -> None:
        os.write(sys.stdout.fileno(), f"{line}\n".encode("ascii"))

    match job:
        case "chat":
            chat(path, report, ReportingStore)
        case "forgetful":
            chat(path, report, ForgetfulStore)
        case "commits":
            commits(path, report)


def main() -> None:
    for line in sys.stdin:
        job, _, path = line.rstrip("\n").partition(" ")
        pid = os.fork()
        if pid == 0:
            try:
                write(job, Path(path))
            finally:
                os._exit(3)
        os.write(sys.stdout.fileno(), f"pid {pid}\n".encode("ascii"))
        os.waitpid(pid, 0)
        os.write(sys.stdout.fileno(), b"end\n")


if __name__ == "__main__":
    main()
