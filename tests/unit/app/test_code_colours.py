import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.chat.code_colours import _LANGUAGES, MAX_CHARS, Kind, stretches


def coloured(text: str, language: str) -> list[tuple[str, Kind]]:
    return [(text[start:end], kind) for start, end, kind in stretches(text, language)]


def test_python_has_its_words_texts_numbers_and_comments() -> None:
    text = 'def f(x):  # say "hi"\n    """Doc\nline."""\n    return "a\\"b" + 3.5e2 if x else None\n'
    assert coloured(text, "Python") == [
        ("def", Kind.KEYWORD),
        ('# say "hi"', Kind.COMMENT),
        ('"""Doc\nline."""', Kind.TEXT),
        ("return", Kind.KEYWORD),
        ('"a\\"b"', Kind.TEXT),
        ("3.5e2", Kind.NUMBER),
        ("if", Kind.KEYWORD),
        ("else", Kind.KEYWORD),
        ("None", Kind.KEYWORD),
    ]


def test_other_languages_have_theirs() -> None:
    assert coloured("SELECT 1 -- all", "sql") == [
        ("SELECT", Kind.KEYWORD),
        ("1", Kind.NUMBER),
        ("-- all", Kind.COMMENT),
    ]
    assert coloured("/* a\nb */ int x = 0x1F;", "c")[0] == ("/* a\nb */", Kind.COMMENT)
    assert coloured('<a href="x"><!-- c --></a>', "html")[1] == ('"x"', Kind.TEXT)
    assert coloured("+a\n-b\n c", "diff") == [("+a", Kind.ADDED), ("-b", Kind.REMOVED)]
    assert coloured("whatever 1", "klingon") == []
    assert coloured("x1 = a2", "python") == []


def test_large_code_is_left_in_one_colour() -> None:
    assert coloured("1 " * MAX_CHARS, "python") == []


@given(st.text(max_size=300), st.sampled_from([*_LANGUAGES, "diff"]))
def test_stretches_are_in_order_and_do_not_overlap(text: str, language: str) -> None:
    end = 0
    for start, stop, _ in stretches(text, language):
        assert end <= start < stop <= len(text)
        end = stop


@pytest.mark.parametrize(
    "piece", ['"', "'", "/*", "<!--", "\\", '"\\', '"""', "1_", "--[[", "a", "=='", "<", "0x", "`"]
)
def test_hostile_code_takes_no_time(piece: str) -> None:
    text = (piece * MAX_CHARS)[:MAX_CHARS]
    started = time.process_time()
    for language in ("python", "js", "c", "html", "lua", "sql", "go"):
        for _ in stretches(text, language):
            pass
    assert time.process_time() - started < 3
