"""Lines of pages to running text: repeated headers and footers out, hyphens at line ends out, headings told by size.

Knows lines with boxes in points (y grows upwards); must not know PDF.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from core.library.characters import clean
from core.library.extract.builder import Builder

_EDGE_LINES: Final = 3  # at the top and the bottom of a page, where headers and footers stand
_MIN_PAGES: Final = 3
_MIN_SHARE: Final = 0.4  # of the pages that must have a line for it to be a header
_HEADING_RATIO: Final = 1.15  # to the size of most letters
_MAX_HEADING_WORDS: Final = 16
_NUMBER: Final = re.compile(r"\d+|\b[ivxlc]{1,6}\b")
_PAGE_NUMBER: Final = re.compile(
    r"(?:[-–—]\s*)?(?:page|seite|p\.|s\.|página|pagina)?\s*#\s*(?:(?:/|of|von|de|sur|di)\s*#)?(?:\s*[-–—])?", re.I
)
_SYMBOL: Final = re.compile("[\uf000-\uf0ff](?=\\s)")  # bullets of symbol fonts, which have no letters of their own
_BULLET: Final = re.compile(r"([•◦▪■●○‣⁃∙·–*-]|\(?(?:\d{1,3}|[a-zA-Z])[.)])\s+(?=\S)")
_SENTENCE_END: Final = (".", "!", "?", ":", "…", "”", '"', "。", "！", "？")
_HYPHENS: Final = ("-", "\u2010", "\u00ad", "\ufffe", "\x02")
_LIGATURES: Final = {code: unicodedata.normalize("NFKC", chr(code)) for code in range(0xFB00, 0xFB07)}
_WORD: Final = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_LAST_WORD: Final = re.compile(r"([^\W\d_]+(?:-[^\W\d_]+)*)$")
_FIRST_WORD: Final = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Cell:
    """Words between two wide gaps of a line."""

    text: str
    left: float
    right: float


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a page; `cells` is empty where it has no wide gaps."""

    text: str
    left: float
    right: float
    top: float
    bottom: float
    size: float  # of its letters
    is_bold: bool = False
    cells: tuple[Cell, ...] = ()


@dataclass(frozen=True, slots=True)
class _Paragraph:
    lines: tuple[Line, ...]
    level: int  # of a heading; 0 for text
    is_item: bool = False
    is_table: bool = False


def add_pages(builder: Builder, pages: Sequence[Sequence[Line]], labels: Sequence[str]) -> None:
    """Add all pages, the first being page 1."""
    kept = _without_repeated(pages, _HEADING_RATIO * _body_size(pages))
    body = _body_size(kept)
    sizes = _heading_sizes(kept, body)
    words = Counter(word.lower() for page in kept for line in page for word in _WORD.findall(line.text))
    open_text = ""  # the end of a page's last paragraph, which may go on
    for number, page in enumerate(kept, 1):
        builder.at(number, labels[number - 1], keeps_headings=True)
        for index, paragraph in enumerate(_paragraphs(page, body, sizes)):
            if paragraph.is_table:
                _add_table(builder, paragraph.lines)
                open_text = ""
                continue
            text = _joined([line.text for line in paragraph.lines], words)
            goes_on = index == 0 and not paragraph.level and not paragraph.is_item and _goes_on(open_text, text)
            if paragraph.level:
                builder.heading(text, paragraph.level)
            elif paragraph.is_item:
                builder.item(text, mark="")
            else:
                builder.paragraph(text, glue=" " if goes_on else None)
            open_text = "" if paragraph.level or paragraph.is_item else text


def _add_table(builder: Builder, lines: Sequence[Line]) -> None:
    """Add a table; only where all rows have as many cells do its columns have names, as a wrong one is worse."""
    if len({len(line.cells) for line in lines}) == 1:
        builder.table([[cell.text for cell in line.cells] for line in lines])
        return
    builder.end_table()
    for number, line in enumerate(lines, 1):
        builder.row(" | ".join(cell.text for cell in line.cells), number)
    builder.end_table()


def _without_repeated(pages: Sequence[Sequence[Line]], heading_size: float) -> list[list[Line]]:
    """Return the pages without the lines at their edges that most of them have, numbers aside.

    Lines of `heading_size` with other numbers on every page (Part 1, Part 2) are headings.
    """
    edges = [_edges(page) for page in pages]
    n_pages = sum(1 for page in pages if page)
    counts: Counter[tuple[str, str]] = Counter()
    heights: dict[tuple[str, str], set[int]] = {}
    for edge in edges:
        counts.update({(zone, _folded(line.text)) for zone, lines in edge.items() for line in lines})
        for zone, lines in edge.items():
            for line in lines:
                heights.setdefault((zone, _folded(line.text)), set()).add(round(line.top))
    wanted = max(_MIN_PAGES, _MIN_SHARE * n_pages)
    if n_pages == 2:  # few to tell from: what stands at the very same height on both
        wanted = 2
        counts = Counter({key: n for key, n in counts.items() if len(heights[key]) == 1 or "#" in key[1]})
    kept = []
    for page, edge in zip(pages, edges, strict=True):
        gone = {
            id(line)
            for zone, lines in edge.items()
            for line in lines
            if _is_repeated(line, zone, counts, wanted) and (line.size < heading_size or "#" not in _folded(line.text))
        }
        kept.append([line for line in page if id(line) not in gone])
    return kept


def _is_repeated(line: Line, zone: str, counts: Counter[tuple[str, str]], wanted: float) -> bool:
    folded = _folded(line.text)
    return counts[zone, folded] >= wanted or (counts[zone, folded] > 1 and _PAGE_NUMBER.fullmatch(folded) is not None)


def _edges(page: Sequence[Line]) -> dict[str, list[Line]]:
    by_height = sorted(page, key=lambda line: -line.top)
    n_edge = min(_EDGE_LINES, max(1, len(page) // 3))
    return {"top": by_height[:n_edge], "bottom": by_height[max(n_edge, len(page) - n_edge) :]}


def _folded(text: str) -> str:
    return " ".join(_NUMBER.sub("#", text.casefold()).split())


def _body_size(pages: Sequence[Sequence[Line]]) -> float:
    """Return the size of most letters."""
    sizes: Counter[float] = Counter()
    for page in pages:
        for line in page:
            sizes[round(line.size, 1)] += len(line.text)
    return sizes.most_common(1)[0][0] if sizes else 0.0


def _heading_sizes(pages: Sequence[Sequence[Line]], body: float) -> list[float]:
    """Return the sizes that headings have, the largest first."""
    found: Counter[float] = Counter()
    for page in pages:
        for line in page:
            if body and line.size >= _HEADING_RATIO * body and _is_short(line.text):
                found[round(line.size, 1)] += 1
    return sorted(found, reverse=True)[:5]


def _is_short(text: str) -> bool:
    return len(text.split()) <= _MAX_HEADING_WORDS and any(char.isalpha() for char in text)


def _paragraphs(page: Sequence[Line], body: float, sizes: Sequence[float]) -> list[_Paragraph]:
    groups: list[list[Line]] = []
    leading = _leading(page)
    right = max((line.right for line in page), default=0.0)
    for line in page:
        if groups and _belongs(groups[-1], line, leading, right):
            groups[-1].append(line)
        else:
            groups.append([line])
    found = []
    for group in groups:
        if len(group) > 1 and all(line.cells for line in group):
            found.append(_Paragraph(tuple(group), 0, is_table=True))
            continue
        level = _level(group, body, sizes)
        is_item = not level and _is_item(group[0].text)
        found.append(_Paragraph(tuple(group), level, is_item))
    return found


def _belongs(group: Sequence[Line], line: Line, leading: float, right: float) -> bool:
    """Tell whether a line goes on with a paragraph or with a table."""
    last = group[-1]
    if bool(line.cells) != bool(last.cells) and not _is_beside(last, line):
        return False
    if line.cells and _is_below(last, line):
        return True
    return not _begins_paragraph(group, line, leading, right)


def _leading(page: Sequence[Line]) -> float:
    """Return the usual distance from line to line; 0 where there is none."""
    gaps: Counter[float] = Counter()
    for above, line in pairwise(page):
        gap = above.bottom - line.bottom
        if 0 < gap < 6 * max(line.size, 4):
            gaps[round(gap * 2) / 2] += 1
    return gaps.most_common(1)[0][0] if gaps else 0.0


def _begins_paragraph(group: Sequence[Line], line: Line, leading: float, right: float) -> bool:
    last = group[-1]
    gap = last.bottom - line.bottom
    if _is_beside(last, line):
        return line.left < last.left
    if abs(line.size - last.size) > 0.12 * max(last.size, 1) or gap < 0:
        return True
    if leading and gap > 1.35 * max(leading, 0.9 * line.size):
        return True
    if _is_item(line.text) and line.left <= group[0].left + 2 * line.size:
        return True
    if last.is_bold != line.is_bold and len(group) == 1 and last.is_bold and _is_short(last.text):
        return True
    if line.left < group[0].left - 0.8 * line.size and _is_item(group[0].text):
        return True
    is_cut_short = last.right < right - 0.12 * max(right, 1) and last.text.rstrip().endswith(_SENTENCE_END)
    is_indented = line.left > last.left + 0.8 * line.size and abs(last.left - group[0].left) < 1
    return is_cut_short or (is_indented and last.text.rstrip().endswith(_SENTENCE_END))


def _is_item(text: str) -> bool:
    return _BULLET.match(_SYMBOL.sub("•", text, count=1)) is not None


def _is_beside(last: Line, line: Line) -> bool:
    return abs(last.bottom - line.bottom) < 0.3 * max(line.size, 1)


def _is_below(last: Line, line: Line) -> bool:
    return 0 < last.bottom - line.bottom < 3 * max(line.size, 1)


def _level(group: Sequence[Line], body: float, sizes: Sequence[float]) -> int:
    text = " ".join(line.text for line in group)
    if len(group) > 3 or not _is_short(text) or text.endswith((".", ",", ";")):
        return 0
    size = round(max(line.size for line in group), 1)
    if size in sizes:
        return 1 + sizes.index(size)
    return len(sizes) + 1 if len(group) == 1 and group[0].is_bold and size >= body and len(text) > 2 else 0


def _joined(lines: Sequence[str], words: Counter[str]) -> str:
    """Return the lines as one, words that were divided put together again."""
    text = ""
    for line in lines:
        line = _SYMBOL.sub("•", line.translate(_LIGATURES), count=1)
        if text.endswith(_HYPHENS) and line[:1].islower():
            text = _rejoined(text, line, words)
        else:
            text = f"{text} {line}" if text else line
    return unicodedata.normalize("NFC", clean(text))


def _rejoined(text: str, line: str, words: Counter[str]) -> str:
    before, after = _LAST_WORD.search(text[:-1]), _FIRST_WORD.match(line)
    if before is None or after is None:
        return text + line
    first, second = before[1].lower(), after[0].lower()
    whole, compound = words[first + second], words[f"{first}-{second}"]
    return text[:-1] + ("-" if compound > whole else "") + line


def _goes_on(before: str, after: str) -> bool:
    """Tell whether a sentence goes on over the border of a page."""
    return bool(before) and not before.endswith(_SENTENCE_END) and after[:1].islower()
