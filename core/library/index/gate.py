"""Whether the documents say what is asked: one number from what the best passages hold of the question.

Knows hits; must not know the index. The constants are fitted by tests/bench/tune_gate.py on the labelled questions that
lie beside it, whose result is in tests/bench/RESULTS.md.
"""

import math
from collections.abc import Sequence
from typing import Final, Protocol

THRESHOLD: Final = 0.5
BIAS: Final = -5.2
COVERAGE: Final = 9.0
_COSINE: Final = 6.0
_COSINE_MIDDLE: Final = 0.45


class Scored(Protocol):
    """What is known of a passage that was found."""

    @property
    def coverage(self) -> float:
        """Share of the question's weight whose words stand there, 0 to 1."""

    @property
    def cosine(self) -> float | None:
        """Nearness in meaning; None without vectors."""


def likelihood(hits: Sequence[Scored]) -> float:
    """Return how likely it is (0 to 1) that one of the best hits says what is asked; 0 without hits."""
    if not hits:
        return 0.0
    best = hits[:3]
    value = BIAS + COVERAGE * max(hit.coverage for hit in best)
    cosines = [hit.cosine for hit in best if hit.cosine is not None]
    if cosines:
        value += _COSINE * (max(cosines) - _COSINE_MIDDLE)
    return 1 / (1 + math.exp(-value))
