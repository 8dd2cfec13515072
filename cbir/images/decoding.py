"""Decodes with libvips so that what a decoder only warns of counts: a damaged JPEG is grey from the damage on."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyvips

from cbir.images.jpeg import END, end_of_only_scan, mended
from cbir.images.pixels import to_array


def words_of(error: pyvips.Error) -> Sequence[str]:
    """Returns the lines that a decoder of libvips said, at least one."""
    return [line.strip() for line in str(error.detail).splitlines() if line.strip()] or [error.message]


def forget_what_was_said() -> None:
    """Clears libvips' memory of errors and warnings, which the next error would repeat."""
    pyvips.Error("", None)


@contextmanager
def all_heard() -> Iterator[None]:
    """Makes an error of what a decoder warns of, but of profiles; libvips only notes it of last rows and of tiles."""
    forget_what_was_said()
    yield
    lines = pyvips.Error("", None).detail.splitlines()
    if words := "\n".join(line for line in lines if line.strip() and not line.startswith("VipsIcc:")):
        raise pyvips.Error("unable to read", words)


def gives_a_row(image: pyvips.Image) -> bool:
    """Tells whether the first row of an image is decoded without an error."""
    try:
        image.crop(0, 0, image.width, 1).avg()
    except pyvips.Error:
        return False
    return True


def jpeg_pixels(data: bytes, side: int, *, shrink: int = 1) -> np.ndarray:
    """Decodes a JPEG; what its decoder warns of is an error, but for harmless faults, and so are bytes left over.

    Args:
        side: px of the longest side.
        shrink: by which the decoder divides the sides: 1, 2, 4 or 8.

    Raises:
        pyvips.Error: it is damaged.
    """
    options = {"shrink": shrink} if shrink > 1 else {}
    try:
        return _watched_pixels(data, side, options)
    except pyvips.Error as error:
        return mended_pixels(data, error, side, options)


def mended_pixels(data: bytes, error: pyvips.Error, side: int, options: dict[str, Any]) -> np.ndarray:
    """Decodes a JPEG without its harmless faults.

    Args:
        error: what it was refused for; raised where the JPEG has other faults.
        side: px of the longest side.
        options: of libvips' loader.
    """
    for changed in mended(data):
        try:
            return _watched_pixels(changed, side, options)
        except pyvips.Error:
            continue
    raise error


class _Watch:
    """Gives a decoder half of what is left before a byte at a time, and so knows whether it has asked for that byte."""

    def __init__(self, data: bytes, last: int) -> None:
        self._data, self._last = data, last
        self._at = self.reached = 0

    def read(self, size: int) -> bytes:
        left = self._last - self._at
        piece = self._data[self._at : self._at + (min(size, max(1, left // 2)) if left > 0 else size)]
        self._at += len(piece)
        self.reached = max(self.reached, self._at)
        return piece

    def seek(self, offset: int, whence: int) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: len(self._data)}[whence]
        return self._at


def _watched_pixels(data: bytes, side: int, options: dict[str, Any]) -> np.ndarray:
    """Decodes a JPEG that is sound.

    A decoder that has lost its place in a picture of one scan comes to the last row before the data ends, and libvips
    does not ask it for more.
    """
    last = end_of_only_scan(data)
    watch = _Watch(data, last)
    source = pyvips.SourceCustom()
    source.on_read(watch.read)
    source.on_seek(watch.seek)
    with all_heard():
        image = pyvips.Image.jpegload_source(source, fail_on="warning", access="sequential", **options)
        pixels = to_array(image, side)
    if watch.reached < last and _is_whole(data[: watch.reached] + END):
        raise pyvips.Error("unable to read", f"{last - watch.reached} bytes are left over before the end marker")
    return pixels


def _is_whole(data: bytes) -> bool:
    """Tells whether a JPEG gives all its rows without a warning.

    It is shrunk by as much as leaves rows of its last blocks: libvips cuts off those that give no whole row.
    """
    try:
        with all_heard():
            height = pyvips.Image.jpegload_buffer(data).height
            shrink = next(shrink for shrink in (8, 4, 2, 1) if height % shrink < (height - 1) % 8 + 1)
            pyvips.Image.jpegload_buffer(data, fail_on="warning", access="sequential", shrink=shrink).avg()
    except pyvips.Error:
        return False
    return True
