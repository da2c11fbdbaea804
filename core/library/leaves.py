"""A document as a person turns its pages: pages, slides, sheets or chapters, else stretches of bearable length.

Knows text and structure; must not know where they are stored or how they are shown.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.events import CancelToken, Interrupted, Place, Unit
from core.library.extracted import Format, Structure

MAX_LEAF_CHARS: Final = 30_000
MAX_FINDS: Final = 1_000
_MAX_LEAVES: Final = 20_000
_TURNED: Final = frozenset({Unit.PAGE, Unit.SLIDE, Unit.SHEET, Unit.CHAPTER, Unit.MESSAGE})


@dataclass(frozen=True, slots=True)
class Leaf:
    """Characters `start` to `end` (exclusive) of a text, seen at once; `place` is None where nothing is known of it."""

    start: int
    end: int
    place: Place | None = None

    @property
    def number(self) -> int | None:
        """The page that it is on, from 1; None where it is on none."""
        return self.place.number if self.place is not None else None


@dataclass(frozen=True, slots=True)
class Opened:
    """A stored document, ready to be looked at; `path` is where its file lay last, None where nobody knows.

    `sha256` is of the file when it was read, "" where that is unknown; `format` None likewise.
    """

    name: str
    path: Path | None
    sha256: str
    format: Format | None
    text: str
    leaves: tuple[Leaf, ...]

    def leaf_at(self, position: int) -> int:
        """Return the number of the leaf, from 0, that holds a character; the last one before it otherwise."""
        found = 0
        for index, leaf in enumerate(self.leaves):
            if leaf.start > position:
                break
            if leaf.end > leaf.start or index == 0:
                found = index
        return found


def open_text(
    name: str, text: str, structure: Structure, *, path: Path | None = None, sha256: str = "",
    format: Format | None = None,
) -> Opened:  # fmt: skip
    """Return a document whose leaves follow its structure."""
    return Opened(name, path, sha256, format, text, tuple(_leaves(text, structure)))


def find_all(text: str, words: str, cancel: CancelToken, limit: int = MAX_FINDS) -> list[tuple[int, int]]:
    """Return where `words` stand, without regard to case and to how they are spaced; at most `limit` places.

    Raises:
        Interrupted: `cancel` was cancelled.
    """
    parts = [re.escape(each) for each in words.split()]
    found: list[tuple[int, int]] = []
    if not parts:
        return found
    for match in re.finditer(r"\s+".join(parts), text, re.IGNORECASE):
        if cancel.is_cancelled:
            raise Interrupted
        found.append(match.span())
        if len(found) == limit:
            break
    return found


def _leaves(text: str, structure: Structure) -> Iterator[Leaf]:
    starts = _units(structure) if structure.unit in _TURNED else []
    if not starts:
        yield from _split(Leaf(0, len(text)), text)
        return
    starts[0] = (0, starts[0][1])
    ends = [start for start, _ in starts[1:]] + [len(text)]
    for (start, place), end in list(zip(starts, ends, strict=True))[:_MAX_LEAVES]:
        yield from _split(Leaf(start, end, place), text)


def _units(structure: Structure) -> list[tuple[int, Place]]:
    """Return where each page begins; pages without text begin where the next one does."""
    found: list[tuple[int, Place]] = []
    last = 0
    end = structure.blocks[-1].end if structure.blocks else 0
    for block in structure.blocks:
        if block.number is None or (found and block.number == last):
            continue
        if structure.unit is Unit.PAGE and block.number > last:
            found += [(block.start, Place(Unit.PAGE, number)) for number in range(last + 1, block.number)]
        found.append((block.start, Place(structure.unit, block.number, label=block.label)))
        last = block.number
    if structure.unit is Unit.PAGE and found:
        found += [(end, Place(Unit.PAGE, number)) for number in range(last + 1, structure.n_units + 1)]
    return found


def _split(leaf: Leaf, text: str) -> Sequence[Leaf]:
    """Cut a long leaf at ends of paragraphs, lines or words."""
    pieces: list[Leaf] = []
    start = leaf.start
    while leaf.end - start > MAX_LEAF_CHARS:
        latest = start + MAX_LEAF_CHARS
        cuts = (text.rfind(sign, start + MAX_LEAF_CHARS // 2, latest) + len(sign) for sign in ("\n\n", "\n", " "))
        cut = next((each for each in cuts if each > start + MAX_LEAF_CHARS // 2), latest)
        pieces.append(Leaf(start, cut, leaf.place))
        start = cut
    return [*pieces, Leaf(start, leaf.end, leaf.place)]
