"""E-books (EPUB): the chapters in the order of reading.

Knows the container, the package file and its spine (EPUB 3.3); must not know zip or XML parsing.
"""

import posixpath
from typing import Final
from urllib.parse import unquote

from core.errors import AppError, ErrorCode
from core.events import Unit
from core.library.extract.archive import Archive
from core.library.extract.builder import Builder, damaged
from core.library.extract.decoding import decode
from core.library.extract.html import read_markup
from core.library.extract.xml_stream import attribute, child, children, local, tree
from core.library.extracted import BlockKind

_CONTAINER: Final = "META-INF/container.xml"
_ENCRYPTION: Final = "META-INF/encryption.xml"
_PAGES: Final = ("application/xhtml+xml", "text/html")


def read_epub(builder: Builder, archive: Archive) -> None:
    """Add a book."""
    builder.unit = Unit.CHAPTER
    chapters = _chapters(archive)
    locked = _locked(archive)
    if chapters and all(name in locked for name in chapters):
        raise AppError(ErrorCode.DOCUMENT_PROTECTED)
    for number, name in enumerate(chapters, 1):
        builder.tick(number, len(chapters))
        first = len(builder.blocks)
        builder.at(number)
        if name in archive and name not in locked:
            read_markup(builder, decode(archive.read(name)), with_title=False)
        heading = next((each for each in builder.blocks[first:] if each.kind is BlockKind.HEADING), None)
        if heading is not None:
            builder.label_since(first, builder.text_of(heading))


def _chapters(archive: Archive) -> list[str]:
    """Return the pages of the spine, without the table of contents."""
    if _CONTAINER not in archive:
        raise damaged(f"its part {_CONTAINER} is missing")
    rootfile = child(tree(archive.pieces(_CONTAINER)), "rootfiles", "rootfile")
    package = attribute(rootfile, "full-path") if rootfile is not None else None
    if not package:
        raise damaged("it does not say where its text is")
    root = tree(archive.pieces(package))
    folder = posixpath.dirname(package)
    items = {}
    for item in children(child(root, "manifest"), "item"):
        is_page = attribute(item, "media-type") in _PAGES and "nav" not in (attribute(item, "properties") or "").split()
        path = posixpath.normpath(posixpath.join(folder, unquote(attribute(item, "href") or "")))
        if is_page:
            items[attribute(item, "id") or ""] = path
    spine = [attribute(each, "idref") or "" for each in children(child(root, "spine"), "itemref")]
    return [items[each] for each in dict.fromkeys(spine) if each in items]


def _locked(archive: Archive) -> frozenset[str]:
    """Return the parts that are encrypted (fonts often are, text only by a seller)."""
    if _ENCRYPTION not in archive:
        return frozenset()
    found = (each for each in tree(archive.pieces(_ENCRYPTION)).iter() if local(each.tag) == "CipherReference")
    return frozenset(unquote(attribute(each, "URI") or "") for each in found)
