"""OpenDocument files (ODT, ODS, ODP): text, sheets and slides.

Knows the elements of OpenDocument 1.3 part 3; must not know zip or XML parsing. Deleted text is left out.
"""

from collections.abc import Iterator
from typing import Final
from xml.etree.ElementTree import Element

from core.errors import AppError, ErrorCode
from core.events import Unit
from core.library.extract.archive import Archive
from core.library.extract.builder import Builder
from core.library.extract.tables import table_lines
from core.library.extract.xml_stream import Opened, attribute, children, local, nodes
from core.library.extracted import BlockKind

_CONTENT: Final = "content.xml"
_MANIFEST: Final = "META-INF/manifest.xml"
_TEXT: Final = frozenset({"body", "text", "section"})
_SHEETS: Final = frozenset(
    {"body", "spreadsheet", "table", "table-rows", "table-row-group", "table-header-rows"}
)  # fmt: skip
_SLIDES: Final = frozenset({"body", "presentation", "drawing"})
_LEFT_OUT: Final = frozenset(
    {"tracked-changes", "note", "annotation", "annotation-end", "sequence-decls", "forms", "bookmark", "ruby-text"}
)
_MAX_REPEATED: Final = 200  # of cells with text in a row
_MAX_EMPTY: Final = 5_000  # cells between two with text
_LAYOUT_CHARS: Final = 600
_TICK_EVERY: Final = 500
_REPEATED: Final = frozenset({"header", "footer", "date-time", "page-number"})


def read_odf(builder: Builder, archive: Archive, kind: str) -> None:
    """Add a document; `kind` is "text", "spreadsheet" or "presentation"."""
    if _MANIFEST in archive and b"encryption-data" in archive.read(_MANIFEST):
        raise AppError(ErrorCode.DOCUMENT_PROTECTED)
    if kind == "spreadsheet":
        _read_sheets(builder, archive)
    elif kind == "presentation":
        _read_slides(builder, archive)
    else:
        _read_text(builder, archive)


def _read_text(builder: Builder, archive: Archive) -> None:
    notes: list[str] = []
    for index, node in enumerate(nodes(archive.pieces(_CONTENT), _TEXT)):
        if isinstance(node, Element):
            _add(builder, node, notes)
        if index % _TICK_EVERY == 0:
            builder.tick(index, 0)
    for number, note in enumerate(notes, 1):
        builder.paragraph(f"[{number}] {note}", BlockKind.NOTE)


def _add(builder: Builder, element: Element, notes: list[str], level: int = 0) -> None:
    """Add a paragraph, heading, list, table or what holds them."""
    match local(element.tag):
        case "h":
            outline = attribute(element, "outline-level") or "1"
            builder.heading("".join(_texts(element, notes)), int(outline) if outline.isdigit() else 1)
        case "p":
            _add_paragraph(builder, element, notes, level)
        case "list":
            _add_list(builder, element, notes, level + 1)
        case "table":
            _add_table(builder, element, notes)
        case "section" | "text-box" | "frame" | "index-title" | "list-header" | "numbered-paragraph":
            for each in element:
                _add(builder, each, notes, level)
        case _:
            pass  # tables of contents repeat headings; styles and scripts are no text


def _add_paragraph(builder: Builder, element: Element, notes: list[str], level: int) -> None:
    text = "".join(_texts(element, notes))
    style = (attribute(element, "style-name") or "").lower()
    if level:
        builder.item(text, level)
    elif "preformatted" in style:
        builder.code(text)
    else:
        builder.paragraph(text, keeps_lines=True)
    for box in (each for each in element.iter() if local(each.tag) == "text-box"):
        for each in box:
            _add(builder, each, notes)


def _add_list(builder: Builder, element: Element, notes: list[str], level: int) -> None:
    for item in children(element, "list-item") + children(element, "list-header"):
        for each in item:
            _add(builder, each, notes, level)


def _add_table(builder: Builder, element: Element, notes: list[str]) -> None:
    rows = [_cells(row, notes) for row in element.iter() if local(row.tag) == "table-row"]
    is_layout = max(map(len, rows), default=0) < 2 or any(len(cell) > _LAYOUT_CHARS for row in rows for cell in row)
    if not is_layout:
        builder.table(rows)
        return
    for cell in (each for each in element.iter() if local(each.tag) == "table-cell"):
        for each in cell:
            if local(each.tag) != "table":  # it comes by itself: iter() goes all the way down
                _add(builder, each, notes)


def _cells(row: Element, notes: list[str]) -> list[str]:
    cells: list[str] = []
    n_empty = 0
    for cell in row:
        if local(cell.tag) not in ("table-cell", "covered-table-cell"):
            continue
        text = "\n".join("".join(_texts(each, notes)) for each in cell if local(each.tag) in ("p", "h", "list"))
        repeated = attribute(cell, "number-columns-repeated") or "1"
        count = int(repeated[:7]) if repeated.isdigit() else 1
        if text.strip():
            if n_empty <= _MAX_EMPTY:
                cells += [""] * n_empty
            n_empty = 0
            cells += [text] * min(count, _MAX_REPEATED)
        else:
            n_empty += count
    return cells


def _texts(element: Element, notes: list[str]) -> Iterator[str]:
    """Yield the text in a paragraph, without what stands in boxes or beside it."""
    yield element.text or ""
    for each in element:
        name = local(each.tag)
        if name == "note":
            body = next(iter(children(each, "note-body")), None)
            notes.append(" ".join("".join(_texts(p, notes)) for p in (body if body is not None else ())))
            yield f"[{len(notes)}]"
        elif name == "s":
            yield " "
        elif name == "tab":
            yield "\t"
        elif name == "line-break":
            yield "\n"
        elif name not in _LEFT_OUT and name not in ("frame", "text-box", "custom-shape"):
            yield from _texts(each, notes)
        yield each.tail or ""


def _read_sheets(builder: Builder, archive: Archive) -> None:
    builder.unit = Unit.SHEET
    number = 0
    reader: _SheetRows | None = None
    for index, node in enumerate(nodes(archive.pieces(_CONTENT), _SHEETS)):
        if isinstance(node, Opened) and node.tag == "table":
            _finish_sheet(builder, reader)
            number += 1
            name = node.attributes.get("name", "")
            builder.at(number, name)
            builder.heading(name, 1)
            reader = _SheetRows()
        elif isinstance(node, Element) and local(node.tag) == "table-row" and reader is not None:
            reader.add(node)
        if index % _TICK_EVERY == 0:
            builder.tick(index, 0)
    _finish_sheet(builder, reader)


class _SheetRows:
    """The rows of one sheet with their numbers; empty ones between them cost nothing."""

    def __init__(self) -> None:
        self.rows: list[list[str]] = []
        self.numbers: list[int] = []
        self._next = 1

    def add(self, row: Element) -> None:
        repeated = attribute(row, "number-rows-repeated") or "1"
        count = int(repeated[:7]) if repeated.isdigit() else 1
        cells = _cells(row, [])
        if cells:
            for offset in range(min(count, _MAX_REPEATED)):
                self.rows.append(cells)
                self.numbers.append(self._next + offset)
        self._next += count


def _finish_sheet(builder: Builder, reader: _SheetRows | None) -> None:
    if reader is not None:
        for index, line in table_lines(reader.rows):
            builder.row(line, reader.numbers[index])


def _read_slides(builder: Builder, archive: Archive) -> None:
    builder.unit = Unit.SLIDE
    pages = (n for n in nodes(archive.pieces(_CONTENT), _SLIDES) if isinstance(n, Element) and local(n.tag) == "page")
    for number, page in enumerate(pages, 1):
        builder.tick(number, 0)
        frames = [each for each in page if local(each.tag) != "notes"]
        titled = next((each for each in frames if attribute(each, "class") in ("title", "subtitle")), None)
        if titled is None:  # some programs write free boxes only
            titled = next((each for each in frames[:1] if sum(local(p.tag) == "p" for p in each.iter()) == 1), None)
        title = "" if titled is None else _all_text(titled)
        builder.at(number, title)
        builder.heading(title, 1)
        for frame in frames:
            if frame is not titled and attribute(frame, "class") not in _REPEATED:
                _add_frame(builder, frame)
        for notes in children(page, "notes"):
            for box in (each for each in notes.iter() if local(each.tag) == "text-box"):
                builder.paragraph(_all_text(box), BlockKind.NOTE)


def _all_text(element: Element) -> str:
    paragraphs = (each for each in element.iter() if local(each.tag) in ("p", "h"))
    return " ".join("".join(_texts(each, [])) for each in paragraphs).strip()


def _add_frame(builder: Builder, frame: Element) -> None:
    notes: list[str] = []
    name = local(frame.tag)
    if name == "g":
        for each in frame:
            _add_frame(builder, each)
        return
    for each in frame:
        kind = local(each.tag)
        if kind in ("table", "text-box") or (name != "frame" and kind in ("p", "list")):
            for inner in [each] if kind != "text-box" else list(each):
                _add(builder, inner, notes)
