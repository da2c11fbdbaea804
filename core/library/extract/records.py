"""Files of records: CSV and its kin, JSON, XML data and subtitles, each record as a line that can be read alone.

Knows rows and fields; must not know encodings.
"""

import csv
import io
import json
import re
from collections.abc import Sequence
from typing import Final

from core.events import Unit
from core.library.extract.builder import Builder, damaged
from core.library.extract.plain import read_code, read_text
from core.library.extract.tables import table_lines
from core.library.extract.xml_stream import MAX_DEPTH, events, local
from core.library.extracted import BlockKind

_DELIMITERS: Final = ",;\t|"
_SAMPLE_LINES: Final = 30
_MAX_FIELD_CHARS: Final = 1_000_000
_TICK_EVERY: Final = 2_000  # rows
_MAX_FIELDS: Final = 200  # of a JSON object on one line; larger ones are taken apart
_MAX_VALUE_CHARS: Final = 300  # of a value beside its name; a longer one is a paragraph
_CUE: Final = re.compile(
    r"(?:(?P<hours>\d{1,3}):)?(?P<minutes>\d{1,2}):(?P<seconds>\d{1,2})[.,]\d{1,3}[ \t]*-->[ \t]*[\d:.,]+.*"
)
_MARKUP: Final = re.compile(r"</?[a-zA-Z][^<>\n]{0,80}>|\{\\[^{}\n]{0,80}\}|<\d[\d:.]{0,20}>")
_MAX_ROW_CHARS: Final = 2_000
_PIECE_BYTES: Final = 1 << 16


def read_csv(builder: Builder, text: str, *, is_tabs: bool = False) -> None:
    """Add a table from its text; what turns out to be no table is read as lines."""
    delimiter = "\t" if is_tabs else _delimiter(text)
    if delimiter is None:
        read_code(builder, text)
        return
    csv.field_size_limit(_MAX_FIELD_CHARS)
    try:
        rows = csv.reader(io.StringIO(text.replace("\0", ""), newline=""), delimiter=delimiter)
        for index, line in table_lines(rows):
            builder.row(line, index + 1)
            if index % _TICK_EVERY == 0:
                builder.tick(index, 0)
    except csv.Error:
        if not builder.is_empty:
            raise damaged(f"it has a field of more than {_MAX_FIELD_CHARS} characters") from None
        read_text(builder, text)


def read_json(builder: Builder, text: str, *, is_lines: bool = False) -> None:
    """Add JSON: a list of objects as rows, all else as `name: value` lines; what is damaged is read as lines."""
    try:
        found = [json.loads(line) for line in text.splitlines() if line.strip()] if is_lines else json.loads(text)
    except (ValueError, RecursionError):
        read_code(builder, text)
        return
    _add_json(builder, found, "")
    if builder.is_empty:
        read_code(builder, text)


def read_xml(builder: Builder, content: bytes) -> None:
    """Add XML of any kind: elements that hold only fields as rows, text between elements as paragraphs."""
    pieces = (content[start : start + _PIECE_BYTES] for start in range(0, len(content), _PIECE_BYTES))
    events(pieces, _XmlTarget(builder))


def read_subtitles(builder: Builder, text: str) -> None:
    """Add the lines that are spoken, each with its time."""
    builder.unit = Unit.SECOND
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    last = ""
    index = 0
    while index < len(lines):
        match = _CUE.match(lines[index].strip())
        index += 1
        if match is None:
            continue
        words = []
        while index < len(lines) and lines[index].strip():
            words.append(_MARKUP.sub("", lines[index]))
            index += 1
        said = " ".join(" ".join(words).split())
        if said and said != last:  # rolling captions say every line twice
            seconds = int(match["hours"] or 0) * 3600 + int(match["minutes"]) * 60 + int(match["seconds"])
            builder.at(seconds, keeps_headings=True)
            builder.paragraph(said, BlockKind.CUE, glue=None if builder.is_empty else "\n")
            last = said
    builder.n_units = 0
    if builder.is_empty:
        builder.unit = Unit.NONE
        read_text(builder, text)


def _delimiter(text: str) -> str | None:
    """Return what separates the fields of the first lines most evenly; None where nothing does."""
    sample = "\n".join(text[:200_000].splitlines()[:_SAMPLE_LINES])
    best: tuple[float, int, str] | None = None
    csv.field_size_limit(_MAX_FIELD_CHARS)
    for delimiter in _DELIMITERS:
        try:
            widths = [len(row) for row in csv.reader(io.StringIO(sample), delimiter=delimiter) if row]
        except csv.Error:
            continue
        if not widths or max(widths) < 2:
            continue
        usual = max(set(widths), key=widths.count)
        share = widths.count(usual) / len(widths)
        if usual > 1 and (best is None or (share, usual) > best[:2]):
            best = (share, usual, delimiter)
    return best[2] if best is not None and best[0] > 0.5 else None


def _add_json(builder: Builder, found: object, path: str) -> None:
    """Add a value and all below it, without recursion."""
    waiting: list[tuple[object, str]] = [(found, path)]
    while waiting:
        value, path = waiting.pop()
        if isinstance(value, list):
            flat = [_flat(each) for each in value]
            if value and all(
                fields is not None and isinstance(each, dict) for fields, each in zip(flat, value, strict=True)
            ):
                _add_records(builder, [fields or [] for fields in flat], path)
            elif all(not isinstance(each, dict | list) for each in value):
                _add_value(builder, path, ", ".join(_shown(each) for each in value))
            else:
                waiting += [(each, f"{path}[{index}]") for index, each in reversed(list(enumerate(value)))]
        elif isinstance(value, dict):
            waiting += [(each, f"{path}.{key}" if path else str(key)) for key, each in reversed(list(value.items()))]
        else:
            _add_value(builder, path, _shown(value))


def _add_records(builder: Builder, records: Sequence[Sequence[tuple[str, str]]], path: str) -> None:
    if path:
        builder.heading(path, 1)
    for number, fields in enumerate(records, 1):
        builder.row("; ".join(f"{name}: {value}" for name, value in fields if value), number)
        if number % _TICK_EVERY == 0:
            builder.tick(number, len(records))


def _add_value(builder: Builder, path: str, value: str) -> None:
    if not value:
        return
    if len(value) > _MAX_VALUE_CHARS or "\n" in value:
        builder.paragraph(f"{path}:\n{value}" if path else value, keeps_lines=True)
    else:
        builder.row(f"{path}: {value}" if path else value, None)


def _flat(value: object) -> list[tuple[str, str]] | None:
    """Return the fields of an object with dotted names; None where it is too large or deep for one line."""
    fields: list[tuple[str, str]] = []
    waiting: list[tuple[str, object, int]] = [("", value, 0)]
    while waiting:
        name, each, depth = waiting.pop()
        if depth > 4 or len(fields) > _MAX_FIELDS:
            return None
        if isinstance(each, dict):
            waiting += [
                (f"{name}.{key}" if name else str(key), below, depth + 1) for key, below in reversed(each.items())
            ]
        elif isinstance(each, list):
            if any(isinstance(below, dict | list) for below in each):
                waiting += [(f"{name}[{i}]", below, depth + 1) for i, below in reversed(list(enumerate(each)))]
            else:
                fields.append((name, ", ".join(_shown(below) for below in each)))
        else:
            fields.append((name, _shown(each)))
    return fields


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else str(value)


class _XmlTarget:
    """Tells records from running text while elements come and go."""

    def __init__(self, builder: Builder) -> None:
        self._builder = builder
        self._open: list[_Open] = []
        self._n_rows = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if len(self._open) >= MAX_DEPTH:
            raise damaged("it is nested too deeply")
        if self._open:
            parent = self._open[-1]
            parent.has_elements = True
            if "".join(parent.text).strip():
                parent.is_mixed = True
        self._open.append(_Open(local(tag), [(local(key), value) for key, value in attributes.items()]))

    def data(self, text: str) -> None:
        if self._open:
            self._open[-1].text.append(text)
            top = self._open[-1]
            if top.has_elements and not top.is_mixed and text.strip():
                top.is_mixed = True
                top.text.insert(-1, " ".join(value for _, value in top.fields))  # they were words of the sentence
                top.fields.clear()

    def end(self, tag: str) -> None:
        done = self._open.pop()
        text = " ".join("".join(done.text).split())
        parent = self._open[-1] if self._open else None
        if parent is not None and parent.is_mixed:
            parent.text.append(text)  # bold words, links and the like
        elif done.is_mixed or not parent:
            self._flush(done)
            self._builder.paragraph(text)
        elif not done.has_elements:
            fields = [(f"{done.tag} {key}", value) for key, value in done.fields]
            parent.fields += [*fields, (done.tag, text)] if text else fields
            parent.n_chars += len(text)
            if parent.n_chars > _MAX_ROW_CHARS or len(parent.fields) > _MAX_FIELDS:
                self._flush(parent)
        else:
            self._flush(done)

    def close(self) -> None:
        """Nothing is left."""

    def _flush(self, element: "_Open") -> None:
        fields = [(name, " ".join(value.split())) for name, value in element.fields if value.strip()]
        element.fields.clear()
        element.n_chars = 0
        if fields:
            self._n_rows += 1
            self._builder.row("; ".join(f"{name}: {value}" for name, value in fields), self._n_rows)


class _Open:
    """An element that has begun."""

    __slots__ = ("fields", "has_elements", "is_mixed", "n_chars", "tag", "text")

    def __init__(self, tag: str, fields: list[tuple[str, str]]) -> None:
        self.tag = tag
        self.fields = fields
        self.text: list[str] = []
        self.n_chars = 0
        self.has_elements = False
        self.is_mixed = False
