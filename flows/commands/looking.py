"""Defines the commands that only look: `cbir status`, `cbir open` and `cbir export`."""

import os
import webbrowser
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from cbir.base.display import visible, visible_lines
from cbir.base.errors import UserError
from flows.commands.speaking import Json, print_json
from flows.foreground import workspace
from flows.workspace.place import from_here

app = typer.Typer()


class Page(StrEnum):
    """The pages that people read."""

    groups = "groups"
    doubts = "doubts"
    robustness = "robustness"
    study = "study"
    arrivals = "arrivals"


class Table(StrEnum):
    """The tables that are exported."""

    groups = "groups"
    pairs = "pairs"
    iiif = "iiif"


@app.command()
def status(
    as_json: Json = False,
    quick: Annotated[bool, typer.Option("--quick", help="Without asking DVC what would run.")] = False,
) -> None:
    """Show the archive, the encoder and its figures, what landed, what would run, decisions and audits.

    Example: cbir status
    """
    paths = workspace()
    from flows.commands.standing import standing, standing_in_words

    facts = standing(paths, plan=not quick)
    if as_json:
        print_json(facts)
    else:
        print(visible_lines(standing_in_words(facts)))


@app.command("open")
def open_(
    page: Annotated[Page, typer.Argument(help="Which page.")] = Page.groups,
) -> None:
    """Open the report in a browser, or say where it is.

    Example: cbir open doubts
    """
    paths = workspace()
    path = _page(page, paths.reports)
    print(visible(str(path)))
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or os.name == "nt" or _is_mac():
        webbrowser.open(path.absolute().as_uri())


def _is_mac() -> bool:
    return os.uname().sysname == "Darwin"


def _page(page: Page, reports: Path) -> Path:
    """Returns the file of a page; of arrivals the last one."""
    if page is Page.arrivals:
        pages = sorted((reports / "arrivals").glob("*.html"))
        path = pages[-1] if pages else reports / "arrivals"
    else:
        path = reports / ("index.html" if page is Page.groups else f"{page}.html")
    if not path.is_file():
        maker = {Page.study: "cbir study", Page.arrivals: "cbir refresh"}.get(page, "cbir run")
        raise UserError(f"{path} is not there yet; `{maker}` makes it")
    return path


@app.command()
def export(
    table: Annotated[
        Table, typer.Argument(help="Groups: a row an image; pairs: a row a pair; iiif: a manifest a group.")
    ],
    file: Annotated[
        Path, typer.Argument(callback=from_here, help="Where to write it: .csv or .json; of iiif a folder.")
    ],
    probability: Annotated[
        float | None, typer.Option("--from", min=0, max=1, help="Least probability of a pair; default: the threshold.")
    ] = None,
    address: Annotated[
        str, typer.Option(metavar="URL", help="Of the folder on the web, for iiif.")
    ] = "http://localhost:8000",
) -> None:
    """Write the groups or the pairs for other programs: as a table, or for IIIF viewers.

    Example: cbir export pairs pairs.csv --from 0.9
    """
    if table is Table.iiif:
        from flows.commands.exporting import export_iiif

        print(export_iiif(file, workspace(), address=address))
        return
    if file.suffix not in (".csv", ".json"):
        raise UserError(f"{file} must be named .csv or .json")
    paths = workspace()
    rows = _rows(table, paths, probability)
    from cbir.base.files import writing
    from cbir.spreadsheet import write_csv

    if file.suffix == ".csv":
        write_csv(file, rows)
    else:
        with writing(file) as temporary:
            rows.to_json(temporary, orient="records", force_ascii=False, indent=1)
    print(f"{visible(str(file))}: {len(rows)} rows")


def _rows(table: Table, paths: Any, probability: float | None) -> Any:
    from cbir.archive.manifest import read_manifest
    from cbir.groups.table import read_groups
    from cbir.groups.threshold import Chosen, threshold_in_use
    from cbir.matching.table import read_matches
    from cbir.serving.export import group_rows, pair_rows
    from tasks.harness.settings import PARAMS, load_value, read_yaml

    manifest, groups = read_manifest(paths.manifest), read_groups(paths.groups)
    if table is Table.groups:
        return group_rows(groups, manifest)
    if probability is None:
        chosen = load_value("group.threshold", Chosen, read_yaml(PARAMS))
        probability, _ = threshold_in_use(paths.reports / "threshold.json", chosen)
    return pair_rows(read_matches(paths.matches), manifest, groups, threshold=probability)
