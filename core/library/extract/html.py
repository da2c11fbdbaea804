"""HTML (and the XHTML of e-books): the text that a browser would show, with its headings, lists and tables.

Knows HTML's elements; must not know where the text comes from. Nothing that is named in it is ever fetched.
"""

import re
from html.parser import HTMLParser
from typing import Final

from core.library.extract.builder import Builder
from core.library.extract.decoding import decode

_SKIPPED: Final = frozenset(
    {"script", "style", "template", "noscript", "svg", "math", "nav", "object", "iframe", "select", "head", "audio"}
    | {"video", "canvas", "datalist"}
)
_BLOCKS: Final = frozenset(
    {"p", "div", "section", "article", "main", "header", "footer", "aside", "blockquote", "address", "figure", "form"}
    | {"figcaption", "fieldset", "legend", "details", "summary", "dl", "dt", "dd", "ul", "ol", "menu", "body", "html"}
    | {"hr", "center", "caption", "title"}
)
_VOID: Final = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"}
)
_HEADINGS: Final = {f"h{level}": level for level in range(1, 7)}
_HIDDEN_STYLE: Final = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?![.\d])", re.I)
_CHARSET: Final = re.compile(
    rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]{2,40})|encoding=[\"']([\w.:-]{2,40})", re.I
)
_MAX_OPEN: Final = 100_000
_LAYOUT_WORDS: Final = 60  # a cell with more holds text, not a value
_PIECE_CHARS: Final = 1 << 16
_BREAK: Final = "\x00"  # stands for <br> until the text is put together; the parser gives no such character


def read_html(builder: Builder, content: bytes) -> None:
    """Add a page."""
    found = _CHARSET.search(content[:4_096])
    declared = (found[1] or found[2]).decode("ascii") if found else None
    read_markup(builder, decode(content, declared))


def read_markup(builder: Builder, text: str, *, with_title: bool = True) -> None:
    """Add a page that is text already."""
    reader = _Reader(builder, with_title=with_title)
    for start in range(0, len(text), _PIECE_CHARS):
        builder.tick(start, len(text))
        reader.feed(text[start : start + _PIECE_CHARS])
    reader.close()
    reader.finish()


class _Reader(HTMLParser):
    """Turns tags into calls of the builder; keeps no tree, so nesting costs nothing."""

    def __init__(self, builder: Builder, *, with_title: bool) -> None:
        super().__init__(convert_charrefs=True)
        self._builder = builder
        self._with_title = with_title
        self._open: list[str] = []
        self._n_open: dict[str, int] = {}
        self._skipped_from: int | None = None  # how many elements were open when the skipped one began
        self._text: list[str] = []
        self._title: list[str] = []
        self._lists: list[int | None] = []  # of each open list, the next number; None for bullets
        self._mark = ""
        self._heading = 0
        self._tables = 0
        self._rows: list[list[str]] = []
        self._cells: list[str] | None = None
        self._pre = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _VOID:
            self._on_void(tag)
            return
        if len(self._open) >= _MAX_OPEN:
            return
        self._open.append(tag)
        self._n_open[tag] = self._n_open.get(tag, 0) + 1
        if self._skipped_from is not None:
            return
        if (tag in _SKIPPED and tag != "head") or _is_hidden(attrs):
            self._skipped_from = len(self._open) - 1
            return
        self._begin(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _VOID:
            self._on_void(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self._n_open.get(tag):
            return
        while self._open:
            last = self._open.pop()
            self._n_open[last] -= 1
            if self._skipped_from is None:
                self._end(last)
            elif len(self._open) <= self._skipped_from:
                self._skipped_from = None
            if last == tag:
                return

    def handle_data(self, data: str) -> None:
        if self._skipped_from is not None:
            return
        if self._open and self._open[-1] == "title":
            self._title.append(data)
        elif "head" not in self._n_open or not self._n_open["head"]:
            self._text.append(data.replace(_BREAK, ""))

    def finish(self) -> None:
        """Add what is still open."""
        while self._open:
            last = self._open.pop()
            if self._skipped_from is None:
                self._end(last)
            elif len(self._open) <= self._skipped_from:
                self._skipped_from = None
        self._flush()
        self._flush_table()

    def _on_void(self, tag: str) -> None:
        if self._skipped_from is not None:
            return
        if tag == "br":
            self._text.append(_BREAK)
        elif tag == "hr":
            self._flush()

    def _begin(self, tag: str) -> None:
        if tag in _HEADINGS:
            self._flush()
            self._heading = _HEADINGS[tag]
        elif tag in ("ul", "ol", "menu"):
            self._flush()
            self._lists.append(1 if tag == "ol" else None)
        elif tag == "li":
            self._flush()
            self._mark = self._next_mark()
        elif tag == "table":
            self._flush()
            self._tables += 1
        elif tag == "tr" and self._tables == 1:
            self._flush()
            self._rows.append([])
        elif tag in ("td", "th") and self._tables == 1:
            self._flush()
            self._cells = []
        elif tag == "pre":
            self._flush()
            self._pre += 1
        elif tag in _BLOCKS:
            self._flush()

    def _end(self, tag: str) -> None:
        if tag in _HEADINGS or tag in _BLOCKS or tag == "li":
            self._flush()
            if tag in _HEADINGS:
                self._heading = 0
            if tag in ("ul", "ol", "menu") and self._lists:
                self._lists.pop()
        elif tag == "pre":
            self._flush()
            self._pre = max(0, self._pre - 1)
        elif tag in ("td", "th") and self._tables == 1:
            self._flush()
            if self._cells is not None:
                if not self._rows:
                    self._rows.append([])
                self._rows[-1].append("\n".join(self._cells))
            self._cells = None
        elif tag == "table":
            self._flush()
            self._tables = max(0, self._tables - 1)
            if self._tables == 0:
                self._cells = None
                self._flush_table()

    def _next_mark(self) -> str:
        if not self._lists or self._lists[-1] is None:
            return "-"
        number = self._lists[-1]
        self._lists[-1] = number + 1
        return f"{number}."

    def _flush(self) -> None:
        """Give the text that has come to the builder, or to the open cell."""
        text, self._text = "".join(self._text), []
        if not text.strip(" \t\r\n\f" + _BREAK):
            return
        if self._cells is not None:
            self._cells.append(" ".join(text.replace(_BREAK, " ").split()))
            return
        self._flush_table()
        self._add_title()
        if self._heading:
            self._builder.heading(text.replace(_BREAK, " "), self._heading)
        elif self._pre:
            self._builder.code(text.replace(_BREAK, "\n"))
        elif self._mark:
            self._builder.item(text.replace(_BREAK, " "), max(1, len(self._lists)), self._mark)
            self._mark = ""
        else:
            self._builder.paragraph(_collapsed(text), keeps_lines=True)

    def _add_title(self) -> None:
        title, self._title = " ".join("".join(self._title).split()), []
        if title and self._with_title and self._builder.is_empty and self._heading != 1:
            self._builder.heading(title, 1)

    def _flush_table(self) -> None:
        rows, self._rows = [row for row in self._rows if any(row)], []
        if not rows:
            return
        self._add_title()
        is_layout = max(map(len, rows)) == 1 or any(cell.count(" ") > _LAYOUT_WORDS for row in rows for cell in row)
        if not is_layout:
            self._builder.table(rows)
            return
        for cell in (cell for row in rows for cell in row if cell):
            self._builder.paragraph(cell, keeps_lines=True)


def _collapsed(text: str) -> str:
    """Return text as a browser shows it: line ends in the source are spaces, those of <br> stay."""
    return "\n".join(" ".join(part.split()) for part in text.split(_BREAK))


def _is_hidden(attributes: list[tuple[str, str | None]]) -> bool:
    for name, value in attributes:
        if name == "hidden" or (name == "style" and value and _HIDDEN_STYLE.search(value[:2_000])):
            return True
    return False
