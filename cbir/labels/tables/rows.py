"""Reads the tables that people keep, Excel workbooks and CSV files, as rows of text cells."""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from cbir.archive.sandbox import Isolated, Lost
from cbir.errors import UserError
from cbir.labels.tables.workbooks import MOST_ROWS, Cells, read_workbook

EXCEL_SUFFIXES = frozenset((".xlsx", ".xlsm"))
TEXT_SUFFIXES = frozenset((".csv", ".tsv", ".txt"))

_DELIMITERS = (";", "\t", ",", "|")
_LARGEST = 100_000_000  # bytes of a file: a table of a million names has a tenth of it
_LONGEST_CELL = 32_767  # characters; Excel's own limit
_MOST_CELLS = 2_500_000  # up to the last full one of each row
_MOST_TEXT = 50_000_000  # characters
_SAMPLE = 500  # rows that decide on the delimiter
_OTHER_LETTERS = re.compile(rb"[\xc0-\xff]{4}")  # no word of a language written in Windows-1252 has four in a row


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


def read_table(path: Path, *, delimiter: str | None = None) -> list[Row]:
    """Reads the rows of the first sheet that holds any cell, or of a CSV file; blank ones too, up to the last full one.

    It is read in a process of its own, with limits of time and memory.

    A CSV file may be UTF-8 (with or without a byte order mark), UTF-16, UTF-32 or Windows-1252, which is not believed
    of text in other letters nor of UTF-8 with a faulty byte; its delimiter is the one of ``; tab , |`` that splits the
    most rows into the most regular columns.

    Args:
        delimiter: of a CSV file, where it is known.

    Raises:
        UserError: the file is not there, not what its extension says, too large, cannot be decoded, or holds no cell.
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
    if not read:
        raise UserError(f"{path} holds no cell with text; check that it is the right file")
    rows: list[Row] = []
    for number, cells in read:
        if suffix in EXCEL_SUFFIXES:
            rows += [Row(blank, ()) for blank in range(len(rows) + 1, number)]
        rows.append(Row(number, cells))
    return rows


def _read(task: tuple[Path, str | None]) -> list[tuple[int, Cells]]:
    """Reads the number and the cells of each row up to the last full one; of a workbook, of the full ones alone.

    Raises:
        UserError: the file is no table, or one that is too large.
    """
    path, delimiter = task
    rows: list[tuple[int, Cells]] = []
    last = slots = length = 0
    for number, cells in read_workbook(path) if path.suffix.lower() in EXCEL_SUFFIXES else _read_text(path, delimiter):
        rows.append((number, cells))
        slots += len(cells)
        length += sum(map(len, cells))
        longest = max(map(len, cells), default=0)
        last = len(rows) if longest else last
        for what, count, most in (
            (f"characters in a cell of row {number}", longest, _LONGEST_CELL),
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
    encoding = _encoding(path, data)
    delimiter = delimiter or _find_delimiter("".join(islice(_lines(data, encoding), _SAMPLE)))
    quoting = csv.QUOTE_MINIMAL
    try:
        if b'"' in data:
            for _ in _split(_lines(data, encoding), delimiter, quoting=quoting):
                pass
    except csv.Error:  # quotation marks that are part of a caption, not of the format
        quoting = csv.QUOTE_NONE
    try:
        yield from _split(_lines(data, encoding), delimiter, quoting=quoting)
    except csv.Error as error:
        raise UserError(f"{path} is no CSV file ({error}); save it as CSV in UTF-8") from error


def _lines(data: bytes, encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(data), encoding, newline="")


def _encoding(path: Path, data: bytes) -> str:
    try:
        encoding = _guess(data)
        data.decode(encoding)
        return encoding
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{path} is no text in UTF-8, UTF-16 or Windows-1252 (line {line}, byte {error.start} of the file); "
            "save it as CSV in UTF-8"
        ) from error


def _guess(data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if data[1:2] == b"\0" and data[3:4] == b"\0" and data[:4].strip(b"\0"):
        return "utf-16-le"
    if b"\0" in data:
        raise UnicodeDecodeError("utf-8", data, data.index(b"\0"), data.index(b"\0") + 1, "no text holds a zero byte")
    try:
        data.decode("utf-8")
        return "utf-8-sig"
    except UnicodeDecodeError:
        _require_western(data)
        return "cp1252"


def _require_western(data: bytes) -> None:
    """Raises UnicodeDecodeError for what Windows-1252 would make a jumble of letters of, for it decodes nearly all."""
    if other := _OTHER_LETTERS.search(data):
        raise UnicodeDecodeError("cp1252", data, *other.span(), "four letters in a row that are no ASCII")
    text = data.decode("utf-8", errors="replace")
    faulty = text.count("\ufffd")
    if len(text) - len(text.encode("ascii", errors="ignore")) > 2 * faulty:  # more sequences are right than wrong
        data.decode("utf-8")


def _split(lines: Iterable[str], delimiter: str, *, quoting: int) -> Iterator[tuple[int, Cells]]:
    reader = csv.reader(lines, delimiter=delimiter, quoting=quoting, strict=quoting != csv.QUOTE_NONE)  # type: ignore[arg-type]
    start = 1
    for cells in reader:
        yield start, tuple(cell.strip() for cell in cells)
        start = reader.line_num + 1


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
