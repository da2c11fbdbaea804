"""The answer that is on its way, as the window keeps track of it.

Knows rows and ids; must not know jobs or widgets.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.chat.message_model import Row
from core.events import CancelToken, Emit
from core.store.chats import ChatId, Message, MessageId

if TYPE_CHECKING:
    from core.chat import ChatService
    from core.inference.sampling import SamplingParams

NO_CHAT = ChatId(0)
Answering = Callable[[ChatId], "tuple[ChatService, SamplingParams, str]"]
# Carries out one exchange in the engine lane.
Work = Callable[["ChatService", ChatId, "SamplingParams", str, CancelToken, Emit], Message]


@dataclass(frozen=True, slots=True)
class ChatCreated:
    """A conversation began with its first message (an event of the reply job)."""

    chat_id: ChatId


@dataclass(slots=True, eq=False)
class Exchange:
    """One answer in the making; `prompt_row` is None where the question is there already."""

    chat_id: ChatId  # NO_CHAT until it is stored
    prompt_row: Row | None
    answer: Row
    prompt: str = ""
    after_id: MessageId | None = None  # the stored message that the rows come after, where it is known
    is_branch: bool = False  # rows were taken away for it, which come back if it fails
    cancel: CancelToken | None = None
    n_saved: int = -1
    n_words: int = 0
    passages_row: Row | None = None

    def rows(self) -> list[Row]:
        """Return the rows that stand for it."""
        return [row for row in (self.prompt_row, self.passages_row, self.answer) if row is not None]

    def n_before(self, messages: Sequence[Message]) -> int:
        """Return how many of the messages shown come before it."""
        own = {row.message_id for row in self.rows() if row.message_id}
        for index, message in enumerate(messages):
            if message.id in own:
                return index
            if message.id == self.after_id:
                return index + 1
        for index in range(len(messages) - 1, -1, -1):
            if self.prompt and messages[index].role.value == "user" and messages[index].text == self.prompt:
                return index
        return len(messages)
