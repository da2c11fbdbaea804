"""Leaves of documents: what is seen at once, and where words stand."""

from core.events import CancelToken, Place, Unit
from core.library.extracted import Block, BlockKind, Structure
from core.library.leaves import MAX_FINDS, MAX_LEAF_CHARS, find_all, open_text

TEXT = "first page\n\nalso first\n\nthird page"
PAGES = Structure(
    Unit.PAGE,
    (
        Block(BlockKind.PARAGRAPH, 0, 10, number=1),
        Block(BlockKind.PARAGRAPH, 12, 22, number=1),
        Block(BlockKind.PARAGRAPH, 24, 34, number=3),
    ),
    n_units=4,
)


def test_every_page_is_a_leaf_also_one_without_text() -> None:
    leaves = open_text("a.pdf", TEXT, PAGES).leaves
    assert [leaf.number for leaf in leaves] == [1, 2, 3, 4]
    assert [TEXT[leaf.start : leaf.end].strip() for leaf in leaves] == [
        "first page\n\nalso first",
        "",
        "third page",
        "",
    ]


def test_a_place_of_the_text_is_on_its_page() -> None:
    opened = open_text("a.pdf", TEXT, PAGES)
    assert opened.leaf_at(13) == 0
    assert opened.leaf_at(25) == 2
    assert opened.leaf_at(10**9) == 2


def test_text_without_pages_is_one_leaf_and_a_long_one_is_cut_between_words() -> None:
    assert [(leaf.start, leaf.end) for leaf in open_text("a.txt", "short", Structure()).leaves] == [(0, 5)]
    text = "word " * MAX_LEAF_CHARS
    leaves = open_text("a.txt", text, Structure()).leaves
    assert "".join(text[leaf.start : leaf.end] for leaf in leaves) == text
    assert all(0 < leaf.end - leaf.start <= MAX_LEAF_CHARS for leaf in leaves)
    assert all(text[leaf.end - 1] == " " for leaf in leaves)


def test_sheets_keep_their_names() -> None:
    block = Block(BlockKind.ROW, 0, 5, number=2, label="Costs", row=1)
    (leaf,) = open_text("a.xlsx", "a | b", Structure(Unit.SHEET, (block,), n_units=2)).leaves
    assert leaf.place == Place(Unit.SHEET, 2, label="Costs")


def test_words_are_found_whatever_their_case_and_spaces() -> None:
    text = "The Notice\nperiod is long. A notice  period."
    assert [text[a:b] for a, b in find_all(text, "notice period", CancelToken())] == [
        "Notice\nperiod",
        "notice  period",
    ]
    assert find_all(text, "  ", CancelToken()) == []
    assert find_all(text, ".*", CancelToken()) == []
    assert len(find_all("a" * 5_000, "a", CancelToken())) == MAX_FINDS
