"""Takes out of a JPEG what its decoder warns of although the picture is whole."""

import re
from collections.abc import Iterator
from itertools import product

_START, _SCAN, END = b"\xff\xd8", 0xDA, b"\xff\xd9"
_ALONE = frozenset((0x01, *range(0xD0, 0xD8)))  # markers without a segment
_BASELINE = frozenset((0xC0, 0xC1))
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset((0xC2, 0xC6, 0xCA, 0xCE))
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # behind the data of a scan, or in it by damage
_BETWEEN_SCANS = frozenset((0xC4, 0xDA, 0xDB, 0xDC, 0xDD, 0xFE, *range(0xE0, 0xF0)))
_WHOLE_SPECTRUM = b"\x00\x3f\x00"
_PADDING = 64  # zero bytes before the end marker at most; more are a hole in the picture


def mended(data: bytes) -> Iterator[bytes]:
    """Yields the file without harmless faults, from few changes to all; the same picture, if that is whole.

    Harmless are bytes between the segments before the first scan, a JFIF revision of another major number, a baseline
    scan whose spectrum is not written as the whole one, few zero bytes before the end marker, and the want of that
    marker where every scan is there. Bytes left over after or within a scan are not: they tell that the decoder has
    lost its place.
    """
    head, scan = _split(data)
    yield head + scan
    picture, end, rest = scan.rpartition(END)
    if not end:
        if not has_every_scan(data):
            return
        picture, rest = scan.rstrip(b"\xff"), b""
        yield head + picture + END
    bare = picture.rstrip(b"\0")
    if 0 < len(picture) - len(bare) <= _PADDING:
        yield head + bare + (b"\0" if bare.endswith(b"\xff") else b"") + END + rest


def end_of_only_scan(data: bytes) -> int:
    """Returns the byte at which the data of the only scan ends, without padding; 0 where there are several, or no end.

    A decoder reads several scans whole before it gives a row, and tells of bytes that are left over by itself.
    """
    head, scan = _split(data)
    start = len(data) - len(scan) + 2 + int.from_bytes(scan[2:4])
    marker = _MARKER.search(data, start) if head else None
    if marker is None or marker[0][1] in _BETWEEN_SCANS:
        return 0
    return start + len(data[start : marker.start()].rstrip(b"\0\xff"))


def has_every_scan(data: bytes) -> bool:
    """Tells whether the scans that begin in a file give each coefficient of each component in its full precision.

    To a decoder, a progressive picture that lacks its last scans is whole, and coarse (ITU-T T.81, annex G). Whether
    the last scan itself is whole the decoder tells.
    """
    components: set[int] = set()
    precise: set[tuple[int, int]] = set()  # a component, and a coefficient whose last bit comes
    progressive = False
    for marker, content in _segments(data):
        if marker in _FRAMES:
            progressive = marker in _PROGRESSIVE
            components = set(content[6::3])
        elif marker == _SCAN and content:
            first, last, bits = content[1 + 2 * content[0] :].ljust(3, b"\0")[:3] if progressive else _WHOLE_SPECTRUM
            if not bits & 0x0F:
                precise |= set(product(content[1 : 1 + 2 * content[0] : 2], range(first, last + 1)))
    return bool(components) and precise >= set(product(components, range(64)))


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields marker and content of each segment up to the end marker, those between and behind the scans too."""
    at = len(_START)
    while (at := data.find(b"\xff", at)) >= 0 and at + 4 <= len(data):
        marker = data[at + 1]
        if marker == END[1]:
            return
        if marker in (0x00, 0xFF) or marker in _ALONE:
            at += 1 if marker == 0xFF else 2
            continue
        after = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        yield marker, data[at + 4 : after]
        at = after


def _split(data: bytes) -> tuple[bytes, bytes]:
    """Returns the segments before the first scan, mended, and all from that on; no segments for what has no scan."""
    segments = [_START]
    baseline = False
    at = len(_START)
    while (at := data.find(b"\xff", at)) >= 0 and at + 4 <= len(data):
        marker = data[at + 1]
        if marker in (0x00, 0xFF) or marker in _ALONE:
            at += 1
            continue
        size = int.from_bytes(data[at + 2 : at + 4])
        segment = data[at : at + 2 + size]
        baseline |= marker in _BASELINE
        if marker == _SCAN:
            return b"".join(segments), (_whole_spectrum(segment) if baseline else segment) + data[at + len(segment) :]
        segments.append(_first_revision(segment))
        at += len(segment)
    return b"", data


def _first_revision(segment: bytes) -> bytes:
    return segment[:9] + b"\1" + segment[10:] if segment[4:9] == b"JFIF\0" else segment


def _whole_spectrum(segment: bytes) -> bytes:
    return segment[:-3] + _WHOLE_SPECTRUM
