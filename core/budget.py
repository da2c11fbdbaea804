"""How the context of the model is shared out, before a message is sent: counted exactly as the prompt will be.

Knows tokens of stored messages; must not know how an answer is made. The history is counted once and kept; a draft
that grows costs its own tokens only. Belongs to one thread.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.chat import numbered_turns
from core.events import CancelToken, Interrupted
from core.inference.prompt import Role, Turn, frame_length, n_turns_dropped, reply_reserve, turn_length
from core.store.chats import ChatId, ChatStore, MessageId

if TYPE_CHECKING:
    from core.inference.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Budget:
    """Tokens by part. `passages` is the most that may be read of documents with the draft.

    `n_dropped` messages are not seen any more, `seen_from` is the first that is; None where all are seen.
    """

    context_length: int
    system: int
    passages: int
    history: int
    draft: int
    reserve: int
    n_dropped: int = 0
    seen_from: MessageId | None = None

    @property
    def used(self) -> int:
        """What the model reads."""
        return self.system + self.passages + self.history + self.draft

    @property
    def too_many(self) -> int:
        """How many tokens the draft is too long, even without any history."""
        return max(0, self.system + self.passages + self.draft + self.reserve - self.context_length)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a draft would be sent with."""

    model: str
    context_length: int
    max_tokens: int
    system: str
    passage_room: int  # 0 without documents


class BudgetCounter:
    """Counts for one conversation at a time."""

    def __init__(self) -> None:
        self._key: tuple[object, ...] = ()
        self._history: list[tuple[Role, int, MessageId]] = []

    def count(
        self,
        store: ChatStore,
        chat_id: ChatId | None,
        version: int,
        draft: str,
        around: Surroundings,
        tokenizer: "Tokenizer",
        cancel: CancelToken,
        before: MessageId | None = None,
    ) -> Budget:
        """Count the prompt of `draft` in a conversation.

        `version` is another number whenever messages have changed; `before` is a message whose place the draft takes.

        Raises:
            Interrupted: `cancel` was cancelled.
        """
        key = (chat_id, version, around.model, id(tokenizer))
        if key != self._key:
            self._history, self._key = _history(store, chat_id, around.model, tokenizer, cancel), key
        history = self._history
        if before is not None:
            ids = [message_id for _, _, message_id in history]
            history = history[: ids.index(before)] if before in ids else history
        system = turn_length(Turn(Role.SYSTEM, around.system), tokenizer) + frame_length(tokenizer)
        asked = turn_length(Turn(Role.USER, draft), tokenizer) if draft.strip() else 0
        reserve = reply_reserve(around.context_length, around.max_tokens)
        turns = [*((role, length) for role, length, _ in history), (Role.USER, asked + around.passage_room)]
        n_dropped = n_turns_dropped(turns, system, around.context_length - reserve)
        n_dropped = min(n_dropped, len(history))
        kept = history[n_dropped:]
        return Budget(
            around.context_length,
            system,
            around.passage_room,
            sum(length for _, length, _ in kept),
            asked,
            reserve,
            n_dropped,
            kept[0][2] if n_dropped and kept else None,
        )


def cut_to_fit(draft: str, too_many: int, count: Callable[[str], int], cancel: CancelToken) -> str:
    """Return the longest beginning of `draft` that has at least `too_many` tokens less, cut at a space.

    Raises:
        Interrupted: `cancel` was cancelled.
    """
    wanted = count(draft) - too_many
    low, high = 0, len(draft)
    while low < high:
        if cancel.is_cancelled:
            raise Interrupted
        middle = (low + high + 1) // 2
        low, high = (middle, high) if count(draft[:middle]) <= wanted else (low, middle - 1)
    kept = draft[:low]
    at_space = max(kept.rfind(" "), kept.rfind("\n"))
    return kept[:at_space].rstrip() if at_space > low // 2 else kept


def _history(
    store: ChatStore, chat_id: ChatId | None, model: str, tokenizer: "Tokenizer", cancel: CancelToken
) -> list[tuple[Role, int, MessageId]]:
    counted = []
    for turn, message_id in numbered_turns([] if chat_id is None else store.messages(chat_id), model):
        if cancel.is_cancelled:
            raise Interrupted
        counted.append((turn.role, turn_length(turn, tokenizer), message_id))
    return counted
