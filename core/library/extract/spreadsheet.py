"""Workbooks of Excel (XLSX, XLS, XLSB): sheet by sheet, row by row, each value beside the name of its column.

Knows sheets and cells; the files are read by calamine. Hidden sheets are left out, as a person does not see them.
"""

import io
import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Final

from python_calamine import (
    CalamineError,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    SheetVisibleEnum,
    load_workbook,
)

from core.errors import AppError, ErrorCode
from core.events import Unit
from core.library.extract.archive import Archive
from core.library.extract.builder import Builder, damaged, too_long
from core.library.extract.tables import table_lines

MAX_CELLS: Final = 10_000_000  # of the rectangle that holds a sheet's values; calamine keeps all of it in memory
_CELL: Final = re.compile(rb"<(?:\w{1,10}:)?c\s[^>]{0,60}?\br=[\"']([A-Za-z]{1,3})(\d{1,7})[\"'][^>]{0,80}(?<!/)>")
_OVERLAP: Final = 200  # bytes; longer than any match
_TICK_EVERY: Final = 2_000


def read_workbook(builder: Builder, content: bytes, archive: Archive | None) -> None:
    """Add a workbook; `archive` is its container where it has one."""
    builder.unit = Unit.SHEET
    if archive is not None:
        _check_parts(archive)
    try:
        with load_workbook(io.BytesIO(content)) as workbook:
            _add_sheets(builder, workbook)
    except PasswordError as exc:
        raise AppError(ErrorCode.DOCUMENT_PROTECTED) from exc
    except (CalamineError, ValueError, OSError) as exc:
        raise damaged("the workbook is cut off or not whole") from exc
    except BaseException as exc:
        if type(exc).__name__ != "PanicException":  # of Rust, which pyo3 keeps away from Exception
            raise
        raise damaged("the workbook is cut off or not whole") from exc


def _add_sheets(builder: Builder, workbook: CalamineWorkbook) -> None:
    sheets = [each for each in workbook.sheets_metadata if each.typ is SheetTypeEnum.WorkSheet]
    for number, each in enumerate(sheets, 1):
        if each.visible is not SheetVisibleEnum.Visible:
            continue
        sheet = workbook.get_sheet_by_name(each.name)
        builder.at(number, each.name)
        builder.heading(each.name, 1)
        if sheet.start is None or sheet.end is None:
            continue
        width = sheet.end[1] - sheet.start[1] + 1
        if width * (sheet.end[0] - sheet.start[0] + 1) > MAX_CELLS:
            raise too_long("cells in one sheet", MAX_CELLS)
        rows = ([_shown(cell) for cell in row] for row in sheet.to_python(skip_empty_area=True))
        for index, line in table_lines(rows):
            builder.row(line, sheet.start[0] + index + 1)
            if index % _TICK_EVERY == 0:
                builder.tick(index, sheet.end[0])
    builder.n_units = len(sheets)


def _check_parts(archive: Archive) -> None:
    """Unpack every sheet once under our own limits, and refuse values that lie so far apart that memory would burst."""
    for name in archive.names:
        is_sheet = name.startswith("xl/worksheets/") and name.endswith(".xml")
        n_rows = n_columns = 0
        for row, column in _cells(archive.pieces(name)) if is_sheet else ():
            n_rows, n_columns = max(n_rows, row), max(n_columns, column)
        if n_rows * n_columns > MAX_CELLS:
            raise too_long("cells in one sheet", MAX_CELLS)
        if name.endswith((".xml", ".bin", ".rels")) and not is_sheet:
            for _ in archive.pieces(name):
                pass


def _cells(pieces: Iterator[bytes]) -> Iterator[tuple[int, int]]:
    """Yield row and column of the cells with a value, both from 1."""
    rest = b""
    for piece in pieces:
        window = rest + piece
        for match in _CELL.finditer(window):
            yield int(match[2]), _column(match[1])
        rest = window[-_OVERLAP:]


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = 26 * number + letter - 64
    return number


def _shown(value: object) -> str:
    """Return a value as it is written in a sentence."""
    match value:
        case str():
            return value
        case bool():
            return "yes" if value else "no"
        case int():
            return str(value)
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.12g}"
        case datetime():
            return value.date().isoformat() if value.time() == time() else value.isoformat(" ", "minutes")
        case time():
            return value.isoformat("minutes")
        case date():
            return value.isoformat()
        case timedelta():
            return str(value)
        case _:
            return ""
