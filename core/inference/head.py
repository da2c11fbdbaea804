"""The exact head at half the memory traffic: bounds of all logits select the few rows that are scored exactly.

The kernels give two numbers for every logit between which it lies for certain (screen_ops.h has the proof). Whatever
reaches the threshold is scored again from its bfloat16 row, so that the logits sampling can see have the bits of the
plain head. Knows numbers and rows; must not know sampling's rules beyond a HeadQuery, nor tokens' meaning.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.events import Interrupted
from core.inference.logits import HeadQuery, TopLogits, penalized
from core.inference.rows import RowSource
from cython_kernels import HEAD_TILE, HeadBounds, Transformer, new_bounds

MAX_SCORED = 8192  # rows; where more might matter the whole head is read in order
_ROWS_AT_ONCE = 1024  # 5 MB of the largest model that is supported
_ROUNDING = 1e-9  # far above what float64 loses in a sum over a vocabulary

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]


@dataclass(slots=True)
class HeadCounts:
    """How often the head was asked, how often all of it had to be read, and how many rows were scored otherwise."""

    n_queries: int = 0
    n_full: int = 0
    n_rows: int = 0


class ExactHead:
    """A screened head and the exact rows behind it, for one position at a time. One owner."""

    def __init__(self, transformer: Transformer, rows: RowSource) -> None:
        """Neither is owned."""
        self.hidden = np.zeros((1, transformer.shape.hidden), np.float32)
        self.bounds: HeadBounds = new_bounds(transformer.shape)
        self.counts = HeadCounts()
        self._transformer = transformer
        self._rows = rows
        self._vocab = transformer.shape.vocab
        self._buffer = np.empty((_ROWS_AT_ONCE, transformer.shape.hidden), np.uint16)

    def top(self, query: HeadQuery) -> TopLogits | None:
        """Return the logits that `query` asks for, once a step has filled `hidden` and `bounds`; uses `bounds` up.

        None where too many might matter, or nothing is known of them: all_logits() then has the answer.

        Raises:
            AppError: MODEL_DAMAGED when rows cannot be read or are not those that were loaded.
        """
        self.counts.n_queries += 1
        selection = None if query.wants_all else _Selection(self.bounds, query)
        first = None if selection is None else selection.first()
        if selection is None or first is None:
            return None
        logits = self._score(first)
        rest = selection.rest(first, logits)
        ids = np.concatenate([first, rest])
        logits = np.concatenate([logits, self._score(rest)])
        self.counts.n_rows += len(ids)
        if not selection.holds(ids, logits):
            raise self._rows.damaged("it is no longer what was loaded")
        order = np.argsort(ids)
        top = TopLogits(ids[order], logits[order], is_all=False)
        return top if query.temperature is None else selection.with_rest(top, query.temperature)

    def all_logits(self, hidden: Floats | None = None) -> Floats:
        """Return the logits of the last step, or of `hidden` (n, hidden), float32 (n, vocab); reads all rows.

        Raises:
            AppError: MODEL_DAMAGED when rows cannot be read.
            Interrupted: the transformer was interrupted.
        """
        if hidden is None:
            self.counts.n_full += 1
            hidden = self.hidden
        logits = np.empty((len(hidden), self._vocab), np.float32)
        for first in range(0, self._vocab, _ROWS_AT_ONCE):
            if self._transformer.is_interrupted:
                raise Interrupted
            ids = np.arange(first, min(first + _ROWS_AT_ONCE, self._vocab))
            self._rows.read(ids, self._buffer[: len(ids)])
            self._transformer.score_rows(self._buffer[: len(ids)], hidden, logits, first)
        return logits

    def _score(self, ids: Ids) -> Floats:
        logits: Floats = np.empty((1, len(ids)), np.float32)
        for first in range(0, len(ids), _ROWS_AT_ONCE):
            part = ids[first : first + _ROWS_AT_ONCE]
            self._rows.read(part, self._buffer[: len(part)])
            self._transformer.score_rows(self._buffer[: len(part)], self.hidden, logits, first)
        scored: Floats = logits[0]
        return scored


class _Selection:
    """Which rows to score. Bounds of penalised ids become bounds of what the penalty makes of them, in place."""

    def __init__(self, bounds: HeadBounds, query: HeadQuery) -> None:
        self._query = query
        self._lower, self._upper = bounds.lower[0], bounds.upper[0]
        self._tile_lower, self._tile_upper = bounds.tile_lower[0], bounds.tile_upper[0]
        has_penalty = query.penalty != 1.0 and len(query.recent_ids) > 0
        self._seen = np.unique(np.asarray(query.recent_ids, np.int64)) if has_penalty else np.empty(0, np.int64)
        if has_penalty:
            self._penalize()
        self._threshold = self._reached(self._tile_lower, self._lower)

    def first(self) -> Ids | None:
        """Return the likeliest rows: their exact logits are a better threshold than any bounds."""
        tiles = np.flatnonzero(self._tile_upper >= self._threshold)
        if len(tiles) > MAX_SCORED:
            return None
        in_tiles = (tiles[:, None] * HEAD_TILE + np.arange(HEAD_TILE)).reshape(-1)
        rows: Ids = in_tiles[self._upper[in_tiles] >= self._threshold]
        if len(rows) > MAX_SCORED or not np.isfinite(self._upper[rows]).all():
            return None
        self._candidates = rows
        n_first = max(self._query.n_best, 8)
        if len(rows) <= n_first:
            return rows
        likeliest: Ids = rows[np.argpartition(self._upper[rows], len(rows) - n_first)[len(rows) - n_first :]]
        return likeliest

    def rest(self, first: Ids, logits: Floats) -> Ids:
        """Return the other rows that may matter, now that the exact logits of `first` are known."""
        exact = self._after_penalty(first, logits)
        threshold = max(self._threshold, self._reached(exact, exact))
        is_left = self._upper[self._candidates] >= threshold
        is_left[np.searchsorted(self._candidates, first)] = False
        rest: Ids = self._candidates[is_left]
        return rest

    def holds(self, ids: Ids, logits: Floats) -> bool:
        """Tell whether exact logits lie within their bounds, as they must."""
        exact = self._after_penalty(ids, logits)
        return bool(((self._lower[ids] <= exact) & (exact <= self._upper[ids])).all())

    def with_rest(self, top: TopLogits, temperature: float) -> TopLogits:
        """Add bounds of what the logits that are not in `top` sum up to."""
        largest = float(self._after_penalty(top.ids, top.logits).max())
        sums = []
        for bound in (self._lower, self._upper):
            bound[top.ids] = -np.inf
            sums.append(float(np.exp((bound.astype(np.float64) - largest) / temperature).sum()))
        return TopLogits(top.ids, top.logits, False, sums[0] * (1 - _ROUNDING), sums[1] * (1 + _ROUNDING))

    def _penalize(self) -> None:
        seen, tiles = self._seen, np.unique(self._seen // HEAD_TILE)
        for bound, of_tile in ((self._lower, self._tile_lower), (self._upper, self._tile_upper)):
            bound[seen] = penalized(bound[seen], self._query.penalty)
            of_tile[tiles] = bound.reshape(-1, HEAD_TILE)[tiles].max(axis=1)

    def _after_penalty(self, ids: Ids, logits: Floats) -> Floats:
        if len(self._seen) == 0:
            return logits
        places = np.searchsorted(self._seen, ids)
        is_seen = self._seen[np.minimum(places, len(self._seen) - 1)] == ids
        exact: Floats = np.where(is_seen, penalized(logits, self._query.penalty), logits)
        return exact

    def _reached(self, best: Floats, every: Floats) -> float:
        """Return what a logit must reach to matter, judged by values of which each row has one no larger than its own.

        best: values of some different rows; every: those of as many rows as the query may ask for.
        """
        k, gap = self._query.n_best, self._query.gap
        threshold = float(best.max()) - gap if math.isfinite(gap) else -math.inf
        if k:
            values = best if k <= len(best) else every
            if k <= len(values):
                threshold = max(threshold, float(np.partition(values, len(values) - k)[len(values) - k]))
        return threshold
