"""Reads the tables that people keep, Excel workbooks and CSV files, as rows of text cells."""

import codecs
import csv
import datetime
import io
import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openpyxl

from cbir.errors import UserError

EXCEL_SUFFIXES = frozenset((".xlsx", ".xlsm"))
TEXT_SUFFIXES = frozenset((".csv", ".tsv", ".txt"))

_DELIMITERS = (";", "\t", ",", "|")
_LARGEST = 500_000_000  # bytes, unpacked: a workbook of a million names has a tenth of it
_SAMPLE = 500  # rows that decide on the delimiter
_OTHER_LETTERS = re.compile(rb"[\xc0-\xff]{4}")  # no word of a language written in Windows-1252 has four in a row


@dataclass(frozen=True)
class Row:
    """Holds a row of a table: its number in the file (from 1) and its cells, empty ones as empty text."""

    number: int
    cells: tuple[str, ...]

    @property
    def is_blank(self) -> bool:
        return not any(self.cells)

    def cell(self, column: int) -> str:
        """Returns the text in a column (from 0), empty where the row is shorter."""
        return self.cells[column] if column < len(self.cells) else ""


def read_table(path: Path, *, delimiter: str | None = None) -> list[Row]:
    """Reads the rows of the first sheet that holds any cell, or of a CSV file; blank ones too, up to the last full one.

    A CSV file may be UTF-8 (with or without a byte order mark), UTF-16, UTF-32 or Windows-1252, which is not believed
    of text in other letters nor of UTF-8 with a faulty byte; its delimiter is the one of ``; tab , |`` that splits the
    most rows into the most regular columns.

    Args:
        delimiter: of a CSV file, where it is known.

    Raises:
        UserError: the file is not there, not what its extension says, cannot be decoded, or holds no cell.
    """
    suffix = path.suffix.lower()
    if suffix not in EXCEL_SUFFIXES | TEXT_SUFFIXES:
        raise UserError(f"{path} is neither .xlsx nor .csv; save it as one of them")
    if not path.is_file():
        raise UserError(f"{path} is not there" if not path.exists() else f"{path} is not a file")
    if path.stat().st_size > _LARGEST:
        raise UserError(f"{path} has {path.stat().st_size} bytes, more than a table may have ({_LARGEST})")
    rows = _read_excel(path) if suffix in EXCEL_SUFFIXES else _read_text(path, delimiter)
    while rows and rows[-1].is_blank:
        rows.pop()
    if not rows:
        raise UserError(f"{path} holds no cell with text; check that it is the right file")
    return rows


def _read_excel(path: Path) -> list[Row]:
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > _LARGEST:
            raise UserError(f"{path} unpacks to {unpacked} bytes, more than a table may have ({_LARGEST})")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # openpyxl warns of styles and validations, which are no matter here
            workbook = openpyxl.load_workbook(path, read_only=True, data_only=True)
            try:
                return _first_full_sheet(workbook)
            finally:
                workbook.close()
    except UserError:
        raise
    except Exception as error:  # a damaged workbook raises whatever its damage leads to
        raise UserError(f"{path} is not an Excel workbook ({_what_it_is(path)}); save it as .xlsx or .csv") from error


def _first_full_sheet(workbook: openpyxl.Workbook) -> list[Row]:
    for sheet in workbook.worksheets:
        sheet.reset_dimensions()  # what a file says of its own size is often wrong
        rows = [
            Row(number, tuple(_text(value) for value in values))
            for number, values in enumerate(sheet.iter_rows(values_only=True), start=1)
        ]
        if not all(row.is_blank for row in rows):
            return rows
    return []


def _what_it_is(path: Path) -> str:
    start = path.read_bytes()[:8]
    if start.startswith(b"\xd0\xcf\x11\xe0"):
        return "it is of the old .xls format"
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


def _read_text(path: Path, delimiter: str | None) -> list[Row]:
    data = path.read_bytes()
    if data.startswith(b"PK\x03\x04"):
        raise UserError(f"{path} is an Excel workbook and no text; give it the extension .xlsx")
    text = _decode(path, data)
    delimiter = delimiter or _find_delimiter(text)
    try:
        return _split(text, delimiter, quoting=csv.QUOTE_MINIMAL)
    except csv.Error:  # quotation marks that are part of a caption, not of the format
        return _split(text, delimiter, quoting=csv.QUOTE_NONE)


def _decode(path: Path, data: bytes) -> str:
    try:
        return _decoded(data)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{path} is no text in UTF-8, UTF-16 or Windows-1252 (line {line}, byte {error.start} of the file); "
            "save it as CSV in UTF-8"
        ) from error


def _decoded(data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return data.decode("utf-32")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16")
    if data[1:2] == b"\0" and data[3:4] == b"\0":
        return data.decode("utf-16-le")
    if b"\0" in data:
        raise UnicodeDecodeError("utf-8", data, data.index(b"\0"), data.index(b"\0") + 1, "no text holds a zero byte")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        _require_western(data)
        return data.decode("cp1252")


def _require_western(data: bytes) -> None:
    """Raises UnicodeDecodeError for what Windows-1252 would make a jumble of letters of, for it decodes nearly all."""
    if other := _OTHER_LETTERS.search(data):
        raise UnicodeDecodeError("cp1252", data, *other.span(), "four letters in a row that are no ASCII")
    text = data.decode("utf-8", errors="replace")
    faulty = text.count("\ufffd")
    if len(text) - len(text.encode("ascii", errors="ignore")) > 2 * faulty:  # more sequences are right than wrong
        data.decode("utf-8")


def _split(text: str, delimiter: str, *, quoting: int) -> list[Row]:
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=delimiter, quoting=quoting, strict=quoting != csv.QUOTE_NONE)  # type: ignore[arg-type]
    rows: list[Row] = []
    start = 1
    for cells in reader:
        rows.append(Row(start, tuple(cell.strip() for cell in cells)))
        start = reader.line_num + 1
    return rows


def _find_delimiter(text: str) -> str:
    lines = [line for line in text.splitlines()[:_SAMPLE] if line.strip()]
    return max(_DELIMITERS, key=lambda delimiter: _regularity(lines, delimiter))


def _regularity(lines: Iterable[str], delimiter: str) -> float:
    """Measures the part of the lines that a delimiter splits, times the part of those that get the commonest width."""
    widths = [len(next(csv.reader([line], delimiter=delimiter))) for line in lines]
    split = Counter(width for width in widths if width > 1)
    if not split:
        return 0.0
    return split.total() / len(widths) * (split.most_common(1)[0][1] / split.total())
