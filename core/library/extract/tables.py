"""Tables as lines: every row says what its values are, so that it can be read alone.

Knows cells as text; must not know where they come from.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

_MAX_NAME_CHARS: Final = 60
_TITLE_ROWS: Final = 8  # before a header: a sheet's name, a date
_NUMBER: Final = re.compile(r"[\s+\-–−(]*[€$£¥]?\s*[\d.,'’ \u00a0\u202f]*\d[\d.,]*\s*[%€$£¥)]*(?:\s?[A-Z]{3})?")


def table_lines(rows: Iterable[Sequence[str]]) -> Iterator[tuple[int, str]]:
    """Yield (index of the row, its line) for all rows with text.

    Where the first row with several cells names the columns, the rows below are `name: value; name: value`; else their
    values stand between bars.
    """
    remaining = enumerate(rows)
    first = list(islice(remaining, _TITLE_ROWS + 2))
    at = _header_index([row for _, row in first])
    names = [] if at is None else [_name(cell) for cell in first[at][1]]
    for index, row in first:
        line = _plain(row) if at is None or index <= at else _named(names, row)
        if line:
            yield index, line
    for index, row in remaining:
        line = _named(names, row) if names else _plain(row)
        if line:
            yield index, line


def is_number(text: str) -> bool:
    """Tell whether a cell holds a number, an amount or a share."""
    return _NUMBER.fullmatch(text.strip()) is not None


def _header_index(rows: Sequence[Sequence[str]]) -> int | None:
    """Return which row names the columns; None where none does."""
    at = next((i for i, row in enumerate(rows) if sum(bool(cell.strip()) for cell in row) > 1), None)
    if at is None or at > _TITLE_ROWS:
        return None
    below = next((row for row in rows[at + 1 :] if any(cell.strip() for cell in row)), None)
    cells = [cell.strip() for cell in rows[at] if cell.strip()]
    width = max((i + 1 for i, cell in enumerate(below or ()) if cell.strip()), default=0)
    if below is None or len(cells) * 2 < width or len(set(cells)) < len(cells):
        return None
    if any(len(cell) > _MAX_NAME_CHARS or (is_number(cell) and not _is_year(cell)) for cell in cells):
        return None
    return at


def _is_year(cell: str) -> bool:
    return len(cell) == 4 and cell.isdigit() and cell[:2] in ("18", "19", "20")


def _name(cell: str) -> str:
    return " ".join(cell.split()).rstrip(": ")


def _named(names: Sequence[str], row: Sequence[str]) -> str:
    parts = []
    for index, cell in enumerate(row):
        value = " ".join(cell.split())
        if value:
            name = names[index] if index < len(names) else ""
            parts.append(f"{name}: {value}" if name else value)
    return "; ".join(parts)


def _plain(row: Sequence[str]) -> str:
    return " | ".join(value for cell in row if (value := " ".join(cell.split())))
