"""Brings a folder of images into the archive as an accession, and reference files beside it; what is there stays."""

import filecmp
import hashlib
import os
import shutil
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from cbir.archive.manifest import LANDED
from cbir.arrivals.landing import make_archive
from cbir.arrivals.removing import move_aside
from cbir.arrivals.staging import StaysError, bring, cut_off, require_room
from cbir.arrivals.survey import Skipped, SourceFile, survey
from cbir.base.display import Progress, silent
from cbir.base.errors import UserError
from cbir.base.files import writing, writing_folder
from cbir.labels.appearances.metadata import read_metadata
from cbir.labels.captions import check_captions, is_sheet
from cbir.labels.names import compose
from cbir.labels.tables.rows import read_table
from cbir.spreadsheet import write_csv

_LONGEST_NAME = 100  # bytes; file systems allow 255, and temporary names are longer


@dataclass(frozen=True)
class Accession:
    """Holds what an import brought in, and what it left."""

    name: str
    path: Path
    files: int
    bytes: int
    linked: int  # of the files, how many are hard links
    skipped: tuple[Skipped, ...]

    @property
    def skipped_by_reason(self) -> dict[str, int]:
        """Counts what was left for other reasons than its format."""
        return dict(sorted(Counter(skipped.reason for skipped in self.skipped if not skipped.format).items()))

    @property
    def unread_formats(self) -> dict[str, int]:
        """Counts the pictures that were left by their formats, which are not read; the most first."""
        return dict(Counter(skipped.format for skipped in self.skipped if skipped.format).most_common())


def bring_in(
    source: Path, archive: Path, *, name: str | None = None, link: bool = False, progress: Progress = silent
) -> Accession:
    """Copies the images of a folder, any depth below, into the archive as one accession.

    The files go to a hidden folder in the archive, which takes its name when it is whole; after a kill the next call
    goes on with what lies there. Times of last change are kept. A file is an image by its extension or by its
    first bytes: a damaged scan comes along, so that the cleaning report can name it. Links are followed to files of the
    source only.

    Args:
        name: of the accession; None: made from the folder's name.
        link: hard links where the file system allows them, else copies. Who changes a source file later then changes
            the archive.

    Raises:
        UserError: the source is no folder, holds no image, or lies in or around the archive; the name is not allowed or
            taken; the disk has not enough room.
    """
    source = _check_source(source, archive)
    name = _check_name(_default_name(source.name) if name is None else name, archive)
    files, skipped = survey(source)
    if not files:
        reasons = Counter(skip.reason for skip in skipped)
        what = ", ".join(f"{count} skipped: {reason}" for reason, count in sorted(reasons.items())) or "it is empty"
        raise UserError(f"no images in {source} ({what}); name the folder that has them")
    origin = hashlib.sha256(os.fsencode(source)).hexdigest()[:8]
    temporary = archive / f".{name}.{origin}.tmp"  # the origin: what another folder of that name left is of no use
    missing = _prepare(temporary, files)
    if not (link and source.stat().st_dev == archive.stat().st_dev):
        way_out = " or link the files where they lie on the same disk (--link)"
        require_room(archive, missing, what="the copies need", way_out=way_out)
    for file in progress(missing, total=len(missing), desc=f"bringing in {name}", unit="file"):
        try:
            bring(file, temporary, "link" if link else "copy")
        except (OSError, StaysError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise cut_off(file.file, archive, reason) from error
    target = archive / name
    temporary.replace(target)
    linked = sum((target / file.path).samefile(file.file) for file in files)
    return Accession(name, target, len(files), sum(file.size for file in files), linked, tuple(skipped))


def write_left_out(path: Path, accession: Accession) -> None:
    """Writes a CSV of what an import left where it was: path below the source, and why."""
    rows = [(skipped.path, skipped.reason) for skipped in accession.skipped]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_csv(path, pd.DataFrame(rows, columns=["path", "reason"], dtype=object))


def bring_reference(
    file: Path, reference: Path, *, kind: Literal["groundtruth", "captions", "metadata"], replace: bool = False
) -> Path:
    """Copies a file of ground truth, captions or metadata, or a folder of caption sheets, to the reference files.

    Each keeps its name. A file that is there already stays; it is a person's work, so one with other content is never
    lost.

    Args:
        replace: one with other content is moved aside, to the folder `cbir.arrivals.removing.ASIDE`.

    Returns:
        The path below ``reference``.

    Raises:
        UserError: it cannot be read as what it is meant to be, or another one has its name.
    """
    if not file.exists():
        raise UserError(f"--{kind} {file} is not there; check the path")
    if kind == "captions":
        check_captions(file)
    elif kind == "metadata":
        read_metadata(file)
    else:
        read_table(file)
    if file.resolve().is_relative_to(reference.resolve()):
        return reference / file.resolve().relative_to(reference.resolve())
    target = reference / compose(file.name or file.resolve().name)
    if replace and target.exists() and not _same(file, target):
        move_aside(target, reference)
    if target.exists():
        if not _same(file, target):
            raise UserError(
                f"{target} is there already with other content; rename --{kind} {file}, or remove {target} first "
                "to replace it"
            )
    elif file.is_dir():
        with writing_folder(target) as temporary:
            for sheet in sorted(filter(is_sheet, file.iterdir())):
                shutil.copyfile(sheet, temporary / sheet.name)
    else:
        with writing(target) as temporary:
            shutil.copyfile(file, temporary)
    return target


def _check_source(source: Path, archive: Path) -> Path:
    if not source.exists():
        raise UserError(f"{source} is not there; name the folder that holds the images")
    if not source.is_dir():
        raise UserError(f"{source} is not a folder; name the folder that holds the images")
    source, target = source.resolve(), make_archive(archive)
    if source.is_relative_to(target):
        raise UserError(f"{source} lies in the archive {archive} already; name a folder outside it")
    if target.is_relative_to(source):
        raise UserError(f"{source} holds the archive {archive} itself; name a folder inside it or elsewhere")
    return source


def _default_name(folder: str) -> str:
    """Makes a name of a folder's letters, digits and accents; all else that is not - _ or . becomes a hyphen."""
    safe = "".join(char if _is_safe(char) else " " for char in compose(folder))
    short = "-".join(safe.split()).strip("-._").encode()[:_LONGEST_NAME]
    return short.decode(errors="ignore") or "accession"


def _is_safe(char: str) -> bool:
    return char.isalnum() or char in "-_." or unicodedata.category(char).startswith("M")


def _check_name(name: str, archive: Path) -> str:
    name = compose(name)
    fits = all(map(_is_safe, name)) and len(name.encode()) <= _LONGEST_NAME
    if not fits or not name or name.startswith((".", "-")) or name.endswith((".", ".dvc", ".tmp")):
        raise UserError(
            f'accession "{name}" must be of letters, digits, - _ and . (not at either end), at most '
            f"{_LONGEST_NAME} bytes; {_default_name(name)} would do"
        )
    if LANDED.fullmatch(name):
        raise UserError(
            f"accession {name} is named by a time, as what `cbir refresh` takes from the landing folder is; "
            "give it another name with --accession"
        )
    taken = {compose(path.name.removesuffix(".dvc")).casefold(): path.name for path in archive.iterdir()}
    if name.casefold() in taken:
        raise UserError(
            f"accession {name} is in {archive} already (as {taken[name.casefold()]}); give this one another name "
            "with --accession"
        )
    return name


def _prepare(temporary: Path, files: Sequence[SourceFile]) -> list[SourceFile]:
    """Clears the temporary folder of all but whole files that are wanted; return those still missing."""
    whole = {file.path: (file.size, file.mtime) for file in files}
    present: set[str] = set()
    for path in [path for path in temporary.rglob("*") if not path.is_dir()]:
        facts = path.lstat()
        relative = path.relative_to(temporary).as_posix()
        if whole.get(relative) == (facts.st_size, facts.st_mtime_ns):
            present.add(relative)
        else:
            path.unlink()
    return [file for file in files if file.path not in present]


def _same(file: Path, other: Path) -> bool:
    """Tells whether two files, or the sheets of two folders, have the same content."""
    if file.is_dir() != other.is_dir():
        return False
    if not file.is_dir():
        return filecmp.cmp(file, other, shallow=False)
    names = [sorted(path.name for path in folder.iterdir() if is_sheet(path)) for folder in (file, other)]
    return names[0] == names[1] and all(filecmp.cmp(file / name, other / name, shallow=False) for name in names[0])
