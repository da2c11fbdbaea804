"""Ctrl-C as a request to stop: the first one cancels the job, the second one ends it at once.

Knows signals and cancel tokens; must not know what is being stopped. Only the main thread may use this.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from core.events import CancelToken


@contextmanager
def interrupts_cancel(cancel: CancelToken) -> Iterator[None]:
    """Cancel `cancel` at the first Ctrl-C within the block; a second one raises KeyboardInterrupt."""

    def on_interrupt(_number: int, _frame: FrameType | None) -> None:
        if cancel.is_cancelled:
            raise KeyboardInterrupt
        cancel.cancel()

    previous = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
