"""Finds the directories of a TIFF, one a page, and shows one page of it as a file of its own.

libtiff walks the chain of directories from the first one for each page that it opens, and libvips counts them all on
top, so a file of n pages would take n² steps.
"""

import io
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

MOST_PAGES = 65_535  # of one file

_SIDES = {256, 257}  # the tags without which a directory is none of a picture
_SUBFILE_TYPE, _TILE_OFFSETS, _TILE_SIZES = 254, 324, 325
_DERIVED = 0b101  # of NewSubfileType: a reduced version of another page, or a transparency mask
_SIZES = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q"}  # of the types of whole numbers: struct's letters


@dataclass(frozen=True)
class Layout:
    """Says how a TIFF writes numbers: the byte order, and the sizes that BigTIFF has doubled.

    Attributes:
        order: struct's sign.
        pointer: struct's letter of an offset.
        start: byte at which the pointer to the first directory stands.
        count: struct's letter of the number of entries.
        entry: struct's letters of an entry: tag, type, number of values, and the values or where they are.
    """

    order: str
    pointer: str
    start: int
    count: str
    entry: str


@dataclass(frozen=True)
class Directory:
    """Describes one page of a TIFF.

    Attributes:
        offset: byte at which the directory begins.
        link: byte at which the pointer to the next one stands.
        next: that pointer; 0 behind the last page.
        derived: whether it is a smaller level of a pyramid, a preview or a mask (NewSubfileType; TIFF 6.0, section 8).
        end: byte at which its last tile ends; 0 where it has strips.
    """

    offset: int
    link: int
    next: int
    derived: bool
    end: int


def layout_of(descriptor: int) -> Layout | None:
    """Reads the header of a TIFF; None for another file."""
    head = os.pread(descriptor, 4, 0)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    kind = struct.unpack(f"{order}H", head[2:])[0] if order and len(head) == 4 else 0
    if kind == 42:
        return Layout(order, "I", 4, "H", "HHI4s")  # type: ignore[arg-type]
    return Layout(order, "Q", 8, "Q", "HHQ8s") if kind == 43 else None  # type: ignore[arg-type]


def directories(descriptor: int) -> list[Directory]:
    """Follows the chain of directories up to one that was there before, or is none of a picture.

    Returns:
        At most ``MOST_PAGES + 1``.
    """
    layout = layout_of(descriptor)
    pages: dict[int, Directory] = {}
    offset = _number(descriptor, layout, layout.start) if layout else 0
    while layout and offset and offset not in pages and len(pages) <= MOST_PAGES:
        directory = _directory(descriptor, layout, offset)
        if directory is None:
            break
        pages[offset] = directory
        offset = directory.next
    return list(pages.values())


def _number(descriptor: int, layout: Layout, at: int) -> int:
    numbers = _unpack(descriptor, layout.order + layout.pointer, at)
    return numbers[0] if numbers else 0


def _unpack(descriptor: int, format: str, at: int) -> tuple[int, ...]:
    """Reads numbers at a byte of the file; none where it ends before."""
    size = struct.calcsize(format)
    data = os.pread(descriptor, size, at) if at < 1 << 63 else b""
    return struct.unpack(format, data) if len(data) == size else ()


def _directory(descriptor: int, layout: Layout, offset: int) -> Directory | None:
    count = _unpack(descriptor, layout.order + layout.count, offset)
    if not count or not 0 < count[0] < 1 << 16:
        return None
    first = offset + struct.calcsize(layout.order + layout.count)
    entry = struct.Struct(layout.order + layout.entry)
    data = os.pread(descriptor, entry.size * count[0], first)
    if len(data) < entry.size * count[0]:
        return None
    entries = {tag: (kind, number, value) for tag, kind, number, value in entry.iter_unpack(data)}
    if not entries.keys() >= _SIDES:
        return None
    flags = _values(descriptor, layout, entries.get(_SUBFILE_TYPE))
    tiles = zip(
        *(_values(descriptor, layout, entries.get(tag)) for tag in (_TILE_OFFSETS, _TILE_SIZES)),
        strict=False,
    )
    link = first + len(data)
    return Directory(
        offset,
        link,
        _number(descriptor, layout, link),
        derived=bool(flags and flags[0] & _DERIVED),
        end=max((start + size for start, size in tiles), default=0),
    )


def _values(descriptor: int, layout: Layout, entry: tuple[int, int, bytes] | None) -> Sequence[int]:
    """Reads the whole numbers of an entry, which stand in it where they have room; none where the file ends before."""
    kind, count, value = entry or (0, 0, b"")
    letter = _SIZES.get(kind)
    if letter is None:
        return ()
    format = f"{layout.order}{count}{letter}"
    if struct.calcsize(f"{layout.order}{letter}") * count <= len(value):
        return struct.unpack_from(format, value)
    if struct.calcsize(f"{layout.order}{letter}") * count > os.fstat(descriptor).st_size:
        return ()
    return _unpack(descriptor, format, struct.unpack(layout.order + layout.pointer, value)[0])


class PageView(io.RawIOBase):
    """Shows a TIFF as if one of its pages were all that it holds: the header points there, and nothing points on."""

    def __init__(self, descriptor: int, page: Directory) -> None:
        layout = layout_of(descriptor)
        if layout is None:
            raise ValueError("it is no TIFF")
        pointer = layout.order + layout.pointer
        self._descriptor, self._at = descriptor, 0
        self._size = os.fstat(descriptor).st_size
        self._changes = {layout.start: struct.pack(pointer, page.offset), page.link: struct.pack(pointer, 0)}

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        data = bytearray(os.pread(self._descriptor, len(buffer), self._at))
        for start, change in self._changes.items():
            for place, byte in enumerate(change, start - self._at):
                if 0 <= place < len(data):
                    data[place] = byte
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
