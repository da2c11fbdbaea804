"""Answers that can only be one of given texts: which tokens may come next, and how much each is favoured.

Knows tokens as bytes; must not know why these texts were chosen. The model decides between the texts by its logits; a
prior of each text, in the same unit (log-probability), is added where they part. Any way to spell a text in tokens is
allowed, so the model is never made to use a spelling that it would not choose.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.inference.config import TokenId
from core.inference.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Choice:
    """A whole answer that may be given; `prior` is a log-probability, up to a constant common to all."""

    text: str
    prior: float = 0.0


class Choices:
    """One answer in the making. Always ends: every token taken makes what is left of the texts shorter."""

    def __init__(self, choices: Sequence[Choice], tokenizer: Tokenizer, begun: Sequence[TokenId] = ()) -> None:
        """Takes `begun` as said already.

        Raises ValueError where there is no text to choose.
        """
        self._open = [(choice.text.encode(), choice.prior) for choice in choices if choice.text]
        self._tokenizer = tokenizer
        self._end = min(tokenizer.stop_ids)
        for token_id in begun:
            self.take(token_id)
        if not self._open:
            raise ValueError("no choices")

    @property
    def is_complete(self) -> bool:
        """True when a text has been said to its end and no longer one goes on from it."""
        return all(not rest for rest, _ in self._open)

    def allowed(self) -> tuple[list[TokenId], NDArray[np.float32]]:
        """Return the ids that may come next and their priors, float32, same length; a stop id where a text may end."""
        priors: dict[TokenId, float] = {}
        for rest, prior in self._open:
            ids = self._tokenizer.ids_of_prefixes(rest) if rest else [self._end]
            for token_id in ids:
                priors[token_id] = max(prior, priors.get(token_id, prior))
        return list(priors), np.array(list(priors.values()), np.float32)

    def forced(self) -> list[TokenId]:
        """Return the tokens of the whole rest where only one text is left; empty while there is something to decide."""
        rests = {rest for rest, _ in self._open}
        if len(rests) > 1 or not (rest := next(iter(rests))):
            return []
        try:
            return self._tokenizer.encode_text(rest.decode())
        except UnicodeDecodeError:  # inside a character: byte by byte until it is whole
            return []

    def take(self, token_id: TokenId) -> None:
        """Note that `token_id` was said; it must be one of `allowed` or the first of `forced`."""
        if token_id == self._end:
            self._open = [(b"", 0.0)]
            return
        said = self._tokenizer.bytes_of(token_id)
        self._open = [(rest[len(said) :], prior) for rest, prior in self._open if rest.startswith(said)]

    def pick(self, logits: NDArray[np.float32]) -> TokenId:
        """Return the likeliest allowed id; `logits` float32 (vocab,)."""
        ids, priors = self.allowed()
        return ids[int(np.argmax(logits[ids] + priors))]
