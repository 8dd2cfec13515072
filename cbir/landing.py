"""The landing folder: which files have landed, and how they become an accession with none of them lost or doubled."""

import contextlib
import errno
import filecmp
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

from cbir.errors import UserError
from cbir.manifest import LANDED
from cbir.source import Skipped, SourceFile, survey

DONE = ".done"  # in a folder: all below has landed; behind a file's name: that file has
CHANGING = "its size or time still changes"
NEW = "it has just come"
COPYING = "it bears the name of a copy that is under way"
LINK = "a link; put the file itself here"

_COPYING = (".part", ".partial", ".filepart", ".crdownload", ".download", ".tmp")  # as copying programs name theirs
_FORMAT = "%Y%m%dT%H%M%SZ"
_STAGED = re.compile(rf"\.({LANDED.pattern})\.landing\.tmp")
_PART = ".part.tmp"


@dataclass(frozen=True)
class Look:
    """What a landing folder holds.

    Attributes:
        ready: files that have landed.
        waiting: files that may still be on their way, and why.
        left: what is no image, or not for the archive, and why; it stays where it is.
        empty: folders that stood empty all the while.
    """

    ready: tuple[SourceFile, ...] = ()
    waiting: tuple[Skipped, ...] = ()
    left: tuple[Skipped, ...] = ()
    empty: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Landed:
    """What was taken in: the accessions made of it, oldest first, and how many files and bytes they hold.

    ``waiting``: files that changed after all when they were about to be moved.
    """

    accessions: tuple[str, ...] = ()
    files: int = 0
    bytes: int = 0
    waiting: tuple[Skipped, ...] = ()


def look(landing: Path, archive: Path, *, settle: float, wait: Callable[[float], object] = time.sleep) -> Look:
    """See what has landed: files whose size and time stand still for ``settle`` seconds, and those that a marker names.

    Nothing is remembered between two calls, and no clock is asked: where files lie there without a marker, this looks,
    waits, and looks again. So a clock that jumps, or times of change in the future, make no difference, and any file
    system will do. The markers are `.done` in a folder, for all below it, and `NAME.done` beside a file.

    Raises:
        UserError: the landing folder lies in the archive or the other way round, or ``settle`` is negative.
    """
    if settle < 0:
        raise UserError(f"landing.settle must be 0 seconds or more, is {settle:g}")
    root = landing.resolve()
    if root.is_relative_to(archive.resolve()) or archive.resolve().is_relative_to(root):
        raise UserError(f"paths.landing is {landing} and paths.raw is {archive}: neither may lie in the other")
    files, copying, left = _survey(root)
    marked = {file.path for file in files if _is_marked(root, file.path)}
    empty = set(_empty_folders(root))
    if not settle or not (copying or len(marked) < len(files)):
        return Look(tuple(files), tuple(copying), tuple(left))
    wait(settle)
    before = {file.path: file for file in files}
    files, copying, left = _survey(root)
    waiting = list(copying)
    ready = []
    for file in files:
        if before.get(file.path) == file or (file.path in marked and _is_marked(root, file.path)):
            ready.append(file)
        else:
            waiting.append(Skipped(file.path, CHANGING if file.path in before else NEW))
    still = [folder for folder in _empty_folders(root) if folder in empty]
    return Look(tuple(ready), tuple(sorted(waiting, key=lambda one: one.path)), tuple(left), tuple(still))


def _survey(root: Path) -> tuple[list[SourceFile], list[Skipped], list[Skipped]]:
    """The images, those that are being copied, and what is left where it is; markers are none of these."""
    found, skipped = survey(root)
    files, copying, left = [], [], []
    for file in found:
        if file.source != root / file.path:
            left.append(Skipped(file.path, LINK))
        elif file.path.lower().endswith(_COPYING):
            copying.append(Skipped(file.path, COPYING))
        else:
            files.append(file)
    for skip in skipped:
        if skip.path.lower().endswith(_COPYING):
            copying.append(Skipped(skip.path, COPYING))
        elif not skip.path.endswith(DONE):
            left.append(skip)
    return files, copying, sorted(left, key=lambda one: one.path)


def _is_marked(root: Path, path: str) -> bool:
    return any(marker.is_file() for marker in _markers(root, path))


def _markers(root: Path, path: str) -> Iterator[Path]:
    """The markers that would say that a file has landed."""
    yield root / f"{path}{DONE}"
    for folder in PurePosixPath(path).parents:
        yield root / folder / DONE


def _empty_folders(root: Path) -> list[Path]:
    return [Path(folder) for folder, inner, files in os.walk(root) if not inner and not files and Path(folder) != root]


def accession_name(archive: Path, now: datetime) -> str:
    """The time, as the name of an accession after all that are named so, also when the clock was set back."""
    names = [path.name.removesuffix(".dvc") for path in archive.iterdir()]
    taken = [name for name in names if LANDED.fullmatch(name)]
    taken += [match[1] for match in map(_STAGED.fullmatch, names) if match]
    if taken:
        newest = datetime.strptime(max(taken), _FORMAT).replace(tzinfo=UTC)
        now = max(now, newest + timedelta(seconds=1))
    return now.astimezone(UTC).strftime(_FORMAT)


def take_in(
    found: Look, landing: Path, archive: Path, *, now: datetime, guard: Callable[[], AbstractContextManager[object]]
) -> Landed:
    """Move what has landed into a new accession, with the same paths below it.

    The files go to a hidden folder in the archive, one by one, and that takes the accession's name in one step. A file
    is renamed where that can be done, and so is in one place at any moment; between two file systems it is copied, and
    removed when the copy is whole. What a run that was killed has left in such a folder becomes an accession first.

    Args:
        now: names the accession.
        guard: held while anything of the archive is touched.

    Raises:
        UserError: a file cannot be moved; what was moved stays, and the next call goes on.
    """
    if not found.ready and not _staged(archive):
        _sweep(found.empty)
        return Landed()
    root = landing.resolve()
    with guard():
        recovered = [name for staging in _staged(archive) if (name := _finish(staging, root, archive))]
        staging = archive / f".{accession_name(archive, now)}.landing.tmp"
        waiting = [Skipped(file.path, CHANGING) for file in _move(found.ready, root, staging)]
        made = _finish(staging, root, archive) if staging.exists() else None
    _sweep(found.empty)
    names = [*recovered, *([made] if made else [])]
    sizes = [path.stat().st_size for name in names for path in (archive / name).rglob("*") if path.is_file()]
    return Landed(tuple(names), len(sizes), sum(sizes), tuple(waiting))


def _staged(archive: Path) -> list[Path]:
    return sorted(path for path in archive.iterdir() if _STAGED.fullmatch(path.name))


def _move(files: Sequence[SourceFile], root: Path, staging: Path) -> list[SourceFile]:
    """Move files into a folder; returns those that are not what they were, which stay where they are."""
    for file in files:  # first: a marker that outlived its files would vouch for others
        for marker in _markers(root, file.path):
            marker.unlink(missing_ok=True)
    changed = []
    for file in files:
        try:
            if not _is_same(file) or not _move_one(file, staging):
                changed.append(file)
        except FileNotFoundError:  # taken away meanwhile
            continue
        except OSError as error:
            raise UserError(
                f"{file.source} did not get into {staging.parent} ({error.strerror}); mend that and run `cbir refresh` "
                "again: it goes on where it stopped"
            ) from error
    return changed


def _is_same(file: SourceFile) -> bool:
    facts = file.source.lstat()
    return (facts.st_size, facts.st_mtime_ns, facts.st_ino) == (file.size, file.mtime, file.inode)


def _move_one(file: SourceFile, staging: Path) -> bool:
    """Rename a file, or copy it and remove it; False where it changed while it was copied, and is as it was."""
    target = staging / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        file.source.rename(target)
        return True
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    part = staging / _PART
    shutil.copyfile(file.source, part)
    os.utime(part, ns=(file.mtime, file.mtime))
    with part.open("rb") as written:
        os.fsync(written.fileno())
    if not _is_same(file):
        part.unlink()
        return False
    part.replace(target)
    file.source.unlink()
    return True


def _finish(staging: Path, root: Path, archive: Path) -> str | None:
    """Let a hidden folder become the accession that it was to be; None where nothing had got into it.

    A file that was copied into it, and whose source was not removed any more, has that removed now.
    """
    (staging / _PART).unlink(missing_ok=True)
    files = [path for path in staging.rglob("*") if not path.is_dir()]
    for path in files:
        source = root / path.relative_to(staging)
        if source.is_file() and not source.is_symlink() and filecmp.cmp(source, path, shallow=False):
            source.unlink()
    if not files:
        shutil.rmtree(staging)
        return None
    name = staging.name[1:].removesuffix(".landing.tmp")
    staging.rename(archive / name)
    return name


def _sweep(folders: Sequence[Path]) -> None:
    """Remove folders that are still empty."""
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()
