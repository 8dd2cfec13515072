"""Reads captions from Excel sheets, one a sub-folder of the archive, and tells which image each row is of."""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cbir.base.errors import UserError
from cbir.labels.names import NameIndex, plain, unaccented, without_suffix
from cbir.labels.tables.rows import read_table

NO_CAPTION = "empty"  # what a captioning program wrote where it had nothing to say

_HEADING_ROWS = 10  # the headings of a sheet may stand below a title
_CAPTION = re.compile(r"(legend|caption)")
_PHOTO = re.compile(r"\b(photo|image|cliche)")
_PAGE = re.compile(r"\bpage")
_NUMBER = re.compile(r"(\d+)( ?(?:bis|ter|quater)\b|[a-z](?![a-z]))?")

Key = tuple[str, ...]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """Holds a row of a sheet: a caption, and the numbers of its image as they are written."""

    row: int
    photo: str
    page: str
    text: str

    @property
    def name(self) -> str:
        """Words the numbers, for the report."""
        return ", ".join(f"{kind} {value}" for kind, value in (("photo", self.photo), ("page", self.page)) if value)


@dataclass(frozen=True)
class _Image:
    path: str
    numbers: Key
    image_id: str | None
    reason: str


@dataclass(frozen=True)
class Found:
    """Holds what a row's numbers lead to: an image, none, several, or a file that was rejected."""

    image_id: str | None
    paths: tuple[str, ...] = ()
    reason: str = ""


def read_entries(sheet: Path) -> list[Entry]:
    """Reads the rows of a sheet that hold a caption; a log line names the other sheets of the workbook.

    Raises:
        UserError: the file is no sheet, or has no column of captions, or none of numbers.
    """
    table = read_table(sheet)
    if table.left_out:
        log.info("%s: %s", sheet.name, table.sheets)
    rows = table.rows
    for heading in rows[:_HEADING_ROWS]:
        headings = [unaccented(cell) for cell in heading.cells]
        text, photo, page = (_find(headings, wanted) for wanted in (_CAPTION, _PHOTO, _PAGE))
        if text is not None and (photo is not None or page is not None):
            break
    else:
        raise UserError(
            f'{sheet} must have a column of captions ("Légende") and one of numbers ("Num photo" or "Num page")'
        )
    return [
        Entry(row.number, _cell(row.cells, photo), _cell(row.cells, page), _cell(row.cells, text))
        for row in rows[rows.index(heading) + 1 :]
        if plain(_cell(row.cells, text)) not in ("", NO_CAPTION)
    ]


def find_images(entries: Sequence[Entry], *, folder: str, manifest: pd.DataFrame, index: NameIndex) -> list[Found]:
    """Finds the image of each row of a sheet about one sub-folder.

    An image is a row's when the numbers in its file's name (the sub-folder's name before them left out) end as the row
    says. The numbers to go by are chosen for the sheet as a whole: page and photo, photo alone (not where one photo
    number stands for several pages), or page alone, whichever finds the most images. A many-paged file that is alone in
    the sub-folder, or has its name, is looked up by the pages' numbers. Leading zeros do not matter; 12bis and 12b are
    numbers of their own. If the numbers match nothing, the cell of the photo is taken for a file's name.
    """
    images = _images(folder, manifest)
    by_end: dict[Key, list[_Image]] = {}
    for image in images:
        for length in (1, 2):
            if len(image.numbers) >= length:
                by_end.setdefault(image.numbers[-length:], []).append(image)
    keys = max(_ways(entries), key=lambda way: _found_by(way, by_end))
    results: list[Found] = []
    for entry, key in zip(entries, keys, strict=True):
        result = _one(by_end.get(key, []) if key else [])
        if not result.paths and entry.photo:
            named = index.match(f"{folder}/{entry.photo}")
            result = Found(named.image_id, named.candidates, named.reason)
        results.append(result)
    return results


def _find(headings: Sequence[str], wanted: re.Pattern[str]) -> int | None:
    return next((column for column, heading in enumerate(headings) if wanted.search(heading)), None)


def _cell(cells: Sequence[str], column: int | None) -> str:
    return cells[column] if column is not None and column < len(cells) else ""


def _numbers(text: str) -> Key:
    return tuple((digits.lstrip("0") or "0") + mark.strip() for digits, mark in _NUMBER.findall(unaccented(text)))


def _number(cell: str) -> Key:
    """Reads the number in a cell; nothing where it holds none or several."""
    numbers = _numbers(cell)
    return numbers if len(numbers) == 1 else ()


def _ways(entries: Sequence[Entry]) -> list[list[Key]]:
    """Gives the keys of all rows by each way to read their numbers, the way that goes first first."""
    photos = [_number(entry.photo) for entry in entries]
    pages = [_number(entry.page) for entry in entries]
    both: list[Key] = [page + photo if page and photo else () for page, photo in zip(pages, photos, strict=True)]
    given = {(photo, page) for photo, page in zip(photos, pages, strict=True) if photo}
    counted_anew = len(given) > len({photo for photo, _ in given})
    return [both, pages] if counted_anew else [both, photos, pages]


def _found_by(keys: Sequence[Key], by_end: dict[Key, list[_Image]]) -> int:
    return len({image.image_id for key in set(keys) if key for image in by_end.get(key, [])[:1]})


def _one(images: Sequence[_Image]) -> Found:
    usable = {image.image_id for image in images if image.image_id}
    paths = tuple(image.path for image in images)
    if len(usable) == 1:
        return Found(usable.pop(), paths)
    reasons = "" if usable else "; ".join(dict.fromkeys(image.reason for image in images))
    return Found(None, paths, reasons)


def _images(folder: str, manifest: pd.DataFrame) -> list[_Image]:
    """Lists the images below folders of a name, with the numbers in their files' names or of their pages."""
    name = unaccented(folder)
    parts = manifest["path"].map(lambda path: [unaccented(part) for part in path.split("/")])
    stems = manifest["path"].map(lambda path: unaccented(without_suffix(path.rpartition("/")[2])))
    inside = parts.map(lambda folded: name in folded[:-1])
    many = manifest.groupby("path")["page"].transform("max") > 0
    alone = inside & (manifest.loc[inside, "path"].nunique() == 1)
    documents = many & (alone | (stems == name))
    rows = manifest[documents | (inside & ~many)].assign(stem=stems, by_page=documents)
    columns = ("path", "page", "image_id", "status", "reason", "stem", "by_page")
    return [
        _Image(
            path,
            (str(page + 1),) if by_page else _numbers(stem.removeprefix(name)),
            image_id if status == "ok" else None,
            "" if status == "ok" else f"{status}: {reason}" if isinstance(reason, str) else str(status),
        )
        for path, page, image_id, status, reason, stem, by_page in zip(
            *(rows[c].tolist() for c in columns), strict=True
        )
    ]
