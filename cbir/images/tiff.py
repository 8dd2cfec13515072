"""Finds the directories of a TIFF, one a page, and shows one page of it as a file of its own.

libtiff walks the chain of directories from the first one for each page that it opens, and libvips counts them all on
top, so a file of n pages would take n² steps.
"""

import io
import os
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

MOST_PAGES = 65_535  # of one file
OLD_JPEG = 6  # the number of a compression (TIFF 6.0, section 22)

_SIDES = {256, 257}  # the tags without which a directory is none of a picture
_SUBFILE_TYPE, _BITS, _COMPRESSION, _PHOTOMETRIC, _ORIENTATION, _MOST = 254, 258, 259, 262, 274, 281
_TILE_OFFSETS, _TILE_SIZES, _CHILDREN, _EXTRAS, _STREAM, _DNG_VERSION = 324, 325, 330, 338, 513, 50706
_PLANES = 284  # PlanarConfiguration
_RUN_LENGTHS = {2, 3, 4, 32771, 32773}  # compressions: of fax, and PackBits
_WHITE_IS_ZERO, _YCBCR, _CIELAB, _JPEG = 0, 6, 8, 7  # numbers of three photometric interpretations and of a compression
_DERIVED = 0b101  # of NewSubfileType: a reduced version of another page, or a transparency mask
_RAW_MARKS = (b"CR\2\0", b"IIII", b"MMMM")  # behind the header: of Canon and Phase One
_FILTER_ARRAYS = {32803, 34892}  # photometric interpretations of a camera's sensor: CFA and LinearRaw
_TRANSPARENCIES = {1, 2}  # ExtraSamples: associated and unassociated alpha; 0 is data of whatever kind
_SIZES = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}  # of the types of whole numbers: struct's letters
_READ = (
    _SUBFILE_TYPE,
    _BITS,
    _COMPRESSION,
    _PHOTOMETRIC,
    _ORIENTATION,
    _MOST,
    _PLANES,
    _TILE_OFFSETS,
    _TILE_SIZES,
    _CHILDREN,
    _EXTRAS,
    _STREAM,
)
_MOST_CHILDREN = 64  # of one page; pyramids have a dozen


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
        bits: of a sample, as it is stored.
        compression: the number of its compression.
        photometric: the number of what its samples mean.
        stream: byte at which a JPEG of the old style begins (JPEGInterchangeFormat); 0 where there is none.
        most: the largest value of a sample that the file states (MaxSampleValue); 0 where it states none.
        in_planes: whether its channels are stored one after the other.
        transparent: whether a channel beyond the colours is stated to be transparency, and not infrared or the like.
        raw: whether it holds the values of a camera's sensor, or is the preview of a file that does (DNG); a developed
            picture may have kept DNG's tags.
        children: offsets of the directories that hang on it (SubIFDs).
        changes: bytes by their place that decoders are to read in place of those that keep them from the page.
    """

    offset: int
    link: int
    next: int
    derived: bool
    end: int
    bits: int
    compression: int
    photometric: int
    stream: int
    most: int
    in_planes: bool
    transparent: bool
    raw: bool
    children: tuple[int, ...]
    changes: Mapping[int, bytes]

    @property
    def in_runs(self) -> bool:
        """Tells whether it is compressed in runs of equal samples."""
        return self.compression in _RUN_LENGTHS

    @property
    def in_jpeg(self) -> bool:
        """Tells whether it is compressed as JPEG, not of the old style."""
        return self.compression == _JPEG

    @property
    def white_is_zero(self) -> bool:
        """Tells whether its samples are grey, and the less the lighter."""
        return self.photometric == _WHITE_IS_ZERO


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

    The pictures that hang on the chain follow where it has previews alone, as in the files of some cameras.

    Returns:
        At most ``MOST_PAGES + 1`` of the chain.
    """
    pages = _chain(descriptor)
    if not all(page.derived for page in pages):
        return pages
    return pages + [child for child in below(descriptor, pages) if not child.derived]


def below(descriptor: int, pages: Iterable[Directory]) -> Iterator[Directory]:
    """Yields the directories that hang on pages (SubIFDs): levels of a pyramid, or a camera's raw picture."""
    if layout := layout_of(descriptor):
        for page in pages:
            children = (_directory(descriptor, layout, offset) for offset in page.children)
            yield from filter(None, children)


def is_raw(descriptor: int, pages: Sequence[Directory]) -> bool:
    """Tells whether a TIFF is a camera's raw file, whose pages are previews of a picture that is not developed."""
    return os.pread(descriptor, 4, 8) in _RAW_MARKS or any(page.raw for page in chain(pages, below(descriptor, pages)))


def is_misread(page: Directory) -> bool:
    """Tells whether libvips takes a page for another kind without a word.

    It takes luma and chroma that are not compressed as JPEG for RGB, and mixes the channels of CIELAB in planes.
    """
    if page.photometric == _YCBCR:
        return page.compression not in (OLD_JPEG, _JPEG)
    return page.photometric == _CIELAB and page.in_planes


def is_alone(pages: Sequence[Directory]) -> bool:
    """Tells whether a file has one page and its header points there: decoders need no :class:`PageView`."""
    return len(pages) < 2 and not any(page.next or page.changes for page in pages)


def require_tiles(descriptor: int, pages: Sequence[Directory]) -> None:
    """Raises OSError for a missing tile, which libvips makes black without an error; it reports a missing strip itself.

    See docs/upstream.md, libvips: short tile.
    """
    size = os.fstat(descriptor).st_size
    end = max((page.end for page in pages), default=0)
    if end > size:
        raise OSError(f"its tiles end at byte {end}, the file at {size}")


def _chain(descriptor: int) -> list[Directory]:
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
    values = {tag: _values(descriptor, layout, entries.get(tag)) for tag in _READ}
    link = first + len(data)
    derived = bool(_first(values[_SUBFILE_TYPE]) & _DERIVED)
    return Directory(
        offset,
        link,
        _number(descriptor, layout, link),
        derived=derived,
        end=max(
            (start + size for start, size in zip(values[_TILE_OFFSETS], values[_TILE_SIZES], strict=False)), default=0
        ),
        bits=_first(values[_BITS], 1),
        compression=_first(values[_COMPRESSION], 1),
        photometric=_first(values[_PHOTOMETRIC]),
        stream=_first(values[_STREAM]) if _first(values[_COMPRESSION]) == OLD_JPEG else 0,
        most=max(values[_MOST], default=0),
        in_planes=_first(values[_PLANES]) == 2,
        transparent=not _TRANSPARENCIES.isdisjoint(values[_EXTRAS]),
        raw=_first(values[_PHOTOMETRIC]) in _FILTER_ARRAYS or (derived and _DNG_VERSION in entries),
        children=tuple(values[_CHILDREN][:_MOST_CHILDREN]),
        changes=_upright(layout, first, list(entries), _first(values[_ORIENTATION], 1)),
    )


def _upright(layout: Layout, first: int, tags: Sequence[int], orientation: int) -> dict[int, bytes]:
    """Returns the change by which a page of an orientation that there is not, at which libtiff ends, lies as stored.

    Args:
        first: byte at which the first entry of the directory begins.
        tags: of its entries, in order.
    """
    if 1 <= orientation <= 8 or _ORIENTATION not in tags:
        return {}
    entry = struct.Struct(layout.order + layout.entry)
    value = first + entry.size * tags.index(_ORIENTATION) + entry.size - struct.calcsize(layout.pointer)
    return {value: struct.pack(f"{layout.order}H", 1)}


def _first(values: Sequence[int], otherwise: int = 0) -> int:
    return values[0] if values else otherwise


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
        ends = {layout.start: struct.pack(pointer, page.offset), page.link: struct.pack(pointer, 0)}
        self._changes = ends | dict(page.changes)

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
