import hashlib
import os
from pathlib import Path

import pytest

from core.errors import AppError, ErrorCode
from core.library.reading import MAX_BYTES, MAX_DOCUMENTS, check_count, clean, read_document


def written(directory: Path, content: bytes, name: str = "notes.txt") -> Path:
    path = directory / name
    path.write_bytes(content)
    return path


def refusal(path: Path) -> AppError:
    with pytest.raises(AppError) as caught:
        read_document(path)
    assert caught.value.facts["path"] == path
    return caught.value


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("Grüße – 世界".encode(), "Grüße – 世界"),
        ("\ufeffGrüße".encode(), "Grüße"),
        ("\ufeffGrüße 世界".encode("utf-16-le"), "Grüße 世界"),
        ("\ufeffGrüße 世界".encode("utf-16-be"), "Grüße 世界"),
        ("\ufeffGrüße".encode("utf-32-le"), "Grüße"),
        ("Grüße – “quoted” €5".encode("cp1252"), "Grüße – “quoted” €5"),
        (b"caf\xe9 \x81", "caf\xe9 "),  # a byte that cp1252 lacks: Latin-1, where it is an invisible control
        (
            "Ärger, Öl, Übungsmaß, ähnlich".encode() + b"\xff",
            "Ärger, Öl, Übungsmaß, ähnlich\ufffd",
        ),  # one bad byte costs one sign
        (b"one\r\ntwo\rthree\fnew page", "one\ntwo\nthree\n\nnew page"),
    ],
)
def test_encodings_are_told_apart(tmp_path: Path, content: bytes, text: str) -> None:
    document = read_document(written(tmp_path, content))
    assert document.text == text
    assert document.sha256 == hashlib.sha256(content).hexdigest()
    assert document.name == "notes.txt"


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.rst", "a.csv", "a.log", "a.py", "a.c", "Makefile", "a.unknown"])
def test_every_text_file_is_read_whatever_its_name(tmp_path: Path, name: str) -> None:
    assert read_document(written(tmp_path, b"Some text.", name)).text == "Some text."


@pytest.mark.parametrize(
    ("content", "name", "word"),
    [
        (b"%PDF-1.7 \n", "report.pdf", "PDF"),
        (b"%PDF-1.7 \n", "renamed.txt", "PDF"),
        (b"no real one", "letter.docx", "Word"),
        (b"PK\x03\x04rest", "letter", "Office"),
        (b"{\\rtf1 hello}", "letter.txt", "RTF"),
        (b"\x89PNG\r\n\x1a\n", "picture.png", "picture"),
        (os.urandom(4_000) + b"\0", "noise.txt", "no text"),
        (b"\x01\x02\x03text\x04\x05", "noise.bin", "no text"),
    ],
)
def test_what_is_no_text_is_refused_with_the_reason(tmp_path: Path, content: bytes, name: str, word: str) -> None:
    error = refusal(written(tmp_path, content, name))
    assert error.code is ErrorCode.DOCUMENT_UNREADABLE
    assert word in str(error.facts["reason"])
    assert "only text files" in str(error.facts["reason"])


@pytest.mark.parametrize("content", [b"", b" \n\t\n", "\ufeff".encode(), "\u200b\u2060".encode()])
def test_a_file_without_a_visible_character_is_empty(tmp_path: Path, content: bytes) -> None:
    assert refusal(written(tmp_path, content)).code is ErrorCode.DOCUMENT_EMPTY


def test_the_largest_file_is_read_and_one_byte_more_is_not(tmp_path: Path) -> None:
    assert len(read_document(written(tmp_path, b"x" * MAX_BYTES)).text) == MAX_BYTES
    error = refusal(written(tmp_path, b"x" * (MAX_BYTES + 1)))
    assert error.code is ErrorCode.DOCUMENT_TOO_LARGE
    assert error.facts["found_bytes"] == MAX_BYTES + 1


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    assert "folder" in str(refusal(tmp_path).facts["reason"])
    assert refusal(tmp_path / "gone.txt").code is ErrorCode.DOCUMENT_UNREADABLE
    assert refusal(tmp_path / "a\0b").code is ErrorCode.DOCUMENT_UNREADABLE


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in the file system")
def test_a_pipe_is_refused_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    assert "not a file" in str(refusal(tmp_path / "pipe.txt").facts["reason"])


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


def test_a_hostile_name_becomes_one_harmless_line(tmp_path: Path) -> None:
    try:
        path = written(tmp_path, b"x", "a\u202etxt.\nexe\udce9")
    except OSError:
        pytest.skip("this file system does not take the name")
    assert read_document(path).name == "atxt. exe?"


def test_a_conversation_has_a_bound_of_documents() -> None:
    check_count(MAX_DOCUMENTS)
    with pytest.raises(AppError) as caught:
        check_count(MAX_DOCUMENTS + 1)
    assert caught.value.facts == {"found": MAX_DOCUMENTS + 1, "limit": MAX_DOCUMENTS}
