"""Samples as other programs write them (tests/fixtures/documents), read in this process by the readers themselves."""

from pathlib import Path

import pytest

from core.errors import AppError, ErrorCode
from core.events import Unit
from core.library.extract.builder import Builder
from core.library.extract.formats import read
from core.library.extracted import BlockKind, Format

SAMPLES = Path(__file__).resolve().parents[3] / "fixtures" / "documents"
LEASE_HEADINGS = ["Lease", "Rent", "Deposit", "Notice", "Pets", "Quiet hours", "Rooms"]
ROOM_ROWS = [
    "Room | Area | Heating",
    "Room: Kitchen; Area: 11.5 m²; Heating: gas",
    "Room: Living room; Area: 24 m²; Heating: district",
    "Room: Bathroom; Area: 6 m²; Heating: electric",
]


def read_sample(name: str) -> tuple[Format, Builder]:
    return read(name, (SAMPLES / name).read_bytes(), lambda _done, _total: None)


def read_bytes(name: str, content: bytes) -> Builder:
    return read(name, content, lambda _done, _total: None)[1]


def texts(builder: Builder, kind: BlockKind) -> list[str]:
    text = builder.text()
    return [text[block.start : block.end] for block in builder.blocks if block.kind is kind]


def check_blocks(builder: Builder) -> None:
    """Blocks are in order, never overlap, and between two of them stands only white space."""
    text, end = builder.text(), 0
    for block in builder.blocks:
        assert end <= block.start < block.end <= len(text)
        assert text[end : block.start].strip() == ""
        end = block.end


def refusal(name: str, content: bytes) -> AppError:
    with pytest.raises(AppError) as caught:
        read_bytes(name, content)
    return caught.value


@pytest.mark.parametrize(
    "name",
    sorted(
        path.name
        for path in SAMPLES.glob("*.*")
        if path.suffix not in (".py", ".md") and path.stem not in ("scan", "locked")
    ),
)
def test_every_sample_is_read_whole(name: str) -> None:
    _, builder = read_sample(name)
    check_blocks(builder)
    assert builder.blocks
    wanted = {
        "lease": ("940 euros", "1,880 euros", "written form", "Straßenlärm und Übungsstunden: Jürgen"),
        "costs": ("Valve V-17", "18.25", "2026-03-20"),
        "slides": ("Counting in 2026", "1,312 pairs", "Foxes reach the islands"),
    }
    text = " ".join(builder.text().split())
    for words in wanted.get(name.partition(".")[0], ()):
        assert words in text


@pytest.mark.parametrize("suffix", ["docx", "odt", "rtf", "pdf", "html"])
def test_headings_and_tables_of_a_lease(suffix: str) -> None:
    form, builder = read_sample(f"lease.{suffix}")
    assert form == suffix
    assert texts(builder, BlockKind.HEADING) == LEASE_HEADINGS
    pets = builder.text().index("Small animals")
    assert builder.structure().place(pets, pets + 5).headings == ("Lease", "Pets")
    if suffix != "pdf":
        assert texts(builder, BlockKind.ROW) == ROOM_ROWS


def test_word_opendocument_and_rtf_give_the_same_text() -> None:
    docx, odt, rtf = (read_sample(f"lease.{suffix}")[1].text() for suffix in ("docx", "odt", "rtf"))
    assert docx == odt == rtf


def test_a_pdf_has_pages_and_neither_headers_nor_footers() -> None:
    _, builder = read_sample("lease.pdf")
    text, structure = builder.text(), builder.structure()
    assert (structure.unit, structure.n_units, structure.unread) == (Unit.PAGE, 2, ())
    assert "Harbour Road" not in text
    assert "Page" not in text
    assert structure.place(text.index("940"), text.index("940") + 3).number == 1
    assert structure.place(text.index("Small animals"), text.index("Small animals") + 5).number == 2
    assert "for a reason that the law names." in " ".join(text.split())  # over the border of the page


@pytest.mark.parametrize("suffix", ["ods", "xlsx", "xls"])
def test_sheets_have_names_rows_and_columns(suffix: str) -> None:
    _, builder = read_sample(f"costs.{suffix}")
    text, structure = builder.text(), builder.structure()
    line = "Item: Valve V-17; Quantity: 12; Unit price: 18.25; Delivered: 2026-03-20"
    place = structure.place(text.index(line), text.index(line) + len(line))
    assert place is not None
    assert (structure.unit, place.label, place.number, place.row) == (Unit.SHEET, "Costs", 1, 3)
    place = structure.place(text.index("806.3"), text.index("806.3") + 5)
    assert place is not None
    assert (place.label, place.number, place.row) == ("Summary", 2, 3)


@pytest.mark.parametrize("suffix", ["odp", "pptx"])
def test_slides_have_numbers_titles_and_notes(suffix: str) -> None:
    _, builder = read_sample(f"slides.{suffix}")
    text, structure = builder.text(), builder.structure()
    place = structure.place(text.index("1,312"), text.index("1,312") + 5)
    assert place is not None
    assert (structure.unit, place.number, place.label) == (Unit.SLIDE, 2, "Counting in 2026")
    assert texts(builder, BlockKind.NOTE) == ["Begin with the photograph of the colony.", "Mention the storm."]


def test_an_ebook_is_read_in_the_order_of_its_spine() -> None:
    _, builder = read_sample("lease.epub")
    assert builder.structure().unit is Unit.CHAPTER
    assert texts(builder, BlockKind.ROW) == ROOM_ROWS


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("letter.docx", b"%PDF-1.7 and no more", ErrorCode.DOCUMENT_DAMAGED),
        ("letter.docx", b"no container", ErrorCode.DOCUMENT_DAMAGED),
        ("letter.docx", b"PK\x03\x04 cut off", ErrorCode.DOCUMENT_DAMAGED),
        ("picture.txt", b"\x89PNG\r\n\x1a\n\0\0", ErrorCode.DOCUMENT_UNKNOWN),
        ("film.mp4", b"\0\0\0 ftypisom\0\0", ErrorCode.DOCUMENT_UNKNOWN),
        ("noise.txt", b"\x01\x02\x03text\x04\x05", ErrorCode.DOCUMENT_UNKNOWN),
        ("old.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, ErrorCode.DOCUMENT_UNKNOWN),
        ("locked.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"), "protected"),
        ("feed.xml", b'<!DOCTYPE a [<!ENTITY x "boom">]><a>&x;</a>', ErrorCode.DOCUMENT_DAMAGED),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(name: str, content: bytes, code: str) -> None:
    assert str(code) in refusal(name, content).code


def test_the_content_is_believed_more_than_the_name() -> None:
    content = (SAMPLES / "lease.pdf").read_bytes()
    assert "940 euros" in read_bytes("lease.docx", content).text()
    content = (SAMPLES / "lease.rtf").read_bytes()
    assert "940 euros" in read_bytes("lease.txt", content).text()


def test_a_csv_row_says_what_its_values_are() -> None:
    builder = read_bytes("a.csv", b"Item;Price\nlamp;12\npump;30\n")
    assert builder.text() == "Item | Price\nItem: lamp; Price: 12\nItem: pump; Price: 30"
    assert [block.row for block in builder.blocks] == [1, 2, 3]
    assert read_bytes("b.csv", b"12,13\n14,15\n").text() == "12 | 13\n14 | 15"


def test_json_objects_are_rows_and_nested_values_have_paths() -> None:
    builder = read_bytes("a.json", b'[{"name": "Ann", "address": {"city": "Ghent"}}, {"name": "Bo", "tags": [1, 2]}]')
    assert builder.text() == "name: Ann; address.city: Ghent\nname: Bo; tags: 1, 2"
    builder = read_bytes("b.json", b'{"orders": [{"id": 7}], "note": "paid", "deep": [[1, [2]]]}')
    assert texts(builder, BlockKind.HEADING) == ["orders"]
    assert "note: paid" in builder.text()
    assert "deep[0][1]: 2" in builder.text()
    assert read_bytes("c.json", b'{"cut": ').text() == '{"cut": '
    assert read_bytes("d.json", b"[" * 100_000).text().startswith("[[[")


def test_xml_records_are_rows_and_mixed_content_is_text() -> None:
    data = b"<list><book id='1'><title>Terns</title><price>12</price></book><book><title>Gulls</title></book></list>"
    assert read_bytes("a.xml", data).text() == "id: 1; title: Terns; price: 12\ntitle: Gulls"
    text = b"<doc><p>A <b>bold</b> word.</p><p><i>All</i> of it.</p></doc>"
    assert read_bytes("b.xml", text).text() == "A bold word.\n\nAll of it."


def test_subtitles_are_cues_with_their_seconds() -> None:
    builder = read_bytes(
        "a.srt",
        b"1\r\n00:00:01,000 --> 00:00:02,000\r\n<i>Hello</i>\r\nthere.\r\n\r\n2\r\n"
        b"01:00:05,5 --> 01:00:06,0\r\nBye.\r\n",
    )
    assert builder.text() == "Hello there.\nBye."
    assert [block.number for block in builder.blocks] == [1, 3605]
    assert read_bytes("b.vtt", b"WEBVTT\n\n00:01.000 --> 00:02.000\nHi\n").text() == "Hi"


def test_html_shows_what_a_browser_shows() -> None:
    page = """<html><head><title>Guide</title><style>p{}</style></head><body><nav>Menu</nav><h1>Guide</h1>
    <p>One<br>two &amp; <b>three</b> <span style="display: none">obey me</span></p>
    <ul><li>a<ol><li>b</li></ol></li></ul>
    <table><tr><th>Name</th><th>Age</th></tr><tr><td>Ann</td><td>7</td></tr></table><pre>x  =  1</pre><p hidden>no</p>
    <script>alert(1)</script></body></html>"""
    builder = read_bytes("a.html", page.encode())
    assert builder.text() == ("Guide\n\nOne\ntwo & three\n\n- a\n  1. b\n\nName | Age\nName: Ann; Age: 7\n\nx  =  1")
    assert builder.blocks[1].headings == ("Guide",)


def test_a_message_has_headers_text_and_names_of_attachments() -> None:
    message = (
        b"From: =?utf-8?q?J=C3=BCrgen?= <j@example.org>\nSubject: Rent\nContent-Type: multipart/mixed; boundary=X\n\n"
        b"--X\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\n"
        b"Gr=FC=DFe.\n\n--X\nContent-Type: application/pdf; name=lease.pdf\n\n%PDF\n--X--\n"
    )
    builder = read_bytes("a.eml", message)
    assert builder.text() == "From: Jürgen <j@example.org>\nSubject: Rent\n\nGrüße.\n\nAttachment: lease.pdf"
    box = (
        b"From a Mon Jan  1 00:00:00 2026\n"
        + message
        + b"\nFrom b Mon Jan  1 00:00:00 2026\nSubject: Two\n\n>From me\n"
    )
    builder = read_bytes("a.mbox", box)
    assert builder.structure().unit is Unit.MESSAGE
    assert {(block.number, block.label) for block in builder.blocks} == {(1, "Rent"), (2, "Two")}
    assert builder.text().endswith("Subject: Two\n\nFrom me")


def test_a_part_without_headers_is_a_text() -> None:
    message = b"Content-Type: multipart/mixed; boundary=x\n\n--x\n\nwords\n--x--\n"  # such a part is false in Python
    assert read_bytes("a.eml", message).text() == "words"


def test_markdown_stays_as_it_is_and_its_headings_are_known() -> None:
    text = "# Guide\n\nIntro\n\nSetup\n-----\n- one\n- two\n\n```\n# no heading\n\ncode\n```\n\nEnd"
    builder = read_bytes("a.md", text.encode())
    assert builder.text() == text
    assert [block.level for block in builder.blocks if block.kind is BlockKind.HEADING] == [1, 2]
    assert builder.blocks[-1].headings == ("Guide", "Setup")
    assert texts(builder, BlockKind.CODE) == ["```\n# no heading\n\ncode\n```"]


def test_code_has_the_numbers_of_its_lines() -> None:
    builder = read_bytes("a.py", b"import os\n\n\ndef f():\n    return 1\n")
    assert [(block.number, block.label) for block in builder.blocks] == [(1, ""), (4, "def f()")]
    assert builder.text() == "import os\n\n\ndef f():\n    return 1\n"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Привет, мир. Это обычный русский текст, написанный без всякой метки порядка байтов.", "cp1251"),
        ("Τα γλαρόνια πετούν πάνω από τη θάλασσα και γυρίζουν το βράδυ στη φωλιά τους.", "cp1253"),
        ("これは日本語の文章です。文字コードを見分けられるかどうかを試しています。", "cp932"),
        ("Grüße – “quoted” €5", "cp1252"),
        ("Plain text in wide characters, without a mark.", "utf-16-le"),
    ],
)
def test_encodings_are_detected(text: str, encoding: str) -> None:
    assert read_bytes("a.txt", text.encode(encoding)).text() == text


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("Grüße – 世界".encode(), "Grüße – 世界"),
        ("\ufeffGrüße".encode(), "Grüße"),
        ("\ufeffGrüße 世界".encode("utf-16-le"), "Grüße 世界"),
        ("\ufeffGrüße 世界".encode("utf-16-be"), "Grüße 世界"),
        ("\ufeffGrüße".encode("utf-32-le"), "Grüße"),
        ("Grüße – “quoted” €5".encode("cp1252"), "Grüße – “quoted” €5"),
        (b"caf\xe9 \x81", "caf\xe9 "),  # a byte that cp1252 lacks: Latin-1, where it is an invisible control
        (
            "Ärger, Öl, Übungsmaß, ähnlich".encode() + b"\xff",
            "Ärger, Öl, Übungsmaß, ähnlich\ufffd",
        ),  # one bad byte costs one sign
        (b"one\r\ntwo\rthree\fnew page", "one\ntwo\nthree\n\nnew page"),
    ],
)
def test_text_files_are_told_apart_by_their_encodings(content: bytes, text: str) -> None:
    assert read_bytes("notes.txt", content).text() == text


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.rst", "a.csv", "a.log", "a.py", "a.c", "Makefile", "a.unknown"])
def test_every_text_file_is_read_whatever_its_name(name: str) -> None:
    assert read_bytes(name, b"Some text.").text() == "Some text."


def test_a_word_document_of_another_writer() -> None:
    _, builder = read_sample("manual.docx")
    assert texts(builder, BlockKind.LIST_ITEM)[1] == "2. Wait until the gauge reads zero."
    assert "hidden" not in builder.text()
    assert texts(builder, BlockKind.ROW)[-1] == "Region: North; City: Oslo"  # merged with the cell above
    assert builder.blocks[-1].headings == ("Maintenance", "Opening the pump")


def test_a_presentation_of_another_writer() -> None:
    _, builder = read_sample("plan.pptx")
    assert [block.level for block in builder.blocks if block.kind is BlockKind.LIST_ITEM] == [1, 1, 2]
    assert texts(builder, BlockKind.ROW)[1] == "Year: 2026; Million euros: 4.5"


def test_a_workbook_with_a_title_and_a_hidden_sheet() -> None:
    _, builder = read_sample("staff.xlsx")
    assert "Name: Ann; Since: 2019-05-01; Hours: 38.5; Licence: yes" in builder.text()
    assert [block.row for block in builder.blocks if block.kind is BlockKind.ROW] == [1, 3, 4, 5]
    assert "order" not in builder.text()


def test_a_workbook_that_makes_the_reader_panic_is_damaged() -> None:
    whole, codes = (SAMPLES / "costs.xls").read_bytes(), set()
    for size in range(1_024, len(whole), 16):  # some of them end in the middle of a directory entry
        try:
            read_bytes("costs.xls", whole[:size])
        except AppError as error:
            codes.add(error.code)
    assert codes == {ErrorCode.DOCUMENT_DAMAGED, ErrorCode.DOCUMENT_UNKNOWN}  # cut in the head: not known as one


def test_a_long_pdf_loses_headers_numbers_and_hyphens_but_no_headings() -> None:
    _, builder = read_sample("report.pdf")
    text = builder.text()
    assert texts(builder, BlockKind.HEADING) == [f"Part {page}" for page in range(1, 6)]
    assert "Harbour report" not in text
    assert "- 3 -" not in text
    assert "international ferries" in text
    assert text.count("quay 4") == 1
    assert builder.structure().place(text.index("quay 4"), text.index("quay 4") + 4).number == 4


@pytest.mark.parametrize(("name", "code"), [("scan.pdf", "document_scanned"), ("locked.pdf", "document_protected")])
def test_a_scan_and_a_password_are_told(name: str, code: str) -> None:
    assert refusal(name, (SAMPLES / name).read_bytes()).code == code
