"""From logits to the next token: small pure functions, composed into one sampler.

The order is that of transformers: repetition penalty, temperature, top-k, top-p, min-p, draw. Ties are broken by the
lowest id and the random numbers are raw PCG64 words, so equal seeds give equal text. Knows numbers only. The work is
done on the few best tokens wherever the settings allow it: a vocabulary of 128,256 entries is not sorted for one
token.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from core.errors import AppError, ErrorCode
from core.inference.config import TokenId
from core.inference.logits import HeadQuery, TopLogits

MAX_SEED: Final = 2**63 - 1  # fits an SQLite INTEGER
MAX_STOPS: Final = 16
MAX_STOP_CHARS: Final = 256
_FIRST_GUESS: Final = 1024  # candidates ranked at first when no top-k limits them
_MOST_ASKED: Final = 1024  # best logits that are asked of the head by number; for more it gives all
_GUESSED: Final = 256  # best logits asked for where top-p alone ends them
_ROUNDING: Final = 1e-9  # far above what float64 loses in a sum over a vocabulary


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How an answer is sampled and when it ends; checked when made (AppError SETTING_INVALID).

    `temperature` 0 takes the most likely token always. `top_k` 0, `top_p` 1, `min_p` 0, `repeat_penalty` 1 and
    `repeat_window` 0 each turn their filter off. `seed` None: the engine draws one and reports it.
    """

    temperature: float = 0.7
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    repeat_penalty: float = 1.1
    repeat_window: int = 128
    seed: int | None = None
    max_tokens: int = 1024
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_float("temperature", self.temperature, 0.0, 5.0)
        _check_int("top_k", self.top_k, 0, 2**31)
        _check_float("top_p", self.top_p, 0.0, 1.0, above=True)
        _check_float("min_p", self.min_p, 0.0, 1.0)
        _check_float("repeat_penalty", self.repeat_penalty, 0.5, 3.0)
        _check_int("repeat_window", self.repeat_window, 0, 2**31)
        _check_int("max_tokens", self.max_tokens, 1, 2**31)
        if self.seed is not None:
            _check_int("seed", self.seed, 0, MAX_SEED)
        _check_stop(self.stop)

    @classmethod
    def greedy(cls, *, max_tokens: int = 1024, stop: tuple[str, ...] = ()) -> Self:
        """The most likely token every time, as the model gives it: no penalty either."""
        return cls(temperature=0.0, repeat_penalty=1.0, max_tokens=max_tokens, stop=stop, seed=0)


def penalize_repeats(logits: NDArray[np.float32], recent_ids: Sequence[TokenId], penalty: float) -> NDArray[np.float32]:
    """A copy in which each id of `recent_ids` is less likely; see logits.penalized."""
    return TopLogits.of_all(logits).penalized(recent_ids, penalty)


def most_likely(logits: NDArray[np.float32]) -> TokenId:
    """Id of the largest logit; the lowest id when several are equal."""
    return TokenId(int(np.argmax(logits)))


def rank(logits: NDArray[np.float32], n_best: int) -> NDArray[np.int64]:
    """Ids of the `n_best` largest logits, best first; equal logits in the order of their ids, also at the cut."""
    if n_best >= len(logits):
        return np.argsort(-logits, kind="stable")
    worst_kept = np.partition(logits, len(logits) - n_best)[len(logits) - n_best]
    above = np.flatnonzero(logits > worst_kept)
    tied = np.flatnonzero(logits == worst_kept)[: n_best - len(above)]
    ids = np.concatenate([above[np.argsort(-logits[above], kind="stable")], tied])
    return ids.astype(np.int64, copy=False)


def weights_of(logits: NDArray[np.float32], temperature: float) -> NDArray[np.float64]:
    """Softmax numerators exp((logit - largest) / temperature), not yet divided by their sum."""
    scaled = (logits.astype(np.float64) - float(np.max(logits))) / temperature
    return np.exp(scaled)


def count_top_p(weights: NDArray[np.float64], top_p: float, total: float) -> int:
    """How many of the weights (best first) are needed to reach the share `top_p` of `total`; at least one."""
    if top_p >= 1.0:
        return len(weights)
    return min(int(np.searchsorted(np.cumsum(weights), top_p * total, side="left")) + 1, len(weights))


def count_min_p(weights: NDArray[np.float64], min_p: float) -> int:
    """How many of the weights (best first) are at least `min_p` of the best; at least one."""
    return max(int(np.searchsorted(-weights, -min_p * weights[0], side="right")), 1)


def pick(weights: NDArray[np.float64], point: float) -> int:
    """Index of the weight in which `point` falls when they are laid end to end from 0; the last one beyond the end."""
    return min(int(np.searchsorted(np.cumsum(weights), point, side="right")), len(weights) - 1)


class Sampler:
    """Draws the tokens of one answer: owns the random numbers that follow from its seed."""

    def __init__(self, params: SamplingParams, seed: int) -> None:
        self._params = params
        self._random_words = np.random.PCG64(seed)
        self._share: float | None = None  # drawn for the next token already

    def __call__(self, logits: NDArray[np.float32], generated_ids: Sequence[TokenId]) -> TokenId:
        """The next id from all logits, float32 (vocab,), which are never written to."""
        token_id = self.choose(TopLogits.of_all(logits), generated_ids)
        assert token_id is not None
        return token_id

    def skip(self, n_tokens: int) -> None:
        """Pass over the random numbers of tokens that were drawn before, by another sampler of the same seed."""
        if self._params.temperature != 0.0 and n_tokens:
            self._random_words.advance(n_tokens)

    def query(self, generated_ids: Sequence[TokenId]) -> HeadQuery:
        """What of the next logits can matter, given the ids generated so far."""
        params, recent = self._params, self._recent(generated_ids)
        if params.temperature == 0.0:
            return HeadQuery(1, recent_ids=recent, penalty=params.repeat_penalty)
        if 0 < params.top_k <= _MOST_ASKED:
            return HeadQuery(params.top_k, recent_ids=recent, penalty=params.repeat_penalty)
        if params.top_k:
            return HeadQuery(0)
        # A thousandth more than exact arithmetic would need.
        gap = math.inf if params.min_p == 0.0 else -params.temperature * math.log(params.min_p) * 1.001 + 1e-3
        n_best = _GUESSED if params.min_p == 0.0 else 0
        needs_sum = params.top_p < 1.0 or params.min_p == 0.0
        return HeadQuery(n_best, gap, params.temperature if needs_sum else None, recent, params.repeat_penalty)

    def choose(self, top: TopLogits, generated_ids: Sequence[TokenId]) -> TokenId | None:
        """The next id from what a query gave: the very one that all logits would give.

        None when that cannot be told from them; ask again with all logits, for the same random number.
        """
        params, recent = self._params, self._recent(generated_ids)
        has_penalty = params.repeat_penalty != 1.0 and len(recent) > 0
        logits = top.penalized(recent, params.repeat_penalty) if has_penalty else top.logits
        if params.temperature == 0.0:
            return TokenId(int(top.ids[most_likely(logits)]))
        if self._share is None:
            # 53 bits as a float in [0, 1): the raw words are the part of NumPy's generators that never changes.
            self._share = (int(self._random_words.random_raw()) >> 11) * 2.0**-53
        if top.is_all or params.top_k:
            places, weights, total = _candidates(logits, params, self._share)
            place = int(places[pick(weights, self._share * total)])
        else:
            found = _place_in_part(logits, params, self._share, top)
            if found is None:
                return None
            place = found
        self._share = None
        return TokenId(int(top.ids[place]))

    def _recent(self, generated_ids: Sequence[TokenId]) -> Sequence[TokenId]:
        window = self._params.repeat_window
        return generated_ids[-window:] if window else ()


def make_sampler(params: SamplingParams, seed: int) -> Sampler:
    """One sampler for one answer."""
    return Sampler(params, seed)


def _place_in_part(logits: NDArray[np.float32], params: SamplingParams, share: float, top: TopLogits) -> int | None:
    """Where in `logits`, the best ones without a top-k, the token of `share` is; None when the rest might decide it.

    The sum over all logits is known to lie between two numbers, and both how many tokens are kept and which of them is
    picked only grow with it. So where both ends say the same, the true sum says it too.
    """
    order = rank(logits, len(logits))
    weights = weights_of(logits[order], params.temperature)
    sums, listed = np.cumsum(weights), float(weights.sum())
    totals = ((listed + top.low) * (1 - _ROUNDING), (listed + top.high) * (1 + _ROUNDING))
    if params.top_p >= 1.0 and params.min_p == 0.0:
        places = {pick(weights, share * total) for total in totals}
        return int(order[places.pop()]) if len(places) == 1 and share * totals[1] < sums[-1] else None
    if params.min_p == 0.0 and params.top_p * totals[1] > sums[-1]:
        return None
    n_likely = count_min_p(weights, params.min_p)
    n_kept = {min(count_top_p(weights, params.top_p, total), n_likely) for total in totals}
    if len(n_kept) > 1:
        return None
    weights = weights[: n_kept.pop()]
    return int(order[pick(weights, share * float(weights.sum()))])


def next_token_probabilities(
    logits: NDArray[np.float32], generated_ids: Sequence[TokenId], params: SamplingParams
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The ids that the sampler can pick, best first, and how likely it picks each; the shares sum to 1."""
    recent = generated_ids[-params.repeat_window :] if params.repeat_window else ()
    if params.repeat_penalty != 1.0 and recent:
        logits = penalize_repeats(logits, recent, params.repeat_penalty)
    if params.temperature == 0.0:
        return np.asarray([most_likely(logits)], np.int64), np.ones(1)
    ids, weights, total = _candidates(logits, params, share=1.0)  # a share of 1 ends behind the last one
    return ids, weights / total


def _candidates(
    logits: NDArray[np.float32], params: SamplingParams, share: float
) -> tuple[NDArray[np.int64], NDArray[np.float64], float]:
    """The ids left by top-k, top-p and min-p, best first, their weights, and the sum of the weights.

    Where nothing is filtered the ids end behind the one that `share` will pick; the sum is of all of them nevertheless.
    """
    limit = min(params.top_k or len(logits), len(logits))
    n_ranked = limit if params.top_k else min(_FIRST_GUESS, limit)
    total = 0.0 if n_ranked == limit else float(weights_of(logits, params.temperature).sum())
    while True:
        ids = rank(logits, n_ranked)
        weights = weights_of(logits[ids], params.temperature)
        if n_ranked == limit:
            total = float(weights.sum())
            break
        if _is_enough(weights, params, share, total):
            break
        n_ranked = min(8 * n_ranked, limit)
    if params.top_p >= 1.0 and params.min_p == 0.0:
        return ids, weights, total
    n_kept = min(count_top_p(weights, params.top_p, total), count_min_p(weights, params.min_p))
    return ids[:n_kept], weights[:n_kept], float(weights[:n_kept].sum())


def _is_enough(weights: NDArray[np.float64], params: SamplingParams, share: float, total: float) -> bool:
    """True when no token behind these, the best ones, can be picked."""
    if params.min_p > 0.0 and weights[-1] < params.min_p * weights[0]:
        return True
    reached = float(weights.sum())
    return reached >= params.top_p * total if params.top_p < 1.0 else params.min_p == 0.0 and reached > share * total


def _check_float(key: str, value: float, low: float, high: float, *, above: bool = False) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not is_number or not low <= value <= high or (above and value == low):
        allowed = f"> {low:g} .. {high:g}" if above else f"{low:g} .. {high:g}"
        raise AppError(ErrorCode.SETTING_INVALID, key=key, value=str(value), allowed=allowed)


def _check_int(key: str, value: int, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise AppError(ErrorCode.SETTING_INVALID, key=key, value=str(value), allowed=f"{low} .. {high}")


def _check_stop(stop: tuple[str, ...]) -> None:
    if len(stop) > MAX_STOPS:
        raise AppError(ErrorCode.SETTING_INVALID, key="stop", value=len(stop), allowed=f"0 .. {MAX_STOPS}")
    for text in stop:
        if not 1 <= len(text) <= MAX_STOP_CHARS:
            raise AppError(ErrorCode.SETTING_INVALID, key="stop", value=text[:40], allowed=f"1 .. {MAX_STOP_CHARS}")
