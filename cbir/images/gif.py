"""Counts the pixels that a GIF holds: its decoder leaves out what is missing, and drops what is too much, unsaid.

CompuServe, Graphics Interchange Format, version 89a, sections 18 to 26 and appendix F.
"""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

_EXTENSION, _PICTURE = 0x21, 0x2C
_MOST_BITS = 12  # of a code


def require_every_pixel(data: bytes) -> None:
    """Raises ValueError where a picture of a GIF has not as many pixels as its codes give, or a code means nothing."""
    for number, (pixels, bits, codes) in enumerate(_pictures(data), 1):
        given = _count(codes, bits)
        if given != pixels:
            raise ValueError(f"picture {number} has {pixels:_} pixels, and its data gives {given:_}")


def _pictures(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yields pixels, bits of a colour and LZW data of each picture, up to what is no block."""
    at = 13 + _palette(data[10:11])
    while at + 11 <= len(data) and data[at] in (_EXTENSION, _PICTURE):
        if data[at] == _EXTENSION:
            _, at = _joined(data, at + 2)
            continue
        width, height = int.from_bytes(data[at + 5 : at + 7], "little"), int.from_bytes(data[at + 7 : at + 9], "little")
        at += 10 + _palette(data[at + 9 : at + 10])
        bits = data[at] if at < len(data) else 0
        codes, at = _joined(data, at + 1)
        yield width * height, bits, codes


def _palette(flags: bytes) -> int:
    """Returns the bytes of the palette that a flag announces."""
    return 3 << ((flags[0] & 7) + 1) if flags and flags[0] & 0x80 else 0


def _joined(data: bytes, at: int) -> tuple[bytes, int]:
    """Joins sub-blocks, each behind its length, up to an empty one; also gives the byte behind that."""
    parts = []
    while at < len(data) and (size := data[at]):
        parts.append(data[at + 1 : at + 1 + size])
        at += 1 + size
    return b"".join(parts), at + 1


def _count(data: bytes, bits: int) -> int:
    """Counts the pixels that LZW codes give, up to the one that ends them.

    Raises:
        ValueError: a code is not in the table, or a colour has a number of bits that it cannot have.
    """
    if not 2 <= bits < _MOST_BITS:
        raise ValueError(f"a colour has {bits} bits")
    stream = np.frombuffer(data + bytes(2), np.uint8).astype(np.uint32)
    count, at, is_cleared = 0, 0, True
    while is_cleared:
        codes, at, is_cleared = _until_cleared(stream, at, bits)
        count += sum(_pixels(codes, bits))
    return count


def _until_cleared(stream: np.ndarray, start: int, bits: int) -> tuple[np.ndarray, int, bool]:
    """Reads the codes from a bit on up to the one that clears the table, or to the end.

    Returns:
        the codes, the bit behind them, and whether they end with a clear code.
    """
    size = 64
    while True:
        widths, ends = _places(bits, size)
        ends = ends[: np.searchsorted(ends, 8 * (len(stream) - 2) - start, side="right")] + start
        widths = widths[: len(ends)]
        bit = ends - widths
        byte = bit >> 3
        window = stream[byte] | stream[byte + 1] << 8 | stream[byte + 2] << 16
        codes = (window >> (bit & 7)) & ((1 << widths) - 1)
        if len(last := np.flatnonzero(codes >> 1 == 1 << (bits - 1))):  # clears the table, or ends the picture
            return codes[: last[0]], int(ends[last[0]]), not codes[last[0]] & 1
        if len(ends) < size:
            return codes, start, False
        size *= 2


@lru_cache(maxsize=32)
def _places(bits: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns how many bits each code of a fresh table takes, and the bit behind it."""
    entries = (1 << bits) + 2 + np.maximum(np.arange(size) - 1, 0)
    widths = np.minimum(np.frexp(entries)[1], _MOST_BITS)
    return widths, np.cumsum(widths)


def _pixels(codes: np.ndarray, bits: int) -> list[int]:
    """Returns the pixels of each code: each but the first adds to the table what the one before gave, and a pixel."""
    entries = codes.astype(np.int64) - (1 << bits) - 2
    if (entries >= np.arange(len(entries))).any():
        raise ValueError("a code is not in its table")
    pixels: list[int] = []
    for entry in entries.tolist():
        pixels.append(pixels[entry] + 1 if entry >= 0 else 1)
    return pixels
