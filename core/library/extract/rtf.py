r"""Rich Text Format: paragraphs, headings, tables, in any code page.

Knows the control words of the RTF specification 1.9.1 that carry text; all other groups are passed over. Nothing is
nested in calls, so depth costs nothing but a list's length.
"""

import re
from typing import Final

from core.library.extract.builder import Builder, damaged
from core.library.extracted import BlockKind

_TOKEN: Final = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?\d{1,10})?[ ]?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z])|([{}])|[\r\n]+|([^\\{}\r\n]+)", re.S
)
_MAX_DEPTH: Final = 5_000
_TICK_EVERY: Final = 50_000  # tokens
# Groups of these hold no text of the document (specification, "Destinations").
_DESTINATIONS_NAMES: Final = (
    "colortbl info pict object header headerl headerr headerf footer footerl footerr footerf themedata "
    "colorschememapping datastore latentstyles listtable listoverridetable rsidtbl generator xmlnstbl filetbl "
    "revtbl fldinst field_instruction bkmkstart bkmkend annotation atnid atnauthor atntime atnicn atnref pn "
    "pnseclvl objdata nonesttables xe tc mmathPr userprops"
)
_DESTINATIONS: Final = frozenset(_DESTINATIONS_NAMES.split())
_CHARACTERS: Final = {
    "line": "\n", "tab": "\t", "emdash": "—", "endash": "–", "lquote": "‘", "rquote": "’",
    "ldblquote": "“", "rdblquote": "”", "bullet": "•", "emspace": " ", "enspace": " ",
}  # fmt: skip
_SYMBOLS: Final = {b"~": " ", b"_": "-", b"-": "", b"\\": "\\", b"{": "{", b"}": "}", b"\n": "\n", b"\r": "\n"}
_CHARSETS: Final = {
    0: "cp1252", 77: "mac_roman", 128: "cp932", 129: "cp949", 134: "gb18030", 136: "big5", 161: "cp1253", 162: "cp1254",
    163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874", 238: "cp1250",
}  # fmt: skip
_HEADING: Final = re.compile(r"(?:heading|überschrift|titre|título|titolo|kop|rubrik)\s*(\d)\s*;?", re.I)
_TARGETS: Final = {"listtext": "mark", "footnote": "note", "stylesheet": "style", "fonttbl": "font"}
_SKIP: Final = "skip"
_KEPT: Final = frozenset({"shptxt", "nesttableprops", "ud", "upr", "shpinst", "shp"})


def read_rtf(builder: Builder, content: bytes) -> None:
    """Add a document.

    Raises:
        AppError: DOCUMENT_DAMAGED.
    """
    if not content.lstrip().startswith(b"{\\rtf"):
        raise damaged("it is no RTF file")
    _Reader(builder, content).read()


class _Reader:
    """Follows the groups; text goes to the target of the group that it stands in."""

    def __init__(self, builder: Builder, content: bytes) -> None:
        self._builder = builder
        self._content = content
        self._texts: dict[str, list[str]] = {"text": [], "mark": [], "note": [], "style": []}
        self._target = "text"
        self._stack: list[tuple[str, bool, int, str]] = []
        self._fonts: dict[int, str] = {}
        self._font = 0  # of the table of fonts
        self._levels: dict[int, int] = {}  # of styles that are headings
        self._style = 0  # of the table of styles
        self._style_level = 0
        self._codepage = "cp1252"
        self._encoding = ""  # of the font in use; "" for the document's own
        self._bytes = bytearray()  # characters of more than one byte come in pieces
        self._cells: list[str] = []
        self._rows: list[list[str]] = []
        self._notes: list[str] = []
        self._level = 0
        self._is_in_table = False
        self._is_hidden = False
        self._is_optional = False  # after the mark of a group that old readers may pass over
        self._at_group_start = False
        self._n_fallback = 1  # characters that follow \\u for old readers
        self._to_skip = 0
        self._high = 0  # first half of a pair of surrogates

    def read(self) -> None:
        """Read it all."""
        position, end, n_tokens = 0, len(self._content), 0
        while position < end:
            match = _TOKEN.match(self._content, position)
            if match is None:
                position += 1
                continue
            position = match.end()
            n_tokens += 1
            if n_tokens % _TICK_EVERY == 0:
                self._builder.tick(position, end)
            word, number, code, symbol, brace, run = match.groups()
            if brace:
                self._on_brace(brace)
                continue
            if symbol == b"*":
                self._is_optional = True
                continue
            if word:
                position = self._on_word(word.decode("ascii"), None if number is None else int(number), position)
            elif code:
                self._on_bytes(bytes([int(code, 16)]))
            elif symbol:
                self._put(_SYMBOLS.get(symbol, ""))
            elif run:
                self._on_bytes(run)
            self._at_group_start = self._is_optional = False
        self._finish()

    def _finish(self) -> None:
        self._flush_bytes()
        self._target, self._is_in_table = "text", False
        self._end_row()
        if not "".join(self._texts["text"]).strip():
            self._end_table()
        self._end_paragraph()
        self._end_table()
        for number, note in enumerate(self._notes, 1):
            self._builder.paragraph(f"[{number}] {note}", BlockKind.NOTE)

    def _on_brace(self, brace: bytes) -> None:
        self._flush_bytes()
        if brace == b"{":
            if len(self._stack) >= _MAX_DEPTH:
                raise damaged("it is nested too deeply")
            self._stack.append((self._target, self._is_hidden, self._n_fallback, self._encoding))
            self._at_group_start = True
        elif self._stack:
            target = self._target
            self._target, self._is_hidden, self._n_fallback, self._encoding = self._stack.pop()
            if target == "style":
                self._end_style()
            elif target == "note" != self._target:
                self._end_note()
        self._is_optional = False
        self._to_skip = 0

    def _on_word(self, word: str, number: int | None, position: int) -> int:
        if word == "bin":
            return position + max(0, number or 0)
        if word != "u":
            self._flush_bytes()
        if self._at_group_start and word in _TARGETS and self._target in ("text", "note"):
            self._target = _TARGETS[word]
        elif self._at_group_start and (self._is_optional or word in _DESTINATIONS):
            if word not in _KEPT and not (self._target == "style" and word in ("cs", "ds", "ts")):
                self._target = _SKIP
        elif word == "u":
            self._on_unicode(number or 0)
        elif word == "uc":
            self._n_fallback = min(max(number or 0, 0), 10)
        elif self._target == "font":
            self._on_font_word(word, number or 0)
        elif self._target == "style":
            self._on_style_word(word, number or 0)
        elif self._target != _SKIP:
            self._on_text_word(word, number)
        return position

    def _on_font_word(self, word: str, number: int) -> None:
        if word == "f":
            self._font = number
        elif word == "fcharset" and number in _CHARSETS and len(self._fonts) < 10_000:
            self._fonts[self._font] = _CHARSETS[number]

    def _on_style_word(self, word: str, number: int) -> None:
        if word in ("s", "cs", "ds", "ts"):
            self._style = number if word == "s" else -1
        elif word == "outlinelevel":
            self._style_level = number + 1 if 0 <= number < 9 else 0

    def _on_text_word(self, word: str, number: int | None) -> None:
        match word:
            case "ansicpg":
                self._codepage = f"cp{number}"
            case "mac":
                self._codepage = "mac_roman"
            case "f":
                self._encoding = self._fonts.get(number or 0, "")
            case "v" | "deleted":
                self._is_hidden = number != 0
            case "plain":
                self._is_hidden, self._encoding = False, ""
            case "par" | "sect" | "page" | "cell" | "nestcell" | "row" | "nestrow":
                if self._target == "text":
                    self._on_border(word)
                else:
                    self._put_raw(" ")
            case "pard" | "intbl" | "s" | "outlinelevel":
                if self._target == "text":
                    self._on_property(word, number or 0)
            case _:
                self._put(_CHARACTERS.get(word, ""))

    def _on_border(self, word: str) -> None:
        if word in ("cell", "nestcell"):
            self._cells.append(" ".join(self._taken().split()))
        elif word in ("row", "nestrow"):
            self._end_row()
        else:
            self._end_paragraph()

    def _on_property(self, word: str, number: int) -> None:
        if word == "pard":
            self._level, self._is_in_table = 0, False
        elif word == "intbl":
            self._is_in_table = True
        elif word == "s":
            self._level = self._levels.get(number, 0)
        else:
            self._level = number + 1 if 0 <= number < 9 else 0

    def _on_unicode(self, number: int) -> None:
        self._flush_bytes()
        self._to_skip = self._n_fallback
        code = number & 0xFFFF
        if 0xD800 <= code < 0xDC00:
            self._high = code
        elif 0xDC00 <= code < 0xE000:
            if self._high:
                self._put_raw(chr(0x10000 + ((self._high - 0xD800) << 10) + code - 0xDC00))
            self._high = 0
        else:
            self._put_raw(chr(code))

    def _on_bytes(self, data: bytes) -> None:
        skipped = min(self._to_skip, len(data))
        self._to_skip -= skipped
        if self._target in self._texts and not self._is_hidden:
            self._bytes += data[skipped:]

    def _put(self, text: str) -> None:
        if self._to_skip and text:
            self._to_skip -= 1
            return
        self._flush_bytes()
        self._put_raw(text)

    def _put_raw(self, text: str) -> None:
        if text and self._target in self._texts and not self._is_hidden:
            self._texts[self._target].append(text)

    def _flush_bytes(self) -> None:
        if self._bytes:
            try:
                text = self._bytes.decode(self._encoding or self._codepage, "replace")
            except LookupError:
                text = self._bytes.decode("cp1252", "replace")
            self._bytes.clear()
            if self._target in self._texts:
                self._texts[self._target].append(text)

    def _taken(self, target: str = "text") -> str:
        self._flush_bytes()
        text, self._texts[target] = "".join(self._texts[target]), []
        return text

    def _end_style(self) -> None:
        """Note the style whose entry has ended, where it is a heading."""
        match = _HEADING.fullmatch(" ".join(self._taken("style").split()))
        level = int(match[1]) if match else self._style_level
        if level and self._style >= 0 and len(self._levels) < 10_000:
            self._levels[self._style] = level
        self._style, self._style_level = 0, 0

    def _end_note(self) -> None:
        text = " ".join(self._taken("note").split())
        if text:
            self._notes.append(text)
            self._put_raw(f"[{len(self._notes)}]")

    def _end_paragraph(self) -> None:
        self._flush_bytes()
        if self._is_in_table:
            self._put_raw("\n")  # the cell goes on
            return
        text, mark = self._taken(), " ".join(self._taken("mark").split())
        if not text.strip():
            return
        self._end_table()
        if self._level:
            self._builder.heading(f"{mark} {text}", self._level)
        elif mark or text.lstrip().startswith("•"):
            is_bullet = not any(char.isalnum() for char in mark)
            self._builder.item(text.lstrip("• \t"), mark="-" if is_bullet else mark[:20])
        else:
            self._builder.paragraph(text, keeps_lines=True)

    def _end_row(self) -> None:
        if any(self._cells):
            self._rows.append(self._cells)
        self._cells = []
        self._texts["mark"].clear()

    def _end_table(self) -> None:
        rows, self._rows = self._rows, []
        if rows:
            self._builder.table(rows)
