from core.events import CancelToken, Place, Unit
from core.library.cite import list_passages
from core.library.extracted import Block, BlockKind, Structure
from core.library.reading import DocumentText
from core.library.search import MAX_PASSAGES, Library

LEASE = DocumentText(
    "lease.txt", "1" * 64, "The rent is 900 euros.\n\nThe notice period is three months.\n\nPets live here."
)
TABLE = DocumentText("prices.csv", "2" * 64, "lamp,12 euros\npump,30 euros\n")


def count(text: str) -> int:
    return len(text.encode())


def find(library: Library, question: str, *documents: DocumentText, budget: int = 10_000):
    return library.find(documents, question, count, budget, CancelToken())


def test_the_passage_that_answers_comes_first_with_its_range() -> None:
    first = find(Library(), "How long is the notice period?", LEASE, TABLE)[0]
    assert (first.number, first.document, first.text) == (1, "lease.txt", "The notice period is three months.")
    assert LEASE.text[first.start : first.end] == first.text


def test_passages_are_numbered_in_order_and_bounded() -> None:
    many = DocumentText("many.txt", "3" * 64, "\n\n".join(f"The tern number {number} dives." for number in range(50)))
    found = find(Library(), "tern", many)
    assert [passage.number for passage in found] == list(range(1, MAX_PASSAGES + 1))
    assert [passage.start for passage in found] == sorted(passage.start for passage in found)


def test_without_a_common_word_the_beginnings_are_read() -> None:
    found = find(Library(), "zebra?", LEASE, TABLE)
    assert [passage.document for passage in found[:2]] == ["lease.txt", "prices.csv"]
    assert found[0].text == "The rent is 900 euros."


def test_the_budget_is_kept() -> None:
    for budget in range(200):
        found = find(Library(), "How much is the rent, what is the notice period?", LEASE, budget=budget)
        assert count(list_passages(found)) <= budget
        assert all(LEASE.text[each.start : each.end] == each.text for each in found)
    assert find(Library(), "rent", LEASE, budget=0) == ()


def test_a_passage_that_alone_is_too_long_is_cut_between_words() -> None:
    (passage,) = find(Library(), "notice period", LEASE, budget=25)
    assert LEASE.text[passage.start :].startswith(passage.text + " ")


def test_the_same_question_finds_the_same_again_and_indexes_once(monkeypatch) -> None:
    library = Library()
    first = find(library, "notice", LEASE)
    monkeypatch.setattr("core.library.search.split", lambda *_args, **_options: iter(()))
    assert find(library, "notice", LEASE) == first


def test_a_cancelled_search_finds_nothing() -> None:
    cancel = CancelToken()
    cancel.cancel()
    assert Library().find([LEASE], "notice", count, 1_000, cancel) == ()


def test_no_documents_no_passages() -> None:
    assert find(Library(), "notice") == ()


def test_passages_carry_their_place_and_a_sheets_name_alone_is_none() -> None:
    text = "Costs\n\nItem | Price\nItem: lamp; Price: 12\nItem: pump; Price: 30"
    blocks = [Block(BlockKind.HEADING, 0, 5, 1, "Costs", level=1)]
    start = 7
    for row, line in enumerate(text[7:].split("\n"), 1):
        blocks.append(Block(BlockKind.ROW, start, start + len(line), 1, "Costs", row, ("Costs",)))
        start += len(line) + 1
    sheet = DocumentText("costs.xlsx", "4" * 64, text, Structure(Unit.SHEET, tuple(blocks), 1).encoded())
    (passage,) = find(Library(), "What are the costs?", sheet)
    assert passage.place == Place(Unit.SHEET, 1, 1, "Costs", 1, 3, ("Costs",))
    damaged = DocumentText("costs.xlsx", "5" * 64, text, "{}")
    assert find(Library(), "costs lamp", damaged)[0].place is None
