"""Tells the previews among the pages of a file, which no tag marks as such: small look-alikes of another page.

Scanners and editors store a thumbnail as one more page of a TIFF. Taken for an image, it would be a near-duplicate of
its own master.
"""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Protocol, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 32  # px of the pictures that are compared
_SMALLER = 0.6  # of the other page's sides at most; the levels of a pyramid have half
_LIKE = 0.97  # correlation of the tones; among 214,185 pairs of different photographs the highest was 0.94
_ROUNDING = 0.04  # of its longer side, and a pixel and a half, by which a preview may miss the page's proportions


Size = tuple[int, int]  # width and height, px


class Described(Protocol):
    """A page of a file; :class:`cbir.archive.inspection.Page` is one."""

    @property
    def page(self) -> int: ...
    @property
    def width(self) -> int | None: ...
    @property
    def height(self) -> int | None: ...
    @property
    def status(self) -> str: ...


P = TypeVar("P", bound=Described)


def without_previews(pages: Sequence[P], small: Callable[[P], NDArray[np.uint8] | None]) -> list[P]:
    """Returns the pages that are images of their own.

    Args:
        pages: of one file, in order.
        small: reads a page, (H, W) or (H, W, 3), at ``SIDE`` px or more; None where it cannot be read.
    """
    masters: dict[Size, list[P]] = {}  # by their size: the pages of a long file have few
    for page in pages:
        if page.status == "ok":
            masters.setdefault(_size(page), []).append(page)
    tones: dict[int, NDArray[np.float32] | None] = {}

    def look(page: P) -> NDArray[np.float32] | None:
        if page.page not in tones:
            pixels = small(page)
            tones[page.page] = None if pixels is None else _standardised(pixels)
        return tones[page.page]

    def is_preview(page: P) -> bool:
        if page.status not in ("ok", "too_small"):
            return False
        larger = chain.from_iterable(masters[size] for size in masters if _could_be_of(_size(page), size))
        return any(_are_alike(look(page), look(master)) for master in larger)

    return [page for page in pages if not is_preview(page)]


def _size(page: Described) -> Size:
    return page.width or 0, page.height or 0


def _could_be_of(sides: Size, full: Size) -> bool:
    """Tells whether a page is much smaller than another one and of the same proportions."""
    scale = max(sides) / max(full)
    slack = 1.5 + _ROUNDING * max(sides)
    return scale <= _SMALLER and all(
        abs(whole * scale - side) <= slack for side, whole in zip(sides, full, strict=True)
    )


def _standardised(pixels: NDArray[np.uint8]) -> NDArray[np.float32] | None:
    """Returns the tones of a picture, (SIDE²,), with mean 0 and length 1; None where they are all the same."""
    grey = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    tones = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
    tones -= tones.mean()
    length = float(np.linalg.norm(tones))
    return tones / length if length else None


def _are_alike(first: NDArray[np.float32] | None, second: NDArray[np.float32] | None) -> bool:
    return first is not None and second is not None and float(first @ second) >= _LIKE
