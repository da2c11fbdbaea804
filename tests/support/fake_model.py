"""A LanguageModel whose next token is a function of the ids read so far; wrong use of the cache fails the test."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from core.inference.config import TokenId
from core.inference.logits import HeadQuery, TopLogits
from core.inference.model import Interrupted

Next = Callable[[tuple[int, ...]], int]


class FakeModel:
    """`next_id` gets everything read so far; `before_read` runs inside each read, where a real step would compute.

    `spread` adds seeded noise that depends on the ids read, so that sampling has something to choose from.
    """

    def __init__(
        self, next_id: Next = lambda ids: 65, *, vocab_size: int = 512, context_length: int = 256, spread: float = 0.0
    ) -> None:
        self.vocab_size = vocab_size
        self.context_length = context_length
        self.next_id = next_id
        self.before_read: Callable[[], None] = lambda: None
        self.reads: list[tuple[int, tuple[int, ...]]] = []
        self.held: list[int] = []
        self.is_interrupted = False
        self.n_interrupts = 0
        self.is_closed = False
        self.n_full_heads = 0
        self._spread = spread

    def read(self, ids: Sequence[TokenId], start: int, *, want_logits: bool) -> NDArray[np.float32] | None:
        assert ids, "nothing to read"
        assert start <= len(self.held), "read leaves a hole in the cache"
        assert start + len(ids) <= self.context_length, "read goes past the context"
        self.before_read()
        if self.is_interrupted:
            del self.held[start:]
            raise Interrupted
        del self.held[start:]
        self.held += ids
        self.reads.append((start, tuple(ids)))
        return self._logits() if want_logits else None

    def read_top(self, ids: Sequence[TokenId], start: int, query: HeadQuery) -> TopLogits:
        self.read(ids, start, want_logits=False)
        return TopLogits.of_all(self._logits())

    def all_logits(self) -> NDArray[np.float32]:
        return self._logits()

    def interrupt(self) -> None:
        self.n_interrupts += 1
        self.is_interrupted = True

    def clear_interrupt(self) -> None:
        self.is_interrupted = False

    def close(self) -> None:
        self.is_closed = True

    def _logits(self) -> NDArray[np.float32]:
        seed = np.random.SeedSequence([len(self.held), *self.held])
        noise = np.random.default_rng(seed).standard_normal(self.vocab_size) * self._spread
        logits = noise.astype(np.float32)
        logits[self.next_id(tuple(self.held))] += np.float32(10.0)
        logits.flags.writeable = False
        return logits
