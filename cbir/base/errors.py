"""Errors that users can mend: the exception that says how, and the recognition of what a machine lacks."""

import difflib
import errno
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from cbir.base.display import visible

_FORBIDDEN = (errno.EROFS, errno.EACCES, errno.EPERM)
_FULL = (errno.ENOSPC, errno.EDQUOT)
_ROOM = 1 << 24  # bytes; the write that failed may have freed some room since
_LISTED = 10  # names in a sentence


class UserError(Exception):
    """A mistake in the user's input or settings.

    The message is one sentence with the value, its name, the rule and the way out; it is shown without a traceback,
    and nothing in it is obeyed by a terminal, whatever file it names.
    """

    def __str__(self) -> str:
        return visible(super().__str__())


class PassingError(UserError):
    """A fault of the world outside, such as a machine out of memory: the same may well succeed on another try."""


def nearest(name: str, known: Iterable[str], *, most: int = 1) -> str:
    """Words the hint for an unknown name: the known names nearest to it, or a list where none is near.

    Args:
        name: as the user wrote it.
        known: the names to choose from, in the order of a list.
        most: nearest names to offer.
    """
    names = list(known)
    if near := difflib.get_close_matches(name, names, n=most):
        return f"did you mean {' or '.join(near)}?"
    return f"there are {in_short(names, most=_LISTED) or 'none'}"


def in_short(names: Sequence[str], *, most: int) -> str:
    """Lists names for a sentence, and counts those after the first ``most``."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def disk_trouble(error: BaseException | None) -> str:
    """Words what keeps a program from its files: a full disk, or files that may not be written; empty for the rest."""
    nameless = isinstance(error, OSError) and error.filename is None
    if (nameless or "shared memory" in str(error)) and (trouble := shared_memory_trouble()):
        return trouble
    if is_full_disk(error):
        return f"no space is left on the disk of {Path.cwd()}; free some (.store can go at any time) and run again"
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FORBIDDEN:
            return (
                f"{error.filename or Path.cwd()} cannot be used ({error.strerror}); give this user the right to read "
                "and write there, or work in a copy of the workspace elsewhere"
            )
        error = error.__cause__ or error.__context__
    return ""


def shared_memory_trouble() -> str:
    """Words what keeps processes from sharing memory: /dev/shm is read-only, full or not there; else empty.

    The system names no file in its error, which would look like one of the workspace.
    """
    try:
        multiprocessing.get_context("fork").Lock()  # another would start a process of its own
    except OSError as error:
        return (
            f"/dev/shm cannot be used ({error.strerror}), where worker processes share memory; mount it so that this "
            "user may write there (docker run --shm-size=1g, or --tmpfs /dev/shm beside --read-only) and run again"
        )
    return ""


def require_writable(folder: Path) -> None:
    """Raises the system's own OSError, whose number says why, where no file can be made in a folder.

    Libraries say less: SQLite is "unable to open database file" on a full disk, without inodes and read-only.
    """
    with tempfile.TemporaryFile(dir=folder):
        if not _has_room(folder):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def _has_room(folder: Path) -> bool:
    """Tells whether the disk, and the user's quota on it, have room for more than a little."""
    if shutil.disk_usage(folder).free < _ROOM:
        return False
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            os.posix_fallocate(file.fileno(), 0, _ROOM)
    except OSError as error:
        return error.errno not in _FULL
    return True


def is_full_disk(error: BaseException | None) -> bool:
    """Returns whether an error, or one that it was raised from, says that the disk or the user's part of it is full."""
    while error is not None:
        number = error.errno if isinstance(error, OSError) else None
        if number in _FULL or "database or disk is full" in str(error):
            return True
        if "disk I/O error" in str(error):  # SQLite's message where it has no room to say more
            return not _has_room(Path.cwd())
        error = error.__cause__ or error.__context__
    return False
