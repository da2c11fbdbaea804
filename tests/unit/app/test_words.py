"""The seam of languages: catalogues are found, filled in and never cost a sentence."""

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import words


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    yield
    words.use_english()


def write_mo(path: Path, texts: dict[str, str]) -> None:
    """Write a GNU .mo file (little-endian, revision 0)."""
    path.parent.mkdir(parents=True)
    pairs = [(key.encode(), text.encode()) for key, text in sorted(texts.items())]
    n = len(pairs)
    at = 28 + 16 * n
    tables: list[bytes] = []
    blob = b""
    for side in (0, 1):
        for pair in pairs:
            tables.append(struct.pack("<II", len(pair[side]), at + len(blob)))
            blob += pair[side] + b"\0"
    path.write_bytes(struct.pack("<7I", 0x950412DE, 0, n, 28, 28 + 8 * n, 0, at) + b"".join(tables) + blob)


HEADER = "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=(n != 1);\n"


def test_without_a_catalogue_the_words_are_those_of_the_source() -> None:
    assert words.tr("Quit Tern?") == "Quit Tern?"
    assert words.tr("Press {keys}.", keys="F1") == "Press F1."
    assert words.trn("{n} command", "{n} commands", 1) == "1 command"
    assert words.trn("{n} command", "{n} commands", 3) == "3 commands"
    assert words.tr("") == ""


def test_a_catalogue_is_found_by_language_and_by_country(tmp_path: Path) -> None:
    texts = {"": HEADER, "Close": "Schließen", "{n} command\0{n} commands": "{n} Befehl\0{n} Befehle"}
    write_mo(tmp_path / "de" / "tern.mo", texts)
    assert words.use(tmp_path, "de_AT")
    assert words.tr("Close") == "Schließen"
    assert words.trn("{n} command", "{n} commands", 2) == "2 Befehle"
    assert words.tr("Stop") == "Stop"  # not in the catalogue


def test_a_wrong_name_in_a_catalogue_does_not_cost_the_sentence(tmp_path: Path) -> None:
    write_mo(tmp_path / "de" / "tern.mo", {"": HEADER, "Press {keys}.": "Drücke {taste}."})
    assert words.use(tmp_path, "de")
    assert words.tr("Press {keys}.", keys="F1") == "Press F1."


def test_a_missing_or_damaged_catalogue_means_english(tmp_path: Path) -> None:
    assert not words.use(tmp_path, "fr")
    (tmp_path / "fr").mkdir()
    (tmp_path / "fr" / "tern.mo").write_bytes(b"no catalogue")
    assert not words.use(tmp_path, "fr")
    assert words.tr("Close") == "Close"
