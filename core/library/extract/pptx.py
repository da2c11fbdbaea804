"""Presentations (PPTX): slide by slide, the title first, tables, then the speaker's notes.

Knows PresentationML and DrawingML (ECMA-376 part 1, 19 and 21); must not know zip or XML parsing.
"""

import posixpath
import re
from collections.abc import Iterator
from typing import Final
from xml.etree.ElementTree import Element

from core.events import Unit
from core.library.extract.archive import Archive
from core.library.extract.builder import Builder
from core.library.extract.xml_stream import attribute, child, children, local, tree
from core.library.extracted import BlockKind

_SLIDE: Final = re.compile(r"ppt/slides/slide(\d{1,6})\.xml")
_TITLES: Final = frozenset({"title", "ctrTitle"})
_REPEATED: Final = frozenset({"dt", "ftr", "sldNum", "hdr", "sldImg"})
_MAIN: Final = "ppt/presentation.xml"


def read_pptx(builder: Builder, archive: Archive) -> None:
    """Add a presentation."""
    builder.unit = Unit.SLIDE
    slides = _slides(archive)
    for number, name in enumerate(slides, 1):
        builder.tick(number, len(slides))
        shapes = _shapes(child(tree(archive.pieces(name)), "cSld", "spTree"))
        titled = next((each for each in shapes if _placeholder(each) in _TITLES), None)
        if titled is None:  # some programs write free boxes only
            titled = next((each for each in shapes[:1] if len(list(_paragraphs(each))) == 1), None)
        title = "" if titled is None else _text(titled)
        builder.at(number, title)
        builder.heading(title, 1)
        for shape in shapes:
            if shape is not titled and _placeholder(shape) not in _REPEATED:
                _add_shape(builder, shape)
        for notes in _related(archive, name, "/notesSlide"):
            _add_notes(builder, tree(archive.pieces(notes)))


def _slides(archive: Archive) -> list[str]:
    """Return the slides in their order."""
    order = [] if _MAIN not in archive else children(child(tree(archive.pieces(_MAIN)), "sldIdLst"), "sldId")
    targets = _relations(archive, _MAIN)
    named = [targets.get(_relation_id(each), ("", ""))[1] for each in order]
    found = [name for name in named if name in archive]
    if found:
        return found
    numbered = sorted((int(match[1]), name) for name in archive.names if (match := _SLIDE.fullmatch(name)))
    return [name for _, name in numbered]


def _relation_id(element: Element) -> str:
    return next((value for key, value in element.attrib.items() if key.endswith("}id")), "")


def _relations(archive: Archive, part: str) -> dict[str, tuple[str, str]]:
    """Return type and part by the ids of a part's relations."""
    folder, name = posixpath.split(part)
    relations = f"{folder}/_rels/{name}.rels"
    if relations not in archive:
        return {}
    found = {}
    for each in tree(archive.pieces(relations)):
        target = attribute(each, "Target") or ""
        path = target.lstrip("/") if target.startswith("/") else posixpath.normpath(posixpath.join(folder, target))
        if attribute(each, "TargetMode") != "External":
            found[attribute(each, "Id") or ""] = (attribute(each, "Type") or "", path)
    return found


def _related(archive: Archive, part: str, kind: str) -> list[str]:
    return [path for type_, path in _relations(archive, part).values() if type_.endswith(kind) and path in archive]


def _shapes(element: Element | None) -> list[Element]:
    """Return the shapes in their order, those of groups among them."""
    found: list[Element] = []
    for each in () if element is None else element:
        name = local(each.tag)
        if name == "grpSp":
            found += _shapes(each)
        elif name == "AlternateContent":
            found += _shapes(child(each, "Choice"))
        elif name in ("sp", "graphicFrame", "cxnSp", "pic"):
            found.append(each)
    return found


def _placeholder(shape: Element) -> str:
    """Return what a shape holds the place of; "body" where that is not said, "" for a free shape."""
    found = next((each for each in shape.iter() if local(each.tag) == "ph"), None)
    return "" if found is None else attribute(found, "type") or "body"


def _text(shape: Element) -> str:
    return " ".join(text for _, text in _paragraphs(shape))


def _paragraphs(shape: Element) -> Iterator[tuple[int, str]]:
    """Yield level (from 0) and text of the paragraphs of a shape."""
    for paragraph in (each for each in shape.iter() if local(each.tag) == "p"):
        properties = child(paragraph, "pPr")
        level = "0" if properties is None else attribute(properties, "lvl") or "0"
        text = "".join(_runs(paragraph))
        if text.strip():
            yield (int(level) if level.isdigit() and len(level) < 3 else 0), text


def _runs(paragraph: Element) -> Iterator[str]:
    for each in paragraph.iter():
        name = local(each.tag)
        if name == "t":
            yield each.text or ""
        elif name in ("br", "tab"):
            yield "\n" if name == "br" else "\t"


def _add_shape(builder: Builder, shape: Element) -> None:
    table = next((each for each in shape.iter() if local(each.tag) == "tbl"), None)
    if table is not None:
        builder.table([[_text(cell) for cell in children(row, "tc")] for row in children(table, "tr")])
        return
    paragraphs = list(_paragraphs(shape))
    is_list = _placeholder(shape) in ("body", "obj") and len(paragraphs) > 1
    for level, text in paragraphs:
        if is_list or level:
            builder.item(text, level + 1)
        else:
            builder.paragraph(text, keeps_lines=True)


def _add_notes(builder: Builder, root: Element) -> None:
    for shape in _shapes(child(root, "cSld", "spTree")):
        if _placeholder(shape) not in _REPEATED:
            for _, text in _paragraphs(shape):
                builder.paragraph(text, BlockKind.NOTE)
