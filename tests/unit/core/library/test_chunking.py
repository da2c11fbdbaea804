from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.library.chunking import MAX_SENTENCE_WORDS, TARGET_WORDS, is_line_based, split


def pieces(text: str, *, is_lines: bool = False) -> list[str]:
    return [text[span.start : span.end] for span in split(text, is_lines=is_lines)]


def test_paragraphs_are_passages() -> None:
    assert pieces("One thing is so.\n\n  Another is not.  \n\n\n\nThe end.") == [
        "One thing is so.",
        "Another is not.",
        "The end.",
    ]


def test_sentences_are_joined_up_to_the_target_and_never_cut() -> None:
    sentence = "This sentence has exactly eight words in it."
    found = pieces(" ".join([sentence] * 12))
    assert [len(piece.split()) for piece in found] == [40, 40, 16]
    assert all(piece.endswith(".") for piece in found)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Mr. Smith met Dr. Jones. They left.", ["Mr. Smith met Dr. Jones.", "They left."]),
        ("See e.g. Annex B. It says so.", ["See e.g. Annex B. It says so."]),  # "B." may be a first name
        ("J. S. Bach wrote it. He did.", ["J. S. Bach wrote it.", "He did."]),
        ("It costs 3.50 euros. Is that fair?! 7 do.", ["It costs 3.50 euros.", "Is that fair?!", "7 do."]),
        ('He said "Stop!" and left. "No." She stayed.', ['He said "Stop!" and left.', '"No."', "She stayed."]),
        ("1. First of all. 2. Then.", ["1. First of all.", "2. Then."]),
    ],
)
def test_a_full_stop_does_not_always_end_a_sentence(monkeypatch, text: str, sentences: list[str]) -> None:
    monkeypatch.setattr("core.library.chunking.TARGET_WORDS", 1)
    assert pieces(text) == sentences


def test_a_heading_goes_with_its_first_paragraph() -> None:
    assert pieces("# Notice\n\nThree months.\n\nRent\n\nLate rent costs 2 %.\n\nLast heading") == [
        "# Notice\n\nThree months.",
        "Rent\n\nLate rent costs 2 %.",
        "Last heading",
    ]


def test_a_sentence_that_is_too_long_is_cut_between_words_or_lines() -> None:
    words = [f"w{number}" for number in range(200)]
    found = pieces(" ".join(words))
    assert [len(piece.split()) for piece in found] == [40] * 5
    assert " ".join(found).split() == words
    rows = "\n".join("a b c d e f g h i" for _ in range(20))
    assert all(len(piece.split()) % 9 == 0 for piece in pieces(rows))


def test_text_without_spaces_is_cut_too() -> None:
    assert max(len(piece) for piece in pieces("x" * 100_000)) <= TARGET_WORDS * 40
    assert max(len(piece) for piece in pieces("世" * 10_000)) <= TARGET_WORDS * 2


@pytest.mark.timeout(20)
@pytest.mark.parametrize("is_lines", [False, True])
@pytest.mark.parametrize(
    "unit", [".", "。", "? ", "A.", '."', "\n", "\n ", "- ", "x\n", "1. ", ".\n", "« »", "\ufffd", "[1] "]
)
def test_no_text_of_the_largest_size_takes_more_than_seconds(unit: str, is_lines: bool) -> None:
    text = unit * (400_000 // len(unit))
    assert sum(1 for _ in split(text, is_lines=is_lines)) < len(text)


def test_lists_and_other_scripts_are_cut_where_they_end() -> None:
    items = "\n".join(f"- item {number} has these six words" for number in range(12))
    assert all(piece.startswith("- item") for piece in pieces(items))
    chinese = "这是第一句话。" * 3
    assert pieces(chinese) == [chinese]


def test_lines_are_the_units_of_tables_and_code() -> None:
    rows = "name,price\n" + "\n".join(f"thing {number},{number} euros" for number in range(30))
    found = pieces(rows, is_lines=True)
    assert all(len(piece.split()) <= TARGET_WORDS for piece in found)
    assert "\n".join(found) == rows


def test_the_name_tells_whether_lines_are_records() -> None:
    assert all(map(is_line_based, ["a.CSV", "a.log", "a.py", "a.b.json"]))
    assert not any(map(is_line_based, ["a.txt", "README", "a.MD", "a.rst"]))


@given(st.text(st.sampled_from('ab. \n!?"A1-。x\t'), max_size=400), st.booleans())
@settings(max_examples=150, deadline=None)
def test_passages_are_in_order_cover_every_visible_character_and_stay_short(text: str, is_lines: bool) -> None:
    spans = list(split(text, is_lines=is_lines))
    assert all(a.end <= b.start for a, b in pairwise(spans))
    covered = {at for span in spans for at in range(span.start, span.end)}
    assert all(at in covered for at, char in enumerate(text) if not char.isspace())
    for span in spans:
        piece = text[span.start : span.end]
        assert piece == piece.strip()
        assert 0 < len(piece.split()) <= MAX_SENTENCE_WORDS
