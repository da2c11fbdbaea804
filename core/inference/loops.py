"""Endless repetition in generated tokens, found while it happens.

Knows ids only, not what they mean. A model that is stuck repeats a block of `period` tokens exactly. The detector
keeps, for every period up to 512, how many tokens in a row equalled the one `period` earlier: one vector operation a
token.

How long a repetition must last before it counts is a compromise. Short blocks repeat in honest text (rules of dashes,
rows of a table, zeros in a matrix, a refrain), so they need many rounds; a block of a paragraph's length never comes
four times in a row by itself. No repetition counts before `MIN_SPAN` tokens.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.inference.config import TokenId

MAX_PERIOD: Final = 512
MIN_SPAN: Final = 96

# (largest period, rounds it must have made)
_ROUNDS: Final = ((32, 12), (64, 6), (256, 4), (MAX_PERIOD, 3))


def required_span(period: int) -> int:
    """How many tokens a repetition of blocks of `period` tokens must cover to count as endless."""
    for largest, rounds in _ROUNDS:
        if period <= largest:
            return max(MIN_SPAN, period * rounds)
    raise ValueError(f"period {period} is over {MAX_PERIOD}")


_SPANS: Final = np.array([required_span(period) for period in range(1, MAX_PERIOD + 1)], dtype=np.int64)


class LoopDetector:
    """Watches one answer. Feed it every generated token; it says when the answer repeats itself without end."""

    def __init__(self) -> None:
        # The newest MAX_PERIOD ids, twice the room so that they are moved once in MAX_PERIOD pushes; -1 is no id.
        self._ids: NDArray[np.int64] = np.full(2 * MAX_PERIOD, -1, dtype=np.int64)
        self._end = MAX_PERIOD
        # At index i: how many of the last tokens in a row equal the token i + 1 earlier.
        self._runs: NDArray[np.int64] = np.zeros(MAX_PERIOD, dtype=np.int64)
        self._periods: NDArray[np.int64] = np.arange(1, MAX_PERIOD + 1, dtype=np.int64)

    def push(self, token_id: TokenId) -> bool:
        """Takes the next token; True when the text up to it is an endless repetition."""
        newest_first = self._ids[self._end - MAX_PERIOD : self._end][::-1]
        self._runs += 1
        self._runs *= newest_first == token_id
        self._append(token_id)
        return bool((self._runs + self._periods >= _SPANS).any())

    def _append(self, token_id: TokenId) -> None:
        if self._end == len(self._ids):
            self._ids[:MAX_PERIOD] = self._ids[MAX_PERIOD:]
            self._end = MAX_PERIOD
        self._ids[self._end] = token_id
        self._end += 1
