"""Reads the rows of an Excel workbook as text: openpyxl's cells, without its memory of what is blank.

A sheet may be formatted down to its last row, and a damaged one may number a row by any number: openpyxl makes all the
rows between.
"""

import datetime
import re
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any
from xml.etree import ElementTree

from openpyxl.reader.excel import ExcelReader
from openpyxl.styles.stylesheet import apply_stylesheet
from openpyxl.worksheet._reader import WorkSheetParser
from openpyxl.xml.constants import SHARED_STRINGS, SHEET_MAIN_NS

from cbir.errors import UserError

Cells = tuple[str, ...]

MOST_ROWS, _MOST_COLUMNS = 1_048_576, 16_384  # Excel's own limits
_LARGEST = 500_000_000  # bytes, unpacked
_CHUNK = 1 << 20
_BLANK_CELL = re.compile(rb'<c (?=[^<>]*\br=")[^<>]*/>')
_BLANK_ROW = re.compile(rb'<row (?=[^<>]*\br=")[^<>]*(?:/>|>\s*</row>)')
_ROW, _DATA, _STRING, _TEXT, _SPOKEN = (f"{{{SHEET_MAIN_NS}}}{tag}" for tag in ("row", "sheetData", "si", "t", "rPh"))


def read_workbook(path: Path) -> Iterator[tuple[int, Cells]]:
    """Yields number (from 1) and cells of each full row of the first sheet that has one, up to its last full cell.

    Raises:
        UserError: the file is no workbook, or one that is too large.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > _LARGEST:
            raise UserError(f"{path} unpacks to {unpacked} bytes, more than a table may have ({_LARGEST})")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # openpyxl warns of styles, which are no matter here
            yield from _first_full_sheet(path)
    except (UserError, MemoryError):
        raise
    except Exception as error:  # a damaged workbook raises whatever its damage leads to
        raise UserError(f"{path} is not an Excel workbook ({_what_it_is(path)}); save it as .xlsx or .csv") from error


class _WithoutBlanks:
    """Leaves out of a sheet the cells and rows that hold nothing but a format: a million of them is quite common."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source, self._rest = source, b""

    def read(self, _: int = -1) -> bytes:
        data = self._rest + self._source.read(_CHUNK)
        end = len(data) if len(data) > 2 * _CHUNK else data.rfind(b">") + 1
        whole, self._rest = (data[:end], data[end:]) if len(data) > len(self._rest) else (data, b"")
        blank = _BLANK_ROW.sub(b"", _BLANK_CELL.sub(b"", whole))
        return blank or (b" " if whole else b"")  # nothing would be the end


class _Reader(ExcelReader):
    def read_strings(self) -> None:
        """Reads the texts that cells share by number; openpyxl makes several objects of each."""
        part = self.package.find(SHARED_STRINGS)
        if part is None:
            return
        with self.archive.open(part.PartName[1:]) as source:
            for text in _ends(source, of=_STRING):
                self.shared_strings.append(_joined(text).replace("x005F_", ""))


def _first_full_sheet(path: Path) -> Iterator[tuple[int, Cells]]:
    reader = _Reader(path, read_only=True, data_only=True)
    try:
        reader.read_manifest()
        reader.read_strings()
        reader.read_workbook()
        apply_stylesheet(reader.archive, reader.wb)
        for _, relation in reader.parser.find_sheets():
            if relation.target not in reader.valid_files or "chartsheet" in relation.Type:
                continue
            full = False
            for row in _full_rows(reader, relation.target, path):
                full = True
                yield row
            if full:
                return
    finally:
        reader.archive.close()


def _full_rows(reader: _Reader, sheet: str, path: Path) -> Iterator[tuple[int, Cells]]:
    book = reader.wb
    with reader.archive.open(sheet) as source:
        parser = WorkSheetParser(
            source,
            reader.shared_strings,
            data_only=True,
            epoch=book.epoch,
            date_formats=book._date_formats,
            timedelta_formats=book._timedelta_formats,
        )
        before = 0
        for element in _ends(_WithoutBlanks(source), of=_ROW, until=_DATA):
            number = int(float(element.get("r", parser.row_counter + 1)))
            texts = _texts(parser, number, element)
            _require_within(path, number, max(texts, default=0))
            if texts and number > before:  # as openpyxl, which takes the first of rows in a wrong order
                yield number, tuple(texts.get(column, "") for column in range(1, max(texts) + 1))
                before = number


def _texts(parser: WorkSheetParser, number: int, row: ElementTree.Element) -> dict[int, str]:
    """Reads the full cells of a row by their columns, from 1."""
    parser.row_counter, parser.col_counter = number, 0
    texts: dict[int, str] = {}
    for cell in row:
        if len(cell) or not cell.get("r"):
            parsed = parser.parse_cell(cell)
            if text := _text(parsed["value"]):
                texts[parsed["column"]] = text
    return texts


def _require_within(path: Path, row: int, column: int) -> None:
    for what, number, most in (("row", row, MOST_ROWS), ("column", column, _MOST_COLUMNS)):
        if number > most:
            raise UserError(f"{path} has a cell in {what} {number}, beyond Excel's last ({most}); save it anew")


def _ends(source: Any, *, of: str, until: str = "") -> Iterator[ElementTree.Element]:
    """Yields each element of a tag as it ends, and forgets it; the first element that it meets holds them all."""
    parents: list[ElementTree.Element] = []
    for event, element in ElementTree.iterparse(source, events=("start", "end")):
        if event == "start":
            parents.append(element)
            continue
        parents.pop()
        if element.tag == of:
            yield element
            if parents:
                parents[-1].clear()
        elif element.tag == until:
            return


def _joined(text: ElementTree.Element) -> str:
    """Joins the runs of a text, without how it is spoken."""
    spoken = {part for run in text.iter(_SPOKEN) for part in run.iter(_TEXT)}
    return "".join(part.text or "" for part in text.iter(_TEXT) if part not in spoken)


def _what_it_is(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(8)
    if start.startswith(b"\xd0\xcf\x11\xe0"):
        return "it is of the old .xls format, or has a password"
    if not start:
        return "it is empty"
    return "it is damaged" if start.startswith(b"PK") else "its content is of another kind"


def _text(value: Any) -> str:
    """Writes a cell as it would be typed: 12 and not 12.0, a day without midnight."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date().isoformat()
    return str(value).strip()
