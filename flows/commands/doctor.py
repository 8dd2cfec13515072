"""Defines `cbir doctor`: a line for each part that cbir stands on, and what to do where it is broken."""

import sys
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cbir.base.errors import UserError
from flows.commands.speaking import Json, print_json
from flows.foreground import workspace
from flows.workspace.place import find_workspace

if TYPE_CHECKING:
    from flows.commands.health import Finding, State
    from tasks.harness.settings import Paths

app = typer.Typer()


@app.command()
def doctor(as_json: Json = False) -> None:
    """Examine libraries, GPU, disk, servers, DVC and git, stores and encoder; ends with 1 if something is broken.

    Example: cbir doctor
    """
    from flows.commands.health import Finding, examine

    python = f"{sys.version.split()[0]} in {sys.prefix}"
    paths, place = _place()
    made = chain([Finding("Python", "ok", python), Finding("workspace", *place)], examine(paths))
    findings = [_show(finding, as_json=as_json) for finding in made]
    if as_json:
        print_json([asdict(finding) for finding in findings])
    if any(finding.state == "broken" for finding in findings):
        raise typer.Exit(1)


def _place() -> "tuple[Paths | None, tuple[State, str]]":
    """Returns the paths of the workspace, if there is one that commands can work in, and what is to say of it."""
    if find_workspace(Path.cwd()) is None:
        return None, ("note", "none here: `cbir init DIR` makes one, `cbir -C DIR doctor` looks at another")
    try:
        return workspace(), ("ok", str(Path.cwd()))
    except UserError as error:
        return None, ("broken", str(error))


def _show(finding: "Finding", *, as_json: bool) -> "Finding":
    """Prints a finding as soon as it is made."""
    if not as_json:
        print(f"{finding.part:15}  {finding.state:6}  {finding.says}", flush=True)
    return finding
