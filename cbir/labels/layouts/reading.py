"""Holds what a ground truth says in its own names, whatever its layout, and takes cells with several names apart."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from cbir.images.formats import IMAGE_SUFFIXES
from cbir.labels.names import unaccented
from cbir.labels.tables.rows import Row

TableLayout = Literal["column", "row", "members", "pairs"]
IsFile = Callable[[str], bool]

_SUFFIX = rf"\.(?:{'|'.join(sorted(suffix[1:] for suffix in IMAGE_SUFFIXES))})"
_HAS_SUFFIX = re.compile(rf"{_SUFFIX}\b", re.IGNORECASE)
_BEHIND_SUFFIX = re.compile(
    rf"(?<=\w)({_SUFFIX}[\"'»”]?)(?:\s*[,&+]\s*|\s+(?:et|and|und|y|e|/|~|=+|<?[-–—]+>?)\s+|\s+)(?=\S)", re.IGNORECASE
)
_BETWEEN_NAMES = re.compile(r"[\s;|,]")
_ALWAYS = re.compile(r"[\n\t;|]")
_PERHAPS = re.compile(r",| [/&+=–-] | (?:et|and|und) ")
_LABELLED = re.compile(
    r"\W*(?:group|groupe|gruppe|grupo|gruppo|cluster|set|paire?|doublons?|duplicates?|s[eé]rie)\W*\d+\s*[:=]\s*|\d+\s*[:)]\s+",
    re.IGNORECASE,
)
_NUMBERS = re.compile(r"[\d.,%\s]*")
_NAME_WORDS = (
    r"(?:image|img|photo|picture|file|fichier|datei)s?(?: ?(?:file ?name|file|path|name|uri|url))?|"
    r"name|nom|nom d[ue] fichier|dateiname|member|membre|path|chemin|file ?path"
)
_GROUP_WORDS = (
    r"group|groupe|gruppe|grupo|gruppo|groep|cluster|component|composante|duplicate set|duplicate group|"
    r"group name|cluster label|nom du groupe|scene"
)
_NUMBER = r"( ?(n°|nr|no|id|number|index|[a-z]))? ?\d*"
_OF_NAMES = re.compile(rf"({_NAME_WORDS})s?{_NUMBER}")
_OF_GROUPS = re.compile(rf"({_GROUP_WORDS})s?{_NUMBER}")


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
        dividers: headings and rules that stand between the groups of layout ``column``.
    """

    layout: TableLayout
    groups: tuple[tuple[Mention, ...], ...]
    apart: tuple[tuple[Mention, Mention], ...] = ()
    faults: tuple[Fault, ...] = ()
    dividers: tuple[Mention, ...] = ()

    @property
    def mentions(self) -> int:
        """Counts the names that were read, those that stand twice counted twice."""
        return sum(map(len, self.groups)) + 2 * len(self.apart)


def columns_of(rows: Sequence[Row]) -> dict[int, list[Mention]]:
    """Collects the cells with text by column, from left to right, columns without any left out."""
    width = max((len(row.cells) for row in rows), default=0)
    cells = {
        column: [Mention(row.number, row.cell(column)) for row in rows if row.cell(column)] for column in range(width)
    }
    return {column: mentions for column, mentions in cells.items() if mentions}


def columns_of_names(rows: Sequence[Row]) -> dict[int, list[Mention]]:
    """Collects the cells with text by column as `columns_of`, without columns of numbers beside names with extensions.

    So counts, scores, pages and numbers of groups are not taken for files that are called by numbers.
    """
    columns = columns_of(rows)
    named = {
        column for column, cells in columns.items() if 2 * sum(has_suffix(cell.name) for cell in cells) > len(cells)
    }
    return {column: cells for column, cells in columns.items() if not (named and _are_numbers(cells))}


def _are_numbers(cells: Sequence[Mention]) -> bool:
    numbers = [_NUMBERS.fullmatch(cell.name) is not None for cell in cells]
    return all(numbers) or (len(numbers) > 1 and all(numbers[1:]) and not has_suffix(cells[0].name))


def names_in(cell: str, is_file: IsFile) -> list[str]:
    """Takes a cell apart that holds several names: by lines, ``;`` or ``|``, or what stands behind extensions.

    Other signs and words (``a et b``) divide names without extensions only if each part is a file. The label of a group
    before them (``Groupe 1: a.jpg``) is passed over.
    """
    if not _BETWEEN_NAMES.search(cell):
        return [cell] if cell else []
    if (label := _LABELLED.match(cell)) and has_suffix(cell) and not is_file(cell):
        cell = cell[label.end() :]
    parts = [part.strip() for part in _BEHIND_SUFFIX.sub(r"\1\n", cell).split("\n")]
    for several in (parts, [part.strip() for part in _PERHAPS.split(cell)]):
        if len(several) > 1 and all(part and is_file(part) for part in several):
            return several
    if is_file(cell):
        return [cell]
    lines = [part.strip() for part in _ALWAYS.split(cell) if part.strip()]
    if len(lines) > 1:
        return [name for line in lines for name in names_in(line, is_file)]
    return parts if len(parts) > 1 and all(map(has_suffix, parts)) else [cell]


def has_suffix(text: str) -> bool:
    """Tells whether a text holds an image's extension, at its end or before a remark."""
    return _HAS_SUFFIX.search(text) is not None


def is_heading(row: Row, is_file: IsFile) -> bool:
    """Tells whether a row holds headings of names or groups, and names no file."""
    cells = [cell for cell in row.cells if cell]
    headings = any(is_heading_of_names(cell) or is_heading_of_groups(cell) for cell in cells)
    return headings and not any(is_file(cell) for cell in cells)


def is_heading_of_names(cell: str) -> bool:
    """Tells whether a cell may head a column of names, or of the members of groups."""
    return _OF_NAMES.fullmatch(unaccented(cell)) is not None


def is_heading_of_groups(cell: str) -> bool:
    """Tells whether a cell may head a column of groups."""
    return _OF_GROUPS.fullmatch(unaccented(cell)) is not None
