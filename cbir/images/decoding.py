"""Decodes with libvips so that what a decoder only warns of counts: a damaged JPEG is grey from the damage on."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyvips

from cbir.images.jpeg import mended
from cbir.images.pixels import to_array


def words_of(error: pyvips.Error) -> Sequence[str]:
    """Returns the lines that a decoder of libvips said, at least one."""
    return [line.strip() for line in str(error.detail).splitlines() if line.strip()] or [error.message]


def raise_what_was_said() -> None:
    """Raises what a decoder of libvips has warned of since the last error, as pyvips.Error; not of profiles."""
    lines = pyvips.Error("", None).detail.splitlines()
    if words := "\n".join(line for line in lines if line.strip() and not line.startswith("VipsIcc:")):
        raise pyvips.Error("unable to read", words)


def forget_what_was_said() -> None:
    """Clears libvips' memory of errors and warnings, which the next error would repeat."""
    pyvips.Error("", None)


@contextmanager
def last_rows_heard() -> Iterator[None]:
    """Makes an error of what the JPEG decoder warns of in the last rows: libvips looks before it reads them."""
    forget_what_was_said()
    yield
    raise_what_was_said()


def mended_pixels(data: bytes, error: pyvips.Error, side: int, options: dict[str, Any]) -> np.ndarray:
    """Decodes a JPEG without its harmless faults.

    Args:
        error: what it was refused for; raised where the JPEG has other faults.
        side: px of the longest side.
        options: of libvips' loader.
    """
    for changed in mended(data):
        try:
            with last_rows_heard():
                image = pyvips.Image.jpegload_buffer(changed, fail_on="warning", access="sequential", **options)
                return to_array(image, side)
        except pyvips.Error:
            continue
    raise error
