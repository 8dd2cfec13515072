"""Reads one row an image: the group that it belongs to, and the file, as clusters are saved."""

import re
from collections.abc import Collection, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from cbir.base.errors import UserError
from cbir.labels.layouts.reading import (
    Fault,
    IsFile,
    Mention,
    Reading,
    columns_of,
    has_suffix,
    is_heading,
    is_heading_of_groups,
    is_heading_of_names,
    names_in,
)
from cbir.labels.names import compose
from cbir.labels.tables.rows import Row

_NO_GROUP = {"-1", "-", "nan", "none", "null", "n/a", "noise"}  # of clustering programs: no cluster
_SCORE = re.compile(r"\d*[.,]?\d+ ?%?")
_YEAR = re.compile(r"(?:18|19|20)\d\d")
_TITLES = 10  # full rows among which the headings are looked for


class Members(NamedTuple):
    """Says where a table has its groups and files: the columns, and the rows below the headings."""

    group: int
    file: int
    body: Sequence[Row]


def find_members(rows: Sequence[Row], is_file: IsFile) -> Members | None:
    """Finds the columns of groups and of files by their headings, or else by the shape of a table of two columns.

    By shape, each group's rows follow each other and no blank row parts them; groups have no extension and name no
    file, but for numbers beside names with extensions. A group's name may stand left of its first file alone.
    """
    return headed_members(rows, is_file) or _shaped(rows, is_file)


def headed_members(rows: Sequence[Row], is_file: IsFile) -> Members | None:
    """Finds the columns of groups and of files by their headings; of several of files, the one that names the most.

    Groups stand in several rows each, or in the first of several; a column of scenes is one of groups if there is no
    other.
    """
    full = [place for place, row in enumerate(rows) if not row.is_blank]
    for place in full[:_TITLES]:
        cells, body = rows[place].cells, rows[place + 1 :]
        groups = [column for column, cell in enumerate(cells) if is_heading_of_groups(cell)]
        files = [column for column, cell in enumerate(cells) if is_heading_of_names(cell)]
        if groups and files and not any(map(is_file, cells)):
            group = min(groups, key=lambda column: ("scene" in cells[column].casefold(), column))
            counts = {column: sum(is_file(row.cell(column)) for row in body) for column in files}
            file = max(files, key=lambda column: (counts[column], -column))
            labels = [row.cell(group) for row in body if not row.is_blank]
            several = _repeats(labels) or _is_merged(labels)
            return Members(group, file, body) if several and cells[group] not in labels else None
    return None


def read_members(rows: Sequence[Row], is_file: IsFile) -> Reading:
    """Reads the groups of a table with a column of groups and one of files; a file without a group is alone.

    A group that is named but once holds until the next name, as merged cells are read.

    Raises:
        UserError: it is unclear which columns they are.
    """
    members = find_members(rows, is_file)
    if members is None:
        raise UserError(
            "groundtruth.layout is members, but no two columns are headed group and file; put these headings above them"
        )
    body = [row for row in members.body if not row.is_blank]
    merged = _is_merged([row.cell(members.group) for row in body])
    groups: dict[str, list[Mention]] = {}
    faults: list[Fault] = []
    label = ""
    for row in body:
        label = _label(row, members.group) or (label if merged else "")
        names = names_in(row.cell(members.file), is_file)
        group = groups.setdefault(compose(label) or f"\0{row.number}", [])
        group += [Mention(row.number, name) for name in names]
        if not names:
            faults.append(Fault(row.number, label, "no file"))
    return Reading("members", tuple(tuple(group) for group in groups.values() if group), faults=tuple(faults))


def _shaped(rows: Sequence[Row], is_file: IsFile) -> Members | None:
    columns = columns_of(rows)
    if len(columns) != 2:
        return None
    full = [place for place, row in enumerate(rows) if not row.is_blank]
    body = rows[full[1] :] if len(full) > 1 and is_heading(rows[full[0]], is_file) else rows
    left, right = columns
    for group, file in ((left, right), (right, left)):
        filled = [row for row in body if not row.is_blank]
        labels, names = [row.cell(group) for row in filled], [row.cell(file) for row in filled]
        if (
            all(names)
            and _are_groups(labels, names, is_file)
            and (_follow_each_other(body, group) or _number_files(body, group, file))
        ):
            blank = len(filled) < len(body)
            if (all(labels) and _repeats(labels)) or (group == left and not blank and _is_merged(labels)):
                return Members(group, file, body)
    return None


def _are_groups(labels: Sequence[str], names: Sequence[str], is_file: IsFile) -> bool:
    written = {label for label in labels if label}
    twice = len(names) - len({*names})
    if len(written) < 2 or 10 * twice > len(names) or any(map(has_suffix, written)):
        return False
    if all(map(_YEAR.fullmatch, written)) or _are_scores(written):
        return False
    if all(map(str.isdecimal, written)) and all(map(has_suffix, names)):
        return True
    return any(map(is_file, names)) and not any(map(is_file, written))


def _are_scores(labels: Collection[str]) -> bool:
    """Tells whether labels are likenesses: fractions up to 1, or percents."""
    if not all(map(_SCORE.fullmatch, labels)):
        return False
    shares = [float(label.rstrip(" %").replace(",", ".")) for label in labels]
    percents = any(label.endswith("%") for label in labels)
    return percents or (max(shares) <= 1 and any(share % 1 for share in shares))


def _follow_each_other(body: Sequence[Row], group: int) -> bool:
    """Tells whether the rows of each group follow each other, and whether blank rows, if any, part all groups."""
    runs = [label for label, _ in groupby(row.cell(group) for row in body if row.cell(group))]
    blocks = [{row.cell(group) for row in block} for block in _blocks(body)]
    return len({*runs}) == len(runs) and (len(blocks) == 1 or all(len(labels) == 1 for labels in blocks))


def _number_files(body: Sequence[Row], group: int, file: int) -> bool:
    """Tells whether numbers stand left of names with extensions, in any order; then they are no remarks."""
    full = [row for row in body if not row.is_blank]
    numbered = all(row.cell(group).isdecimal() and has_suffix(row.cell(file)) for row in full)
    return group < file and len(full) == len(body) and numbered


def _blocks(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Yields the full rows between blank ones."""
    for blank, block in groupby(rows, key=lambda row: row.is_blank):
        if not blank:
            yield list(block)


def _label(row: Row, column: int) -> str:
    label = row.cell(column)
    return "" if label.casefold() in _NO_GROUP else label


def _repeats(labels: Sequence[str]) -> bool:
    written = [label for label in labels if label]
    return len({*written}) < len(written)


def _is_merged(labels: Sequence[str]) -> bool:
    """Tells whether each group is named but once, in the first of several rows."""
    return bool(labels and labels[0]) and not all(labels) and not _repeats(labels)
