"""Documents that attack a reader: python tests/faults/hostile_documents.py [NAME ...] makes each and has it read.

For every file it prints what came of it, the seconds and the child's peak memory, and ends with 1 when one hung. tests/faults/test_hostile_documents.py runs the quick ones.
"""

# ruff: noqa: E501
import io
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from core.errors import AppError
from core.events import CancelToken
from core.library.extractor import Extractor

SAMPLES = Path(__file__).resolve().parents[1] / "fixtures" / "documents"
W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
LAUGHS = "<!DOCTYPE l [<!ENTITY a 'ha'>" + "".join(
    f"<!ENTITY {chr(98 + n)} '{f'&{chr(97 + n)};' * 10}'>" for n in range(9)
) + "]>"  # fmt: skip
XXE = '<!DOCTYPE l [<!ENTITY x SYSTEM "file:///etc/passwd">]>'


def zipped(parts: Mapping[str, bytes | str]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return made.getvalue()


def docx(body: str, doctype: str = "") -> bytes:
    return zipped({"word/document.xml": f"{doctype}<w:document {W}><w:body>{body}</w:body></w:document>"})


def odf(kind: str, body: str, doctype: str = "") -> bytes:
    spaces = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "text", "table")
    )
    content = (
        f"{doctype}<office:document-content {spaces}><office:body><office:{kind}>{body}</office:{kind}></office:body>"
        "</office:document-content>"
    )
    return zipped({"mimetype": f"application/vnd.oasis.opendocument.{kind}", "content.xml": content})


def xlsx(rows: str) -> bytes:
    """Return the sample workbook with other cells in its first sheet."""
    made = {}
    with zipfile.ZipFile(SAMPLES / "costs.xlsx") as archive:
        for name in archive.namelist():
            made[name] = archive.read(name)
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    made["xl/worksheets/sheet1.xml"] = f'<worksheet xmlns="{space}"><sheetData>{rows}</sheetData></worksheet>'.encode()
    return zipped(made)


def pdf(objects: list[bytes]) -> bytes:
    """Return a PDF of these objects, the first being its catalogue; no table, so the reader has to repair it."""
    body = b"".join(b"%d 0 obj\n%s\nendobj\n" % (number, each) for number, each in enumerate(objects, 1))
    return b"%PDF-1.7\n" + body + b"trailer << /Root 1 0 R >>\n%%EOF\n"


def pdf_pages(contents: bytes, n_pages: int = 1, extra: bytes = b"", box: bytes = b"0 0 600 800") -> bytes:
    kids = b" ".join(b"%d 0 R" % (number + 4) for number in range(n_pages))
    stream = b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(contents), extra, contents)
    page = (
        b"<< /Type /Page /Parent 2 0 R /MediaBox [%s] /Contents 3 0 R /Resources << /Font << /F << /Type /Font " % box
    )
    page += b"/Subtype /Type1 /BaseFont /Helvetica >> >> >> >>"
    pages = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (n_pages, kids)
    return pdf([b"<< /Type /Catalog /Pages 2 0 R >>", pages, stream, *([page] * n_pages)])


def lying_zip() -> bytes:
    """A member that says that it has 100 bytes and unpacks to 50 MB."""
    content = bytearray(zipped({"word/document.xml": b"<" * 50_000_000}))
    real = (50_000_000).to_bytes(4, "little")
    return bytes(content.replace(real, (100).to_bytes(4, "little")))


def quine_like() -> bytes:
    inner = zipped({"a": b"0" * 1_000_000})
    for _ in range(30):
        inner = zipped({"word/document.xml": inner, "inner.zip": inner})
        if len(inner) > 20_000_000:
            break
    return inner


def truncated(name: str, share: float) -> bytes:
    content = (SAMPLES / name).read_bytes()
    return content[: int(len(content) * share)]


def mbox(n_messages: int) -> bytes:
    one = "From a@b Mon Jan  1 00:00:00 2026\nFrom: Ann <a@b>\nTo: Bo <b@b>\nDate: Mon, 1 Jan 2026 00:00:00 +0000\n"
    return "".join(f"{one}Subject: Number {n}\n\nThe tern number {n} dives.\n\n" for n in range(n_messages)).encode()


def sparse_xlsx() -> bytes:
    return xlsx('<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>2</v></c></row>')


NESTED = 50_000
ATTACKS: dict[str, Callable[[], bytes]] = {
    "empty.pdf": lambda: b"",
    "spaces.txt": lambda: b" \n" * 500_000,
    "zeros.txt": lambda: bytes(1_000_000),
    "name.docx": lambda: (SAMPLES / "lease.pdf").read_bytes(),
    "bomb-400mb.docx": lambda: zipped({"word/document.xml": b"0" * 400_000_000}),
    "bomb-150mb.docx": lambda: docx(f"<w:p><w:r><w:t>{'0' * 150_000_000}</w:t></w:r></w:p>"),
    "bomb-random-ratio.docx": lambda: docx("<w:p/>" * 8_000_000),
    "lying-size.docx": lying_zip,
    "nested-zips.docx": quine_like,
    "members-20000.docx": lambda: zipped({f"word/{n}": b"x" for n in range(20_000)}),
    "paragraphs-300000.docx": lambda: docx("<w:p><w:r><w:t>Tern</w:t></w:r></w:p>" * 300_000),
    "nested.docx": lambda: docx("<w:sdt>" * NESTED + "</w:sdt>" * NESTED),
    "nested-tables.docx": lambda: docx("<w:tbl><w:tr><w:tc>" * 60 + "<w:p/>" + "</w:tc></w:tr></w:tbl>" * 60),
    "laughs.docx": lambda: docx("<w:p><w:r><w:t>&j;</w:t></w:r></w:p>", LAUGHS),
    "xxe.docx": lambda: docx("<w:p><w:r><w:t>&x;</w:t></w:r></w:p>", XXE),
    "xxe.odt": lambda: odf("text", "<text:p>&x;</text:p>", XXE),
    "xxe.xml": lambda: f"{XXE}<a>&x;</a>".encode(),
    "laughs.xml": lambda: f"{LAUGHS}<a>&j;</a>".encode(),
    "nested.xml": lambda: b"<a>" * NESTED + b"</a>" * NESTED,
    "attributes.xml": lambda: ("<a " + " ".join(f'a{n}="{n}"' for n in range(300_000)) + "/>").encode(),
    "long-name.xml": lambda: b"<" + b"a" * 30_000_000 + b"/>",
    "repeated-cells.ods": lambda: odf(
        "spreadsheet",
        '<table:table table:name="x"><table:table-row table:number-rows-repeated="1048576"><table:table-cell '
        'table:number-columns-repeated="16384"><text:p>x</text:p></table:table-cell></table:table-row></table:table>',
    ),
    "nested.odt": lambda: odf("text", "<text:section>" * NESTED + "</text:section>" * NESTED),
    "sparse.xlsx": sparse_xlsx,
    "rows-1000000.xlsx": lambda: xlsx("".join(f'<row r="{n}"><c r="A{n}"><v>{n}</v></c></row>' for n in range(1, 1_000_001))),
    "cut.xlsx": lambda: truncated("costs.xlsx", 0.7),
    "cut.docx": lambda: truncated("lease.docx", 0.7),
    "cut.pdf": lambda: truncated("lease.pdf", 0.5),
    "cut.epub": lambda: truncated("lease.epub", 0.9),
    "cut.rtf": lambda: truncated("lease.rtf", 0.5),
    "locked.pdf": lambda: (SAMPLES / "locked.pdf").read_bytes(),
    "scan.pdf": lambda: (SAMPLES / "scan.pdf").read_bytes(),
    "huge-page.pdf": lambda: pdf_pages(b"BT /F 12 Tf (Tern) Tj ET", box=b"0 0 1e12 1e12"),
    "page-count-lies.pdf": lambda: pdf_pages(b"BT /F 12 Tf (Tern) Tj ET").replace(b"/Count 1", b"/Count 999999999"),
    "pages-20000.pdf": lambda: pdf_pages(b"BT /F 12 Tf (Tern) Tj ET", 20_000),
    "page-of-2m-words.pdf": lambda: pdf_pages(b"BT /F 12 Tf " + b"1 0 0 1 9 9 Tm (Tern dives) Tj " * 500_000 + b"ET"),
    "loop.pdf": lambda: pdf([b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Count 2 /Kids [2 0 R 2 0 R] >>"]),
    "deflate-bomb.pdf": lambda: pdf_pages(zlib.compress(b" " * 1_500_000_000, 9), extra=b"/Filter /FlateDecode"),
    "nested-arrays.pdf": lambda: pdf([b"<< /Type /Catalog /Pages 2 0 R >>", b"[" * 1_000_000]),
    "nested.rtf": lambda: b"{\\rtf1" + b"{" * 1_000_000,
    "words.rtf": lambda: b"{\\rtf1 " + b"\\par x" * 5_000_000 + b"}",
    "binary.rtf": lambda: b"{\\rtf1 \\bin9999999999 x}",
    "nested.html": lambda: b"<div>" * 10_000 + b"Tern" + b"</div>" * 10_000,
    "nested-1m.html": lambda: b"<div>" * 1_000_000 + b"Tern",
    "unclosed.html": lambda: b"<a href='" * 2_000_000,
    "comments.html": lambda: b"<!--" * 2_000_000,
    "brackets.html": lambda: b"<" * 5_000_000,
    "ampersands.html": lambda: b"&" * 5_000_000,
    "declarations.html": lambda: b"<![" * 200_000,
    "table-1m-cells.html": lambda: b"<table><tr>" + b"<td>x" * 1_000_000,
    "line.csv": lambda: b"x" * 50_000_000,
    "fields.csv": lambda: b"a,b\n" + b"x," * 10_000_000,
    "quote.csv": lambda: b'a,b\n1,"' + b"x\n" * 5_000_000,
    "nested.json": lambda: b"[" * 5_000_000,
    "nested-objects.json": lambda: b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    "number.json": lambda: b"[" + b"9" * 5_000_000 + b"]",
    "keys.json": lambda: ("[{" + ",".join(f'"k{n}":{n}' for n in range(1_000_000)) + "}]").encode(),
    "mbox-100000.mbox": lambda: mbox(100_000),
    "parts.eml": lambda: b"Content-Type: multipart/mixed; boundary=x\n\n" + b"--x\n\na\n" * 300_000,
    "nested.eml": lambda: b"".join(b"Content-Type: multipart/mixed; boundary=x%d\n\n--x%d\n" % (n, n) for n in range(3_000)),
    "header.eml": lambda: b"Subject: " + b"=?utf-8?q?x?= " * 1_000_000 + b"\n\nTern",
    "marks.txt": lambda: ("\u0301" * 5_000_000).encode(),
    "stops.md": lambda: b"# " * 3_000_000,
    "items.md": lambda: b"- a\n" * 1_500_000,
    "text-30mb.txt": lambda: b"The tern dives. " * 2_000_000,
    "arrows.srt": lambda: b"00:00:01,000 --> 00:00:02,000\n" * 500_000,
    "encoding.txt": lambda: bytes(range(128, 256)) * 100_000,
}  # fmt: skip


def read_one(extractor: Extractor, path: Path) -> tuple[str, float, int]:
    """Return what came of a file, in how many seconds, and the child's peak memory in bytes (Linux)."""
    began = time.monotonic()
    try:
        found = extractor.extract(path, CancelToken(), lambda _event: None)
        ended = f"read: {len(found.text)} characters, {len(found.blocks)} blocks"
    except AppError as error:
        facts = ", ".join(f"{key}={value}" for key, value in error.facts.items() if key != "path")
        ended = f"{error.code}: {facts}"
    return ended, time.monotonic() - began, peak_bytes(extractor)


def peak_bytes(extractor: Extractor) -> int:
    child = extractor._child
    if child is None:
        return 0
    try:
        status = Path(f"/proc/{child.process.pid}/status").read_text("ascii", "replace")
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), 0)


def main(names: list[str]) -> int:
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for name in names or ATTACKS:
            path = Path(folder) / name
            path.write_bytes(ATTACKS[name]())
            extractor = Extractor()  # a child each, so that the memory is that file's
            ended, seconds, peak = read_one(extractor, path)
            extractor.close()
            path.unlink()
            worst = max(worst, seconds)
            sys.stdout.write(f"{name:26} {seconds:6.2f} s {peak / 1e6:6.0f} MB  {ended}\n")
            sys.stdout.flush()
    return 1 if worst > 32 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
