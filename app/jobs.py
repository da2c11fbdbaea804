"""Work beside the window: JobRunner, the only place that starts threads, and Mailbox, the only way back.

Knows lanes (one serial thread each), cancelling and the order of events; must not know what a job does. Every callback
runs on the window's thread: workers append to a deque, and a timer of the window's thread empties it. No signal
ever crosses a thread.
"""

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from PySide6.QtCore import QObject, Qt, QTimer

from core.errors import AppError
from core.events import (
    CancelToken,
    DocumentProgress,
    DownloadProgress,
    Emit,
    ExchangeProgress,
    IndexProgress,
    Interrupted,
    LoadProgress,
    PromptProgress,
    Saved,
    TextDelta,
)

FRAME_MS = 16
LANES = (
    "engine",
    "store",
    "load",
    "library",
    "download",
    "search",
    "history",
    "models",
    "count",
    "index",
    "lookup",
    "pages",
)
DURABLE_LANES = frozenset({"store"})  # what waits here at the end is still carried out: it saves things
_LATEST_ONLY = (
    LoadProgress,
    PromptProgress,
    Saved,
    DownloadProgress,
    DocumentProgress,
    ExchangeProgress,
    IndexProgress,
)

_log = logging.getLogger(__name__)

Work = Callable[[CancelToken, Emit], object]


def _ignore(_value: object) -> None:
    """Take a value that nobody waits for."""


@dataclass(eq=False, slots=True)
class Job:
    """One piece of work in a lane; its callbacks run on the window's thread."""

    lane: str
    work: Work
    cancel: CancelToken
    on_event: Callable[[object], None]
    on_done: Callable[[object], None]
    on_failed: Callable[[BaseException], None]


@dataclass(frozen=True, slots=True)
class _Ended:
    result: object
    error: BaseException | None


class Mailbox(QObject):
    """Events of workers on their way to the window: appended by any thread, delivered by the window's own timer."""

    def __init__(self, deliver: Callable[[Job, object], None], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._deliver = deliver
        self._letters: deque[tuple[Job, object]] = deque()
        self._expected = 0  # jobs that have not ended yet; window's thread only
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(FRAME_MS)
        self._timer.timeout.connect(self.drain)

    @property
    def is_idle(self) -> bool:
        """True when no job runs and nothing waits to be delivered."""
        return self._expected == 0 and not self._letters

    @property
    def is_ticking(self) -> bool:
        """True while the timer runs."""
        return self._timer.isActive()

    def expect(self) -> None:
        """Note that a job was started (window's thread)."""
        self._expected += 1
        if not self._timer.isActive():
            self._timer.start()

    def post(self, job: Job, event: object) -> None:
        """Append one event (any thread)."""
        self._letters.append((job, event))

    def drain(self) -> None:
        """Deliver what is there, joined where that loses nothing (window's thread)."""
        waiting = [self._letters.popleft() for _ in range(len(self._letters))]
        for job, event in coalesce(waiting):
            if isinstance(event, _Ended):
                self._expected -= 1
            self._deliver(job, event)
        if self.is_idle:
            self._timer.stop()


def coalesce(letters: Iterable[tuple[Job, object]]) -> list[tuple[Job, object]]:
    """Join neighbouring text of a job and keep the latest of neighbouring progress; order stays as it was."""
    joined: list[tuple[Job, object]] = []
    texts: list[str] = []
    for job, event in letters:
        if texts and not (isinstance(event, TextDelta) and joined[-1][0] is job):
            joined[-1] = (joined[-1][0], TextDelta("".join(texts)))
            texts = []
        if isinstance(event, TextDelta):
            if not texts:
                joined.append((job, event))
            texts.append(event.text)
        elif isinstance(event, _LATEST_ONLY) and joined and joined[-1][0] is job and type(joined[-1][1]) is type(event):
            joined[-1] = (job, event)
        else:
            joined.append((job, event))
    if texts:
        joined[-1] = (joined[-1][0], TextDelta("".join(texts)))
    return joined


class _Lane:
    """One named thread that carries out its jobs one after the other."""

    def __init__(self, name: str, post: Callable[[Job, object], None]) -> None:
        self.name = name
        self._post = post
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def put(self, job: Job) -> None:
        """Queue `job`; the thread starts with the first one."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=f"tern-{self.name}", daemon=True)
            self._thread.start()
        self._queue.put(job)

    def close(self) -> None:
        """Let the thread end after what is queued."""
        self._queue.put(None)

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread; True when it has ended."""
        if self._thread is None:
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (job := self._queue.get()) is not None:
            self._post(job, self._carry_out(job))

    def _carry_out(self, job: Job) -> _Ended:
        if job.cancel.is_cancelled and self.name not in DURABLE_LANES:
            return _Ended(None, None)
        try:
            return _Ended(job.work(job.cancel, lambda event: self._post(job, event)), None)
        except AppError as error:
            return _Ended(None, error)
        except Interrupted:
            return _Ended(None, None)
        except Exception as error:
            _log.exception("a job in the lane %s failed", self.name)
            return _Ended(None, error)


class JobRunner(QObject):
    """Starts work in named serial lanes and brings events and results back to the window's thread."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._mailbox = Mailbox(self._deliver, self)
        self._lanes = {name: _Lane(name, self._mailbox.post) for name in LANES}
        self._running: list[Job] = []
        self._is_closed = False

    @property
    def is_idle(self) -> bool:
        """True when nothing runs, waits or is undelivered."""
        return self._mailbox.is_idle

    @property
    def busy_lanes(self) -> frozenset[str]:
        """The lanes in which something runs or waits."""
        return frozenset(job.lane for job in self._running)

    @property
    def mailbox(self) -> Mailbox:
        """The way back, for tests and measurements."""
        return self._mailbox

    def start(
        self,
        lane: str,
        work: Work,
        *,
        on_event: Callable[[object], None] = _ignore,
        on_done: Callable[[object], None] = _ignore,
        on_failed: Callable[[BaseException], None] = _ignore,
    ) -> CancelToken:
        """Queue `work` and return its switch; `on_done` gets the result, `on_failed` the error, exactly one of them."""
        job = Job(lane, work, CancelToken(), on_event, on_done, on_failed)
        if self._is_closed:
            job.cancel.cancel()
            return job.cancel
        self._running.append(job)
        self._mailbox.expect()
        self._lanes[lane].put(job)
        return job.cancel

    def shutdown(self, timeout_s: float) -> bool:
        """Cancel everything and wait, `timeout_s` in all; True when every thread has ended.

        What is queued in a durable lane is still carried out. Called once, when the window is gone.
        """
        self._is_closed = True
        for job in list(self._running):
            if job.lane not in DURABLE_LANES:
                job.cancel.cancel()
        deadline = time.monotonic() + timeout_s
        ended = True
        for name in sorted(self._lanes, key=DURABLE_LANES.__contains__):
            self._lanes[name].close()
            ended = self._lanes[name].join(max(0.0, deadline - time.monotonic())) and ended
        self._mailbox.drain()
        return ended

    def _deliver(self, job: Job, event: object) -> None:
        if not isinstance(event, _Ended):
            job.on_event(event)
            return
        self._running.remove(job)
        if event.error is not None:
            job.on_failed(event.error)
        else:
            job.on_done(event.result)
