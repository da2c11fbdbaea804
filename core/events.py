"""What a running job tells its observer, and how the observer tells it to stop.

Frozen values only: they cross from a worker thread to the window. Knows no Qt.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from core.errors import AppError


class CancelToken:
    """A one-way switch, thread-safe: once cancelled, always cancelled."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._callbacks: list[Callable[[], None]] = []
        # Reentrant: Ctrl-C may call cancel() in the very thread that is inside on_cancel().
        self._lock = threading.RLock()

    def cancel(self) -> None:
        """Ask the job to stop; runs the callbacks once, in this thread."""
        with self._lock:
            first = not self._event.is_set()
            self._event.set()
            callbacks = list(self._callbacks) if first else []
        for callback in callbacks:
            callback()

    @property
    def is_cancelled(self) -> bool:
        """True from the first call of cancel() on."""
        return self._event.is_set()

    def on_cancel(self, callback: Callable[[], None]) -> None:
        """Run `callback` at cancel(), or at once when already cancelled (used to interrupt a step)."""
        with self._lock:
            if not self._event.is_set():
                self._callbacks.append(callback)
                return
        callback()


class Interrupted(Exception):  # noqa: N818 - being asked to stop is no error
    """The work was asked to stop and did; nothing new counts."""


class StopReason(StrEnum):
    """Why an answer ended."""

    STOP_TOKEN = "stop_token"
    STOP_STRING = "stop_string"
    MAX_TOKENS = "max_tokens"
    CONTEXT_FULL = "context_full"
    LOOP = "loop"
    CANCELLED = "cancelled"
    NOT_IN_DOCUMENTS = "not_in_documents"  # the model was not asked


@dataclass(frozen=True, slots=True)
class ReplyStats:
    """Figures of one finished answer; seconds are wall time."""

    prompt_tokens: int
    cached_tokens: int  # of the prompt, taken from the KV cache instead of being read again
    generated_tokens: int
    prefill_s: float
    decode_s: float
    seed: int
    full_head_tokens: int = 0  # for which all logits had to be computed although the head is screened

    @property
    def prefill_tokens_per_s(self) -> float:
        """Tokens really read per second; 0.0 when nothing had to be read."""
        read = self.prompt_tokens - self.cached_tokens
        return read / self.prefill_s if self.prefill_s > 0 else 0.0

    @property
    def decode_tokens_per_s(self) -> float:
        """Generated tokens per second after the first; 0.0 for fewer than two."""
        return (self.generated_tokens - 1) / self.decode_s if self.decode_s > 0 and self.generated_tokens > 1 else 0.0


class Unit(StrEnum):
    """What the places of a document are counted in."""

    NONE = "none"  # headings alone
    PAGE = "page"
    SLIDE = "slide"
    SHEET = "sheet"
    CHAPTER = "chapter"
    MESSAGE = "message"
    LINE = "line"
    SECOND = "second"  # of subtitles


@dataclass(frozen=True, slots=True)
class Place:
    """Where a piece of a document stands, as a person would look it up. All text in it is foreign.

    `number` and `last_number` count `unit` (pages from 1, seconds from 0) and are None where that is NONE; `label` is
    its name (a sheet's, a slide's title); rows are None outside tables; `headings` are those above it, outermost first.
    """

    unit: Unit = Unit.NONE
    number: int | None = None
    last_number: int | None = None
    label: str = ""
    row: int | None = None
    last_row: int | None = None
    headings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document: the name of the document, the range of characters (`end` exclusive) and its text there.

    `number` is what the model and the person call it by, from 1; `place` is None where nothing is known of it.
    """

    number: int
    document: str
    start: int
    end: int
    text: str
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """A model is being read: bytes done of bytes in all."""

    done_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class PromptProgress:
    """The prompt is being read: tokens done of tokens in all (cached ones count as done)."""

    done_tokens: int
    total_tokens: int


@dataclass(frozen=True, slots=True)
class HistoryTrimmed:
    """The oldest `turns_dropped` messages no longer fit and are not seen by the model."""

    turns_dropped: int


@dataclass(frozen=True, slots=True)
class PassagesFound:
    """The model is about to read these passages with the question.

    words: what was searched for in collections, for a person to see and to change; empty without collections.
    is_likely: False where the documents most likely do not say what is asked; the passages are then the closest ones.
    """

    passages: tuple[Passage, ...]
    words: tuple[str, ...] = ()
    is_likely: bool = True


@dataclass(frozen=True, slots=True)
class TextDelta:
    """Whole characters to append to the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class MessageStored:
    """A prompt or an empty answer is on disk under `message_id`; `siblings` are all messages in its place."""

    message_id: int
    siblings: tuple[int, ...]
    is_prompt: bool


@dataclass(frozen=True, slots=True)
class Saved:
    """Everything up to `n_chars` of the answer is on disk."""

    n_chars: int


@dataclass(frozen=True, slots=True)
class ReplyDone:
    """The answer ended for `reason`."""

    reason: StopReason
    stats: ReplyStats


class DownloadState(StrEnum):
    """What a download is doing."""

    CONNECTING = "connecting"
    CHECKING = "checking"  # what is there is read again before it is continued
    RECEIVING = "receiving"
    FINISHING = "finishing"


class WaitReason(StrEnum):
    """Why a download waits before it tries again."""

    UNREACHABLE = "unreachable"  # no connection at all
    STALLED = "stalled"  # connected, but no byte for too long
    CUT = "cut"  # the connection ended too early
    BUSY = "busy"  # the server asks to come back later
    BAD_ANSWER = "bad_answer"  # not the bytes that were asked for


class RestartReason(StrEnum):
    """Why bytes that were there are fetched again."""

    BLOCK_DAMAGED = "block_damaged"  # what is on disk is not what was written
    HASH_WRONG = "hash_wrong"  # all of the file is there and its SHA-256 is not the published one
    PUBLISHED_CHANGED = "published_changed"  # they belong to another revision of the file
    RECORD_LOST = "record_lost"  # the checksums of the blocks are missing or shorter than the file
    RANGE_REFUSED = "range_refused"  # the server gives the file from its start only


@dataclass(frozen=True, slots=True)
class DownloadProgress:
    """All files of a model as one bar; `seconds_left` is None until it can be told."""

    state: DownloadState
    file: str
    done_bytes: int
    total_bytes: int
    bytes_per_s: float
    seconds_left: float | None


@dataclass(frozen=True, slots=True)
class DownloadWaiting:
    """The download tries again in `retry_in_s`; `detail` is a fact for experts, foreign text."""

    reason: WaitReason
    detail: str
    retry_in_s: float


@dataclass(frozen=True, slots=True)
class DownloadRestarted:
    """`lost_bytes` of `file` are fetched again, `kept_bytes` stay."""

    reason: RestartReason
    file: str
    kept_bytes: int
    lost_bytes: int


@dataclass(frozen=True, slots=True)
class DocumentProgress:
    """A document is being read: `done` of `total` of whatever its format counts; `total` is 0 until that is known."""

    name: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Connected:
    """The download child has opened a connection."""

    at: datetime  # UTC
    host: str
    port: int


class IndexStage(StrEnum):
    """What is being done to the collections."""

    LOOKING = "looking"  # folders are walked; nothing is known of how much there is
    READING = "reading"  # files become searchable one after the other
    REMOVING = "removing"  # what has gone is taken out
    MEANING = "meaning"  # vectors are filled in; everything is searchable already


@dataclass(frozen=True, slots=True)
class IndexProgress:
    """How far the collections are, at most 10 a second; in MEANING `files` are chunks and the bytes are 0.

    `file` is the one in work (a foreign name); `seconds_left` is None until it can be told.
    """

    stage: IndexStage
    done_files: int
    total_files: int
    done_bytes: int
    total_bytes: int
    file: str
    seconds_left: float | None


@dataclass(frozen=True, slots=True)
class JobFailed:
    """The job ended with an error that a person can be told about."""

    error: AppError


Event = (
    LoadProgress
    | PromptProgress
    | HistoryTrimmed
    | PassagesFound
    | TextDelta
    | MessageStored
    | Saved
    | ReplyDone
    | DownloadProgress
    | DownloadWaiting
    | DownloadRestarted
    | DocumentProgress
    | Connected
    | IndexProgress
    | JobFailed
)
Emit = Callable[[object], None]


@dataclass(frozen=True, slots=True)
class ExchangeProgress:
    """How many conversations have been exported or imported."""

    done: int
    total: int
