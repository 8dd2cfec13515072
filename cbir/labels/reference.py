"""Reads from the reference files what is known of the images of a manifest: groups, classes and captions."""

import functools
import logging
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import Literal

import pandas as pd

from cbir.base.errors import UserError, nearest
from cbir.labels.appearances.metadata import Metadata, compiled, find_metadata
from cbir.labels.captions import find_captions
from cbir.labels.groundtruth import Groups, folder_classes, resolve_groups, unite
from cbir.labels.layouts.reading import Mention, TableLayout
from cbir.labels.layouts.table import read_layout
from cbir.labels.names import NameIndex, Problem
from cbir.labels.notes import Note, note_of_sheet
from cbir.labels.tables.rows import read_table

Layout = Literal["auto", "column", "row", "members", "pairs", "folders"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reference:
    """Names the reference files of an archive and how to read them, in the words of the section ``groundtruth``.

    Attributes:
        folder: that the files lie in.
        file: the ground truth, or several of them, below ``folder``; empty: there is none.
        layout: of the ground truth; ``folders``: the class of an image is its folder's name, there is no file.
        unlabelled: folders that name no class.
        captions: a file or a folder of Excel files, below ``folder``; empty: there are none.
        caption_prompt: of a CSV file, only captions whose prompt begins so.
        metadata: tables of titles and dates, or one, below ``folder``; empty: there is none.
        dates: a pattern that finds dates in the paths of files; empty: there is none.
    """

    folder: Path
    file: str | Sequence[str] = ""
    layout: Layout = "auto"
    unlabelled: tuple[str, ...] = ()
    captions: str = ""
    caption_prompt: str = ""
    metadata: str | Sequence[str] = ""
    dates: str = ""

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the ground truths."""
        return _listed(self.file)

    @property
    def tables(self) -> tuple[str, ...]:
        """The names of the tables of metadata."""
        return _listed(self.metadata)


def _listed(names: str | Sequence[str]) -> tuple[str, ...]:
    """Returns the names of a setting that is one or several; none for an empty one."""
    return tuple(filter(None, [names])) if isinstance(names, str) else tuple(names)


@dataclass(frozen=True)
class Known:
    """Holds what the reference files say of the images of a manifest.

    Attributes:
        groups: disjoint groups of image_ids, of two or more each.
        classes, captions: by image_id.
        notes: on what came to nothing, or is odd.
        account: lines for a log: what was read, and how much of it the archive has.
        names, matched: of the ground truth's names, how many there are and how many mean an image.
        doubt: why the groups are not believed, with the way out; empty where they are.
    """

    groups: tuple[tuple[str, ...], ...] = ()
    classes: Mapping[str, str] = field(default_factory=dict)
    captions: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    account: tuple[str, ...] = ()
    names: int = 0
    matched: int = 0
    doubt: str = ""


def read_reference(reference: Reference, manifest: pd.DataFrame) -> Known:
    """Reads what is known of these images; what is not in the manifest, such as a later accession, leaves no trace.

    Raises:
        UserError: a file is not in the folder of reference files, or cannot be read as what it is meant to be; the
            layout does not go with the file.
    """
    require_reference(reference)
    index = NameIndex(manifest)
    if reference.layout == "folders":
        known = _read_folders(reference, manifest)
    elif reference.files:
        read = {file: _read_groups(reference.folder / file, reference.layout, index) for file in reference.files}
        known = _merged(read)
    else:
        known = Known(account=("no ground truth: groups can be found, but not evaluated",))
    return _with_captions(known, reference, manifest, index) if reference.captions else known


def require_reference(reference: Reference) -> None:
    """Checks that the files are there and go with the layout; reads none of them.

    Raises:
        UserError: a file is not in the folder of reference files, or the layout does not go with there being one.
    """
    if reference.layout == "folders" and reference.files:
        raise UserError(
            f"groundtruth.file is {', '.join(reference.files)}, but layout folders reads no file; "
            'set it to "", or name another layout'
        )
    if not reference.files and reference.layout not in ("auto", "folders"):
        raise UserError(
            f"groundtruth.file is empty, but groundtruth.layout is {reference.layout}; bring a file in "
            "(cbir import DIR --groundtruth FILE), or set the layout to auto"
        )
    for file in reference.files:
        _require_file("file", file, reference.folder)
    if reference.captions:
        _require_file("captions", reference.captions, reference.folder)
    for file in reference.tables:
        _require_file("metadata", file, reference.folder)
    compiled(reference.dates)


def read_tables(
    reference: Reference, manifest: pd.DataFrame, tags: Mapping[str, Mapping[str, str]] = MappingProxyType({})
) -> Metadata:
    """Reads where and when these images appeared; raises UserError as :func:`read_reference`.

    Args:
        tags: of their files, as ``cbir.labels.appearances.tags.find_tags`` gives them.
    """
    require_reference(reference)
    files = [reference.folder / file for file in reference.tables]
    return find_metadata(files, manifest, NameIndex(manifest), tags=tags, dates=compiled(reference.dates))


def log_reading(known: Known, appeared: Metadata, reference: Reference) -> None:
    """Logs the account of what was read, and warns where no name of the ground truth is an image's."""
    for line in (*known.account, *appeared.account):
        log.info(line)
    if known.names and not known.matched:
        files = ", ".join(str(reference.folder / file) for file in reference.files)
        log.warning("no name in %s is a file of the archive; see reports/groundtruth.csv for the nearest names", files)


def require_believable(known: Known) -> None:
    """Raises UserError for groups that are rather a ground truth read by the wrong layout."""
    if known.doubt:
        raise UserError(known.doubt)


def _read_folders(reference: Reference, manifest: pd.DataFrame) -> Known:
    classes, notes = folder_classes(manifest, unlabelled=reference.unlabelled)
    line = f"layout folders: {len(classes)} images in {len(set(classes.values()))} classes"
    return Known(classes=classes, notes=notes, account=(line,))


def _read_groups(path: Path, layout: Literal["auto"] | TableLayout, index: NameIndex) -> Known:
    is_file = functools.cache(lambda name: index.match(name).problem is not Problem.UNMATCHED)
    table = read_table(path)
    reading = read_layout(table.rows, layout=layout, is_file=is_file)
    groups = resolve_groups(reading, index, file=path.name)
    origin = "found" if layout == "auto" else "as set"
    account = (
        *([f"{path.name}: {table.sheets}"] if table.left_out else []),
        f"layout {reading.layout} ({origin}): {reading.mentions} names in {len(reading.groups)} groups"
        + _parted_by(reading.dividers),
        f"{groups.matched} names matched, {_problems(groups.notes)}{_unread(len(reading.faults))}",
        f"{len(groups.members)} groups of two or more, {groups.images} images in them",
    )
    notes = (*(note_of_sheet(path.name, sheet) for sheet in table.left_out), *groups.notes)
    doubt = _doubt(path, groups, reading.layout) if layout == "auto" else ""
    return Known(
        groups.members, notes=notes, account=account, names=reading.mentions, matched=groups.matched, doubt=doubt
    )


def _merged(read: Mapping[str, Known]) -> Known:
    """Unites the groups of several ground truths, by their files; those that share an image become one."""
    parts = list(read.values())
    if len(parts) == 1:
        return parts[0]
    return Known(
        tuple(map(tuple, unite(group for known in parts for group in known.groups))),
        notes=tuple(note for known in parts for note in known.notes),
        account=tuple(f"{file}: {line}" for file, known in read.items() for line in known.account),
        names=sum(known.names for known in parts),
        matched=sum(known.matched for known in parts),
        doubt=next((known.doubt for known in parts if known.doubt), ""),
    )


def _doubt(path: Path, groups: Groups, layout: TableLayout) -> str:
    if not groups.giant:
        return ""
    return (
        f"{path} puts {groups.giant} of the {groups.named} images that it names into one group, read as layout "
        f"{layout}; part its groups by blank rows, or give each file a row with the name of its group under the "
        f"headings group and file, or --set groundtruth.layout={layout} if they do show one photograph"
    )


def _parted_by(dividers: Sequence[Mention]) -> str:
    return f', parted by {len(dividers)} headings or rules such as "{dividers[0].name}"' if dividers else ""


def _unread(rows: int) -> str:
    return f", {rows} rows incomplete" if rows else ""


def _with_captions(known: Known, reference: Reference, manifest: pd.DataFrame, index: NameIndex) -> Known:
    source = reference.folder / reference.captions
    captions = find_captions(source, manifest=manifest, index=index, prompt=reference.caption_prompt)
    problems = _problems(captions.notes) + _unread(captions.unread)
    line = f"{captions.read} captions for {len(captions.texts)} images, {problems}"
    notes, account = (*known.notes, *captions.notes), (*known.account, line)
    return replace(known, captions=captions.texts, notes=notes, account=account)


def _problems(notes: Iterable[Note]) -> str:
    counts = Counter(problem for note in notes for problem in Problem if note.problem.startswith(problem))
    return ", ".join(f"{counts[problem]} {problem.name.lower()}" for problem in Problem)


def _require_file(param: Literal["file", "captions", "metadata"], name: str, folder: Path) -> None:
    """Raises UserError where the file that a param names is not in the folder of reference files."""
    option = {"file": "--groundtruth", "captions": "--captions", "metadata": "--metadata"}[param]
    bring = f"bring it in with cbir import DIR {option} FILE"
    path = folder / name
    if ".." in PurePath(name).parts or not Path(os.path.realpath(path)).is_relative_to(folder.resolve()):
        raise UserError(f"groundtruth.{param} is {name}, but must lie inside {folder}; {bring}")
    if not path.exists():
        hint = nearest(name, sorted(other.name for other in folder.glob("[!.]*")))
        raise UserError(
            f"groundtruth.{param} is {name}, but {path} is not there ({hint}); {bring}, "
            'or set the param to "" to go on without'
        )
