"""What a file is, by its first bytes, then by its name; and which reader takes it.

Knows marks of formats; a name is believed only where the content agrees.
"""

from pathlib import PurePath
from typing import Final

from core.errors import AppError, ErrorCode
from core.library.extract.archive import Archive
from core.library.extract.builder import Builder, Tick, damaged
from core.library.extracted import Format

_BY_SUFFIX: Final = {
    ".md": Format.MARKDOWN, ".markdown": Format.MARKDOWN, ".mkd": Format.MARKDOWN,
    ".csv": Format.CSV, ".tsv": Format.CSV, ".tab": Format.CSV,
    ".json": Format.JSON, ".jsonl": Format.JSON, ".ndjson": Format.JSON, ".ipynb": Format.JSON, ".geojson": Format.JSON,
    ".xml": Format.XML, ".opml": Format.XML, ".rss": Format.XML, ".atom": Format.XML, ".gpx": Format.XML,
    ".kml": Format.XML, ".fb2": Format.XML, ".svg": Format.XML, ".xsd": Format.XML, ".plist": Format.XML,
    ".html": Format.HTML, ".htm": Format.HTML, ".xhtml": Format.HTML,
    ".eml": Format.EMAIL, ".mbox": Format.MBOX, ".mbx": Format.MBOX,
    ".srt": Format.SUBTITLES, ".vtt": Format.SUBTITLES,
    ".txt": Format.TEXT, ".text": Format.TEXT, ".rst": Format.TEXT, ".adoc": Format.TEXT, ".org": Format.TEXT,
    ".tex": Format.TEXT, "": Format.TEXT,
}  # fmt: skip
_CODE_SUFFIXES_NAMES: Final = (
    ".py .pyi .pyx .c .h .cc .cpp .cxx .hpp .hh .m .mm .rs .go .java .kt .kts .swift .scala .cs .vb .fs .js .mjs "
    ".jsx .ts .tsx .vue .svelte .php .rb .pl .pm .lua .r .jl .hs .ml .ex .exs .erl .clj .lisp .el .scm .sh .bash "
    ".zsh .fish .ps1 .bat .cmd .sql .css .scss .less .toml .yaml .yml .ini .cfg .conf .properties .env .gradle "
    ".cmake .mk .tf .proto .graphql .dart .zig .nim .asm .s .f90 .f .pas .d .log .diff .patch"
)
_CODE_SUFFIXES: Final = frozenset(_CODE_SUFFIXES_NAMES.split())
_PICTURES: Final = (
    (b"\x89PNG", "a picture"), (b"\xff\xd8\xff", "a picture"), (b"GIF8", "a picture"), (b"II*\0", "a picture"),
    (b"MM\0*", "a picture"), (b"BM", "a picture"), (b"\x1f\x8b", "a compressed file"),
    (b"7z\xbc\xaf", "a compressed file"),
    (b"Rar!", "a compressed file"), (b"BZh", "a compressed file"), (b"\xfd7zXZ", "a compressed file"),
    (b"OggS", "a sound or film"), (b"ID3", "a sound or film"), (b"fLaC", "a sound or film"),
    (b"\x7fELF", "a program"), (b"MZ", "a program"), (b"SQLite format 3", "a database"), (b"GGUF", "a model"),
)  # fmt: skip
_CONTAINERS: Final = frozenset(
    {".pdf", ".docx", ".pptx", ".xlsx", ".odt", ".ods", ".odp", ".epub", ".doc", ".xls", ".ppt"}
)
_OLD_OFFICE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLD_KINDS: Final = {
    ".doc": "an old Word file (.doc)",
    ".ppt": "an old presentation (.ppt)",
    ".msg": "an Outlook message",
}
_ODF: Final = {
    "application/vnd.oasis.opendocument.text": (Format.ODT, "text"),
    "application/vnd.oasis.opendocument.text-template": (Format.ODT, "text"),
    "application/vnd.oasis.opendocument.spreadsheet": (Format.ODS, "spreadsheet"),
    "application/vnd.oasis.opendocument.spreadsheet-template": (Format.ODS, "spreadsheet"),
    "application/vnd.oasis.opendocument.presentation": (Format.ODP, "presentation"),
    "application/vnd.oasis.opendocument.graphics": (Format.ODP, "presentation"),
}


def read(name: str, content: bytes, tick: Tick) -> tuple[Format, Builder]:
    """Read a file whatever it is.

    Raises:
        AppError: DOCUMENT_* without the path.
    """
    builder = Builder(tick=tick)
    head = content[:1_024]
    if b"%PDF-" in head:
        from core.library.extract.pdf import read_pdf

        read_pdf(builder, content)
        return Format.PDF, builder
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _read_archive(builder, content), builder
    if head.startswith(_OLD_OFFICE):
        return _read_old_office(builder, name, content), builder
    if head.lstrip().startswith(b"{\\rtf"):
        from core.library.extract.rtf import read_rtf

        read_rtf(builder, content)
        return Format.RTF, builder
    kind = next((kind for start, kind in _PICTURES if head.startswith(start) and not _is_text(start, head)), None)
    if kind is not None or head[4:8] == b"ftyp":
        raise AppError(ErrorCode.DOCUMENT_UNKNOWN, kind=kind or "a sound or film")
    if PurePath(name).suffix.lower() in _CONTAINERS and content.strip():
        raise damaged("its content is not what its name says")
    return _read_text(builder, name, content), builder


def _is_text(start: bytes, head: bytes) -> bool:
    """Tell whether a file that begins with letters of a mark is text all the same: BMW is no picture."""
    is_word = start.isalnum() and start.isascii()
    return is_word and not any(byte < 9 or 13 < byte < 32 for byte in head[:256])


def _read_archive(builder: Builder, content: bytes) -> Format:
    archive = Archive(content)
    kind = archive.read("mimetype", 1_000).decode("ascii", "replace").strip() if "mimetype" in archive else ""
    names = archive.names
    if kind in _ODF or (not kind and "content.xml" in archive and "META-INF/manifest.xml" in archive):
        from core.library.extract.odf import read_odf

        form, part = _ODF.get(kind, (Format.ODT, "text"))
        read_odf(builder, archive, part)
        return form
    if kind == "application/epub+zip" or "META-INF/container.xml" in archive:
        from core.library.extract.epub import read_epub

        read_epub(builder, archive)
        return Format.EPUB
    if any(name.startswith("word/document") for name in names):
        from core.library.extract.docx import read_docx

        read_docx(builder, archive)
        return Format.DOCX
    if any(name.startswith("ppt/") for name in names):
        from core.library.extract.pptx import read_pptx

        read_pptx(builder, archive)
        return Format.PPTX
    if any(name.startswith("xl/") for name in names):
        from core.library.extract.spreadsheet import read_workbook

        read_workbook(builder, content, archive)
        return Format.SPREADSHEET
    if "[Content_Types].xml" in archive:
        raise damaged("its main part is missing")
    raise AppError(ErrorCode.DOCUMENT_UNKNOWN, kind="a compressed file")


def _read_old_office(builder: Builder, name: str, content: bytes) -> Format:
    if "EncryptedPackage".encode("utf-16-le") in content[: 1 << 20] + content[-(1 << 20) :]:
        raise AppError(ErrorCode.DOCUMENT_PROTECTED)
    if any(stream.encode("utf-16-le") in content for stream in ("Workbook", "Book")):
        from core.library.extract.spreadsheet import read_workbook

        read_workbook(builder, content, None)
        return Format.SPREADSHEET
    suffix = PurePath(name).suffix.lower()
    raise AppError(ErrorCode.DOCUMENT_UNKNOWN, kind=_OLD_KINDS.get(suffix, "an old Office file"))


def _read_text(builder: Builder, name: str, content: bytes) -> Format:
    """Read a file whose bytes are characters."""
    from core.library.extract.decoding import decode
    from core.library.extract.plain import read_code, read_markdown, read_text

    form = _text_format(name, content)
    match form:
        case Format.HTML:
            from core.library.extract.html import read_html

            read_html(builder, content)
        case Format.EMAIL | Format.MBOX:
            from core.library.extract.mail import read_mailbox, read_message

            (read_message if form is Format.EMAIL else read_mailbox)(builder, content)
        case Format.XML:
            return _read_xml(builder, content)
        case Format.CSV | Format.JSON | Format.SUBTITLES:
            from core.library.extract import records

            text, suffix = decode(content), PurePath(name).suffix.lower()
            if form is Format.CSV:
                records.read_csv(builder, text, is_tabs=suffix in (".tsv", ".tab"))
            elif form is Format.JSON:
                records.read_json(builder, text, is_lines=suffix in (".jsonl", ".ndjson"))
            else:
                records.read_subtitles(builder, text)
        case Format.MARKDOWN:
            read_markdown(builder, decode(content))
        case Format.CODE:
            read_code(builder, decode(content))
        case _:
            read_text(builder, decode(content))
    return form


def _read_xml(builder: Builder, content: bytes) -> Format:
    """Read XML; what is none from its beginning on is read as text, but what defines entities is refused."""
    from core.library.extract.decoding import decode
    from core.library.extract.plain import read_code
    from core.library.extract.records import read_xml

    try:
        read_xml(builder, content)
        return Format.XML
    except AppError as error:
        if error.code is not ErrorCode.DOCUMENT_DAMAGED or b"<!ENTITY" in content or not builder.is_empty:
            raise
    read_code(builder, decode(content))
    return Format.TEXT


def _text_format(name: str, content: bytes) -> Format:
    suffix = PurePath(name).suffix.lower()
    head = content[:2_048].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if suffix in _CODE_SUFFIXES or name.lower() in ("makefile", "dockerfile"):
        return Format.CODE
    if suffix in _BY_SUFFIX and suffix not in (".txt", ".text", ""):
        form = _BY_SUFFIX[suffix]
        if form is Format.XML and (b"<html" in head or b"<!doctype html" in head):
            return Format.HTML
        return form
    if head.startswith((b"<!doctype html", b"<html")):
        return Format.HTML
    if suffix == "" and head.startswith(b"from ") and b"\nfrom:" in head:
        return Format.MBOX
    return _BY_SUFFIX.get(suffix, Format.CODE if suffix else Format.TEXT)
