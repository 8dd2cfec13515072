"""What a folder of images that are to come into an archive holds: the images, and what is left out and why."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from cbir.images import UnreadableImage, open_image
from cbir.listing import left_out
from cbir.names import IMAGE_SUFFIXES

HIDDEN = "hidden, or left behind by a file manager"
NO_IMAGE = "no image"
NO_UTF8 = "its name is not valid UTF-8"
OUTWARD_LINK = "a link that leads out of the folder"
FOLDER_LINK = "a link to a folder"
SPECIAL = "no regular file"
UNREADABLE = "cannot be read"


@dataclass(frozen=True)
class Skipped:
    """A file or folder (relative to the source) that was left where it is, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class SourceFile:
    """An image file.

    Attributes:
        source: the file itself, where ``path`` is a link.
        path: relative to the folder, POSIX.
        size: bytes.
        mtime: of the last change, ns.
        inode: its number in the file system.
    """

    source: Path
    path: str
    size: int
    mtime: int
    inode: int


def survey(source: Path) -> tuple[list[SourceFile], list[Skipped]]:
    """The images below a folder, by path, and what is left out."""
    files: list[SourceFile] = []
    skipped: list[Skipped] = []
    todo = [source]
    while todo:
        folder = todo.pop()
        try:
            with os.scandir(folder) as found:
                items = list(found)
        except OSError:
            skipped.append(Skipped(_relative(folder, source), UNREADABLE))
            continue
        for item in items:
            path = Path(item.path)
            if not left_out(item.name) and item.is_dir(follow_symlinks=False):
                todo.append(path)
                continue
            result = _look(path, source)
            if isinstance(result, SourceFile):
                files.append(result)
            else:
                skipped.append(Skipped(_relative(path, source), result))
    return sorted(files, key=lambda file: file.path), sorted(skipped, key=lambda skip: skip.path)


def _relative(path: Path, source: Path) -> str:
    return os.fsencode(path.relative_to(source).as_posix()).decode("utf-8", "backslashreplace")


def _look(path: Path, source: Path) -> SourceFile | str:
    """A file to bring in, or the reason why it is left out."""
    if left_out(path.name):
        return HIDDEN
    target = path.resolve()
    if path.is_symlink():
        if not target.is_relative_to(source):
            return OUTWARD_LINK
        if target.is_dir():
            return FOLDER_LINK
    try:
        facts = target.stat()
    except OSError:
        return UNREADABLE
    if not stat.S_ISREG(facts.st_mode):
        return SPECIAL
    relative = path.relative_to(source).as_posix()
    if _relative(path, source) != relative:
        return NO_UTF8
    if not os.access(target, os.R_OK):
        return UNREADABLE
    if not _is_image(target):
        return NO_IMAGE
    return SourceFile(target, relative, facts.st_size, facts.st_mtime_ns, facts.st_ino)


def _is_image(path: Path) -> bool:
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return True
    try:
        with open_image(path):
            return True
    except UnreadableImage:
        return False
