import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.events import Passage
from core.library.chunking import sentences
from core.library.cite import find_refs
from core.library.quoting import ABSENT, Quote, quotes_for

LEASE = (
    "Lease of the attic flat\nThe rent is 720 euros. It is due on the third day of every month, at noon.\n\nPets bite."
)


def of(text: str, number: int = 1) -> Passage:
    return Passage(number, "lease.txt", 0, len(text), text)


def test_every_sentence_can_be_quoted_and_the_fitting_one_scores_best() -> None:
    quotes = quotes_for([of(LEASE), of("The deposit is 50 euros.", 2)], "What is the rent?")
    assert [quote.text for quote in quotes] == [
        '[1] "Lease of the attic flat"',
        '[1] "The rent is 720 euros."',
        '[1] "It is due on the third day of every month, at noon."',
        '[1] "Pets bite."',
        '[2] "The deposit is 50 euros."',
        ABSENT,
    ]
    assert max(quotes, key=lambda quote: quote.score).text == '[1] "The rent is 720 euros."'
    assert quotes[-1].score == 0.0


def test_where_no_word_is_shared_only_absence_can_be_said() -> None:
    assert quotes_for([of(LEASE)], "Which colour?") == (Quote(ABSENT, 0.0),)
    assert quotes_for([], "Which colour?") == (Quote(ABSENT, 0.0),)


def test_a_sentence_that_stands_twice_is_quoted_once() -> None:
    quotes = quotes_for([of("Water it. Water it."), of("Water it.", 2)], "water")
    assert [quote.text for quote in quotes] == ['[1] "Water it."', ABSENT]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A head\nThis line goes on and on\nuntil it ends.", ["A head", "This line goes on and on\nuntil it ends."]),
        ("The notice\nperiod is three months, it says.", ["The notice\nperiod is three months, it says."]),
        ("One.\n\nTwo", ["One.", "Two"]),
        ("- a\n- b", ["- a", "- b"]),
        ("", []),
    ],
)  # fmt: skip
def test_sentences_end_at_headings_and_blank_lines(text: str, expected: list[str]) -> None:
    assert [text[span.start : span.end] for span in sentences(text)] == expected


@given(st.lists(st.text(max_size=80), max_size=4), st.text(max_size=20))
def test_every_quote_stands_in_its_passage(texts: list[str], question: str) -> None:
    passages = [of(text, number) for number, text in enumerate(texts, 1)]
    for quote in quotes_for(passages, f"{question} {' '.join(texts)}")[:-1]:
        if any(char.isalnum() for char in quote.text[5:-1]):
            assert any(ref.is_verified for ref in find_refs(quote.text, passages)), quote
