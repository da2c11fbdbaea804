"""The measures, by hand."""

import math

import pytest

from core.library.index.evaluation import measure


def test_figures_of_two_queries() -> None:
    figures = measure([([["x"], ["a", "a.txt"], ["b"]], ["a.txt", "b"]), ([["c"]], ["d"])])
    assert figures.n_queries == 2
    assert figures.recall_at_1 == 0
    assert figures.recall_at_3 == pytest.approx(0.5)
    assert figures.mrr_at_10 == pytest.approx(0.25)
    ideal = 1 + 1 / math.log2(3)
    assert figures.ndcg_at_10 == pytest.approx((1 / math.log2(3) + 1 / math.log2(4)) / ideal / 2)


def test_the_same_document_counts_once() -> None:
    figures = measure([([["a"], ["a"], ["b"]], ["a", "b"])])
    assert figures.recall_at_1 == 0.5
    assert figures.recall_at_3 == 1
    assert figures.ndcg_at_10 < 1


def test_no_queries_are_no_error() -> None:
    assert measure([]).recall_at_5 == 0
