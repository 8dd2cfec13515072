"""The command line: `cbir run`, `import`, `sample`, `search` and `ui`; each loads only what it needs."""

import logging
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from cbir.errors import UserError, is_full_disk
from flows.environment import prepare
from tasks.stage import no_space

FULL = 10_000_000  # bytes; whatever fails on a disk with less has most likely failed for it
INTERRUPTED = 130  # as a shell reports a program that Ctrl-C ended

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Find every appearance of a photograph in an archive of historical images.",
)

Folder = Annotated[Path, typer.Argument(help="Folder of images, with any folders below.")]


def main() -> None:
    """Run the command; a user's mistake ends in one sentence and an exit code that is not 0."""
    prepare()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logging.getLogger("flows").addHandler(handler)
    logging.getLogger("flows").setLevel(logging.INFO)
    try:
        app()
    except UserError as error:
        sys.exit(f"error: {error}")
    except Exception as error:
        if not is_full_disk(error) and shutil.disk_usage(Path.cwd()).free > FULL:  # Prefect's server only says 500
            raise
        sys.exit(f"error: {no_space()}")


@app.command()
def run(
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change params.yaml first.")
    ] = None,
    force: Annotated[
        list[str] | None, typer.Option(metavar="STAGE", help="Run this stage even when it is up to date.")
    ] = None,
) -> None:
    """Bring everything up to date: clean, train, embed, index, evaluate, group."""
    from flows.workspace import is_empty, require_workspace, set_params

    paths = require_workspace()
    for change in set_params(settings or []):
        print(f"params.yaml: {change}", file=sys.stderr)
    from flows.stages import record_sources, stage_graph

    if is_empty(paths.raw):
        raise UserError(f"{paths.raw} holds no accession: bring images in with `cbir import DIR`, or try `cbir sample`")
    if force and (unknown := set(force) - set(stages := stage_graph())):
        raise UserError(f"--force {unknown.pop()}: there is no such stage; there are {', '.join(stages)}")
    from flows.accessions import adopt
    from flows.servers import provide_prefect_api

    adopt(paths.raw, paths.weights)
    for path in record_sources():
        print(f"{path} was edited: DVC has it as it is now", file=sys.stderr)
    provide_prefect_api(paths.store / "logs/prefect.log")
    from flows.pipeline import pipeline
    from flows.summary import summary

    try:
        state = pipeline(force or [], return_state=True)
    except KeyboardInterrupt:
        print("interrupted; run it again to go on where it stopped", file=sys.stderr)
        sys.exit(INTERRUPTED)
    outcomes = state.result(raise_on_failure=False)
    if not isinstance(outcomes, list):
        raise UserError(f"the run broke off: {state.message}")
    print("\n" + summary(outcomes, paths))
    if not state.is_completed():
        sys.exit(f"error: {state.message}")


@app.command("import")
def import_(
    folder: Folder,
    groundtruth: Annotated[Path | None, typer.Option(help="What is known to belong together: .xlsx or .csv.")] = None,
    captions: Annotated[Path | None, typer.Option(help="Captions: .csv, .xlsx, or a folder of .xlsx.")] = None,
    accession: Annotated[str | None, typer.Option(help="Name of the accession; default: the folder's.")] = None,
    link: Annotated[bool, typer.Option(help="Hard links in place of copies, where the disk allows it.")] = False,
) -> None:
    """Bring a folder of images in as an accession; the folder itself stays as it is."""
    from flows.workspace import require_workspace

    require_workspace()
    from tqdm import tqdm

    from flows.importing import import_archive

    made = import_archive(folder, groundtruth=groundtruth, captions=captions, name=accession, link=link, progress=tqdm)
    print(f"{made.name}: {made.files} files, {made.bytes / 1e6:.1f} MB")
    for reason, count in made.skipped_by_reason.items():
        print(f"left out: {count} ({reason})")
    print("next: cbir run")


@app.command()
def sample(
    scenes: Annotated[int, typer.Option(help="How many scenes; each appears one or several times.")] = 72,
) -> None:
    """Make the sample archive and bring it in, unless there are images already."""
    from flows.workspace import is_empty, require_workspace

    paths = require_workspace()
    if not is_empty(paths.raw):
        print(f"{paths.raw} has images already; the sample archive is not needed")
        return
    from tqdm import tqdm

    from flows.importing import import_sample

    for made in import_sample(scenes=scenes, progress=tqdm):
        print(f"{made.name}: {made.files} files")


@app.command()
def search(
    image: Annotated[Path | None, typer.Argument(help="An image file, of the archive or not.")] = None,
    text: Annotated[str | None, typer.Option(help="Words in place of an image, for an encoder of open_clip.")] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="How many neighbours.")] = 10,
) -> None:
    """Show the images of the archive nearest to an image or a text, with similarity and group."""
    from flows.workspace import require_workspace

    paths = require_workspace()
    from flows.searching import show_neighbours

    show_neighbours(image, paths, text=text, k=k)


@app.command()
def ui(
    mlflow_port: Annotated[int | None, typer.Option(help="Port of the MLflow UI; default: 5000 or a free one.")] = None,
    prefect_port: Annotated[
        int | None, typer.Option(help="Port of the Prefect UI; default: 4200 or a free one.")
    ] = None,
) -> None:
    """Start the MLflow UI and the Prefect UI on this workspace; Ctrl-C stops both."""
    from flows.workspace import require_workspace

    require_workspace()
    from flows.ui import serve

    serve(mlflow_port=mlflow_port, prefect_port=prefect_port)
