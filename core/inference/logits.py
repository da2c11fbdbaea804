"""What sampling asks of the output head, and the part of the logits that it gets.

Knows numbers only: neither where logits come from nor how a token is drawn from them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isinf
from typing import Self

import numpy as np
from numpy.typing import NDArray

from core.inference.config import TokenId


@dataclass(frozen=True, slots=True)
class HeadQuery:
    """Which logits can matter, after those of `recent_ids` have gone through the repetition penalty `penalty`.

    They are the `n_best` largest (0: no such limit) that are no more than `gap` below the largest. With a
    `temperature`, bounds are wanted for the sum of exp((logit - largest) / temperature) over all others.
    """

    n_best: int
    gap: float = inf
    temperature: float | None = None  # None: the others do not matter at all
    recent_ids: Sequence[TokenId] = ()
    penalty: float = 1.0

    @property
    def wants_all(self) -> bool:
        """True when nothing limits which logits matter."""
        return self.n_best == 0 and isinf(self.gap)


@dataclass(frozen=True, slots=True)
class TopLogits:
    """Exact logits, float32, before any penalty, of `ids`, int64 in ascending order; all of them where `is_all`.

    low, high: bounds of what a HeadQuery with a temperature asks about the others; 0 where there are none.
    """

    ids: NDArray[np.int64]
    logits: NDArray[np.float32]
    is_all: bool
    low: float = 0.0
    high: float = 0.0

    @classmethod
    def of_all(cls, logits: NDArray[np.float32]) -> Self:
        """Every logit, float32 (vocab,): a view, valid as long as `logits` is."""
        return cls(np.arange(len(logits)), logits, is_all=True)

    def penalized(self, recent_ids: Sequence[TokenId], penalty: float) -> NDArray[np.float32]:
        """A copy of the logits in which each of `recent_ids` that is among them has gone through the penalty."""
        seen = np.unique(np.asarray(recent_ids, dtype=np.int64))
        if not self.is_all:
            places = np.searchsorted(self.ids, seen)
            places = places[places < len(self.ids)]
            seen = places[np.isin(self.ids[places], seen)]
        changed = self.logits.copy()
        changed[seen] = penalized(changed[seen], penalty)
        return changed


def penalized(logits: NDArray[np.float32], penalty: float) -> NDArray[np.float32]:
    """Make logits less likely: positive ones divided by `penalty`, others multiplied.

    Keskar et al., 2019, CTRL, section 4.1, in the sign-aware form of transformers. Never turns the order of two values
    round, which is what makes bounds of the result out of bounds of the logits.
    """
    changed: NDArray[np.float32] = np.where(logits > 0, logits / np.float32(penalty), logits * np.float32(penalty))
    return changed
