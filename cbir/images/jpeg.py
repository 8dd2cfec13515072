"""Takes out of a JPEG what its decoder warns of although the picture is whole."""

from collections.abc import Iterator

_START, _SCAN, _END = b"\xff\xd8", 0xDA, b"\xff\xd9"
_ALONE = frozenset((0x01, *range(0xD0, 0xD8)))  # markers without a segment
_BASELINE = frozenset((0xC0, 0xC1))
_WHOLE_SPECTRUM = b"\x00\x3f\x00"
_PADDING = 64  # zero bytes before the end marker at most; more are a hole in the picture


def mended(data: bytes) -> Iterator[bytes]:
    """Yields the file without harmless faults, from few changes to all; the same picture, if that is whole.

    Harmless are bytes between the segments before the first scan, a JFIF revision of another major number, a baseline
    scan whose spectrum is not written as the whole one, and few zero bytes before the end marker. Bytes left over after
    or within a scan are not: they tell that the decoder has lost its place.
    """
    head, scan = _split(data)
    yield head + scan
    picture, end, rest = scan.rpartition(_END)
    bare = picture.rstrip(b"\0")
    if end and 0 < len(picture) - len(bare) <= _PADDING:
        yield head + bare + (b"\0" if bare.endswith(b"\xff") else b"") + end + rest


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
