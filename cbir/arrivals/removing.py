"""Takes an accession out of the archive; its files are kept aside, beside the archive."""

from pathlib import Path

from cbir.base.errors import UserError, nearest
from cbir.labels.names import compose

ASIDE = "removed"  # a folder beside the archive


def require_accession(name: str, archive: Path) -> Path:
    """Returns the folder of an accession; raises UserError, with the nearest name, where there is none."""
    present = {compose(path.name): path for path in sorted(archive.glob("[!.]*")) if path.is_dir()}
    if compose(name) not in present:
        raise UserError(f"{name} is no accession in {archive}; {nearest(name, present)}")
    return present[compose(name)]


def move_aside(path: Path, folder: Path) -> Path:
    """Moves a file or folder to the folder of what was removed, beside the folder that it lies in.

    Nothing there is ever replaced. Returns where it is now.
    """
    aside = folder.parent / ASIDE
    aside.mkdir(exist_ok=True)
    (aside / ".gitignore").write_text("*\n", encoding="utf-8")
    return path.rename(free_name(aside / path.name))


def free_name(path: Path) -> Path:
    """Returns a path that is not taken: as given, or with a number behind its name."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return free
