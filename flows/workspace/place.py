"""Finds the workspace that a command is for: the folder with dvc.yaml and params.yaml, here or above, as git does."""

import os
from pathlib import Path

from cbir.base.errors import UserError
from tasks.harness.settings import GRAPH, PARAMS

_MARKS = (GRAPH, PARAMS)


def find_workspace(start: Path) -> Path | None:
    """Returns the nearest folder, ``start`` or one above it, that is a workspace; None where none is."""
    folders = (start, *start.parents)
    return next((folder for folder in folders if all((folder / mark).is_file() for mark in _MARKS)), None)


def go_to(folder: Path) -> None:
    """Makes a folder the working directory; raises UserError if that cannot be done."""
    try:
        os.chdir(folder)
    except OSError as error:
        raise UserError(f"-C {folder}: {(error.strerror or str(error)).lower()}; name a folder") from error


def enter_workspace() -> None:
    """Makes the workspace the working directory, and the home of Prefect's database unless that is set elsewhere.

    Raises:
        UserError: neither this folder nor any above it is a workspace.
    """
    here = Path.cwd()
    root = find_workspace(here)
    if root is None:
        marks = " and ".join(map(str, _MARKS))
        raise UserError(
            f"{here} is in no cbir workspace (no folder from here up has {marks}): make one with `cbir init DIR`, "
            "or name one with `cbir -C DIR`"
        )
    if root != here:
        os.chdir(root)
    os.environ.setdefault("PREFECT_HOME", str(root / ".prefect"))


def from_here(path: Path | None) -> Path | None:
    """Returns a path that the user gave in a folder below the workspace as it is from the workspace."""
    here = Path.cwd()
    if path is None or path.is_absolute() or find_workspace(here) in (None, here):
        return path
    return here / path


def all_from_here(paths: list[Path] | None) -> list[Path] | None:
    """Returns several such paths."""
    return paths and [path for path in map(from_here, paths) if path]
