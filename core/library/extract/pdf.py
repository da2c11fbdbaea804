"""PDF: page by page through PDFium, as lines with their places, which pdf_layout makes into paragraphs.

Knows PDFium's interface; must not know what lines mean.
"""

import ctypes
import math
import re
from dataclasses import replace
from typing import Final

import pypdfium2
import pypdfium2.raw as pdfium

from core.errors import AppError, ErrorCode
from core.events import Unit
from core.library.extract.builder import Builder, damaged, too_long
from core.library.extract.pdf_layout import Cell, Line, add_pages

MAX_PAGES: Final = 5_000
MAX_PAGE_CHARS: Final = 2_000_000
_SCAN_CHARS: Final = 16  # a page with fewer and with a picture is a scan
_GAP: Final = 0.9  # between two cells, in sizes of letters; justified text stays below
_BOLD_WEIGHT: Final = 600
_FONT_NAME_BYTES: Final = 128
# PDFium puts words that were divided together and leaves this sign where the line ended.
_LINE: Final = re.compile("[^\n\ufffe]*[\n\ufffe]|[^\n\ufffe]+")
_MAX_OBJECTS: Final = 200  # that are looked at for a picture


def read_pdf(builder: Builder, content: bytes) -> None:
    """Add a document.

    Raises:
        AppError: DOCUMENT_PROTECTED, DOCUMENT_DAMAGED, DOCUMENT_TOO_LONG, DOCUMENT_SCANNED, DOCUMENT_EMPTY.
    """
    builder.unit = Unit.PAGE
    try:
        document = pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as exc:
        if "password" in str(exc).lower() or "security" in str(exc).lower():
            raise AppError(ErrorCode.DOCUMENT_PROTECTED) from exc
        raise damaged("the PDF is cut off or not whole") from exc
    try:
        _read(builder, document)
    finally:
        document.close()


def _read(builder: Builder, document: pypdfium2.PdfDocument) -> None:
    n_pages = len(document)
    if n_pages > MAX_PAGES:
        raise too_long("pages", MAX_PAGES)
    pages: list[list[Line]] = []
    n_chars = n_failed = 0
    for index in range(n_pages):
        builder.tick(index, n_pages)
        try:
            lines, has_picture = _read_page(document, index)
        except pypdfium2.PdfiumError:
            n_failed += 1
            pages.append([])
            continue
        pages.append(lines)
        found = sum(len(line.text) for line in lines)
        n_chars += found
        if n_chars > 2 * MAX_PAGE_CHARS * 10:
            raise too_long("characters", MAX_PAGE_CHARS * 10)
        if found < _SCAN_CHARS and has_picture:
            builder.unread.append(index + 1)
    labels = [_label(document, index) for index in range(n_pages)]
    add_pages(builder, pages, labels)
    builder.n_units = n_pages
    if builder.is_empty:
        if builder.unread:
            raise AppError(ErrorCode.DOCUMENT_SCANNED, n_pages=n_pages)
        if n_failed or not n_pages:
            raise damaged("none of its pages can be read")
        raise AppError(ErrorCode.DOCUMENT_EMPTY)
    if len(builder.unread) == n_pages:
        raise AppError(ErrorCode.DOCUMENT_SCANNED, n_pages=n_pages)


def _read_page(document: pypdfium2.PdfDocument, index: int) -> tuple[list[Line], bool]:
    page = document[index]
    try:
        textpage = page.get_textpage()
        try:
            lines = _lines(textpage)
        finally:
            textpage.close()
        few = sum(len(line.text) for line in lines) < _SCAN_CHARS
        return lines, few and _has_picture(page)
    finally:
        page.close()


def _lines(textpage: pypdfium2.PdfTextPage) -> list[Line]:
    """Return the lines of a page in the order of the file, each with its box and the size of its letters, in points."""
    n_chars = textpage.count_chars()
    if n_chars > MAX_PAGE_CHARS:
        raise too_long("characters on one page", MAX_PAGE_CHARS)
    if n_chars <= 0:
        return []
    signs = _Signs(textpage.raw)
    found: list[tuple[Line, int]] = []
    position = shift = 0  # `shift`: signs beyond the basic plane are two places for PDFium
    for match in _LINE.finditer(textpage.get_text_range()):
        piece = match[0]
        words = piece.strip()
        if words:
            first = position + shift + piece.index(words[0])
            found.append((signs.line(words, first), first))
        if not piece.isascii():
            shift += sum(char > "\uffff" for char in piece)
        position += len(piece)
    usual = _usual_width([line for line, _ in found])
    return [signs.with_cells(line, first) if _is_wide(line, usual) else line for line, first in found]


def _usual_width(lines: list[Line]) -> float:
    """Return the usual width of a letter, in sizes of letters."""
    widths = sorted(_width(line) for line in lines if len(line.text) > 3)
    return widths[len(widths) // 2] if widths else 0.0


def _width(line: Line) -> float:
    return (line.right - line.left) / len(line.text) / max(line.size, 0.1)


def _is_wide(line: Line, usual: float) -> bool:
    """Tell whether a line may hold gaps: its words stand far apart."""
    return " " in line.text and _width(line) > 0.4 and (_width(line) > 1.15 * usual or _width(line) > 0.6)


class _Signs:
    """Asks PDFium about single signs of a page."""

    def __init__(self, raw: object) -> None:
        self._raw = raw
        self._box = [ctypes.c_double() for _ in range(4)]
        self._matrix = pdfium.FS_MATRIX()
        self._name = ctypes.create_string_buffer(_FONT_NAME_BYTES)
        self._flags = ctypes.c_int()

    def line(self, words: str, first: int) -> Line:
        """Return the line whose first sign stands at a place of the text."""
        start, end = self._index(first), self._index(first + len(words) - 1)
        left, top, bottom, _ = self.box(start)
        _, other_top, other_bottom, right = self.box(end)
        middle = (start + end) // 2
        return Line(
            words,
            left,
            right,
            max(top, other_top),
            min(bottom, other_bottom),
            self._size(middle),
            self._is_bold(middle),
        )

    def with_cells(self, line: Line, first: int) -> Line:
        """Return a line with what stands between its gaps, where it has any."""
        cells: list[Cell] = []
        offset = begin = 0
        left = line.left
        while (space := line.text.find(" ", offset)) > 0:
            offset = space + 1
            end = self.box(self._index(first + space - 1))[3]
            next_left = self.box(self._index(first + offset))[0]
            if next_left - end > _GAP * line.size:
                cells.append(Cell(line.text[begin:space], left, end))
                begin, left = offset, next_left
        if not cells:
            return line
        cells.append(Cell(line.text[begin:], left, line.right))
        return replace(line, cells=tuple(cells))

    def box(self, index: int) -> tuple[float, float, float, float]:
        """Return left, top, bottom, right of a sign."""
        left, right, bottom, top = self._box
        pdfium.FPDFText_GetCharBox(self._raw, index, left, right, bottom, top)
        return left.value, top.value, bottom.value, right.value

    def _index(self, place: int) -> int:
        return max(0, int(pdfium.FPDFText_GetCharIndexFromTextIndex(self._raw, place)))

    def _size(self, index: int) -> float:
        size = float(pdfium.FPDFText_GetFontSize(self._raw, index))
        if pdfium.FPDFText_GetMatrix(self._raw, index, self._matrix):
            size *= math.hypot(self._matrix.b, self._matrix.d)
        return size if math.isfinite(size) else 0.0

    def _is_bold(self, index: int) -> bool:
        if int(pdfium.FPDFText_GetFontWeight(self._raw, index)) >= _BOLD_WEIGHT:
            return True
        length = pdfium.FPDFText_GetFontInfo(self._raw, index, self._name, _FONT_NAME_BYTES, self._flags)
        name = self._name.raw[: min(length, _FONT_NAME_BYTES)].lower()
        return b"bold" in name or b"black" in name or b"heavy" in name


def _has_picture(page: pypdfium2.PdfPage) -> bool:
    n_objects = min(pdfium.FPDFPage_CountObjects(page.raw), _MAX_OBJECTS)
    kinds = (pdfium.FPDFPageObj_GetType(pdfium.FPDFPage_GetObject(page.raw, i)) for i in range(n_objects))
    return any(kind in (pdfium.FPDF_PAGEOBJ_IMAGE, pdfium.FPDF_PAGEOBJ_FORM) for kind in kinds)


def _label(document: pypdfium2.PdfDocument, index: int) -> str:
    """Return the number that is printed on a page where it is another than its place in the file."""
    label = str(document.get_page_label(index) or "")
    return "" if label == str(index + 1) else label[:40]
