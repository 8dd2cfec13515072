"""Reads who belongs together from the layouts in which ground truths are kept: column, row, members and pairs."""

from collections.abc import Sequence
from typing import Literal

from cbir.labels.layouts.column import is_heading_of_group, only_column, read_column
from cbir.labels.layouts.members import find_members, headed_members, read_members
from cbir.labels.layouts.pairs import label_column, read_pairs
from cbir.labels.layouts.reading import (
    IsFile,
    Mention,
    Reading,
    TableLayout,
    columns_of,
    columns_of_names,
    is_heading,
    is_heading_of_groups,
    names_in,
)
from cbir.labels.tables.rows import Row

_READERS = {"column": read_column, "members": read_members, "pairs": read_pairs}


def read_layout(rows: Sequence[Row], *, layout: Literal["auto"] | TableLayout, is_file: IsFile) -> Reading:
    """Reads the groups of a table.

    ``column``: names one below the other, a row without a name ends a group, and so does a heading or a rule; they
    stand in column D or, where that is empty, in the only column with text. ``row``: each row is a group, each cell a
    name; a first row of headings is passed over, and so are columns of numbers beside names with extensions.
    ``members``: each row is an image, with a column of groups and one of files. ``pairs``: two columns of names and one
    of labels (1/0, same/different, yes/no, oui/non …), with or without headings.

    ``auto`` is ``members`` where headings or the shape of two columns say so; else ``pairs`` where one column holds
    labels alone and at least two others text; else ``column`` where one column alone holds text, or one column alone
    names files and has gaps between its names; else ``row``.

    Args:
        is_file: whether a name means a file of the archive; it helps to tell names from other columns and headings.

    Raises:
        UserError: the layout named cannot be read from this table.
    """
    kind = find_layout(rows, is_file=is_file) if layout == "auto" else layout
    return _read_rows(rows, is_file) if kind == "row" else _READERS[kind](rows, is_file)


def find_layout(rows: Sequence[Row], *, is_file: IsFile) -> TableLayout:
    """Finds the layout of a table by the rule of `read_layout`."""
    if headed_members(rows, is_file):
        return "members"
    if label_column(rows, strictly=True) is not None:
        return "pairs"
    if find_members(rows, is_file):
        return "members"
    return "column" if only_column(rows, is_file) is not None else "row"


def _read_rows(rows: Sequence[Row], is_file: IsFile) -> Reading:
    body = rows[1:] if rows and is_heading(rows[0], is_file) else rows
    columns = columns_of_names(body).keys() - {_numbering(rows, body, is_file)}
    groups = (
        tuple(
            Mention(row.number, name)
            for column, cell in enumerate(row.cells)
            if column in columns
            for name in names_in(cell, is_file)
        )
        for row in body
    )
    return Reading("row", tuple(group for group in groups if group))


def _numbering(rows: Sequence[Row], body: Sequence[Row], is_file: IsFile) -> int | None:
    """Finds a first column that holds the groups' own names (``Groupe 1``) or, headed so, numbers."""
    columns = columns_of(body)
    first = min(columns, default=None)
    if first is None or len(columns) < 2:
        return None
    labels = [cell.name for cell in columns[first]]
    headed = body is not rows and is_heading_of_groups(rows[0].cell(first))
    numbers = headed and all(map(str.isdecimal, labels)) and len({*labels}) == len(labels)
    named = all(is_heading_of_group(label) and not is_file(label) for label in labels)
    return first if named or numbers else None
