"""How far a download is: all files as one bar, its speed over the last seconds and the time that is left.

Knows bytes and a clock; must not know where they come from.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from core.events import DownloadProgress, DownloadState

_EVERY_S: Final = 0.25
_WINDOW_S: Final = 10.0
_SETTLED_S: Final = 2.0  # before that the time left would be a guess


class Meter:
    """Counts and tells; `missing_bytes` are those that have not been received or found."""

    def __init__(self, send: Callable[[DownloadProgress], None], clock: Callable[[], float]) -> None:
        self._send = send
        self._clock = clock
        self._total = 0
        self._done = 0
        self._next_s = 0.0
        self._last: tuple[DownloadState, str] | None = None
        self._window: deque[tuple[float, int]] = deque()  # (when, received until then)
        self.received_bytes = 0

    @property
    def missing_bytes(self) -> int:
        """Bytes that are still to come."""
        return max(0, self._total - self._done)

    def start(self, total_bytes: int) -> None:
        """Begin with nothing done of `total_bytes`."""
        self._total = total_bytes

    def add(self, state: DownloadState, file: str, n_bytes: int) -> None:
        """Count bytes that were found or received."""
        self._done += n_bytes
        if state is DownloadState.RECEIVING:
            self.received_bytes += n_bytes
        now = self._clock()
        if now >= self._next_s or self._last != (state, file):
            self._tell(state, file, now)

    def take_back(self, n_bytes: int) -> None:
        """Count bytes out that have to come again."""
        self._done -= n_bytes

    def tell(self, state: DownloadState, file: str) -> None:
        """Tell the state now."""
        self._tell(state, file, self._clock())

    def forget_speed(self) -> None:
        """Begin the speed anew: the time in between was not spent receiving."""
        self._window.clear()

    def _tell(self, state: DownloadState, file: str, now: float) -> None:
        self._next_s, self._last = now + _EVERY_S, (state, file)
        self._window.append((now, self.received_bytes))
        while len(self._window) > 2 and now - self._window[0][0] > _WINDOW_S:
            self._window.popleft()
        span = now - self._window[0][0]
        speed = (self.received_bytes - self._window[0][1]) / span if span > 0 else 0.0
        left = self.missing_bytes / speed if speed > 0 and span >= _SETTLED_S else None
        self._send(DownloadProgress(state, file, self._done, self._total, speed, left))
