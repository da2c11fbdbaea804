"""Tasks on one text: what is asked, and how old and new are compared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import AppError, ErrorCode
from core.events import CancelToken
from core.inference.rewriting import Piece, PieceKind, Task, carry_out, differences, prompt_text
from core.inference.sampling import SamplingParams


class RecordingEngine:
    """Keeps what it is asked; needs a tokenizer with one id for a character."""

    context_length = 64

    def __init__(self, tokenizer: object) -> None:
        self.tokenizer = tokenizer
        self.params: SamplingParams | None = None

    def generate(self, ids, params, cancel, emit) -> str:
        self.params = params
        return "done"


def joined(pieces: tuple[Piece, ...], *kinds: PieceKind) -> str:
    return "".join(piece.text for piece in pieces if piece.kind in kinds)


@pytest.mark.parametrize("task", Task)
def test_the_text_stands_last_in_what_is_asked(task: Task) -> None:
    assert prompt_text(task, " my {text} ", "German").endswith("\n\nmy {text}")


def test_a_translation_names_its_language() -> None:
    assert "into German." in prompt_text(Task.TRANSLATE, "x", "German")


def test_an_empty_text_is_refused() -> None:
    with pytest.raises(AppError) as caught:
        carry_out(RecordingEngine(None), Task.SHORTEN, " \n", SamplingParams(), CancelToken(), lambda _event: None)
    assert caught.value.code is ErrorCode.PROMPT_EMPTY


def test_words_are_compared_as_wholes() -> None:
    pieces = differences("It is very good.", "It is good!")
    assert [(piece.kind.value, piece.text) for piece in pieces] == [
        ("same", "It is "),
        ("removed", "very "),
        ("same", "good"),
        ("removed", "."),
        ("added", "!"),
    ]


@given(st.text(max_size=200), st.text(max_size=200))
def test_the_pieces_hold_both_texts(old: str, new: str) -> None:
    pieces = differences(old, new)
    assert joined(pieces, PieceKind.SAME, PieceKind.REMOVED) == old
    assert joined(pieces, PieceKind.SAME, PieceKind.ADDED) == new


def test_long_texts_are_compared_line_by_line() -> None:
    old = "".join(f"line {i} of a long text\n" for i in range(1_000))
    new = old.replace("line 500 of", "line five hundred of")
    pieces = differences(old, new)
    assert joined(pieces, PieceKind.REMOVED) == "line 500 of a long text\n"
    assert joined(pieces, PieceKind.SAME, PieceKind.ADDED) == new
