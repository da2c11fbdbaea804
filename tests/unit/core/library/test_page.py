"""Pages of PDFs, drawn by the extraction child: pixels, the boxes of words, and what is refused."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import AppError, ErrorCode
from core.events import CancelToken, Interrupted
from core.library.extract_messages import HEAD, Limits
from core.library.extractor import Extractor
from core.library.page_messages import (
    MAX_PIXELS,
    PageImage,
    PageRequest,
    decode_page,
    decode_page_request,
    encode_page,
    encode_page_request,
)

DOCUMENTS = Path(__file__).resolve().parents[3] / "fixtures" / "documents"
LEASE = DOCUMENTS / "lease.pdf"


@pytest.fixture(scope="module")
def extractor() -> Iterator[Extractor]:
    made = Extractor(limits=Limits(wall_s=20))
    yield made
    made.close()


def page(extractor: Extractor, path: Path = LEASE, number: int = 1, *needles: str, width: int = 400) -> PageImage:
    return extractor.page(path, number, width, needles, CancelToken())


def is_dark(image: PageImage, x: int, y: int) -> bool:
    at = 4 * (y * image.width + x)
    return sum(image.pixels[at : at + 3]) < 300


def test_a_page_is_drawn_with_ink_where_its_words_are(extractor: Extractor) -> None:
    text = extractor.extract(LEASE, CancelToken(), lambda _event: None).text
    start = text.index("The notice period is three months.")
    found = page(extractor, LEASE, 1, text[start : start + 34])
    assert found.n_pages == 2
    assert abs(found.width - 400) <= 1
    assert len(found.pixels) == 4 * found.width * found.height
    (box,) = found.boxes
    left, top, right, bottom = (
        round(share * size)
        for share, size in zip(box, (found.width, found.height, found.width, found.height), strict=True)
    )
    inside = sum(is_dark(found, x, y) for x in range(left, right) for y in range(top, bottom))
    assert inside > 0.03 * (right - left) * (bottom - top)


def test_words_are_found_over_the_ends_of_lines_and_pieces_where_the_page_ends(extractor: Extractor) -> None:
    text = extractor.extract(LEASE, CancelToken(), lambda _event: None).text
    start = text.index("The landlord may only give notice")
    over = text[start : text.index("names.", start) + 6]
    rent = text[text.index("The monthly rent") : text.index("in writing")]
    assert len(page(extractor, LEASE, 1, rent).boxes) > 1
    on_first, on_second = (page(extractor, LEASE, number, f"Elsewhere. {over} Notice") for number in (1, 2))
    assert on_first.boxes == ()  # the sentence goes on over the page: no piece of it stands there whole
    assert on_second.boxes == ()


def test_a_number_beyond_the_last_page_shows_the_last(extractor: Extractor) -> None:
    assert page(extractor, number=99).pixels == page(extractor, number=2).pixels
    assert page(extractor, number=-3).pixels == page(extractor, number=1).pixels


def test_no_picture_is_larger_than_the_limit(extractor: Extractor) -> None:
    found = page(extractor, width=100_000)
    assert found.width * found.height <= MAX_PIXELS


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"plain text", ErrorCode.DOCUMENT_UNKNOWN),
        (b"%PDF-1.4 nothing", ErrorCode.DOCUMENT_DAMAGED),
        (b"", ErrorCode.DOCUMENT_EMPTY),
    ],
)
def test_what_cannot_be_drawn_is_said(extractor: Extractor, tmp_path: Path, content: bytes, code: ErrorCode) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(content)
    with pytest.raises(AppError) as caught:
        page(extractor, path)
    assert caught.value.code is code
    assert page(extractor).n_pages == 2  # the next file is drawn all the same


def test_a_page_of_no_bearable_size_is_refused(extractor: Extractor, tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
        b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 0.001 100000]>>endobj\ntrailer<</Root 1 0 R>>\n"
    )
    with pytest.raises(AppError) as caught:
        page(extractor, path)
    assert caught.value.code is ErrorCode.DOCUMENT_DAMAGED


def test_a_cancelled_page_is_given_up(extractor: Extractor) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Interrupted):
        extractor.page(LEASE, 1, 400, (), cancel)


def test_requests_and_pages_survive_the_way() -> None:
    request = PageRequest(Path("/a b/ü.pdf"), "ü.pdf", 3, 700, ("a", "b" * 9_000), Limits())
    kept = decode_page_request(encode_page_request(request)[HEAD.size :])
    assert kept == replace(request, needles=("a", "b" * 4_000))
    image = PageImage(2, 1, 5, ((0.1, 0.2, 0.3, 0.4),), "0" * 64, b"\0" * 8)
    frames = encode_page(image)
    _, length = HEAD.unpack(frames[: HEAD.size])
    head, pixels = frames[HEAD.size : HEAD.size + length], frames[2 * HEAD.size + length :]
    assert decode_page(head, pixels) == image


@pytest.mark.parametrize(
    "change",
    [
        {"width": 3},
        {"height": 0},
        {"width": "x"},
        {"boxes": [[0, 0, 0]]},
        {"boxes": [["nan", 0, 0, 0]]},
        {"boxes": [[0, 0, 1e9, 1]]},
        {"sha256": "short"},
        {"n_pages": None},
    ],
)
def test_a_page_that_lies_is_not_believed(change: dict[str, object]) -> None:
    told = {"width": 2, "height": 1, "n_pages": 1, "boxes": [], "sha256": "0" * 64}
    assert decode_page(json.dumps(told).encode(), b"\0" * 8).width == 2
    with pytest.raises(ValueError):
        decode_page(json.dumps(told | change).encode(), b"\0" * 8)
