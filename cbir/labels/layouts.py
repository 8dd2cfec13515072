"""Reads who belongs together from the layouts in which ground truths are kept: column, row and pairs."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from cbir.errors import UserError
from cbir.labels.names import unaccented
from cbir.labels.tables.rows import Row

TableLayout = Literal["column", "row", "pairs"]

COLUMN_OF_NAMES = 3  # D, where the ground truth of the LIPADE laboratory has them

_SAME = {"1", "true", "yes", "y", "oui", "o", "vrai", "si", "ja", "match", "positive"} | {
    *("same", "similar", "identical", "meme", "memes", "identique", "identiques")
}
_DIFFERENT = {"0", "-1", "false", "no", "n", "non", "faux", "nein", "mismatch", "negative"} | {
    *("different", "differents", "differente", "differentes", "dissimilar", "autre")
}
_HEADING_WORDS = (
    r"image|img|photo|picture|name|nom|file ?name|file|fichier|nom du fichier|group|groupe|member|membre|path"
)
_HEADING = re.compile(rf"({_HEADING_WORDS})s?( ?(n°|no|id|[a-z]))? ?\d*")


@dataclass(frozen=True)
class Mention:
    """Holds a name where it stands in the file."""

    row: int
    name: str


@dataclass(frozen=True)
class Fault:
    """Holds a row that cannot be read as its layout asks."""

    row: int
    text: str
    problem: str


@dataclass(frozen=True)
class Reading:
    """Holds what a ground-truth file says, in its own names.

    Attributes:
        groups: names of the same picture; in layout ``pairs`` each pair that is labelled the same.
        apart: pairs that are labelled different.
    """

    layout: TableLayout
    groups: tuple[tuple[Mention, ...], ...]
    apart: tuple[tuple[Mention, Mention], ...] = ()
    faults: tuple[Fault, ...] = ()

    @property
    def mentions(self) -> int:
        """Counts the names that were read, those that stand twice counted twice."""
        return sum(map(len, self.groups)) + 2 * len(self.apart)


def read_layout(
    rows: Sequence[Row], *, layout: Literal["auto"] | TableLayout, is_file: Callable[[str], bool]
) -> Reading:
    """Reads the groups of a table.

    ``column``: names one below the other, a row without a name ends a group; they stand in column D or, where that is
    empty, in the only column with text. ``row``: each row is a group, each cell a name; a first row of headings is
    passed over. ``pairs``: two columns of names and one of labels (1/0, same/different, yes/no, oui/non …), with or
    without headings.

    ``auto`` is ``pairs`` where one column holds labels alone and at least two others text; else ``column`` where one
    column alone holds text, or one column alone names files and has gaps between its names; else ``row``.

    Args:
        is_file: whether a name means a file of the archive; it helps to tell names from other columns and headings.

    Raises:
        UserError: the layout named cannot be read from this table.
    """
    kind = find_layout(rows, is_file=is_file) if layout == "auto" else layout
    if kind == "pairs":
        return _read_pairs(rows, is_file)
    return _read_column(rows, is_file) if kind == "column" else _read_rows(rows, is_file)


def find_layout(rows: Sequence[Row], *, is_file: Callable[[str], bool]) -> TableLayout:
    """Finds the layout of a table by the rule of `read_layout`."""
    if _label_column(rows, strictly=True) is not None:
        return "pairs"
    return "column" if _only_column(rows, is_file) is not None else "row"


def label_of(text: str) -> bool | None:
    """Tells whether a label means the same picture; None where it is no label."""
    word = text.strip().casefold()
    try:
        word = str(int(float(word))) if float(word).is_integer() else word
    except (ValueError, OverflowError):
        word = "-".join(unaccented(part) for part in word.split("-"))
    return True if word in _SAME else False if word in _DIFFERENT else None


def _columns(rows: Sequence[Row]) -> dict[int, list[Mention]]:
    """Collects the cells with text by column, from left to right, columns without any left out."""
    width = max((len(row.cells) for row in rows), default=0)
    cells = {
        column: [Mention(row.number, row.cell(column)) for row in rows if row.cell(column)] for column in range(width)
    }
    return {column: mentions for column, mentions in cells.items() if mentions}


def _only_column(rows: Sequence[Row], is_file: Callable[[str], bool]) -> int | None:
    columns = _columns(rows)
    if len(columns) == 1:
        return next(iter(columns))
    named = [column for column, cells in columns.items() if any(is_file(cell.name) for cell in cells)]
    if len(named) != 1:
        return None
    filled = [position for position, row in enumerate(rows) if row.cell(named[0])]
    return named[0] if filled[-1] - filled[0] >= len(filled) else None


def _read_column(rows: Sequence[Row], is_file: Callable[[str], bool]) -> Reading:
    columns = _columns(rows)
    column = COLUMN_OF_NAMES if COLUMN_OF_NAMES in columns else _only_column(rows, is_file)
    if column is None:
        raise UserError(
            f"groundtruth.layout is column, but column D is empty and {len(columns)} other columns hold text; "
            "move the names to column D or name the layout row"
        )
    groups: list[list[Mention]] = [[]]
    for row in rows:
        if name := row.cell(column):
            groups[-1].append(Mention(row.number, name))
        else:
            groups.append([])
    return Reading("column", tuple(tuple(group) for group in groups if group))


def _read_rows(rows: Sequence[Row], is_file: Callable[[str], bool]) -> Reading:
    body = rows[1:] if rows and _is_heading(rows[0], is_file) else rows
    groups = (tuple(Mention(row.number, cell) for cell in row.cells if cell) for row in body)
    return Reading("row", tuple(group for group in groups if group))


def _is_heading(row: Row, is_file: Callable[[str], bool]) -> bool:
    cells = [cell for cell in row.cells if cell]
    return any(_HEADING.fullmatch(unaccented(cell)) for cell in cells) and not any(is_file(cell) for cell in cells)


def _label_column(rows: Sequence[Row], *, strictly: bool) -> int | None:
    """Finds the column of labels; strictly: nothing but its first cell may be something else."""
    columns = _columns(rows)
    if len(columns) < 3:
        return None
    scores: dict[int, float] = {}
    for column, cells in columns.items():
        labels = [label_of(cell.name) is not None for cell in cells]
        body = labels if labels[0] else labels[1:]
        scores[column] = sum(body) / len(body) if body else 0.0
    best = max(scores, key=lambda column: (scores[column], column))
    return best if scores[best] == 1 or (not strictly and scores[best] > 0.5) else None


def _read_pairs(rows: Sequence[Row], is_file: Callable[[str], bool]) -> Reading:
    label = _label_column(rows, strictly=False)
    if label is None:
        raise UserError(
            "groundtruth.layout is pairs, but no column holds labels (1 or 0, same or different, yes or no) beside two "
            "columns of names; name the right layout or auto"
        )
    names = {column: cells for column, cells in _columns(rows).items() if column != label}
    known = {column: sum(is_file(cell.name) for cell in cells) for column, cells in names.items()}
    left, right = sorted(sorted(names, key=lambda column: -known[column])[:2])
    full = [row for row in rows if not row.is_blank]
    if _is_pairs_heading(full, (left, right), label, is_file):
        del full[0]
    groups: list[tuple[Mention, ...]] = []
    apart: list[tuple[Mention, Mention]] = []
    faults: list[Fault] = []
    for row in full:
        pair = Mention(row.number, row.cell(left)), Mention(row.number, row.cell(right))
        same = label_of(row.cell(label))
        if same is None or not (pair[0].name and pair[1].name):
            text = " | ".join((pair[0].name, pair[1].name, row.cell(label)))
            faults.append(Fault(row.number, text, "no label" if same is None else "no pair"))
        elif same:
            groups.append(pair)
        else:
            apart.append(pair)
    return Reading("pairs", tuple(groups), tuple(apart), tuple(faults))


def _is_pairs_heading(rows: Sequence[Row], names: tuple[int, int], label: int, is_file: Callable[[str], bool]) -> bool:
    """Tells whether the first row names no file and its label is none or comes only once (``same`` over 1 and 0)."""
    first = rows[0].cell(label)
    again = any(row.cell(label) == first for row in rows[1:])
    return not any(is_file(rows[0].cell(column)) for column in names) and (label_of(first) is None or not again)
