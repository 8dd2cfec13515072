"""Accessions under DVC's care: each folder of data/raw has a .dvc file of its own."""

import logging
from collections.abc import Sequence
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.repo import Repo

from cbir.errors import UserError

log = logging.getLogger("flows")


def tell_dvc(paths: Sequence[Path]) -> None:
    """Put files and folders under DVC's care, each with a .dvc file of its own.

    Raises:
        UserError: DVC will not take one.
    """
    try:
        with Repo(_wait_for_lock=True) as repo, repo.scm_context(quiet=True):
            repo.add([str(path) for path in paths])
    except DvcException as error:
        raise UserError(f"DVC did not take {', '.join(map(str, paths))}: {' '.join(str(error).split())}") from error


def adopt(archive: Path) -> None:
    """Tell DVC of accessions that it does not know: put there by hand, or by an import that was cut off."""
    folders = [entry for entry in sorted(archive.iterdir()) if entry.is_dir() and not entry.name.startswith(".")]
    unknown = [folder for folder in folders if not folder.with_name(f"{folder.name}.dvc").exists()]
    if unknown:
        log.info("new in %s: %s", archive, ", ".join(folder.name for folder in unknown))
        tell_dvc(unknown)
