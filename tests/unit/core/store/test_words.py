import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.store.words import composed, folded, marks_in, query_of, snippet_of, terms_of


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("Crème BRÛLÉE", "creme brulee"),
        ("cre\u0300me", "creme"),
        ("naïve naive", "naive"),
        ("don't_stop", "don t stop"),
        ("日本語", "日本 本語 語"),
        ("C3PO日本", "c3po 日本 本"),
        ("한국어", "한국 국어 어"),
        ("a" * 100, "a" * 40),
        ("", ""),
        (' " OR * NEAR(', "or near"),
    ],
)
def test_text_becomes_terms(text: str, terms: str) -> None:
    assert terms_of(text) == terms


@given(st.text(max_size=300))
def test_folding_keeps_every_character_in_its_place(text: str) -> None:
    assert len(folded(composed(text))) == len(composed(text))


@given(st.text(max_size=200))
def test_no_text_is_a_query_that_breaks_the_language_of_the_index(text: str) -> None:
    query = query_of(text)
    assert query.is_empty or all(part.startswith('"') for part in query.match().split(" "))


def _marks(text: str, query: str) -> tuple[tuple[int, int], ...]:
    return marks_in(folded(text), query_of(query).pattern())


def test_marks_are_where_the_words_stand() -> None:
    text = composed("Ein Café, und noch ein CAFÉ; Cafeteria")
    assert [text[low:high] for low, high in _marks(text, "cafe ")] == ["Café", "CAFÉ"]
    assert [text[low:high] for low, high in _marks(text, "cafe")] == ["Café", "CAFÉ", "Cafe"]


def test_a_snippet_is_one_line_around_the_first_mark() -> None:
    text = "x " * 500 + "the\nneedle\tis here" + " y" * 500
    snippet, marks = snippet_of(text, _marks(text, "needle "), 60)
    assert len(snippet) <= 62
    assert "\n" not in snippet
    assert [snippet[low:high] for low, high in marks] == ["needle"]
    assert snippet.startswith("…")
    assert snippet.endswith("…")


def test_characters_without_meaning_never_reach_a_snippet() -> None:
    text = "a\u202eb\x07c needle"
    assert snippet_of(text, (), 50)[0] == "a b c needle"
