"""The conversation behind `tern chat`: kept in the history, or forgotten at the end.

Knows core's services and their order of opening and closing; must not know the terminal.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from app import wiring
from core.errors import AppError, ErrorCode
from core.events import CancelToken, Emit, HistoryTrimmed, StopReason
from core.instance import InstanceLock
from core.paths import AppPaths
from core.settings import Settings, sampling_params

if TYPE_CHECKING:
    from core.inference.engine import Engine
    from core.inference.prompt import Turn
    from core.inference.sampling import SamplingParams
    from core.store.chats import ChatId


class Conversation(Protocol):
    """Messages and answers, one after the other."""

    def reply(self, text: str, system: str, cancel: CancelToken, emit: Emit) -> StopReason:
        """Answer `text` and remember both.

        Raises:
            AppError: nothing could be answered.
        """

    def new(self) -> None:
        """Begin again with nothing said."""


class SavedConversation:
    """Conversations in the history, like the window's; holds the instance lock until close()."""

    def __init__(self, paths: AppPaths, engine: "Callable[[], Engine]", settings: Settings) -> None:
        """Open the history in `paths`.

        Raises:
            AppError: ALREADY_RUNNING, DATA_DIR_UNWRITABLE, DATABASE_*, DISK_FULL.
        """
        paths.create()
        self._lock = InstanceLock.acquire(paths.lock)
        try:
            self._services = wiring.build_services(paths)
        except BaseException:
            self._lock.release()
            raise
        self._service = wiring.chat_service(self._services, engine, settings)
        self._params = sampling_params(settings)
        self._chat_id: ChatId | None = None

    @property
    def recovered_from(self) -> Path | None:
        """The damaged file from which the history was salvaged at this start; None when it was sound."""
        recovery = self._services.database.recovery
        return None if recovery is None else recovery.kept_as

    def reply(self, text: str, system: str, cancel: CancelToken, emit: Emit) -> StopReason:
        """Answer `text`; the first message of a conversation creates it in the history."""
        if self._chat_id is None:
            self._chat_id = self._services.store.create_chat()
        message = self._service.reply(self._chat_id, text, self._params, system, cancel, emit)
        if message.reply is None:
            raise AppError(ErrorCode.CHAT_NOT_FOUND, chat_id=self._chat_id)
        return message.reply.stop_reason

    def new(self) -> None:
        """Begin a new conversation with the next message."""
        self._chat_id = None

    def close(self) -> None:
        """Close the history and let the next instance in."""
        self._services.close()
        self._lock.release()


class UnsavedConversation:
    """A conversation in memory alone."""

    def __init__(self, engine: "Callable[[], Engine]", params: "SamplingParams") -> None:
        self._engine = engine
        self._params = params
        self._turns: list[Turn] = []

    def reply(self, text: str, system: str, cancel: CancelToken, emit: Emit) -> StopReason:
        """Answer `text`; after an error the conversation is as before."""
        from core.inference.prompt import Role, Turn, build_prompt, reply_reserve

        engine = self._engine()
        asked = [*self._turns, Turn(Role.USER, text)]
        prompt = build_prompt(
            [Turn(Role.SYSTEM, system), *asked],
            engine.tokenizer,
            context_length=engine.context_length,
            reserve=reply_reserve(engine.context_length, self._params.max_tokens),
        )
        if prompt.turns_dropped:
            emit(HistoryTrimmed(prompt.turns_dropped))
        generation = engine.generate(prompt.ids, self._params, cancel, emit)
        self._turns = [*asked, Turn(Role.ASSISTANT, generation.text, generation.token_ids)]
        return generation.reason

    def new(self) -> None:
        """Forget everything."""
        self._turns = []
