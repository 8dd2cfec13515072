"""Reads captions of the images from a CSV of descriptions, or from Excel sheets, one a sub-folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cbir.base.errors import UserError
from cbir.labels.caption_rows import read_captions
from cbir.labels.caption_sheets import NO_CAPTION, Entry, Found, find_images, read_entries
from cbir.labels.layouts.reading import Mention
from cbir.labels.names import NameIndex, Problem
from cbir.labels.notes import Note, note_of, suggest_names
from cbir.labels.tables.rows import EXCEL_SUFFIXES


@dataclass(frozen=True)
class Captions:
    """Holds captions by image_id, what could not be used, and how many captions and incomplete rows the source has."""

    texts: Mapping[str, str]
    notes: tuple[Note, ...] = ()
    read: int = 0
    unread: int = 0


def find_captions(source: Path, *, manifest: pd.DataFrame, index: NameIndex, prompt: str = "") -> Captions:
    """Finds the caption of each image; of several the first counts.

    A CSV file has no headings, is divided by ``;`` and gives an image's path, the prompt that it was described with,
    and the description (``EMPTY``: none), or the path and the caption alone; see `cbir.labels.caption_rows`. An Excel
    file, or each one of a folder, is about the sub-folder of the archive (or the accession) that has its name, and has
    columns for the caption (``legende``, ``Légendes``, ``Legend`` …) and for the number of the photo, of the page, or
    both; see `cbir.labels.caption_sheets.find_images`.

    Args:
        prompt: of a CSV file, only rows whose prompt begins so, without regard to case and spaces.

    Raises:
        UserError: the source cannot be read as captions, or no prompt begins so.
    """
    sheets = _sheets(source)
    if not sheets:
        return _from_csv(source, index, prompt)
    texts: dict[str, str] = {}
    notes: list[Note] = []
    read = 0
    for sheet in sheets:
        entries = read_entries(sheet)
        read += len(entries)
        for entry, result in zip(
            entries, find_images(entries, folder=sheet.stem, manifest=manifest, index=index), strict=True
        ):
            if result.image_id:
                texts.setdefault(result.image_id, entry.text)
            else:
                notes.append(_note(sheet, entry, result))
    return Captions(texts, tuple(sorted(notes)), read)


def check_captions(source: Path) -> None:
    """Reads a source of captions without an archive.

    Raises:
        UserError: it cannot be read as one.
    """
    sheets = _sheets(source)
    for sheet in sheets:
        read_entries(sheet)
    if not sheets:
        read_captions(source)


def _sheets(source: Path) -> list[Path]:
    if not source.is_dir():
        return [source] if source.suffix.lower() in EXCEL_SUFFIXES else []
    sheets = sorted(path for path in source.iterdir() if is_sheet(path))
    if not sheets:
        raise UserError(
            f"the folder of captions {source} holds no .xlsx file; put one there for each sub-folder of the archive"
        )
    return sheets


def is_sheet(path: Path) -> bool:
    """Tells whether a file is an Excel file, and not the shadow that Excel keeps of an open one."""
    return path.suffix.lower() in EXCEL_SUFFIXES and not path.name.startswith((".", "~$"))


def _from_csv(source: Path, index: NameIndex, prompt: str) -> Captions:
    rows = read_captions(source)
    texts: dict[str, str] = {}
    notes: dict[str, Note] = {}
    read = 0
    for described in rows.begun_by(prompt, source):
        if described.text.casefold() in ("", NO_CAPTION):
            continue
        read += 1
        mention = Mention(described.row, described.name)
        match = index.match(mention.name)
        if match.image_id:
            texts.setdefault(match.image_id, described.text)
        elif mention.name not in notes:
            notes[mention.name] = note_of(match, file=source.name, mention=mention)
    short = [
        Note(source.name, row.number, ";".join(row.cells), "too few columns", advice="complete the row")
        for row in rows.too_short
    ]
    return Captions(texts, suggest_names(sorted([*notes.values(), *short]), index), read, len(short))


def _note(sheet: Path, entry: Entry, result: Found) -> Note:
    if result.reason:
        problem, advice = f"{Problem.REJECTED} ({result.reason})", "mend or replace the file"
    elif result.paths:
        problem, advice = str(Problem.AMBIGUOUS), "put the file's name in place of the photo's number"
    else:
        problem = str(Problem.UNMATCHED)
        advice = f"correct the number; it is looked for in sub-folders named {sheet.stem}"
    return Note(sheet.name, entry.row, entry.name, problem, result.paths, advice)
