"""Puts a new workspace under DVC and git."""

import logging
import shutil
from pathlib import Path

from dvc.exceptions import InitError
from dvc.repo import Repo

from cbir.base.errors import UserError
from flows.processes.programs import run_limited
from flows.repository.versioning import PATIENCE

logging.getLogger("dvc").setLevel(logging.WARNING)  # it says what comes next, which is not what comes next here

_QUIET = {"analytics": False, "check_update": False}
_PLOTS = {"html_template": "plots.html"}  # in .dvc, with which `dvc plots show` needs no network


def begin_versions(root: Path, *, git: bool) -> None:
    """Makes a folder DVC's, and git's unless a repository of git holds it already.

    Raises:
        UserError: git is wanted and not installed, or DVC has the folder already.
    """
    if git and not shutil.which("git"):
        raise UserError("git is not installed: install it, or say --no-git to keep no versions")
    inside = git and _lies_in_git(root)
    if git and not inside:
        run_limited(["git", "init", "--quiet"], timeout=PATIENCE, folder=root)
    try:
        repo = Repo.init(str(root), no_scm=not git, subdir=inside)
    except InitError as error:
        raise UserError(f"DVC did not take {root}: {' '.join(str(error).split())}") from error
    with repo, repo.config.edit("repo") as config:
        config.setdefault("core", {}).update(_QUIET)
        config["plots"] = _PLOTS


def _lies_in_git(root: Path) -> bool:
    return any((folder / ".git").exists() for folder in root.resolve().parents)
