"""Brings files into the hidden folder that becomes an accession: copied, linked or moved, each whole or not at all."""

import errno
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Literal

from cbir.arrivals.survey import UNREADABLE, SourceFile
from cbir.base.errors import UserError

CHANGED = "it changed after it was seen to stand still"
GONE = "it is there no more"
TAKEN = "a file whose name differs in case alone goes first"
UNMOVABLE = "cannot be moved"
PART = ".part"  # hidden, so no file of an accession has this name

Verb = Literal["copy", "link", "move"]

_CHUNK = 1 << 20
_REFUSALS = (errno.EACCES, errno.EPERM, errno.EROFS)
_SPARE = 100_000_000  # bytes of disk that copies leave free


class StaysError(Exception):
    """Says why a file was left where it is."""


def bring(file: SourceFile, staging: Path, verb: Verb) -> None:
    """Brings one file to its path in the staging folder; it is there whole or not at all, with its time of change.

    ``copy`` leaves the source as it is; ``link`` makes a hard link, or a copy where the file system allows none;
    ``move`` keeps the file whole in one of the two places at any moment, to another disk too.

    Raises:
        StaysError: it has changed or gone, cannot be read or removed, or another file has its path.
        OSError: the staging folder cannot be written.
    """
    target = staging / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(target):  # of two names that differ in case alone, on a file system to which they are one
        raise StaysError(TAKEN)
    if verb == "move":
        _move(file, target, staging / PART)
    elif verb == "copy" or not _is_linked(file, target):
        _copy(file, staging / PART)
        (staging / PART).rename(target)


def require_room(archive: Path, files: Iterable[SourceFile], *, what: str, way_out: str) -> None:
    """Checks that the archive's disk has room for copies of files, and for a little more.

    Raises:
        UserError: it has not; ``what`` needs the room, and ``way_out`` ends the sentence.
    """
    needed, free = sum(file.size for file in files), shutil.disk_usage(archive).free
    if needed and needed + _SPARE > free:
        raise UserError(
            f"the disk of {archive} has {free / 1e6:,.0f} MB free, but {what} {needed / 1e6:,.0f} MB "
            f"and {_SPARE / 1e6:.0f} MB have to stay; free some{way_out}"
        )


def cut_off(what: object, archive: Path, reason: object) -> UserError:
    """Returns the error that says what did not get into the archive; the next run finishes what this one began."""
    return UserError(
        f"{what} did not get into {archive} ({reason}); mend that and run the same again: it goes on where it stopped"
    )


def _is_linked(file: SourceFile, target: Path) -> bool:
    try:
        os.link(file.file, target)
    except OSError:  # another disk, too many links, or a file system without them
        return False
    return True


def _move(file: SourceFile, target: Path, part: Path) -> None:
    try:
        if not _is(file, file.file.lstat()):
            raise StaysError(CHANGED)
        file.file.rename(target)
        return
    except FileNotFoundError as error:
        raise StaysError(GONE) from error
    except PermissionError as error:
        raise StaysError(f"{UNMOVABLE} ({error.strerror})") from error
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    if not os.access(file.file.parent, os.W_OK | os.X_OK):
        raise StaysError(f"{UNMOVABLE} (its folder is write-protected)")
    try:
        _copy(file, part, sync=True)
        part.rename(target)
    finally:
        part.unlink(missing_ok=True)
    _sync(target.parent)
    _finish(file, target)


def _finish(file: SourceFile, copy: Path) -> None:
    """Removes the file that was copied, unless another one has come under its name, which is for the next run."""
    try:
        facts = file.file.lstat()
    except FileNotFoundError:
        return
    if facts.st_ino != file.inode:
        return
    if not _is(file, facts):
        copy.unlink()
        raise StaysError(CHANGED)
    remove_source(file.file, copy)


def _is(file: SourceFile, facts: os.stat_result) -> bool:
    """Tells whether it still is the regular file that was looked at, unchanged."""
    return stat.S_ISREG(facts.st_mode) and (facts.st_size, facts.st_mtime_ns, facts.st_ino) == file.facts


def _copy(file: SourceFile, part: Path, *, sync: bool = False) -> None:
    """Copies content and time; with ``sync`` the disk has them before the source may go."""
    with _opened(file) as source:
        with part.open("wb") as copy:
            for chunk in _chunks(source):
                copy.write(chunk)
            if sync:
                copy.flush()
                os.fsync(copy.fileno())
        if not _is(file, os.fstat(source.fileno())):
            raise StaysError(CHANGED)
    os.utime(part, ns=(file.mtime, file.mtime))


def _opened(file: SourceFile) -> BinaryIO:
    try:
        source = file.file.open("rb", buffering=0)
    except OSError as error:
        raise StaysError(f"{UNREADABLE} ({error.strerror})") from error
    if not _is(file, os.fstat(source.fileno())):
        source.close()
        raise StaysError(CHANGED)
    return source


def _chunks(source: BinaryIO) -> Iterator[bytes]:
    """Reads a file in pieces; a bad sector or a server that went away costs this file its turn, and no other."""
    while True:
        try:
            chunk = source.read(_CHUNK)
        except OSError as error:
            raise StaysError(f"{UNREADABLE} ({error.strerror})") from error
        if not chunk:
            return
        yield chunk


def remove_source(source: Path, copy: Path) -> None:
    """Removes a file that was copied; where that is not possible the copy goes, so that there is one in any case."""
    try:
        source.unlink(missing_ok=True)
    except OSError as error:
        if error.errno not in _REFUSALS:
            raise  # it may be gone all the same; the next run sees
        copy.unlink()
        raise StaysError(f"{UNMOVABLE} ({error.strerror})") from error


def _sync(folder: Path) -> None:
    """Has the disk know of a new file, so that a power cut after the other one's removal loses none."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
