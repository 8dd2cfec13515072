"""Reads the rows of an Excel workbook as text: openpyxl's cells, without its memory of what is blank.

A sheet may be formatted down to its last row, and a damaged one may number a row by any number: openpyxl makes all the
rows between.
"""

import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self, TypeVar
from xml.etree import ElementTree

from openpyxl.reader.excel import ExcelReader
from openpyxl.styles.numbers import BUILTIN_FORMATS, BUILTIN_FORMATS_MAX_SIZE
from openpyxl.styles.stylesheet import apply_stylesheet
from openpyxl.utils import get_column_letter
from openpyxl.worksheet._reader import WorkSheetParser
from openpyxl.xml.constants import SHARED_STRINGS, SHEET_MAIN_NS

from cbir.base.errors import UserError
from cbir.labels.tables.shown import as_shown

Cells = tuple[str, ...]
T = TypeVar("T")

MOST_ROWS, MOST_COLUMNS = 1_048_576, 16_384  # Excel's own limits
_LARGEST = 500_000_000  # bytes, unpacked
_CHUNK = 1 << 20
_BLANK_CELL = re.compile(rb'<c (?=[^<>]*\br=")[^<>]*/>')
_BLANK_ROW = re.compile(rb'<row (?=[^<>]*\br=")[^<>]*(?:/>|>\s*</row>)')
_TAGS = ("row", "sheetData", "si", "t", "rPh", "f", "v")
_ROW, _DATA, _STRING, _TEXT, _SPOKEN, _FORMULA, _VALUE = (f"{{{SHEET_MAIN_NS}}}{tag}" for tag in _TAGS)
_STRICT = {  # the namespaces of Strict Open XML, and those of what openpyxl reads
    b"http://purl.oclc.org/ooxml/spreadsheetml/main": SHEET_MAIN_NS.encode(),
    b"http://purl.oclc.org/ooxml/officeDocument/": b"http://schemas.openxmlformats.org/officeDocument/2006/",
}


@dataclass(frozen=True)
class Sheet:
    """Holds the name of a sheet, whether a person who opens the workbook sees it, and its rows.

    Attributes:
        rows: number (from 1) and cells of each full row, up to its last full cell, as a spreadsheet program shows
            them; to be read once, before the next sheet.
    """

    name: str
    hidden: bool
    rows: Iterator[tuple[int, Cells]]


@dataclass(frozen=True)
class _Reading:
    """Holds what cells are read by: the file's name, the number format of each style, and whether formulas wait."""

    path: Path
    forms: Sequence[str]
    to_be_computed: bool


def read_workbook(path: Path) -> Iterator[Sheet]:
    """Yields the sheets of a workbook in its order.

    Raises:
        UserError: also from the rows: the file is no workbook, or one that is too large; a formula has no value.
    """
    return _guarded(path, _sheets(path))


def _guarded(path: Path, parts: Iterator[T]) -> Iterator[T]:
    """Yields the same; all that a damaged workbook may lead to is one sentence."""
    try:
        yield from parts
    except (UserError, MemoryError):
        raise
    except Exception as error:
        raise UserError(_refusal(path)) from error


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


class _Usual:
    """Reads a part of a workbook that was saved as Strict Open XML by the usual names of its elements.

    They are declared where a part begins. A list of relations, which names them anywhere, is read at once.
    """

    def __init__(self, source: IO[bytes]) -> None:
        self._source, self._begun = source, False

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        if self._begun:
            return data
        self._begun = True
        for strict, usual in _STRICT.items():
            data = data.replace(strict, usual)
        return data

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._source.close()


class _Archive(zipfile.ZipFile):
    def open(self, *args: Any, **options: Any) -> Any:
        return _Usual(super().open(*args, **options))


class _Reader(ExcelReader):
    archive: zipfile.ZipFile

    def __init__(self, path: Path) -> None:
        super().__init__(path, read_only=True, data_only=True)
        self.archive.close()
        self.archive = _Archive(path)

    def read_strings(self) -> None:
        """Reads the texts that cells share by number; openpyxl makes several objects of each."""
        part = self.package.find(SHARED_STRINGS)
        if part is None:
            return
        with self.archive.open(part.PartName[1:]) as source:
            for text in _ends(source, of=_STRING):
                self.shared_strings.append(_joined(text).replace("x005F_", ""))


def _sheets(path: Path) -> Iterator[Sheet]:
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > _LARGEST:
        raise UserError(f"{path} unpacks to {unpacked} bytes, more than a table may have ({_LARGEST})")
    reader = _Reader(path)
    try:
        reader.read_manifest()
        reader.read_strings()
        reader.read_workbook()
        apply_stylesheet(reader.archive, reader.wb)
        for sheet, relation in reader.parser.find_sheets():
            if relation.target in reader.valid_files and "chartsheet" not in relation.Type:
                rows = _guarded(path, _full_rows(reader, relation.target, path))
                yield Sheet(sheet.name, sheet.state != "visible", rows)
    finally:
        reader.archive.close()


def _full_rows(reader: _Reader, sheet: str, path: Path) -> Iterator[tuple[int, Cells]]:
    book = reader.wb
    cells = _Reading(path, _number_formats(book), _is_to_be_computed(reader))
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
            texts = _texts(parser, number, element, cells)
            _require_within(path, number, max(texts, default=0))
            if texts and number > before:  # as openpyxl, which takes the first of rows in a wrong order
                yield number, tuple(texts.get(column, "") for column in range(1, max(texts) + 1))
                before = number


def _number_formats(book: Any) -> list[str]:
    """Returns the number format of each style of cells."""
    own = book._number_formats
    numbers = [style.numFmtId for style in book._cell_styles]
    return [
        own[number - BUILTIN_FORMATS_MAX_SIZE]
        if number >= BUILTIN_FORMATS_MAX_SIZE
        else BUILTIN_FORMATS.get(number, "General")
        for number in numbers
    ]


def _is_to_be_computed(reader: _Reader) -> bool:
    """Tells whether all formulas are to be computed when the workbook is opened, so that no zero is a result yet."""
    return b'fullCalcOnLoad="1"' in reader.archive.read(reader.parser.workbook_part_name)


def _texts(parser: WorkSheetParser, number: int, row: ElementTree.Element, reading: _Reading) -> dict[int, str]:
    """Reads the full cells of a row by their columns, from 1."""
    parser.row_counter, parser.col_counter = number, 0
    texts: dict[int, str] = {}
    for cell in row:
        if len(cell) or not cell.get("r"):
            parsed = parser.parse_cell(cell)
            if _lacks_value(cell, reading):
                place = f"{get_column_letter(parsed['column'])}{number}"
                raise UserError(
                    f"{reading.path} has a formula without a value in cell {place}; open the file in a spreadsheet "
                    "program and save it, or put the values in place of the formulas"
                )
            style = parsed["style_id"]
            form = reading.forms[style] if style < len(reading.forms) else "General"
            if text := as_shown(parsed["value"], form):
                texts[parsed["column"]] = text
    return texts


def _lacks_value(cell: ElementTree.Element, reading: _Reading) -> bool:
    """Tells whether a cell has a formula whose result no program has kept; an empty text is a result."""
    if cell.find(_FORMULA) is None or cell.get("t") == "str":
        return False
    value = cell.findtext(_VALUE)
    return not value or (reading.to_be_computed and value == "0")


def _require_within(path: Path, row: int, column: int) -> None:
    for what, number, most in (("row", row, MOST_ROWS), ("column", column, MOST_COLUMNS)):
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


def _refusal(path: Path) -> str:
    """Says why a file is no workbook, and the way out."""
    data = path.read_bytes()
    way_out = "save it as .xlsx or .csv"
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        if "EncryptedPackage".encode("utf-16-le") in data:  # where the container lists its parts
            return f"{path} is protected by a password; save it without one"
        return f"{path} is not an Excel workbook (it is of the old .xls format, or has a password); {way_out}"
    if not data:
        return f"{path} is not an Excel workbook (it is empty); {way_out}"
    what = "it is damaged" if data.startswith(b"PK") else "its content is of another kind"
    return f"{path} is not an Excel workbook ({what}); {way_out}"
