"""Makes a workspace for an archive: settings, graph and folders, under DVC and, if wanted, git; none of the code."""

import json
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from cbir.base.errors import UserError
from flows.workspace.place import find_workspace
from tasks.harness.settings import GRAPH, PARAMS

COPIED = (  # from the program; its presets stay there
    ".gitignore",
    ".gitattributes",
    ".dvcignore",
    ".dvc/plots.html",
    ".vscode/extensions.json",
    "prefect.yaml",
    "data/audits/README.md",
    "data/decisions.csv",
    "data/reference/README.md",
    "models/weights/README.md",
)
SCHEMA, EDITOR = ".vscode/params.schema.json", ".vscode/settings.json"


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder.")],
    git: Annotated[
        bool | None, typer.Option("--git/--no-git", help="Keep versions of settings and results with git.")
    ] = None,
) -> None:
    """Makes a workspace for an archive in a folder, with git or without, as the user says."""
    _require_free(folder)
    if git is None:
        git = typer.confirm("Keep versions of settings and results with git?", default=True) if _asks() else True
    make_workspace(folder, git=git)
    print(f"{folder} is a workspace; params.yaml in it has every setting with what it means")
    print(f"next: cd {folder}, then `cbir import DIR` (or `cbir sample`), and `cbir run`")


def _asks() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _require_free(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file: name a new folder")
    if outer := find_workspace(folder.absolute()):
        raise UserError(f"{folder} lies in the workspace {outer}: choose a folder outside of it")
    if taken := next((name for name in (*COPIED, GRAPH, PARAMS, ".dvc") if (folder / name).exists()), None):
        raise UserError(f"{folder} has a {taken} already: choose an empty folder")


def make_workspace(folder: Path, *, git: bool) -> None:
    """Makes the files of a workspace in a folder, which may be there; with ``git`` they are committed."""
    from flows.repository.making import begin_versions
    from flows.repository.versioning import commit_all
    from flows.workspace.checks import shipped_settings
    from flows.workspace.graph import archive_graph
    from flows.workspace.home import TEMPLATE, program

    folder.mkdir(parents=True, exist_ok=True)
    begin_versions(folder, git=git)
    for name in COPIED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(TEMPLATE / name, folder / name)
    (folder / PARAMS).write_text(shipped_settings(), encoding="utf-8")
    (folder / GRAPH).write_text(archive_graph(), encoding="utf-8")
    describe_settings(folder)
    if git and (reason := commit_all(folder, f"An archive, made by {program()}").reason):
        print(reason, file=sys.stderr)


def describe_settings(folder: Path) -> None:
    """Writes the schema of params.yaml for editors, and tells VS Code of it unless it has settings in the folder."""
    from flows.workspace.home import HOME

    (folder / SCHEMA).parent.mkdir(exist_ok=True)
    shutil.copyfile(HOME / "flows/workspace/params.schema.json", folder / SCHEMA)
    if not (folder / EDITOR).exists():
        (folder / EDITOR).write_text(
            json.dumps({"yaml.schemas": {f"./{SCHEMA}": str(PARAMS)}}) + "\n", encoding="utf-8"
        )
