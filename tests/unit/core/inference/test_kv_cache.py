import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.inference.config import TokenId
from core.inference.kv_cache import PrefixCache


def ids(*values: int) -> list[TokenId]:
    return [TokenId(value) for value in values]


def test_an_empty_cache_matches_nothing() -> None:
    assert PrefixCache().match(ids(1, 2)) == 0


@pytest.mark.parametrize(
    ("wanted", "n_common"), [((1, 2, 3), 3), ((1, 2, 3, 4), 3), ((1, 2), 2), ((1, 9, 3), 1), ((9,), 0), ((), 0)]
)
def test_match_is_the_longest_common_beginning(wanted: tuple[int, ...], n_common: int) -> None:
    cache = PrefixCache()
    cache.extend(ids(1, 2, 3))
    assert cache.match(ids(*wanted)) == n_common
    assert cache.ids == (1, 2, 3), "matching changes nothing"


def test_truncate_forgets_the_end_only() -> None:
    cache = PrefixCache()
    cache.extend(ids(1, 2, 3))
    cache.truncate(5)
    assert len(cache) == 3
    cache.truncate(1)
    cache.extend(ids(7))
    assert cache.ids == (1, 7)
    with pytest.raises(ValueError, match="negative"):
        cache.truncate(-1)


@given(st.lists(st.integers(0, 2)), st.lists(st.integers(0, 2)))
def test_what_matches_is_a_beginning_of_both_and_cannot_be_longer(held: list[int], wanted: list[int]) -> None:
    cache = PrefixCache()
    cache.extend(ids(*held))
    n = cache.match(ids(*wanted))
    assert held[:n] == wanted[:n]
    assert n == min(len(held), len(wanted)) or held[n] != wanted[n]
