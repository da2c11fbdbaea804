"""Whether the last starts ended before Tern was ready, and at what: a marker file in the data directory.

A start writes the marker and takes it away when Tern is ready or ends in an orderly way. What it finds there tells how
many starts in a row did neither, and what the last one was doing. Must not know what is done about it.
"""

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from core.errors import AppError
from core.settings import write_atomically

FILE_NAME: Final = "starting.json"
SAFE_AFTER: Final = 2  # failed starts in a row
_MAX_BYTES: Final = 64 << 10
_MAX_NAME_CHARS: Final = 200


class Step(StrEnum):
    """What a start does that can end it; the likeliest cause comes first."""

    MODEL = "model"
    HISTORY = "history"
    WINDOW = "window"


@dataclass(frozen=True, slots=True)
class FailedStarts:
    """How many starts in a row have failed, and at what the last one did; `name` is foreign text, or empty."""

    n: int = 0
    step: Step = Step.WINDOW
    name: str = ""

    @property
    def calls_for_safe_mode(self) -> bool:
        """True where the next start should leave out what may be the cause."""
        return self.n >= SAFE_AFTER


class StartGuard:
    """The marker of one start; any thread. A disk that cannot be written costs the marker, never the start."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE_NAME
        self._lock = threading.Lock()
        self._doing: dict[Step, str] = {}
        self._is_finished = True
        self.failed = FailedStarts()

    def begin(self) -> FailedStarts:
        """Count this start as failed until finish(); returns those before it."""
        with self._lock:
            self.failed = _read(self._path)
            self._is_finished = False
            self._doing = {Step.WINDOW: ""}
            self._write()
        return self.failed

    @contextlib.contextmanager
    def during(self, step: Step, name: str = "") -> Iterator[None]:
        """Note what is done in the block: that it is begun, and that it came to an end which could be told of."""
        with self._lock:
            self._doing[step] = name[:_MAX_NAME_CHARS]
            self._write()
        try:
            yield
        finally:
            with self._lock:
                self._doing.pop(step, None)
                self._write()

    def finish(self) -> None:
        """Take the marker away: this start was a good one."""
        with self._lock, contextlib.suppress(OSError):
            self._is_finished = True
            self._path.unlink(missing_ok=True)

    def _write(self) -> None:
        if self._is_finished:
            return
        stored = {"n": self.failed.n + 1, "doing": {step.value: name for step, name in self._doing.items()}}
        with contextlib.suppress(AppError):
            write_atomically(self._path, json.dumps(stored).encode("ascii"))


def _read(path: Path) -> FailedStarts:
    """Return what the marker says; no failed start where there is none, one where it is damaged."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES)
    except OSError:
        return FailedStarts()
    try:
        stored = json.loads(data)
        n, doing = stored["n"], stored["doing"]
        if type(n) is not int or not 1 <= n < 1_000_000 or not isinstance(doing, dict):
            return FailedStarts(1)
        step = next((step for step in Step if step.value in doing), Step.WINDOW)
        return FailedStarts(n, step, str(doing.get(step.value, ""))[:_MAX_NAME_CHARS])
    except (ValueError, TypeError, KeyError, RecursionError):
        return FailedStarts(1)
