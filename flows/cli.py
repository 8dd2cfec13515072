"""Defines the command line: `cbir run`, `study`, `import`, `search` and others; each loads only what it needs."""

import importlib
import logging
import os
import sys
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cbir.base.display import VisibleFormatter, visible, visible_lines
from cbir.base.errors import UserError, disk_trouble
from flows.auditing import app as audit
from flows.commands.config import app as config
from flows.commands.doctor import app as doctor
from flows.commands.importing import app as importing
from flows.commands.looking import app as looking
from flows.commands.run import app as run
from flows.commands.run import set_option
from flows.commands.speaking import Json, Quiet, Verbose, Version, arrange, error_line, print_json, say
from flows.environment import prepare
from flows.foreground import make_ready, provide_api, run_flow, state_of, workspace
from flows.founding import init
from flows.upgrading import upgrade
from flows.workspace.exclusive import hold_workspace
from flows.workspace.place import from_here, go_to

WRONG_USE = 2  # as Typer ends where it cannot read the words

Saying = Literal["same", "scene", "different", "unsure"]

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)

app.add_typer(audit, name="audit")
app.add_typer(run)
app.add_typer(importing)
app.add_typer(looking)
app.add_typer(doctor)
app.add_typer(config, name="config")
app.command(
    help="Make a workspace for an archive in a folder; none of the code is in it."
    "\n\nExample: cbir init ~/archives/meurisse"
)(init)
app.command(
    help="Bring the workspace to this version of cbir; says first what would change and run again."
    "\n\nExample: cbir upgrade"
)(upgrade)


@app.callback()
def start(
    folder: Annotated[
        Path | None, typer.Option("-C", metavar="DIR", help="Work in this folder, as if called there.")
    ] = None,
    version: Version = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Find every appearance of a photograph in an archive of historical images.

    Example: cbir import ~/scans && cbir run && cbir open
    """
    go_to(folder or Path())
    say(quiet=quiet, verbose=verbose)


def main() -> None:
    """Runs the command; a user's mistake ends in one sentence and an exit code that is not 0."""
    prepare()
    logging.raiseExceptions = False  # Prefect's handler reports each log line that its server cannot take
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(VisibleFormatter("%(message)s", lines=True))
    logging.getLogger("flows").addHandler(handler)
    arrange(app)
    try:
        app()
    except UserError as error:
        sys.exit(error_line(str(error)))
    except SystemExit as ended:
        if ended.code == WRONG_USE and (name := dashed_name(sys.argv[1:])):
            sys.stderr.write(
                f"error: {visible(name)} was read as an option; put -- before a name that begins with a dash\n"
            )
        raise
    except Exception as error:
        if not (trouble := disk_trouble(error)):
            raise
        sys.exit(error_line(visible(trouble)))


def dashed_name(words: Sequence[str]) -> str | None:
    """Returns the first word that begins with a dash as an option does, but is, or may be, the name of a file."""
    options = [word for word in takewhile(lambda word: word != "--", words) if word.startswith("-")]
    return next((word for word in options if os.path.lexists(word) or ("=" not in word and Path(word).suffix)), None)


@app.command()
def study(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="PRESET", help="Which; none: the workspace's own, or all.")
    ] = None,
    settings: Annotated[list[str] | None, set_option("Over every preset of the study.")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Small networks, few epochs: shows the workings, not the quality.")
    ] = False,
) -> None:
    """Run presets and compare them in one table: reports/study.html, .md and .csv; working files stay as they are.

    Example: cbir study dinov2-s14 simclr-press --quick
    """
    from flows.studies.plans import make_plan, one_study
    from flows.studies.presets import names_of_study

    paths = workspace(sound=True)
    chosen = list(dict.fromkeys(names or names_of_study()))
    plans = [make_plan(name, assignments=settings or [], quick=quick) for name in chosen]
    with one_study(paths.store), hold_workspace("cbir study"):
        make_ready(paths)
        from flows.studies.study import study as run_study
        from flows.summary import study_summary

        rows, _ = run_flow(run_study, plans)
    print("\n" + visible_lines(study_summary(rows, paths)))


@app.command()
def presets(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Show its `dvc exp run` command.")] = None,
    as_json: Json = False,
) -> None:
    """List the presets, a line each; or print the `dvc exp run` command that does the same as one.

    Example: cbir presets dinov2-s14
    """
    from flows.studies.presets import described, encoder_values, experiment_command

    workspace()
    if name:
        print(experiment_command(encoder_values(name)))
        return
    descriptions = described()
    if as_json:
        print_json([{"name": preset, "description": description} for preset, description in descriptions.items()])
        return
    width = max(map(len, descriptions), default=0)
    for preset, description in descriptions.items():
        print(f"{preset:{width}}  {description}")


@app.command()
def refresh() -> None:
    """Bring in the images in data/landing and find its near-duplicates; trains nothing.

    Example: cbir refresh
    """
    _run_unattended("flows.unattended.refresh", "refresh")


@app.command()
def retrain() -> None:
    """Train on the whole archive; the new encoder goes into service only if it is measurably better.

    Example: cbir retrain
    """
    _run_unattended("flows.unattended.retraining", "retrain")


@app.command()
def promote(version: Annotated[int, typer.Argument(min=1, help="Version number in the model registry.")]) -> None:
    """Put a registered encoder into service, with its settings.

    Example: cbir promote 3
    """
    _run_unattended("flows.unattended.promotion", "put_into_service", version)


@app.command()
def rollback() -> None:
    """Go back to the previous encoder.

    Example: cbir rollback
    """
    _run_unattended("flows.unattended.promotion", "put_into_service", None)


def _run_unattended(module: str, name: str, *arguments: Any) -> None:
    """Runs a flow that takes the workspace lock itself, and prints what it did, or why it failed."""
    provide_api(workspace(sound=True))
    state = state_of(getattr(importlib.import_module(module), name), *arguments)
    if not state.is_completed():
        sys.exit(error_line(visible(str(state.message))))
    print(f"\n{visible(str(state.message))}")


@app.command()
def serve() -> None:
    """Run refresh and retrain by the schedules in params.yaml, until Ctrl-C.

    Example: cbir serve
    """
    provide_api(workspace(sound=True), port=4200)
    from flows.unattended.schedules import serve_schedules

    serve_schedules()


@app.command()
def sample(
    scenes: Annotated[int, typer.Option(help="How many scenes; each appears one or several times.")] = 72,
) -> None:
    """Make the sample archive and bring it in, unless there are images already.

    Example: cbir sample --scenes 24
    """
    from flows.workspace.settings import is_empty

    paths = workspace(sound=True)
    if not is_empty(paths.raw):
        print(f"{paths.raw} has images already; the sample archive is not needed")
        return
    from tqdm import tqdm

    from flows.importing import import_sample

    for made in import_sample(scenes=scenes, progress=tqdm):
        print(f"{made.name}: {made.files} files")


@app.command()
def search(
    image: Annotated[
        Path | None, typer.Argument(callback=from_here, help="An image file, of the archive or not.")
    ] = None,
    text: Annotated[str | None, typer.Option(help="Words in place of an image, for an encoder of open_clip.")] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="How many neighbours.")] = 10,
    as_json: Json = False,
) -> None:
    """Show the images of the archive nearest to an image or a text, with similarity, probability and group.

    Example: cbir search photo.jpg -k 20
    """
    paths = workspace()
    from flows.searching import show_neighbours

    show_neighbours(image, paths, text=text, k=k, as_json=as_json)


@app.command()
def why(
    first: Annotated[str, typer.Argument(help="A file of the archive, as reports/groups.csv names it, or its path.")],
    second: Annotated[str, typer.Argument(help="Another one.")],
) -> None:
    """Say what was found about two files of the archive, and why they are or are not in one group.

    Example: cbir why 1921/a.jpg press/b.jpg
    """
    paths = workspace()
    from flows.explaining import show_reasons

    show_reasons(first, second, paths)


@app.command()
def decide(
    first: Annotated[str, typer.Argument(help="A file of the archive, as reports/groups.csv names it, or its path.")],
    second: Annotated[str, typer.Argument(help="Another one.")],
    relation: Annotated[
        Saying, typer.Argument(help="What they are to each other; unsure takes back what you said before.")
    ],
    note: Annotated[str, typer.Option(help="Why, for other people.")] = "",
    person: Annotated[str, typer.Option(help="Who decides; default: the user's name on this machine.")] = "",
) -> None:
    """Decide that two files are the same photograph, or are not; every run obeys it from then on.

    Example: cbir decide 1921/a.jpg press/b.jpg same --note "the crop of the second"
    """
    paths = workspace()
    from flows.deciding import decide_pair

    decide_pair(first, second, relation, paths, note=note, person=person)


@app.command()
def review(
    host: Annotated[str, typer.Option(help="Let others in: this machine's name in their network.")] = "",
    port: Annotated[int | None, typer.Option(help="Default: 8765 or a free one.")] = None,
    person: Annotated[list[str] | None, typer.Option(help="Who decides; with --host everyone.")] = None,
    browser: Annotated[bool, typer.Option(help="Whether to open the browser.")] = True,
) -> None:
    """Decide in the browser which pairs are the same photograph; until Ctrl-C.

    Example: cbir review --person Anne
    """
    paths = workspace()
    from flows.review.serving import review as serve_review

    serve_review(paths, host=host, port=port, people=person or [], browse=browser)


@app.command()
def ui(
    mlflow_port: Annotated[int | None, typer.Option(help="Port of the MLflow UI; default: 5000 or a free one.")] = None,
    prefect_port: Annotated[
        int | None, typer.Option(help="And of the Prefect UI; default: 4200 or a free one.")
    ] = None,
) -> None:
    """Start the MLflow UI and the Prefect UI on this workspace; Ctrl-C stops both.

    Example: cbir ui --mlflow-port 5001
    """
    workspace(sound=True)
    from flows.ui import serve

    serve(mlflow_port=mlflow_port, prefect_port=prefect_port)
