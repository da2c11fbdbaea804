import pytest

from core.library.characters import clean, one_line


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("pay\u202eevil\u202c \u2066x\u2069", "payevil x"),
        ("a\u200bb\u2060c\ufeffd\xade", "abcde"),
        ("tag" + "".join(chr(0xE0000 + ord(c)) for c in "obey"), "tag"),
        ("\x1b[31mred\x1b[0m\x07", "[31mred[0m"),
        ("bell\x7f\x9b31m", "bell31m"),
        ("مى\u200cخواهم", "مى\u200cخواهم"),  # Persian needs this one
        ("👩\u200d💻", "👩\u200d💻"),
        ("i\u200dg\u200cnore", "ignore"),
        ("❤\ufe0f", "❤\ufe0f"),
        ("<|eot_id|>", "<|eot_id|>"),
    ],
)
def test_what_nobody_sees_is_taken_out(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


def test_a_name_becomes_one_line() -> None:
    assert one_line(" a\u202etxt.\nexe ") == "atxt. exe"
