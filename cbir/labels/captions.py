"""Reads captions of the images from a CSV of descriptions, or from Excel sheets, one a sub-folder."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cbir.errors import UserError
from cbir.labels.caption_sheets import NO_CAPTION, Entry, Found, find_images, read_entries
from cbir.labels.layouts import Mention
from cbir.labels.names import NameIndex, Problem, plain
from cbir.labels.notes import Note, note_of, suggest_names
from cbir.labels.tables.rows import EXCEL_SUFFIXES, Row, read_table


@dataclass(frozen=True)
class Captions:
    """Holds captions by image_id, what could not be used, and how many captions the source has."""

    texts: Mapping[str, str]
    notes: tuple[Note, ...] = ()
    read: int = 0


def find_captions(source: Path, *, manifest: pd.DataFrame, index: NameIndex, prompt: str = "") -> Captions:
    """Finds the caption of each image; of several the first counts.

    A CSV file has no headings, is divided by ``;`` and gives an image's path, the prompt that it was described with,
    and the description (``EMPTY``: none). An Excel file, or each one of a folder, is about the sub-folder of the
    archive (or the accession) that has its name, and has columns for the caption (``legende``, ``Légendes``,
    ``Legend`` …) and for the number of the photo, of the page, or both; see `cbir.labels.caption_sheets.find_images`.

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
        _read_csv(source)


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


def _read_csv(source: Path) -> list[Row]:
    rows = [row for row in read_table(source, delimiter=";") if not row.is_blank]
    if not any(len(row.cells) >= 3 for row in rows):
        raise UserError(f"{source} must have an image's path, a prompt and a description in each row, divided by ;")
    return rows


def _from_csv(source: Path, index: NameIndex, prompt: str) -> Captions:
    rows = _read_csv(source)
    chosen = [row for row in rows if plain(row.cell(1)).startswith(plain(prompt))]
    if not chosen:
        commonest = Counter(row.cell(1) for row in rows).most_common(1)[0][0]
        raise UserError(
            f'groundtruth.caption_prompt is "{prompt}", but no prompt in {source} begins so; '
            f'the commonest is "{commonest}"'
        )
    texts: dict[str, str] = {}
    notes: dict[str, Note] = {}
    read = 0
    for row in chosen:
        text = ";".join(row.cells[2:]).strip("; ")  # a description may hold the delimiter
        if text.casefold() in ("", NO_CAPTION):
            continue
        read += 1
        mention = Mention(row.number, row.cell(0))
        match = index.match(mention.name)
        if match.image_id:
            texts.setdefault(match.image_id, text)
        elif mention.name not in notes:
            notes[mention.name] = note_of(match, file=source.name, mention=mention)
    return Captions(texts, suggest_names(sorted(notes.values()), index), read)


def _note(sheet: Path, entry: Entry, result: Found) -> Note:
    if result.reason:
        problem, advice = f"{Problem.REJECTED} ({result.reason})", "mend or replace the file"
    elif result.paths:
        problem, advice = str(Problem.AMBIGUOUS), "put the file's name in place of the photo's number"
    else:
        problem = str(Problem.UNMATCHED)
        advice = f"correct the number; it is looked for in sub-folders named {sheet.stem}"
    return Note(sheet.name, entry.row, entry.name, problem, result.paths, advice)
