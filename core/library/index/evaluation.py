"""How good a search is: what stands at the top of its results, measured against what should.

Knows lists of ids; must not know the index. The measures are those of the field (Manning, Raghavan and Schütze,
"Introduction to Information Retrieval", 2008, chapter 8); what is relevant is so or not, without degrees.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figures:
    """Means over the queries: recall among the first 1, 3 and 5, and MRR and nDCG among the first 10."""

    n_queries: int
    recall_at_1: float
    recall_at_3: float
    recall_at_5: float
    mrr_at_10: float
    ndcg_at_10: float


def measure(results: Sequence[tuple[Sequence[Collection[str]], Collection[str]]]) -> Figures:
    """Return the figures of queries, each with its results (the best first) and the ids of all that is relevant.

    A result is given by all the ids that it goes by; the same relevant id counts only the first time.
    """
    gains = [_gains(found, relevant) for found, relevant in results]
    n_relevant = [len(set(relevant)) for _, relevant in results]
    n = max(len(results), 1)

    def recall(depth: int) -> float:
        return sum(sum(gain[:depth]) / max(total, 1) for gain, total in zip(gains, n_relevant, strict=True)) / n

    mrr = sum(next((1 / (at + 1) for at, hit in enumerate(gain[:10]) if hit), 0.0) for gain in gains) / n
    ndcg = sum(_ndcg(gain[:10], total) for gain, total in zip(gains, n_relevant, strict=True)) / n
    return Figures(len(results), recall(1), recall(3), recall(5), mrr, ndcg)


def _gains(found: Sequence[Collection[str]], relevant: Collection[str]) -> list[int]:
    """Return 1 for each result that brings a relevant id for the first time."""
    left = set(relevant)
    gains = []
    for ids in found:
        met = left & set(ids)
        gains.append(int(bool(met)))
        left -= met
    return gains


def _ndcg(gains: Sequence[int], n_relevant: int) -> float:
    ideal = sum(1 / math.log2(at + 2) for at in range(min(n_relevant, 10)))
    return sum(gain / math.log2(at + 2) for at, gain in enumerate(gains)) / ideal if ideal else 0.0
