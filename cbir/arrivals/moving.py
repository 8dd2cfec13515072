"""Moves a file, to another disk too, so that at any moment it is whole in the old place or the new one."""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from cbir.arrivals.survey import UNREADABLE, SourceFile

CHANGED = "it changed after it was seen to stand still"
GONE = "it is there no more"
TAKEN = "a file whose name differs in case alone goes first"
UNMOVABLE = "cannot be moved"

_CHUNK = 1 << 20
_REFUSALS = (errno.EACCES, errno.EPERM, errno.EROFS)


class StaysError(Exception):
    """A file that was not moved; the message is the reason."""


def move(file: SourceFile, target: Path, part: Path) -> None:
    """Move one file, so that at any moment it is whole in one of the two places.

    Raises:
        StaysError: it has changed or gone, or cannot be read or removed.
        OSError: the archive cannot be written.
    """
    if os.path.lexists(target):  # of two names that differ in case alone, on a file system to which they are one
        raise StaysError(TAKEN)
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
    try:
        _copy(file, part)
        part.rename(target)
    finally:
        part.unlink(missing_ok=True)
    _sync(target.parent)
    _finish(file, target)


def _finish(file: SourceFile, copy: Path) -> None:
    """Remove the file that was copied, unless another one has come under its name, which is for the next run."""
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
    """Whether it still is the regular file that was looked at, unchanged."""
    return stat.S_ISREG(facts.st_mode) and (facts.st_size, facts.st_mtime_ns, facts.st_ino) == file.facts


def _copy(file: SourceFile, part: Path) -> None:
    if not os.access(file.file.parent, os.W_OK | os.X_OK):
        raise StaysError(f"{UNMOVABLE} (its folder is write-protected)")
    with _opened(file) as source:
        with part.open("wb") as copy:
            for chunk in _chunks(source):
                copy.write(chunk)
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
    """A bad sector or a server that went away costs this file its turn; errors of writing are another matter."""
    while True:
        try:
            chunk = source.read(_CHUNK)
        except OSError as error:
            raise StaysError(f"{UNREADABLE} ({error.strerror})") from error
        if not chunk:
            return
        yield chunk


def remove_source(source: Path, copy: Path) -> None:
    """Remove a file that was copied; where that is not possible the copy goes, so that there is one in any case."""
    try:
        source.unlink(missing_ok=True)
    except OSError as error:
        if error.errno not in _REFUSALS:
            raise  # it may be gone all the same; the next run sees
        copy.unlink()
        raise StaysError(f"{UNMOVABLE} ({error.strerror})") from error


def _sync(folder: Path) -> None:
    """Have the disk know of a new file, so that a power cut after the other one's removal loses none."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
