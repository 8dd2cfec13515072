"""Reads what the boxes of a JPEG 2000 file state and its decoder does not: the colour profile, and the channels.

ISO/IEC 15444-1, annex I; the boxes of JPX (15444-2) that hold the same are read too.
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass

_HOLDERS = {b"jp2h", b"jplh", b"cgrp"}  # boxes that hold boxes
_MOST_BYTES = 64 << 20  # of the boxes before the picture; profiles have a few megabytes at most
_MOST_BOXES = 10_000
_ENUMERATED, _PROFILES = 1, {2, 3}  # methods of a colour specification: by number, or by a profile
_TRANSPARENCIES = {1, 2}  # types of a channel: opacity, plain and premultiplied


@dataclass(frozen=True)
class Colours:
    """The meaning of the samples of a JPEG 2000 file.

    Attributes:
        profile: ICC, by which the colours are meant; None where they are sRGB, grey or another space by its number.
        space: the number of that space (EnumCS); None where there is a profile, or neither.
        opaque: whether the file has boxes, and they state of no channel that it is transparency.
    """

    profile: bytes | None = None
    space: int | None = None
    opaque: bool = False


def colours_of(descriptor: int) -> Colours:
    """Reads the first colour specification that is understood (readers are to ignore later ones), and the channels."""
    profile: bytes | None = None
    space: int | None = None
    stated, kinds = False, set[int]()
    for kind, content in _boxes(descriptor, 0, os.fstat(descriptor).st_size):
        stated = True
        if kind == b"colr" and profile is None and space is None and len(content) > 3:
            if content[0] in _PROFILES:
                profile = content[3:]
            elif content[0] == _ENUMERATED and len(content) >= 7:
                (space,) = struct.unpack_from(">I", content, 3)
        elif kind == b"cdef":
            kinds |= {int.from_bytes(content[at : at + 2]) for at in range(4, len(content), 6)}
    return Colours(profile, space, opaque=stated and kinds.isdisjoint(_TRANSPARENCIES))


def _boxes(descriptor: int, start: int, end: int) -> Iterator[tuple[bytes, bytes]]:
    """Yields type and content of the boxes that say what colours are, up to the picture."""
    todo, seen = [(start, end)], 0
    while todo:
        start, end = todo.pop()
        while start + 8 <= end and seen < _MOST_BOXES:
            seen += 1
            kind, content, after = _box(descriptor, start, end)
            if kind == b"jp2c" or not start < content <= after <= end:
                break
            if kind in _HOLDERS:
                todo.append((after, end))
                end = after
                start = content
                continue
            if kind in (b"colr", b"cdef") and after - content <= _MOST_BYTES:
                yield kind, os.pread(descriptor, after - content, content)
            start = after


def _box(descriptor: int, start: int, end: int) -> tuple[bytes, int, int]:
    """Reads a box: its type, where its content begins, and where that ends."""
    head = os.pread(descriptor, 16, start).ljust(16, b"\0")
    size, kind, long = struct.unpack(">I4sQ", head)
    if size == 1:
        return kind, start + 16, start + long
    return kind, start + 8, start + size if size else end
