"""Defines `cbir import` and `cbir remove`: accessions into the archive, and out again."""

from pathlib import Path
from typing import Annotated

import typer

from cbir.base.errors import UserError
from flows.foreground import workspace
from flows.workspace.exclusive import hold_workspace
from flows.workspace.place import all_from_here, from_here
from tasks.harness.settings import Paths

app = typer.Typer()

Captions = Annotated[
    Path | None,
    typer.Option(callback=from_here, metavar="FILE", help="Captions: .csv, .xlsx, or a folder of .xlsx."),
]
Metadata = Annotated[
    list[Path] | None,
    typer.Option(
        callback=all_from_here,
        metavar="FILE",
        help="Titles, dates, pages, places, links: .csv or .xlsx. Repeat it for several.",
    ),
]


@app.command("import")
def import_(
    folder: Annotated[
        Path | None, typer.Argument(callback=from_here, help="Folder of images, with any folders below.")
    ] = None,
    groundtruth: Annotated[
        list[Path] | None,
        typer.Option(
            callback=all_from_here,
            metavar="FILE",
            help="What is known to belong together: .xlsx or .csv. Repeat it for several.",
        ),
    ] = None,
    captions: Captions = None,
    metadata: Metadata = None,
    accession: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the accession; default: the folder's.")
    ] = None,
    link: Annotated[
        bool, typer.Option("--link", help="Hard links in place of copies, where the disk allows it.")
    ] = False,
    undo: Annotated[
        bool, typer.Option("--undo", help="Take the last accession out again; its files are kept.")
    ] = False,
) -> None:
    """Bring a folder of images in as an accession; the folder itself stays as it is.

    Without a folder, --groundtruth, --captions and --metadata bring in what is known of the images that are there.

    Example: cbir import ~/scans/1921 --groundtruth groups.xlsx
    """
    paths = workspace(sound=True)
    from flows.importing import import_references, undo_import

    if undo:
        if folder or groundtruth or captions or metadata:
            raise UserError("--undo takes nothing beside it: it is of the last import")
        with hold_workspace("cbir import"):
            _say_removed(*undo_import())
    elif folder:
        with hold_workspace("cbir import"):
            _bring(folder, groundtruth or [], captions, metadata or [], accession, link, paths)
    elif groundtruth or captions or metadata:
        with hold_workspace("cbir import"):
            import_references(groundtruth or [], captions, metadata or [])
            _say_known(paths)
    else:
        raise UserError(
            "name the folder of images to bring in, or give --groundtruth, --captions, --metadata or --undo"
        )


def _bring(
    folder: Path,
    groundtruth: list[Path],
    captions: Path | None,
    metadata: list[Path],
    name: str | None,
    link: bool,
    paths: Paths,
) -> None:
    from tqdm import tqdm

    from cbir.arrivals.copies import find_copies
    from flows.importing import import_archive, left_out_report

    made = import_archive(folder, groundtruth, captions, metadata, name=name, link=link, progress=tqdm)
    print(f"{made.name}: {made.files} files, {made.bytes / 1e6:.1f} MB")
    for reason, count in made.skipped_by_reason.items():
        print(f"left out: {count} ({reason})")
    if formats := ", ".join(f"{count} {kind}" for kind, count in made.unread_formats.items()):
        print(f"left out: {formats}: formats that are not read; convert them to TIFF or JPEG")
    if made.skipped:
        print(f"what was left out: {left_out_report(paths, made)}")
    if copies := find_copies(paths.raw, made.name).in_words():
        print(f"copies: {copies}; `cbir import --undo` takes {made.name} out again")
    _say_known(paths, wanted=bool(groundtruth or metadata))


def _say_known(paths: Paths, *, wanted: bool = True) -> None:
    from flows.importing import account_of

    for line in account_of(paths) if wanted else ():
        print(line)
    print("next: cbir run")


@app.command()
def remove(
    accession: Annotated[str, typer.Argument(help="Its name: that of its folder in the archive.")],
) -> None:
    """Take an accession out of the archive; its files are kept aside.

    Example: cbir remove 1921-agence-meurisse
    """
    workspace(sound=True)
    from flows.importing import remove_accession

    with hold_workspace("cbir remove"):
        _say_removed(accession, remove_accession(accession))


def _say_removed(name: str, aside: Path) -> None:
    print(f"{name} is out of the archive; its files are in {aside}")
    print(f"next: cbir run, or bring it back: cbir import {aside} --accession {name}")
