"""Surveys a folder of images that are to be brought in: which files are images, what is left there, and why."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from cbir.archive.listing import is_wastebasket, left_out, readable_path, walk
from cbir.images.formats import IMAGE_SUFFIXES, name_unread
from cbir.images.reading import UnreadableImage, open_image

HIDDEN = "hidden, or left behind by a file manager"
NO_IMAGE = "no image"
NOT_READ = ", a format that is not read; convert it to TIFF or JPEG"  # behind the format's name
WASTE = "a wastebasket"
NO_UTF8 = "its name is not valid UTF-8"
OUTWARD_LINK = "a link that leads out of the folder"
FOLDER_LINK = "a link to a folder"
LINK_LOOP = "a link that leads back to itself"
SPECIAL = "no regular file"
UNREADABLE = "cannot be read"


@dataclass(frozen=True)
class Skipped:
    """Names a file or folder (relative to the source) that was left where it is, and why."""

    path: str
    reason: str

    @property
    def format(self) -> str:
        """The format of pictures that it is in and that is not read; empty where it was left for another reason."""
        return self.reason.removesuffix(NOT_READ) if self.reason.endswith(NOT_READ) else ""


@dataclass(frozen=True)
class SourceFile:
    """Describes a regular file that can be read.

    Attributes:
        file: the path that opens it, links followed.
        path: relative to the source, POSIX.
        size, mtime, inode: bytes, nanoseconds, number: while they stay, so does the content.
        changed: nanoseconds; when its content or name was last changed by the file system's clock, which no copying
            program sets back.
    """

    file: Path
    path: str
    size: int
    mtime: int
    inode: int
    changed: int

    @property
    def facts(self) -> tuple[int, int, int]:
        return self.size, self.mtime, self.inode


def survey(source: Path) -> tuple[list[SourceFile], list[Skipped]]:
    """Lists the images below a folder (an absolute path without links), by path, and what is left out."""
    files: list[SourceFile] = []
    skipped: list[Skipped] = []
    for path in walk(source):
        result = examine(path, source)
        if isinstance(result, SourceFile) and is_image(result.file):
            files.append(result)
        else:
            reason = result if isinstance(result, str) else why_no_image(result.file)
            skipped.append(Skipped(readable_path(path, source), reason))
    return sorted(files, key=lambda file: file.path), sorted(skipped, key=lambda skip: skip.path)


def examine(path: Path, source: Path) -> SourceFile | str:
    """Describes a file that may be brought in if it is an image, or the reason why it is left out."""
    if left_out(path.name):
        return WASTE if is_wastebasket(path.name) else HIDDEN
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        return LINK_LOOP
    if path.is_symlink():
        if not target.is_relative_to(source):
            return OUTWARD_LINK
        if target.is_dir():
            return FOLDER_LINK
    try:
        facts = target.stat()
    except OSError:
        return UNREADABLE
    if stat.S_ISDIR(facts.st_mode):
        return UNREADABLE
    if not stat.S_ISREG(facts.st_mode):
        return SPECIAL
    name = path.relative_to(source).as_posix()
    if readable_path(path, source) != name:
        return NO_UTF8
    if not os.access(target, os.R_OK):
        return UNREADABLE
    return SourceFile(target, name, facts.st_size, facts.st_mtime_ns, facts.st_ino, facts.st_ctime_ns)


def is_image(path: Path) -> bool:
    """Tells whether a file is an image by its extension or by its first bytes."""
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return True
    try:
        with open_image(path):
            return True
    except UnreadableImage:
        return False


def why_no_image(path: Path) -> str:
    """Names the format of a file that is none of those that are read, or says that it is no image."""
    try:
        with path.open("rb") as file:
            kind = name_unread(file.read(64), path.suffix)
    except OSError:
        return UNREADABLE
    return f"{kind}{NOT_READ}" if kind else NO_IMAGE
