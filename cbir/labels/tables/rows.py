"""Reads the tables that people keep, Excel workbooks and CSV files, as rows of text cells."""

import csv
import io
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from cbir.archive.sandbox import Isolated, Lost
from cbir.base.errors import UserError
from cbir.labels.tables.encodings import encoding_of
from cbir.labels.tables.workbooks import MOST_COLUMNS, MOST_ROWS, Cells, Sheet, read_workbook

EXCEL_SUFFIXES = frozenset((".xlsx", ".xlsm"))
TEXT_SUFFIXES = frozenset((".csv", ".tsv", ".txt"))

_DELIMITERS = (";", "\t", ",", "|")
_LARGEST = 100_000_000  # bytes of a file: a table of a million names has a tenth of it
_LONGEST_CELL = 32_767  # characters; Excel's own limit
_MOST_CELLS = 2_500_000  # up to the last full one of each row
_MOST_TEXT = 50_000_000  # characters
_SAMPLE = 500  # rows that decide on the delimiter
_AS_TEXT = re.compile(r'="([^"]*)"')


# Whatever a file leads the libraries to, it costs one sentence.
_reader = Isolated(seconds=8, memory=350_000_000)


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True)
class Table:
    """Holds the rows of a table, and where they stand.

    Attributes:
        rows: blank ones too, up to the last full one.
        sheet: that they were read from; empty for a text file.
        left_out: the other sheets that hold text, hidden ones named as such.
    """

    rows: tuple[Row, ...]
    sheet: str = ""
    left_out: tuple[str, ...] = ()

    @property
    def sheets(self) -> str:
        """Says which of several sheets was read; empty where no other has text."""
        left = ", ".join(self.left_out)
        return f'sheet "{self.sheet}" was read, not {left}' if left else ""


def read_table(path: Path, *, delimiter: str | None = None) -> Table:
    """Reads the first sheet that holds any cell and is not hidden, or a CSV file, in the words that one sees there.

    It is read in a process of its own, with limits of time and memory.

    A CSV file may be UTF-8 (with or without a byte order mark), UTF-16, UTF-32 or Windows-1252 (see
    `cbir.labels.tables.encodings`); its delimiter is the one of ``; tab , |`` that splits the most rows into the most
    regular columns.

    Args:
        delimiter: of a CSV file, where it is known.

    Raises:
        UserError: the file is not there, not what its extension says, too large, cannot be decoded, or holds no cell
            that one sees; a formula has no value.
    """
    suffix = path.suffix.lower()
    if suffix not in EXCEL_SUFFIXES | TEXT_SUFFIXES:
        raise UserError(f"{path} is neither .xlsx nor .csv; save it as one of them")
    if not path.is_file():
        raise UserError(f"{path} is not there" if not path.exists() else f"{path} is not a file")
    if path.stat().st_size > _LARGEST:
        raise UserError(f"{path} has {path.stat().st_size} bytes, more than a table may have ({_LARGEST})")
    read = _reader.run(_read, (path, delimiter))
    if isinstance(read, Lost):
        raise UserError(f"{path} cannot be read as a table: {read.reason}; save its rows alone, as a CSV file")
    sheet, left_out, numbered = read
    if not numbered:
        hidden = f"holds text on hidden sheets alone ({', '.join(left_out)}); unhide the sheet that is meant"
        raise UserError(f"{path} {hidden if left_out else 'holds no cell with text; check that it is the right file'}")
    rows: list[Row] = []
    for number, cells in numbered:
        if suffix in EXCEL_SUFFIXES:
            rows += [Row(blank, ()) for blank in range(len(rows) + 1, number)]
        rows.append(Row(number, cells))
    return Table(tuple(rows), sheet, left_out)


def _read(task: tuple[Path, str | None]) -> tuple[str, tuple[str, ...], list[tuple[int, Cells]]]:
    """Reads the sheet's name, those of the others, and number and cells of each row up to the last full one.

    Raises:
        UserError: the file is no table, or one that is too large.
    """
    path, delimiter = task
    if path.suffix.lower() not in EXCEL_SUFFIXES:
        return "", (), _within_limits(path, _read_text(path, delimiter))
    name, left_out, rows = "", list[str](), list[tuple[int, Cells]]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # openpyxl warns of styles, which are no matter here
        for sheet in read_workbook(path):
            if not rows and not sheet.hidden:
                name, rows = sheet.name, _within_limits(path, sheet.rows)
            elif _has_text(sheet):
                left_out.append(f'"{sheet.name}"' + (" (hidden)" if sheet.hidden else ""))
    return name, tuple(left_out), rows


def _has_text(sheet: Sheet) -> bool:
    """Tells whether a sheet that is not read has a full row; what is damaged may have."""
    try:
        return any(True for _ in sheet.rows)
    except UserError:
        return True


def _within_limits(path: Path, numbered: Iterable[tuple[int, Cells]]) -> list[tuple[int, Cells]]:
    """Collects rows up to the last full one; raises UserError where they are more than a table may have."""
    rows: list[tuple[int, Cells]] = []
    last = slots = length = 0
    for number, cells in numbered:
        rows.append((number, cells))
        slots += len(cells)
        length += sum(map(len, cells))
        longest = max(map(len, cells), default=0)
        last = len(rows) if longest else last
        for what, count, most in (
            (f"characters in a cell of row {number}", longest, _LONGEST_CELL),
            (f"columns in row {number}", len(cells), MOST_COLUMNS),
            ("rows", len(rows), MOST_ROWS),
            ("cells", slots, _MOST_CELLS),
            ("characters", length, _MOST_TEXT),
        ):
            if count > most:
                raise UserError(f"{path} has {count} {what}, more than a table may have ({most}); check the file")
    return rows[:last]


def _read_text(path: Path, delimiter: str | None) -> Iterator[tuple[int, Cells]]:
    data = path.read_bytes()
    if data.startswith(b"PK\x03\x04"):
        raise UserError(f"{path} is an Excel workbook and no text; give it the extension .xlsx")
    csv.field_size_limit(_LARGEST)  # what is too long is told by the limit of a cell
    encoding = encoding_of(path, data)
    delimiter = delimiter or _find_delimiter("".join(islice(_lines(data, encoding), _SAMPLE)))
    quoting = _quoting(path, data, encoding, delimiter) if b'"' in data else csv.QUOTE_MINIMAL
    try:
        yield from _split(_lines(data, encoding), delimiter, quoting=quoting)
    except csv.Error as error:
        raise UserError(f"{path} is no CSV file ({error}); save it as CSV in UTF-8") from error


def _quoting(path: Path, data: bytes, encoding: str, delimiter: str) -> int:
    """Tells whether quotation marks are of the format, or are part of captions.

    Raises:
        UserError: they are of the format, and the file ends within a cell.
    """
    broken = False  # whether a cell of several lines is closed
    try:
        for _, cells in _split(_lines(data, encoding), delimiter, quoting=csv.QUOTE_MINIMAL):
            broken |= any("\n" in cell for cell in cells)
    except csv.Error as error:
        ends_within = "unexpected end of data" in str(error)
        if ends_within and (broken or not data.decode(encoding).endswith(("\n", "\r"))):
            raise UserError(
                f"{path} ends within a cell in quotation marks; bring the whole file in, or close them"
            ) from error
        return csv.QUOTE_NONE
    return csv.QUOTE_MINIMAL


def _lines(data: bytes, encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(data), encoding, newline="")


def _split(lines: Iterable[str], delimiter: str, *, quoting: int) -> Iterator[tuple[int, Cells]]:
    reader = csv.reader(lines, delimiter=delimiter, quoting=quoting, strict=quoting != csv.QUOTE_NONE)  # type: ignore[arg-type]
    start = 1
    for cells in reader:
        yield start, tuple(map(_cell, cells))
        start = reader.line_num + 1


def _cell(text: str) -> str:
    """Takes the spaces off a cell, and the formula by which a text file keeps the zeros of a number (``="0007"``)."""
    text = text.strip()
    as_text = _AS_TEXT.fullmatch(text) if text.startswith('="') else None
    return as_text[1].strip() if as_text else text


def _find_delimiter(text: str) -> str:
    lines = [line for line in text.splitlines()[:_SAMPLE] if line.strip()]
    return max(_DELIMITERS, key=lambda delimiter: _regularity(lines, delimiter))


def _regularity(lines: Iterable[str], delimiter: str) -> float:
    """Measures the part of the lines that a delimiter splits, times the part of those that get the commonest width."""
    widths = [_width(line, delimiter) for line in lines]
    split = Counter(width for width in widths if width > 1)
    if not split:
        return 0.0
    return split.total() / len(widths) * (split.most_common(1)[0][1] / split.total())


def _width(line: str, delimiter: str) -> int:
    try:
        return len(next(csv.reader([line], delimiter=delimiter)))
    except csv.Error:  # a line end within the line
        return 1
