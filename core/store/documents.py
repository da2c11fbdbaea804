"""Documents of conversations and the passages that were read of them, as values and as the text of a column.

Knows how they are kept; must not know how documents are read, searched or shown, nor SQL (chats.py has that).
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NewType

from core.events import Passage, Place, Unit

DocumentId = NewType("DocumentId", int)


@dataclass(frozen=True, slots=True)
class Document:
    """A document of one conversation; `sha256` is of the file that was read, `text` what was read of it.

    `structure` is what stands where in the text, as it was given; "" where that is not known.
    """

    id: DocumentId
    name: str
    sha256: str
    text: str
    created_at: float
    structure: str = ""


def passages_as_json(passages: Sequence[Passage]) -> str | None:
    """Return what the column `context` holds; None for no passages."""
    if not passages:
        return None
    listed = [
        {"name": each.document, "number": each.number, "start": each.start, "end": each.end, "text": each.text}
        | ({} if each.place is None else {"place": asdict(each.place)})
        for each in passages
    ]
    return storable(json.dumps(listed, ensure_ascii=False))


def passages_from(column: str | None) -> tuple[Passage, ...]:
    """Return the passages in the column; none when it cannot be read, so that it never hides a conversation."""
    try:
        return tuple(
            Passage(
                int(each["number"]),
                str(each["name"]),
                int(each["start"]),
                int(each["end"]),
                str(each["text"]),
                _place_from(each.get("place")),
            )
            for each in json.loads(column or "[]")
        )
    except (ValueError, TypeError, KeyError):
        return ()


def _place_from(stored: object) -> Place | None:
    """Return a place; None where there is none or it is from another version, which costs no passage."""
    if not isinstance(stored, dict):
        return None
    try:
        return Place(**stored | {"unit": Unit(stored["unit"]), "headings": tuple(map(str, stored["headings"]))})
    except (ValueError, TypeError, KeyError):
        return None


def storable(text: str) -> str:
    r"""Return `text` as the database can hold it, of the same length except for joined pairs.

    Lone surrogates (also those of ``surrogateescape``) and NUL become U+FFFD; two surrogates that make a pair become
    the character they mean.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text.replace("\0", "\ufffd")
