import json

import pytest

from core.events import Place, Unit
from core.library.extracted import Block, BlockKind, Structure, structure_from

BLOCKS = (
    Block(BlockKind.HEADING, 0, 5, 1, "i", level=1),
    Block(BlockKind.PARAGRAPH, 7, 20, 1, "i", headings=("Terns",)),
    Block(BlockKind.ROW, 22, 30, 2, "ii", 4, ("Terns", "Food")),
    Block(BlockKind.ROW, 31, 40, 2, "ii", 5, ("Terns", "Food")),
)
STRUCTURE = Structure(Unit.PAGE, BLOCKS, 3, (3,))


def test_a_structure_comes_back_as_it_was() -> None:
    assert structure_from(STRUCTURE.encoded(), 40) == STRUCTURE
    assert structure_from("", 7) == Structure()


@pytest.mark.parametrize(
    ("start", "end", "wanted"),
    [
        (0, 40, [0, 1, 2, 3]), (5, 7, []), (4, 8, [0, 1]), (19, 20, [1]), (25, 35, [2, 3]), (39, 99, [3]), (41, 50, []),
    ],
)  # fmt: skip
def test_blocks_of_a_range(start: int, end: int, wanted: list[int]) -> None:
    assert list(STRUCTURE.blocks_in(start, end)) == [BLOCKS[i] for i in wanted]


def test_a_range_has_a_place() -> None:
    assert STRUCTURE.place(0, 18) == Place(Unit.PAGE, 1, 1, "i", headings=("Terns",))
    assert STRUCTURE.place(8, 39) == Place(Unit.PAGE, 1, 2, "i", headings=("Terns",))
    assert STRUCTURE.place(23, 35) == Place(Unit.PAGE, 2, 2, "ii", 4, 5, ("Terns", "Food"))
    assert STRUCTURE.place(5, 6) is None
    assert Structure().place(0, 10) is None


def _changed(**fields: object) -> str:
    return json.dumps(json.loads(STRUCTURE.encoded()) | fields)


@pytest.mark.parametrize(
    "stored",
    [
        "[]", "7", "{}", "x", _changed(version=9), _changed(unit="league"), _changed(blocks=[None]), _changed(paths=3),
        _changed(blocks=[[0, 0, 99, 1, 0, 1, 0, 0]]), _changed(blocks=[[0, 5, 0, 1, 0, 1, 0, 0]]),
        _changed(blocks=[[0, 9, 3, 1, 0, 1, 0, 0], [0, 8, 3, 1, 0, 1, 0, 0]]), _changed(blocks=[[0]]),
        _changed(blocks=[[-1, 0, 3, 1, 0, 1, 0, 0]]), _changed(blocks=[[0, 0, 3, 1, 7, 1, 0, 0]]),
        _changed(blocks=[[0, 0, 3, 1.5, 0, 1, 0, 0]]), "[" * 100_000,
    ],
)  # fmt: skip
def test_what_is_no_structure_is_refused(stored: str) -> None:
    with pytest.raises(ValueError):
        structure_from(stored, 40)
