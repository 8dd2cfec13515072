"""Reads where and when images appeared: title, date, page, place, shelfmark and link, from tables,
tags and file names.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from cbir.archive.manifest import unique_images
from cbir.base.errors import UserError
from cbir.labels.appearances.dates import iso_date
from cbir.labels.appearances.files import METADATA
from cbir.labels.layouts.reading import Mention
from cbir.labels.names import NameIndex, unaccented
from cbir.labels.notes import Note, note_of, suggest_names
from cbir.labels.tables.rows import read_table

_HEADINGS: Mapping[str, str] = {
    "name": "name|file|file name|filename|image|path|nom|fichier|nom du fichier|datei|dateiname",
    "title": "title|source|newspaper|journal|magazine|publication|titre|revue|titel|zeitung|zeitschrift",
    "date": "date|published|datum|date de publication|erschienen",
    "page": "page|pages|p|seite",
    "place": "place|town|city|lieu|ville|ort|stadt",
    "shelfmark": "shelfmark|call number|signature|cote|signatur|ark|identifier|identifiant|id",
    "link": "link|url|uri|lien|adresse",
}
_FIELD_OF = {word: field for field, words in _HEADINGS.items() for word in words.split("|")}
_UNREAD = "date not read"


@dataclass(frozen=True)
class Entry:
    """Holds a row of a table: an image's name as it is written, and what the row says of it, by field."""

    row: int
    name: str
    values: Mapping[str, str]


@dataclass(frozen=True)
class Metadata:
    """Holds what is known of appearances.

    Attributes:
        table: columns of ``METADATA``, a row an image, by image_id.
        notes: on what came to nothing.
        account: lines for a log.
    """

    table: pd.DataFrame
    notes: tuple[Note, ...]
    account: tuple[str, ...]


def read_metadata(path: Path) -> list[Entry]:
    """Reads a table whose headings name its columns, in English, French or German.

    Raises:
        UserError: it cannot be read, or has no heading for the name and for something else.
    """
    header, *rows = [row for row in read_table(path).rows if not row.is_blank]
    fields = [_FIELD_OF.get(unaccented(cell)) for cell in header.cells]
    if "name" not in fields or len({*fields} - {"name", None}) == 0:
        raise UserError(
            f"{path}, row {header.number}: the headings must be name and some of {', '.join(list(_HEADINGS)[1:])}, "
            f"are {', '.join(filter(None, header.cells))}"
        )
    columns = {field: fields.index(field) for field in _HEADINGS if field in fields}
    entries = [(row.number, {field: row.cell(column) for field, column in columns.items()}) for row in rows]
    return [Entry(number, values.pop("name"), values) for number, values in entries if values["name"]]


def find_metadata(
    files: Sequence[Path],
    manifest: pd.DataFrame,
    index: NameIndex,
    *,
    tags: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
    dates: re.Pattern[str] | None = None,
) -> Metadata:
    """Finds what is known of each image: by a table, else by the tags of its file, else by its name.

    The first of several rows counts.

    Args:
        files: as :func:`read_metadata` reads them; names are matched as those of a ground truth.
        tags: as ``cbir.labels.appearances.tags.find_tags`` gives them; a field counts where no table has it.
        dates: as :func:`compiled` gives it; finds dates in the paths of images that have none by then.

    Raises:
        UserError: a file cannot be read.
    """
    known: dict[str, dict[str, str]] = {}
    notes: list[Note] = []
    for file in files:
        for entry in read_metadata(file):
            mention = Mention(entry.row, entry.name)
            match = index.match(entry.name)
            if not match.image_id:
                notes.append(note_of(match, file=file.name, mention=mention))
            elif match.image_id not in known:
                known[match.image_id] = _described(entry.values)
                if entry.values.get("date") and "date" not in known[match.image_id]:
                    advice = "write it as 1921-05-03, 1921-05 or 1921"
                    notes.append(Note(file.name, entry.row, entry.name, _UNREAD, (entry.values["date"],), advice))
    named = len(known)
    for image_id, values in tags.items():
        known[image_id] = _tagged(values, known.get(image_id, {}))
    for image_id, date in _dates_of_names(manifest, dates):
        if "written" not in known.get(image_id, {}):
            known.setdefault(image_id, {}).update(date=date, written=date)
    table = pd.DataFrame([{"image_id": image_id, **known[image_id]} for image_id in sorted(known)])
    return Metadata(
        table.reindex(columns=METADATA.names), suggest_names(sorted(notes), index), _account(files, named, known, notes)
    )


def compiled(pattern: str) -> re.Pattern[str] | None:
    """Returns ``groundtruth.dates`` as a pattern, None where it is empty; raises UserError where it is none."""
    if not pattern:
        return None
    try:
        made = re.compile(pattern)
    except re.error as error:
        raise UserError(f"groundtruth.dates must be a regular expression, is {pattern!r}: {error}") from error
    if "year" not in made.groupindex or {*made.groupindex} - {"year", "month", "day"}:
        raise UserError(
            f"groundtruth.dates must have the group (?P<year>…), and may have month and day, is {pattern!r}; "
            r"such as (?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})"
        )
    return made


def _described(values: Mapping[str, str]) -> dict[str, str]:
    known = {field: text for field, text in values.items() if text and field != "date"}
    if written := values.get("date"):
        known["written"] = written
        if date := iso_date(written):
            known["date"] = date
    return known


def _tagged(tags: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """Adds what tags say to what a table gives; a date is taken whole from either, and from tags only if it is read."""
    said = _described(tags)
    if "written" in given or "date" not in said:
        said = {field: text for field, text in said.items() if field not in ("date", "written")}
    return {**said, **given}


def _dates_of_names(manifest: pd.DataFrame, dates: re.Pattern[str] | None) -> Iterable[tuple[str, str]]:
    """Yields the date that stands in the path of an image's first file, by image_id."""
    if dates is None:
        return
    images = unique_images(manifest)
    for image_id, path in zip(images["image_id"], images["path"], strict=True):
        if match := dates.search(path):
            parts = [match.groupdict().get(name) for name in ("year", "month", "day")]
            if date := iso_date("-".join(part for part in parts if part)):
                yield image_id, date


def _account(
    files: Sequence[Path], named: int, known: Mapping[str, Mapping[str, str]], notes: Sequence[Note]
) -> tuple[str, ...]:
    if not files and not known:
        return ()
    problems = Counter(note.problem for note in notes)
    unread = problems.pop(_UNREAD, 0)
    dated = sum("date" in values for values in known.values())
    line = f"metadata of {named} images, {problems.total()} names without an image; {dated} images have a date"
    return (line + (f", {unread} dates cannot be read" if unread else ""),)
