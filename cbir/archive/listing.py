"""Lists what lies in an archive: every file that could be an image, and what is wrong with one before it is opened."""

import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from cbir.archive.manifest import arrival
from cbir.base.errors import UserError

_FILE_MANAGERS = {"thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "__macosx"}  # .DS_Store is hidden by its dot
_SYSTEMS = {"system volume information", "lost+found", "#snapshot", "@snapshot", "@sharesnap", "@recently-snapshot"}
# Windows, Samba and the NAS of Synology, QNAP, Buffalo, Western Digital and others; .Trash-1000 is hidden by its dot.
_WASTEBASKET = re.compile(
    r"\$recycle\.bin|[$#@]?recycle[rd]?|[#@]?recycle[ _-]?bin( - volume_\d+)?|network[ _-]recycle[ _-]bin( \d+)?"
    r"|network trash folder|[#@]?trash(es|box|can)?(-\d+)?|files_trashbin|found\.\d{3}",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Entry:
    """Describes one file of the archive.

    Attributes:
        path: relative to the archive, POSIX; bytes that are no UTF-8 are written as ``\\xNN``.
        file: the path that opens it.
        accession: the first folder of the path.
        size, mtime, inode: of the file (bytes, nanoseconds, number): while they stay, so does the content.
        problem: a sentence why it is not to be opened as an image; empty when nothing is known against it.
        readable: False for what must not be opened at all, such as a link that leads out of the archive.
    """

    path: str
    file: Path
    accession: str
    size: int = 0
    mtime: int = 0
    inode: int = 0
    problem: str = ""
    readable: bool = True


@dataclass(frozen=True)
class Listing:
    """Holds the archive's files, sorted by accession (as :func:`cbir.archive.manifest.arrival` orders them) and path.

    Attributes:
        entries: the files in accessions.
        loose: names of the files that lie directly in the archive and so belong to no accession.
    """

    entries: list[Entry]
    loose: list[str]


def list_archive(archive: Path, *, take_loose: bool = False) -> Listing:
    """Lists every file of every accession, any depth below; links to folders are named but never followed.

    Left out are hidden files and folders, ``.dvc`` files, wastebaskets, and what file managers and systems leave behind
    (Thumbs.db and the like).

    Args:
        take_loose: the loose files are entries too, of an accession that has the archive's own name.

    Raises:
        OSError: the archive itself cannot be read.
    """
    archive = Path(os.path.realpath(archive, strict=True))
    os.scandir(archive).close()  # says why it cannot be read
    entries: list[Entry] = []
    loose: list[str] = []
    for path in walk(archive):
        if left_out(path.name):
            continue
        if path.parent == archive and not path.is_dir():
            loose.append(readable_path(path, archive))
            if take_loose:
                entries.append(replace(_entry(path, archive), accession=archive.name))
        else:
            entries.append(_entry(path, archive))
    return Listing(sorted(entries, key=lambda entry: (arrival(entry.accession), entry.path)), sorted(loose))


def require_plain(folder: Path) -> None:
    """Checks that all below a folder, which may have been filled by hand, are files and folders that DVC can take.

    DVC raises at a name that is no UTF-8, waits for ever for the other end of a pipe, and refuses links to folders.

    Raises:
        UserError: the first path that is none of them, what it is, and the way out.
    """
    todo = [folder]
    while todo:
        with os.scandir(todo.pop()) as entries:
            for entry in entries:
                if problem := _not_plain(entry):
                    raise UserError(f"{folder}/{readable_path(Path(entry.path), folder)} {problem}")
                if entry.is_dir():
                    todo.append(Path(entry.path))


def require_names(accessions: Sequence[Path]) -> None:
    """Raises UserError for an accession whose name no .gitignore can hold, so that git would take its images."""
    for path in accessions:
        if path.name != path.name.strip() or not path.name.isprintable():
            raise UserError(
                f"{path.parent}/{readable_path(path, path.parent)} has spaces at an end of its name, or characters "
                "in it that cannot be seen; rename it"
            )


def _not_plain(entry: os.DirEntry[str]) -> str:
    """Words what is wrong with a file or folder, and the way out; nothing where DVC can take it."""
    if os.fsencode(entry.name).decode("utf-8", "replace") != entry.name:
        return "has a name that is not valid UTF-8; rename it"
    if entry.is_symlink() and not Path(entry.path).exists():
        return "is a link that leads nowhere or back to itself; remove it, or put the file itself here"
    if entry.is_symlink() and entry.is_dir():
        return "is a link to a folder, which is not followed; put the folder itself here, or remove the link"
    if not entry.is_dir() and not entry.is_file():
        return "is no regular file (a pipe, a socket or a device); remove it"
    if entry.name == ".dvcignore":
        return "tells DVC what to leave out, which it allows in no accession; remove it"
    return ""


def walk(folder: Path) -> Iterator[Path]:
    """Yields all that is no folder, any depth below, and the folders that are left out, links, or cannot be read."""
    todo = [folder]
    while todo:  # a list of folders still to read in place of recursion, for any depth
        current = todo.pop()
        try:
            with os.scandir(current) as entries:
                items = list(entries)
        except OSError:
            yield current
            continue
        for item in items:
            if not left_out(item.name) and item.is_dir(follow_symlinks=False):
                todo.append(Path(item.path))
            else:
                yield Path(item.path)


def readable_path(path: Path, folder: Path) -> str:
    """Returns the path below a folder, POSIX, as valid Unicode: bytes that are no UTF-8 are written as ``\\xNN``."""
    return os.fsencode(path.relative_to(folder).as_posix()).decode("utf-8", "backslashreplace")


def left_out(name: str) -> bool:
    """Tells whether a file or folder is hidden, DVC's own, left behind by a file manager, or a wastebasket."""
    own = name.startswith(".") or name.endswith(".dvc")
    return own or name.lower() in _FILE_MANAGERS | _SYSTEMS or is_wastebasket(name)


def is_wastebasket(name: str) -> bool:
    """Tells whether a folder of this name holds what was thrown away on a disk or a network drive."""
    return _WASTEBASKET.fullmatch(name) is not None


def _entry(file: Path, archive: Path) -> Entry:
    try:
        return _examined(file, archive)
    except OSError as error:
        return _rejected(file, archive, f"it cannot be read: {error.strerror}")


def _examined(file: Path, archive: Path) -> Entry:
    facts = file.lstat()
    if stat.S_ISDIR(facts.st_mode):
        os.scandir(file).close()  # says why it cannot be read
    if stat.S_ISLNK(facts.st_mode):
        # Not Path.resolve, which before Python 3.13 raises RuntimeError at a loop.
        target = Path(os.path.realpath(file))
        if target.is_symlink():
            return _rejected(file, archive, "it is a link that leads back to itself")
        if not target.is_relative_to(archive):
            return _rejected(file, archive, "it is a link that leads out of the archive; put the file itself here")
        if target.is_dir():
            return _rejected(file, archive, "it is a link to a folder, which is not followed")
        facts = file.stat()
    if not stat.S_ISREG(facts.st_mode):
        return _rejected(file, archive, "it is no regular file")
    name = readable_path(file, archive)
    problem = "" if name == file.relative_to(archive).as_posix() else "its name is not valid UTF-8; rename the file"
    return Entry(name, file, _accession(name), facts.st_size, facts.st_mtime_ns, facts.st_ino, problem)


def _rejected(file: Path, archive: Path, problem: str) -> Entry:
    path = readable_path(file, archive)
    return Entry(path, file, _accession(path), problem=problem, readable=False)


def _accession(path: str) -> str:
    return PurePosixPath(path).parts[0]
