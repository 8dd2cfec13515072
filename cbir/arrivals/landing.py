"""Finds what has landed: images of the landing folder that stand still or are marked as whole, and what waits."""

import contextlib
import functools
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from cbir.archive.listing import left_out, readable_path, walk
from cbir.arrivals.survey import HIDDEN, UNREADABLE, Skipped, SourceFile, examine, is_image, why_no_image
from cbir.base.errors import UserError

MARKER = ".done"  # in a folder: all that is in and below it is whole; behind a file's or folder's name: that one is

BEING_COPIED = "named as by a program that is still copying it"
MOVING = "its size or time has not stood still for long enough"
EMPTY = "nothing of it has arrived yet"
LINK = "a link; put the file itself here"
LONE_MARKER = "a marker without the file that it is for"

_COPYING = (".part", ".partial", ".filepart", ".crdownload", ".tmp")
_OFFICE_LOCK = "~$"


@dataclass(frozen=True)
class Look:
    """Holds the result of one look at the landing folder; paths are relative to it.

    Attributes:
        ready: images to be moved into the archive.
        waiting: what may be an image once it is whole, and why it is not taken for that yet.
        left: what stays where it is, and why.
        empty: folders without a file in or below them, before and after the wait; the deepest first.
        waited: whether files had to be looked at twice.
    """

    ready: tuple[SourceFile, ...] = ()
    waiting: tuple[Skipped, ...] = ()
    left: tuple[Skipped, ...] = ()
    empty: tuple[str, ...] = ()
    waited: bool = False


@dataclass
class _Glance:
    files: dict[str, SourceFile] = field(default_factory=dict)
    markers: dict[str, int] = field(default_factory=dict)  # by path, when each was last changed
    copying: list[Skipped] = field(default_factory=list)
    left: list[Skipped] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)


def look(landing: Path, *, settle: float, wait: Callable[[float], None] = time.sleep) -> Look:
    """Finds the images that have landed.

    A file has landed when its size, time and inode are the same after ``settle`` seconds, or at once when a marker says
    so that was put there after the file was last changed. No clock is read and nothing is remembered: clocks
    that jump and times in the future do not matter. If nothing has to stand still, there is no wait.

    Args:
        settle: seconds, 0 or more; on a network folder more than its clients keep files' sizes for (NFS: 60).
        wait: waits so many seconds.

    Raises:
        UserError: there is no such folder.
    """
    landing = require_landing(landing)
    judge = functools.cache(lambda file: is_image(file.file))  # by path and facts: no file is opened twice
    before = _glance(landing)
    unproved = [file for file in before.files.values() if file.size and not _marked(file, before.markers)]
    waited = any(map(judge, unproved))
    if waited:
        wait(settle)
    now = _glance(landing) if waited else before
    ready, waiting, left = [], [], []
    for path, file in sorted(now.files.items()):
        stood_still = waited and path in before.files and before.files[path].facts == file.facts
        if not judge(file):
            left.append(Skipped(path, why_no_image(file.file)))
        elif _marked(file, now.markers) or (stood_still and file.size):
            ready.append(file)
        else:
            waiting.append(Skipped(path, MOVING if file.size else EMPTY))
    hollow = set(before.empty) if waited else set()
    empty = [folder for folder in now.empty if folder in hollow]
    return Look(tuple(ready), _by_path(waiting + now.copying), _by_path(left + now.left), tuple(empty), waited)


def require_landing(landing: Path, archive: Path | None = None) -> Path:
    """Returns the landing folder's absolute path, links followed.

    Raises:
        UserError: it is no folder that can be read, or it lies in or around the archive.
    """
    try:
        with os.scandir(landing):
            path = landing.resolve()
    except OSError as error:
        raise UserError(
            f"paths.landing {landing} cannot be read ({error.strerror}); name a folder that is there, "
            "or bring the disk or network folder back"
        ) from error
    target = archive.resolve() if archive else None
    if target and (path.is_relative_to(target) or target.is_relative_to(path)):
        raise UserError(
            f"paths.landing {landing} and the archive paths.raw {archive} lie one in the other; name two folders apart"
        )
    return path


def make_archive(archive: Path) -> Path:
    """Returns the archive's absolute path, links followed; makes the folder where it is not there.

    Raises:
        UserError: it cannot be made, or is a link that leads nowhere, as to a disk that is gone.
    """
    try:
        archive.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        where = f" (a link to {archive.readlink()})" if archive.is_symlink() else ""
        raise UserError(
            f"paths.raw {archive}{where}, the archive, cannot be made ({error.strerror}); bring the disk or network "
            "folder back, or let the workspace be written"
        ) from error
    return archive.resolve()


def remove_markers(landing: Path, paths: Iterable[str]) -> None:
    """Removes the markers of files that have been moved away, and those of the folders that they lay in.

    Such a folder's marker goes even where other files have come since: those then have to stand still.
    """
    markers: set[str] = set()
    for path in paths:
        of_file, *of_folders = _markers_for(path)
        markers.update(of_folders)
        if not os.path.lexists(landing / path):
            markers.add(of_file)
    for marker in markers:
        with contextlib.suppress(OSError):  # one that stays is older than what lands later, so it says nothing of that
            (landing / marker).unlink()


def _by_path(skipped: list[Skipped]) -> tuple[Skipped, ...]:
    return tuple(sorted(skipped, key=lambda skip: skip.path))


def _markers_for(path: str) -> list[str]:
    """Lists every name of a marker that would speak for a file; first the file's own."""
    folders = [str(folder) for folder in PurePosixPath(path).parents if folder.name]
    return [
        f"{path}{MARKER}",
        MARKER,
        *(f"{name}/{MARKER}" for name in folders),
        *(f"{name}{MARKER}" for name in folders),
    ]


def _marked(file: SourceFile, markers: Mapping[str, int]) -> bool:
    """Tells whether a marker speaks for the file; one from before its last change does not."""
    return bool(markers) and any(markers.get(marker, -1) >= file.changed for marker in _markers_for(file.path))


def _glance(landing: Path) -> _Glance:
    """Lists all that lies in the landing folder at this moment."""
    seen = _Glance(empty=_empty_folders(landing))
    for path in walk(landing):
        name = readable_path(path, landing)
        result = _find(path, landing)
        if isinstance(result, SourceFile):
            seen.files[name] = result
        elif isinstance(result, int):
            seen.markers[name] = result
            if path.name != MARKER and not os.path.lexists(str(path).removesuffix(MARKER)):
                seen.left.append(Skipped(name, LONE_MARKER))
        else:
            (seen.copying if result == BEING_COPIED else seen.left).append(Skipped(name, result))
    return seen


def _find(path: Path, landing: Path) -> SourceFile | int | str:
    """Returns a file that may be an image, the time of a marker's last change, or the reason why it is neither."""
    result = examine(path, landing)
    if path.is_symlink():
        return result if isinstance(result, str) else LINK
    if path.name.endswith(MARKER) and path.is_file():
        return path.stat().st_ctime_ns
    if path.name.startswith(_OFFICE_LOCK):
        return HIDDEN
    if isinstance(result, str):
        return result
    return BEING_COPIED if path.name.lower().endswith(_COPYING) else _fresh(result)


def _fresh(file: SourceFile) -> SourceFile | str:
    """Reads the facts as the server of a network folder has them, which is asked when a file is opened."""
    try:
        with file.file.open("rb", buffering=0) as opened:
            facts = os.fstat(opened.fileno())
    except OSError:
        return UNREADABLE
    return replace(
        file, size=facts.st_size, mtime=facts.st_mtime_ns, inode=facts.st_ino, changed=facts.st_ctime_ns
    )  # fmt: skip


def _empty_folders(landing: Path) -> list[str]:
    """Lists folders with no file in or below them, hidden ones aside; the deepest first."""
    empty: dict[str, None] = {}
    for folder, folders, files in os.walk(landing, topdown=False):
        path = Path(folder).relative_to(landing)
        hollow = not files and all(str(path / name) in empty for name in folders)
        if hollow and path.parts and not any(map(left_out, path.parts)):
            empty[str(path)] = None
    return list(empty)
