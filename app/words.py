"""Every text for people goes through `tr`: the catalogue of the chosen language, or the English words themselves.

Catalogues are gettext's (one .mo a language), read with the standard library alone, so that the terminal has the same
words as the window. Knows the catalogue in force; must not know Qt or which texts there are.

Give `tr` the whole sentence as a literal, with {names} for what is filled in; never join sentences out of parts, as
other languages order them otherwise. Texts that stand in a table are given to it where they are shown.
"""

from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import Final

DOMAIN: Final = "tern"


class _Words:
    """The catalogue in force; there is one for the program, as there is one language on the screen."""

    catalogue: NullTranslations = NullTranslations()


def use(directory: Path, language: str) -> bool:
    """Take the catalogue of `language` ("de", "pt_BR") from `directory`; False, and English, where there is none."""
    for name in (language, language.partition("_")[0]):
        path = directory / name / f"{DOMAIN}.mo"
        if path.is_file():
            try:
                with path.open("rb") as file:
                    _Words.catalogue = GNUTranslations(file)
            except (OSError, ValueError, UnicodeDecodeError):
                break
            return True
    use_english()
    return False


def use_english() -> None:
    """Show the words as they stand in the source."""
    _Words.catalogue = NullTranslations()


def tr(text: str, **facts: object) -> str:
    """Return `text` in the language in force, with `facts` filled in.

    A translation whose {names} do not fit is passed over, so that a mistake in a catalogue never costs the sentence.
    """
    return _filled(_Words.catalogue.gettext(text) if text else "", text, facts)


def trn(one: str, many: str, n: int, **facts: object) -> str:
    """Return `one` or `many`, or the language's own form for the number `n`, which {n} stands for."""
    return _filled(_Words.catalogue.ngettext(one, many, n), one if n == 1 else many, {"n": n, **facts})


def _filled(found: str, english: str, facts: dict[str, object]) -> str:
    if not facts:
        return found
    try:
        return found.format(**facts)
    except (LookupError, ValueError, AttributeError):
        return english.format(**facts)
