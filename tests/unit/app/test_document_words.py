import pytest

from app.document_words import place_in_words
from core.events import Place, Unit


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (None, ""),
        (Place(), ""),
        (Place(Unit.PAGE, 3, 3), "page 3"),
        (Place(Unit.PAGE, 3, 4, headings=("Rent", "Deposit")), "pages 3–4, “Deposit”"),
        (Place(Unit.NONE, headings=("Notice",)), "“Notice”"),
        (Place(Unit.SHEET, 1, 1, "Costs", 4, 6), "sheet “Costs”, rows 4–6"),
        (Place(Unit.SHEET, 2, 2, "", 4, 4), "sheet 2, row 4"),
        (Place(Unit.SLIDE, 2, 2, "Plan", headings=("Plan",)), "slide 2"),
        (Place(Unit.MESSAGE, 7, 7, "Re: rent"), "message 7 “Re: rent”"),
        (Place(Unit.LINE, 10, 20), "lines 10–20"),
        (Place(Unit.SECOND, 65, 70), "at 1:05"),
        (Place(Unit.SECOND, 3_700, 3_700), "at 1:01:40"),
        (Place(Unit.NONE, row=2, last_row=2), "row 2"),
    ],
)
def test_a_place_in_words(place: Place | None, words: str) -> None:
    assert place_in_words(place) == words
