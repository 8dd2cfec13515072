"""Puts accessions and checkpoints under DVC's care, each with a .dvc file of its own."""

import logging
from collections.abc import Sequence
from pathlib import Path

from dvc.exceptions import DvcException

from cbir.archive.listing import require_names, require_plain
from cbir.base.errors import UserError
from flows.repository.opening import open_repository, patiently

log = logging.getLogger("flows")


def tell_dvc(paths: Sequence[Path]) -> None:
    """Puts files and folders under DVC's care, each with a .dvc file of its own; raises UserError if DVC refuses."""

    def add() -> None:
        with open_repository(Path()) as repo:
            repo.scm_context.quiet = True  # no advice on git for each file
            repo.add([str(path) for path in paths])

    try:
        patiently(add, log.log)
    except DvcException as error:
        raise UserError(f"DVC did not take {', '.join(map(str, paths))}: {' '.join(str(error).split())}") from error


def forget(folder: Path) -> None:
    """Takes a folder that has gone from DVC's care, with its .dvc file and its line in .gitignore."""
    described = folder.with_name(f"{folder.name}.dvc")

    def remove() -> None:
        with open_repository(Path()) as repo:
            repo.scm_context.quiet = True
            repo.remove(str(described))

    if described.exists():
        patiently(remove, log.log)


def require_dvc(source: Path, *, link: bool) -> None:
    """Raises UserError if DVC cannot take what is to be brought in, or its cache is of hard links, as is the accession.

    Such a cache makes its files read-only, and an edit of the source would change what the cache keeps under the digest
    of the old content.
    """
    with open_repository(Path()) as repo:
        first = next(iter(repo.cache.local.cache_types), None)
    if link and first == "hardlink":
        raise UserError(
            f"--link does not go with DVC's cache.type hardlink, which would make the files of {source} read-only; "
            "leave --link out (archive and cache share one copy), or take another cache.type"
        )


def adopt(archive: Path, weights: Path) -> None:
    """Puts accessions copied by hand or by an interrupted import, and new checkpoints, under DVC's care.

    Raises:
        UserError: something in the archive, known to DVC or not, is nothing that it can take.
    """
    require_plain(archive)
    sources = [entry for entry in sorted(archive.iterdir()) if entry.is_dir() and not entry.name.startswith(".")]
    require_names(sources)
    sources += sorted(weights.glob("*.safetensors"))
    unknown = [path for path in sources if not path.with_name(f"{path.name}.dvc").exists()]
    if unknown:
        log.info("new to DVC: %s", ", ".join(map(str, unknown)))
        tell_dvc(unknown)
