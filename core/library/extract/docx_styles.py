"""Styles and numbers of Word documents: which paragraphs are headings, and what stands before numbered ones.

Knows styles.xml and numbering.xml (ECMA-376 part 1, 17.7 and 17.9); must not know the text.
"""

import re
from dataclasses import dataclass
from typing import Final
from xml.etree.ElementTree import Element

from core.library.extract.xml_stream import attribute, child, children

_HEADING: Final = re.compile(r"heading\s*(\d)", re.I)
_CONTENTS: Final = re.compile(r"(toc|contents|table of figures|verzeichnis)\s*\d*( \d)?$", re.I)
_CODE: Final = re.compile(r"code|preformatted|listing|html pre", re.I)
_MAX_BASES: Final = 20
_MAX_LEVELS: Final = 9
_ROMAN: Final = ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"),
                 (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))  # fmt: skip


def is_on(element: Element | None) -> bool:
    """Tell whether a switch of a run is on."""
    return element is not None and (attribute(element, "val") or "true") not in ("0", "false", "off", "none")


def value(element: Element | None, *names: str) -> str | None:
    """Return the `val` of a descendant; None where it is missing."""
    found = child(element, *names)
    return None if found is None else attribute(found, "val")


class Styles:
    """The styles of paragraphs by their ids."""

    def __init__(self, root: Element | None) -> None:
        self._styles = {attribute(each, "styleId") or "": each for each in children(root, "style")}

    def level(self, style: str, properties: Element | None) -> int:
        """Return the level of a heading, from 1; 0 for all other paragraphs."""
        own = value(properties, "outlineLvl")
        if own is not None and own.isdigit():
            return int(own) + 1 if int(own) < _MAX_LEVELS else 0
        for each in self._chain(style):
            name = value(each, "name") or ""
            if match := _HEADING.fullmatch(name.strip()):
                return int(match[1])
            if name.strip().lower() == "title":
                return 1
            outline = value(each, "pPr", "outlineLvl")
            if outline is not None and outline.isdigit():
                return int(outline) + 1 if int(outline) < _MAX_LEVELS else 0
        return 0

    def numbering(self, style: str, properties: Element | None) -> tuple[str, int]:
        """Return the list that a paragraph belongs to ("" for none) and its level from 0."""
        sources = [properties, *(child(each, "pPr") for each in self._chain(style))]
        list_id = next((found for each in sources if (found := value(each, "numPr", "numId")) is not None), "")
        level = next((found for each in sources if (found := value(each, "numPr", "ilvl")) is not None), "0")
        return ("" if list_id == "0" else list_id), int(level) if level.isdigit() else 0

    def is_contents(self, style: str) -> bool:
        """Tell whether a paragraph repeats headings: a table of contents."""
        found = self._styles.get(style)
        return found is not None and _CONTENTS.fullmatch((value(found, "name") or "").strip()) is not None

    def is_code(self, style: str) -> bool:
        """Tell whether a paragraph is source code."""
        found = self._styles.get(style)
        return found is not None and _CODE.search(value(found, "name") or "") is not None

    def _chain(self, style: str) -> list[Element]:
        """Return a style and those that it is based on."""
        found: list[Element] = []
        while style in self._styles and len(found) < _MAX_BASES:
            found.append(self._styles[style])
            style = value(found[-1], "basedOn") or ""
        return found


@dataclass(frozen=True, slots=True)
class Mark:
    """What stands before a paragraph; `level` from 1."""

    text: str
    level: int
    is_bullet: bool


@dataclass(frozen=True, slots=True)
class _Level:
    form: str
    text: str
    start: int


class Numbering:
    """Counts the paragraphs of every list."""

    def __init__(self, root: Element | None) -> None:
        kinds = {attribute(each, "abstractNumId") or "": _levels(each) for each in children(root, "abstractNum")}
        self._lists = {
            attribute(each, "numId") or "": (value(each, "abstractNumId") or "", each) for each in children(root, "num")
        }
        self._kinds = kinds
        self._counts: dict[str, list[int]] = {}

    def next_mark(self, list_id: str, level: int) -> Mark | None:
        """Count a paragraph and return what stands before it; None where it belongs to no list."""
        if list_id not in self._lists or not 0 <= level < _MAX_LEVELS:
            return None
        kind, _ = self._lists[list_id]
        levels = self._kinds.get(kind, {})
        found = levels.get(level)
        if found is None or found.form == "none":
            return None
        if found.form == "bullet":
            return Mark("-", level + 1, True)
        counts = self._counts.setdefault(kind, [-1] * _MAX_LEVELS)
        counts[level] = counts[level] + 1 if counts[level] >= 0 else found.start
        counts[level + 1 :] = [-1] * (_MAX_LEVELS - level - 1)

        def number(match: re.Match[str]) -> str:
            which = int(match[1]) - 1
            each = levels.get(which)
            if each is None or not 0 <= which < _MAX_LEVELS:
                return ""
            return _number(counts[which] if counts[which] >= 0 else each.start, each.form)

        return Mark(re.sub(r"%([1-9])", number, found.text)[:40].strip(), level + 1, False)


def _levels(kind: Element) -> dict[int, _Level]:
    found = {}
    for each in children(kind, "lvl"):
        index, start = attribute(each, "ilvl") or "", value(each, "start") or "1"
        if index.isdigit() and int(index) < _MAX_LEVELS:
            form = value(each, "numFmt") or "decimal"
            found[int(index)] = _Level(form, value(each, "lvlText") or "", int(start[:6]) if start.isdigit() else 1)
    return found


def _number(count: int, form: str) -> str:
    if form in ("lowerLetter", "upperLetter") and count > 0:
        letter = chr(ord("a") + (count - 1) % 26) * min(1 + (count - 1) // 26, 5)
        return letter.upper() if form == "upperLetter" else letter
    if form in ("lowerRoman", "upperRoman") and 0 < count < 4_000:
        text = ""
        for size, sign in _ROMAN:
            text += sign * (count // size)
            count %= size
        return text.upper() if form == "upperRoman" else text
    return str(count)
