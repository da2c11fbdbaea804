"""A page of a PDF as a picture: what Tern asks its extraction child for, and how the answer is written.

Knows values and frames, for both sides; must not know PDFium. Every length is checked before it is believed.
"""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from core.library.extract_messages import Limits, frame

PAGE_REQUEST: Final = b"V"
PAGE: Final = b"G"  # JSON: everything of PageImage but the pixels, which come in the next frame
PIXELS: Final = b"B"
MAX_PIXELS: Final = 6_000_000
BYTES_PER_PIXEL: Final = 4
MAX_BOXES: Final = 2_000
MAX_NEEDLES: Final = 20
MAX_NEEDLE_CHARS: Final = 4_000
PAGE_FRAMES: Final = {
    PAGE_REQUEST: 1_000_000, PAGE: 300_000, PIXELS: BYTES_PER_PIXEL * MAX_PIXELS
}  # fmt: skip

Box = tuple[float, float, float, float]  # left, top, right, bottom as shares of the page, 0 to 1


@dataclass(frozen=True, slots=True)
class PageRequest:
    """One page of one file; `number` counts from 1, `width` is how many pixels wide the picture is to be.

    `needles` are the pieces of text whose boxes are wanted, as Tern has read them of the file.
    """

    path: Path
    name: str
    number: int
    width: int
    needles: tuple[str, ...]
    limits: Limits


@dataclass(frozen=True, slots=True)
class PageImage:
    """A page: four bytes a pixel (red, green, blue, unused), row by row without gaps.

    `boxes` are those of the lines of the needles, shares of width and height; `sha256` is of the file that was read.
    """

    width: int
    height: int
    n_pages: int
    boxes: tuple[Box, ...]
    sha256: str
    pixels: bytes


def encode_page_request(request: PageRequest) -> bytes:
    """Return the frame for the child."""
    stored = {
        "path": str(request.path), "name": request.name, "number": request.number, "width": request.width,
        "needles": [each[:MAX_NEEDLE_CHARS] for each in request.needles[:MAX_NEEDLES]],
        "limits": asdict(request.limits),
    }  # fmt: skip
    return frame(PAGE_REQUEST, json.dumps(stored).encode("ascii"))


def decode_page_request(payload: bytes) -> PageRequest:
    """Return what encode_page_request() wrote."""
    stored = json.loads(payload)
    return PageRequest(
        Path(stored["path"]), stored["name"], stored["number"], stored["width"], tuple(stored["needles"]),
        Limits(**stored["limits"]),
    )  # fmt: skip


def encode_page(page: PageImage) -> bytes:
    """Return the two frames of a page."""
    boxes = [[round(each, 5) for each in box] for box in page.boxes[:MAX_BOXES]]
    head = {
        "width": page.width, "height": page.height, "n_pages": page.n_pages, "sha256": page.sha256, "boxes": boxes
    }  # fmt: skip
    return frame(PAGE, json.dumps(head).encode("ascii")) + frame(PIXELS, page.pixels)


def decode_page(head: bytes, pixels: bytes) -> PageImage:
    """Return the page that two frames hold.

    Raises:
        ValueError: they do not fit together.
    """
    try:
        found = json.loads(head)
        width, height, n_pages = (int(found[key]) for key in ("width", "height", "n_pages"))
        boxes = tuple(_box(each) for each in found["boxes"])
        sha256 = str(found["sha256"])
    except (TypeError, KeyError, RecursionError, OverflowError) as exc:
        raise ValueError("not a page") from exc
    if min(width, height, n_pages) < 1 or len(pixels) != BYTES_PER_PIXEL * width * height or len(sha256) != 64:
        raise ValueError("another size")
    if len(boxes) > MAX_BOXES:
        raise ValueError("too many boxes")
    return PageImage(width, height, n_pages, boxes, sha256, pixels)


def _box(row: list[float]) -> Box:
    left, top, right, bottom = (float(each) for each in row)
    if not all(math.isfinite(each) and -1.0 <= each <= 2.0 for each in (left, top, right, bottom)):
        raise ValueError("not a box")
    return left, top, right, bottom
