"""A few letters find what is meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.desktop.fuzzy import score

TITLES = ("New chat", "Next chat", "Attach documents", "Normal text", "Stop the answer", "Search all chats")


def best(query: str) -> str:
    found = [(score(query, title), title) for title in TITLES]
    return max((value, title) for value, title in found if value is not None)[1]


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("new", "New chat"),
        ("nc", "New chat"),
        ("next", "Next chat"),
        ("ad", "Attach documents"),
        ("nt", "Normal text"),
        ("sta", "Stop the answer"),
        ("SEARCH", "Search all chats"),
        ("all chats", "Search all chats"),
    ],
)
def test_the_meant_command_comes_first(query: str, title: str) -> None:
    assert best(query) == title


def test_letters_in_another_order_do_not_fit() -> None:
    assert score("wen", "New chat") is None
    assert score("xyz", "New chat") is None
    assert score("", "New chat") == 0


def test_accents_and_case_do_not_matter() -> None:
    assert score("uber", "Über Tern") == score("ÜBER", "Uber Tern")


@given(st.text(max_size=60), st.text(max_size=200))
def test_a_fit_is_exactly_a_subsequence(query: str, text: str) -> None:
    from app.desktop.fuzzy import _folded

    rest = iter(_folded(text)[:120])
    wanted = _folded(query).replace(" ", "")[:40]
    assert (score(query, text) is not None) == all(letter in rest for letter in wanted)
