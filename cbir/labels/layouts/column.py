"""Reads names that stand one below the other, parted by blank rows, by headings or by rules."""

import re
from collections import Counter
from collections.abc import Sequence

from cbir.base.errors import UserError
from cbir.labels.layouts.reading import (
    IsFile,
    Mention,
    Reading,
    columns_of,
    columns_of_names,
    has_suffix,
    is_heading_of_names,
    names_in,
)
from cbir.labels.tables.rows import Row

COLUMN_OF_NAMES = 3  # D, where the ground truth of the LIPADE laboratory has them

_ERROR = re.compile("#[A-Z]")  # a formula's value that is none, such as #N/A: a name is missing
_LONGEST = 200  # characters of a heading
_HEADING = re.compile(
    r"\W*(?:group|groupe|gruppe|grupo|gruppo|groep|cluster|component|composante|set|match|duplicate|doublon|pair|paire|paar"
    r"|ensemble|famille|family|familie|s[eé]rie|lot)s?"
    r"[^\w\n]*(?:n°|no\b|nr\b)?\W*(?:\d+|[a-z]|[ivxlc]+)?\s*(?:(?:of|sur|von|de) \d+\s*)?(?:[:(,–—-].*)?\W*"
    r"|[#(\[]\s*\d+\W*|\d+\s*[.:)\]]",
    re.IGNORECASE,
)


def only_column(rows: Sequence[Row], is_file: IsFile) -> int | None:
    """Finds the one column of names whose groups are parted within it; None where there is none, or several.

    Remarks in other columns may name a quarter as many files, or an eighth where they stand in most rows.
    """
    columns = columns_of_names(rows)
    if len(columns) == 1:
        (column,) = columns
        if len(columns_of(rows)) > 1 and not _is_parted(rows, column, is_file):
            return None
        several = sum(len(names_in(cell.name, is_file)) > 1 for cell in columns[column])
        return column if 2 * several <= len(columns[column]) else None
    files = {column: sum(is_file(cell.name) for cell in cells) for column, cells in columns.items()}
    if not any(files.values()):
        return None
    column = max(files, key=lambda column: (files[column], -column))
    others = [other for other in columns if other != column and files[other]]
    full = 2 * sum(len(columns[other]) for other in others) > len(columns[column])
    remarks = sum(files[other] for other in others) * (8 if full else 4) <= files[column]
    return column if remarks and _is_parted(rows, column, is_file) else None


def read_column(rows: Sequence[Row], is_file: IsFile) -> Reading:
    """Reads names one below the other, in column D or, where that names no file, in the only one that does.

    A row without a name ends a group, and so does one with a heading or a rule, see `dividers`.

    Raises:
        UserError: it is unclear which column has the names.
    """
    column = _column_of_names(rows, is_file)
    headings = dividers(rows, column, is_file)
    between = {heading.row for heading in headings}
    groups: list[list[Mention]] = [[]]
    for row in rows:
        if row.cell(column) and row.number not in between:
            groups[-1] += [Mention(row.number, name) for name in names_in(row.cell(column), is_file)]
        else:
            groups.append([])
    return Reading("column", tuple(tuple(group) for group in groups if group), dividers=headings)


def dividers(rows: Sequence[Row], column: int, is_file: IsFile) -> tuple[Mention, ...]:
    """Finds the cells of a column of names that are no names but stand between groups.

    They are rules (no letter, no digit), headings such as ``Groupe 1``, and above all names that of the column; if no
    blank row stands between names, also a text without extension that is there three times, or any if the names have
    extensions. The name of a file never is.
    """
    cells = [Mention(row.number, row.cell(column)) for row in rows if row.cell(column)]
    suffixed = [has_suffix(row.cell(column)) for row in rows]
    listed = 2 * sum(suffixed) >= len(cells)
    again = Counter(cell.name for cell in cells)
    joined = not _has_blanks(rows, column, suffixed if listed else [True] * len(rows))

    def divides(cell: Mention) -> bool:
        if not any(map(str.isalnum, cell.name)) or is_heading_of_group(cell.name):
            return True
        if cell is cells[0] and is_heading_of_names(cell.name) and cell.name[-1].isalpha():
            return True
        no_name = not has_suffix(cell.name) and not _ERROR.match(cell.name)
        return joined and no_name and (listed or again[cell.name] > 2)

    return tuple(cell for cell in cells if divides(cell) and not is_file(cell.name))


def _is_parted(rows: Sequence[Row], column: int, is_file: IsFile) -> bool:
    between = {divider.row for divider in dividers(rows, column, is_file)}
    names = [row.number for row in rows if row.cell(column) and row.number not in between]
    return _has_blanks(rows, column, [True] * len(rows)) or any(names[0] < row < names[-1] for row in between if names)


def is_heading_of_group(text: str) -> bool:
    """Tells whether a text heads a group, such as ``Groupe 1`` or ``Set A: Verdun``."""
    return len(text) <= _LONGEST and not has_suffix(text) and _HEADING.fullmatch(text) is not None


def _has_blanks(rows: Sequence[Row], column: int, chosen: Sequence[bool]) -> bool:
    """Tells whether a row without text stands between the chosen cells of a column."""
    places = [place for place, row in enumerate(rows) if row.cell(column) and chosen[place]]
    return bool(places) and not all(row.cell(column) for row in rows[places[0] : places[-1]])


def _column_of_names(rows: Sequence[Row], is_file: IsFile) -> int:
    columns = columns_of(rows)
    files = {column: sum(is_file(cell.name) for cell in cells) for column, cells in columns.items()}
    named = [column for column, cells in columns.items() if 2 * files[column] >= len(cells)]
    if COLUMN_OF_NAMES in columns and (files[COLUMN_OF_NAMES] or len(named) != 1):
        return COLUMN_OF_NAMES
    column = named[0] if len(named) == 1 else only_column(rows, is_file)
    if column is None:
        raise UserError(
            f"groundtruth.layout is column, but column D is empty and {len(columns)} other columns hold text; "
            "move the names to column D or name the layout row"
        )
    return column
