"""Word documents (DOCX): headings, numbered paragraphs, tables, notes, in the order in which they are read.

Knows WordprocessingML (ECMA-376 part 1, 17); must not know zip or XML parsing. Deleted and hidden text is left out.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final
from xml.etree.ElementTree import Element

from core.library.extract.archive import Archive
from core.library.extract.builder import Builder
from core.library.extract.docx_styles import Numbering, Styles, is_on
from core.library.extract.xml_stream import Closed, Opened, attribute, child, children, local, nodes, tree
from core.library.extracted import BlockKind

_MAIN: Final = "word/document.xml"
_CONTAINERS: Final = frozenset({"document", "body", "sdt", "sdtContent"})
_LEFT_OUT: Final = frozenset(
    {"del", "moveFrom", "Fallback", "pPr", "instrText", "delText", "sectPr", "tblPr", "tcPr", "trPr", "sdtPr", "rPr"}
)
_SPACES: Final = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "ptab": "\t"}
_MAX_SPAN: Final = 100
_LAYOUT_CHARS: Final = 600  # a cell with more holds text, not a value


def read_docx(builder: Builder, archive: Archive) -> None:
    """Add a document."""
    main = _MAIN if _MAIN in archive else next((n for n in archive.names if n.startswith("word/document")), _MAIN)
    reader = _Reader(builder, _styles(archive), _numbering(archive))
    for index, node in enumerate(nodes(archive.pieces(main), _CONTAINERS)):
        if not isinstance(node, Opened | Closed):
            reader.add(node)
        if index % 500 == 0:
            builder.tick(index, 0)
    for part, name in (("word/footnotes.xml", "footnote"), ("word/endnotes.xml", "endnote")):
        if part in archive:
            reader.add_notes(tree(archive.pieces(part)), name)


class _Reader:
    def __init__(self, builder: Builder, styles: Styles, numbering: Numbering) -> None:
        self._builder = builder
        self._styles = styles
        self._numbering = numbering
        self._notes: dict[str, str] = {}  # id -> the number that is shown

    def add(self, element: Element) -> None:
        match local(element.tag):
            case "p":
                self._add_paragraph(element)
            case "tbl":
                self._add_table(element)
            case "sdt" | "sdtContent" | "customXml" | "ins" | "moveTo":
                self.add_all(element)
            case _:
                pass

    def add_all(self, elements: Element) -> None:
        for each in elements:
            self.add(each)

    def add_notes(self, root: Element, name: str) -> None:
        for note in children(root, name):
            number = self._notes.get(f"{name} {attribute(note, 'id')}")
            text = " ".join(" ".join(self._texts(each)) for each in children(note, "p"))
            if number and text.strip():
                self._builder.paragraph(f"[{number}] {text}", BlockKind.NOTE)

    def _add_paragraph(self, element: Element) -> None:
        properties = child(element, "pPr")
        style = attribute(_first(properties, "pStyle"), "val") or ""
        texts = list(self._texts(element))
        boxes = [each for each in element.iter() if local(each.tag) == "txbxContent"] if len(element) else []
        text = "".join(texts)
        if text.strip() and not self._styles.is_contents(style):
            level = self._styles.level(style, properties)
            number = self._numbering.next_mark(*self._styles.numbering(style, properties))
            if level:
                self._builder.heading(f"{number.text} {text}" if number and not number.is_bullet else text, level)
            elif number:
                self._builder.item(text, number.level, number.text)
            elif self._styles.is_code(style):
                self._builder.code(text)
            else:
                self._builder.paragraph(text, keeps_lines=True)
        for box in boxes[:1]:  # those of alternates say the same
            self.add_all(box)

    def _add_table(self, element: Element) -> None:
        rows = [self._row(row) for row in _rows(element)]
        for above, row in pairwise(rows):
            for index, cell in enumerate(row):
                if cell is None:  # merged with the one above
                    row[index] = above[index] if index < len(above) else ""
        filled = [[cell or "" for cell in row] for row in rows]
        is_layout = max(map(len, filled), default=0) < 2 or any(len(c) > _LAYOUT_CHARS for row in filled for c in row)
        if not is_layout:
            self._builder.table(filled)
            return
        for row_element in _rows(element):
            for each in children(row_element, "tc"):
                self.add_all(each)

    def _row(self, element: Element) -> list[str | None]:
        cells: list[str | None] = []
        for cell in (each for each in _flattened(element) if local(each.tag) == "tc"):
            properties = child(cell, "tcPr")
            merged = child(properties, "vMerge")
            text = "\n".join("".join(self._texts(each)) for each in cell.iter() if local(each.tag) == "p").strip()
            if merged is not None and (attribute(merged, "val") or "continue") == "continue":
                cells.append(None)
            else:
                cells.append(text)
            span = attribute(_first(properties, "gridSpan"), "val") or "1"
            cells += [""] * (min(int(span), _MAX_SPAN) - 1 if span.isdigit() else 0)
        return cells

    def _texts(self, element: Element) -> Iterator[str]:
        """Yield the pieces of text below an element that a person sees, text boxes aside."""
        for each in element:
            name = local(each.tag)
            if name == "t":
                yield each.text or ""
            elif name in _SPACES:
                yield "" if attribute(each, "type") == "page" else _SPACES[name]
            elif name == "sym":
                code = attribute(each, "char") or ""
                yield chr(int(code, 16) & 0xFFFF) if _is_code_point(code) else ""
            elif name in ("footnoteReference", "endnoteReference"):
                key = f"{name.removesuffix('Reference')} {attribute(each, 'id')}"
                yield f"[{self._notes.setdefault(key, str(len(self._notes) + 1))}]"
            elif name == "r" and is_on(child(each, "rPr", "vanish")):
                continue
            elif name not in _LEFT_OUT and name != "txbxContent":
                yield from self._texts(each)


def _styles(archive: Archive) -> Styles:
    return Styles(tree(archive.pieces("word/styles.xml")) if "word/styles.xml" in archive else None)


def _numbering(archive: Archive) -> Numbering:
    return Numbering(tree(archive.pieces("word/numbering.xml")) if "word/numbering.xml" in archive else None)


def _first(element: Element | None, name: str) -> Element:
    found = child(element, name)
    return Element("none") if found is None else found


def _rows(table: Element) -> Iterator[Element]:
    return (each for each in _flattened(table) if local(each.tag) == "tr")


def _flattened(element: Element) -> Iterator[Element]:
    """Yield the children, those in content controls and tracked insertions among them."""
    for each in element:
        if local(each.tag) in ("sdt", "sdtContent", "customXml", "ins"):
            yield from _flattened(each)
        else:
            yield each


def _is_code_point(code: str) -> bool:
    return 0 < len(code) <= 4 and all(char in "0123456789abcdefABCDEF" for char in code) and code.lower() < "d800"
