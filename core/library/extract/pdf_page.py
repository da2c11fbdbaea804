"""One page of a PDF as a picture, with the boxes of words on it; in the extraction child alone.

Knows PDFium's interface; must not know who looks at the picture.
"""

import ctypes
import hashlib
import math
import re
from collections.abc import Iterator, Sequence
from typing import Final

import pypdfium2
import pypdfium2.raw as pdfium

from core.errors import AppError, ErrorCode
from core.library.extract.builder import damaged, too_long
from core.library.page_messages import MAX_BOXES, MAX_PIXELS, Box, PageImage

_MAX_SCALE: Final = 8.0
_MIN_PIECE: Final = 12  # letters that a piece of a passage must have to be marked by itself
_MAX_TEXT: Final = 2_000_000
_DEVICE: Final = 1_000_000  # how fine boxes are told
_PIECES: Final = re.compile(r"[^\n.!?;]+")


def render_page(content: bytes, number: int, width: int, needles: Sequence[str]) -> PageImage:
    """Return page `number` (from 1; the nearest that there is) at most `width` pixels wide.

    Raises:
        AppError: DOCUMENT_PROTECTED, DOCUMENT_DAMAGED, DOCUMENT_TOO_LONG.
    """
    try:
        document = pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as exc:
        if "password" in str(exc).lower() or "security" in str(exc).lower():
            raise AppError(ErrorCode.DOCUMENT_PROTECTED) from exc
        raise damaged("the PDF is cut off or not whole") from exc
    try:
        n_pages = len(document)
        if not n_pages:
            raise damaged("it has no pages")
        page = document[min(max(number, 1), n_pages) - 1]
        try:
            pixel_width, pixel_height, pixels = _pixels(page, width)
            boxes = _boxes(page, needles)
        finally:
            page.close()
    except pypdfium2.PdfiumError as exc:
        raise damaged("this page cannot be shown") from exc
    finally:
        document.close()
    sha256 = hashlib.sha256(content).hexdigest()
    return PageImage(pixel_width, pixel_height, n_pages, tuple(boxes[:MAX_BOXES]), sha256, pixels)


def _pixels(page: pypdfium2.PdfPage, width: int) -> tuple[int, int, bytes]:
    page_width, page_height = page.get_size()
    if not (math.isfinite(page_width) and math.isfinite(page_height)) or min(page_width, page_height) <= 0:
        raise damaged("the page has no size")
    scale = min(width / page_width, _MAX_SCALE, math.sqrt(0.98 * MAX_PIXELS / (page_width * page_height)))
    if max(page_width, page_height) * scale > MAX_PIXELS or min(page_width, page_height) * scale < 1:
        raise damaged("the page is of an odd size")
    bitmap = page.render(scale=scale, rev_byteorder=True, prefer_bgrx=True, may_draw_forms=False)
    try:
        row = 4 * bitmap.width
        data = bytes(bitmap.buffer)
        if bitmap.stride != row:
            data = b"".join(data[i * bitmap.stride : i * bitmap.stride + row] for i in range(bitmap.height))
        if len(data) != row * bitmap.height or bitmap.width * bitmap.height > MAX_PIXELS:
            raise damaged("the page is of an odd size")
        return bitmap.width, bitmap.height, data
    finally:
        bitmap.close()


def _boxes(page: pypdfium2.PdfPage, needles: Sequence[str]) -> list[Box]:
    """Return the boxes of the lines in which the needles stand."""
    if not needles:
        return []
    textpage = page.get_textpage()
    try:
        if textpage.count_chars() > _MAX_TEXT:
            raise too_long("characters on one page", _MAX_TEXT)
        signs = _Signs(textpage.get_text_range())
        found: list[Box] = []
        for needle in needles:
            for start, end in signs.find(needle):
                found += _rectangles(page, textpage, start, end)
                if len(found) >= MAX_BOXES:
                    return found
        return found
    finally:
        textpage.close()


class _Signs:
    """The letters and digits of a page, so that line breaks, hyphens and spaces make no difference."""

    def __init__(self, text: str) -> None:
        letters: list[str] = []
        self._places: list[int] = []
        place = 0
        for char in text:
            # PDFium counts in UTF-16: signs beyond the basic plane are two places.
            for letter in _letters(char):
                letters.append(letter)
                self._places.append(place)
            place += 2 if char > "\uffff" else 1
        self._letters = "".join(letters)

    def find(self, needle: str) -> Iterator[tuple[int, int]]:
        """Yield first and last place of a needle; where it is not there as a whole, those of its pieces."""
        whole = list(self._all(_letters(needle)))
        if whole:
            yield from whole
            return
        for piece in _PIECES.findall(needle):
            letters = _letters(piece)
            if len(letters) >= _MIN_PIECE:
                yield from self._all(letters)

    def _all(self, letters: str) -> Iterator[tuple[int, int]]:
        at = self._letters.find(letters) if letters else -1
        while at >= 0:
            yield self._places[at], self._places[at + len(letters) - 1]
            at = self._letters.find(letters, at + len(letters))


def _letters(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum())


def _rectangles(page: pypdfium2.PdfPage, textpage: pypdfium2.PdfTextPage, start: int, end: int) -> Iterator[Box]:
    first = max(0, int(pdfium.FPDFText_GetCharIndexFromTextIndex(textpage.raw, start)))
    last = max(first, int(pdfium.FPDFText_GetCharIndexFromTextIndex(textpage.raw, end)))
    n_rectangles = int(pdfium.FPDFText_CountRects(textpage.raw, first, last - first + 1))
    left, top, right, bottom = (ctypes.c_double() for _ in range(4))
    for index in range(min(max(n_rectangles, 0), MAX_BOXES)):
        if not pdfium.FPDFText_GetRect(textpage.raw, index, left, top, right, bottom):
            continue
        one = _share(page, left.value, top.value)
        other = _share(page, right.value, bottom.value)
        yield min(one[0], other[0]), min(one[1], other[1]), max(one[0], other[0]), max(one[1], other[1])


def _share(page: pypdfium2.PdfPage, x: float, y: float) -> tuple[float, float]:
    """Return where a point of the page stands in its picture, whatever its rotation and crop."""
    across, down = ctypes.c_int(), ctypes.c_int()
    pdfium.FPDF_PageToDevice(page.raw, 0, 0, _DEVICE, _DEVICE, 0, x, y, across, down)
    return _clipped(across.value / _DEVICE), _clipped(down.value / _DEVICE)


def _clipped(share: float) -> float:
    return min(max(share, 0.0), 1.0)
