"""What the model held likely at one place of a text: the numbers behind the preview of the next word.

Knows logits and tokens; must not know who looks. The probabilities under other settings are those of sampling.py.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.errors import AppError
from core.inference.config import TokenId
from core.inference.sampling import SamplingParams, next_token_probabilities, rank
from core.inference.tokenizer import Tokenizer

N_NAMED: Final = 256  # candidates whose text is kept
SAMPLE_TEXT: Final = "The best thing about a day at the sea is"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A token that may come next; `text` is "" for one that ends the answer or is no text of its own."""

    text: str
    share: float  # 0 to 1


@dataclass(frozen=True, slots=True, eq=False)
class Outlook:
    """One place of a text: what stood before, and the logits, float32 (vocab,), for what comes next."""

    before: str
    recent_ids: tuple[TokenId, ...]
    logits: NDArray[np.float32]
    texts: dict[int, str]

    def candidates(self, params: SamplingParams, n: int) -> tuple[tuple[Candidate, ...], int]:
        """Return the `n` likeliest tokens under `params`, the likeliest first, and how many can come at all."""
        ids, shares = next_token_probabilities(self.logits, self.recent_ids, params)
        best = zip(ids[:n], shares[:n], strict=True)
        return tuple(Candidate(self.texts.get(int(id_), ""), float(share)) for id_, share in best), len(ids)


def make_outlook(tokenizer: Tokenizer, ids: tuple[TokenId, ...], logits: NDArray[np.float32]) -> Outlook:
    """Return the outlook after `ids`; `logits` is copied."""
    best = rank(logits, min(N_NAMED, len(logits)))
    texts = {int(id_): text_of(tokenizer, (TokenId(int(id_)),)) for id_ in best}
    return Outlook(text_of(tokenizer, ids), ids, logits.copy(), texts)


def text_of(tokenizer: Tokenizer, ids: tuple[TokenId, ...]) -> str:
    """Return what `ids` say; special tokens and parts of characters say nothing."""
    decoder = tokenizer.decoder()
    try:
        return "".join([*[decoder.push(id_) for id_ in ids if id_ not in tokenizer.stop_ids], decoder.flush()])
    except (AppError, ValueError):
        return ""
