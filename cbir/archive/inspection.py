"""Looks at one file of the archive: its image_id, what its pages are, and their reduced images.

Runs in worker processes (see :mod:`cbir.archive.sandbox`), because a decoder may crash on what it is given.
"""

import hashlib
import json
import logging
from dataclasses import asdict, astuple, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Annotated, Literal

import cv2
import imagehash
import numpy as np
import pyvips
from annotated_types import Ge
from PIL import Image

from cbir.archive.previews import SIDE, without_previews
from cbir.archive.sandbox import more_time
from cbir.images import reduced
from cbir.images.headers import Header
from cbir.images.ids import image_ids
from cbir.images.reading import DECODERS, ImageFile, UnreadableImage, open_image
from cbir.images.reduced import LongestSide, ReducedImages
from cbir.store import Store

VERSION = 5  # to be raised with any change of the code that decides what is found

_LONGEST_SIDE = 2**31 - 1  # px; what the manifest's columns hold

Status = Literal["ok", "corrupt", "too_small", "blank", "unsupported"]


@dataclass(frozen=True)
class Rules:
    """Says what an image must be to be used.

    Attributes:
        longest_side: px of the reduced image, by whose tones a blank page is known.
        max_pixels: of one page; a header that claims more is not decoded.
        max_bytes: of one file; a larger one is not opened.
        min_side: px; a page of which one side is shorter is too small.
        blank_deviation: grey levels of 255; a page whose tones have a smaller standard deviation is blank.
    """

    longest_side: LongestSide
    max_pixels: Annotated[int, Ge(1)]
    max_bytes: Annotated[int, Ge(1)]
    min_side: Annotated[int, Ge(0)]
    blank_deviation: Annotated[float, Ge(0)]

    def key(self, image_id: str) -> str:
        """Gives the store's key of an inspection, by the image_id of the first page: all that decides its outcome."""
        decides = (astuple(self), VERSION, reduced.VERSION, DECODERS)
        return f"{image_id}/{hashlib.sha256(repr(decides).encode()).hexdigest()[:16]}"


@dataclass(frozen=True)
class Page:
    """Describes one image of a file, as the manifest's columns of the same names say; None for what is not known."""

    image_id: str | None
    page: int = 0
    width: int | None = None
    height: int | None = None
    format: str | None = None
    mode: str | None = None
    status: Status = "ok"
    reason: str | None = None
    phash: str | None = None


@dataclass(frozen=True)
class Task:
    """Names a file to look at.

    Attributes:
        image_id: of its first page where it is known, None to compute it.
    """

    file: Path
    image_id: str | None = None


@dataclass(frozen=True)
class Inspection:
    """Holds what a file contains.

    Attributes:
        image_id: of the file's first page, None where its bytes could not be read.
        pages: one for each image; one that says what is wrong where there is none.
        lasting: whether the outcome depends on the bytes alone, so that it can be kept.
        corrected: image_ids of pages of which other pixels are stored, as an earlier release read them.
    """

    image_id: str | None
    pages: list[Page]
    lasting: bool = True
    corrected: tuple[str, ...] = ()


def prepare_worker() -> None:
    """Sets up a process for :func:`inspect_file`: one thread, because there is a process a core, and no noise.

    A decoder's warnings (an unknown tag, a profile of another version) are no news to whoever runs the pipeline.
    """
    pyvips.concurrency_set(1)
    logging.disable(logging.CRITICAL)


def inspect_file(task: Task, *, store: Path, archive: Path, rules: Rules) -> Inspection:
    """Looks at one file; :class:`Inspector` says how."""
    return _inspector(store, archive, rules).inspect(task)


@lru_cache(maxsize=1)
def _inspector(store: Path, archive: Path, rules: Rules) -> "Inspector":
    images = ReducedImages(store, archive, longest_side=rules.longest_side)
    return Inspector(images, Store(store / "inspections.sqlite"), rules)


def identify_file(task: Task) -> str | None:
    """Computes the image_id of a file's first page, which needs no decoder; None where the bytes cannot be read."""
    try:
        return image_ids(task.file)[0]
    except OSError:
        return None


class Inspector:
    """Looks at files by the same rules, and fills the store of reduced images with what it decodes.

    Args:
        images: where the reduced images go.
        inspections: what was found before, so that the copy of a known file is not decoded again.
        rules: what an image must be.
    """

    def __init__(self, images: ReducedImages, inspections: Store, rules: Rules) -> None:
        self._images = images
        self._inspections = inspections
        self._rules = rules
        self._corrected: list[str] = []  # of the file that is looked at

    def inspect(self, task: Task) -> Inspection:
        """Finds image_id and pages of one file; a fault of the file is told in the outcome, never raised.

        Raises:
            MemoryError: there is not enough to decode it.
        """
        self._corrected.clear()
        try:
            before = _state(task.file)
            if before[0] > self._rules.max_bytes:
                reason = f"its {before[0]:_} bytes are more than max_bytes ({self._rules.max_bytes:_}) allows"
                return Inspection(None, [Page(None, status="unsupported", reason=reason)], lasting=False)
            image_id = task.image_id or image_ids(task.file)[0]
            known = self._inspections.get(self._rules.key(image_id))
            pages = decode_pages(known) if known else self._look(task.file, image_id)
            if _state(task.file) != before:
                return _unread("the file was changed while it was read; run again")
        except OSError as error:
            return _unread(f"the file cannot be read: {error.strerror or error}")
        return Inspection(image_id, pages, corrected=tuple(self._corrected))

    def _look(self, file: Path, image_id: str) -> list[Page]:
        try:
            with open_image(file) as image:
                numbers = image.pages
                ids = image_ids(file, pages=numbers[-1] + 1) if numbers[-1] else [image_id]
                pages = [self._page(image, ids[number], number) for number in numbers]
                return without_previews(pages, partial(self._small, image)) if len(pages) > 1 else pages
        except UnreadableImage as error:
            return [Page(image_id, status=error.status, reason=error.reason)]

    def _small(self, image: ImageFile, page: Page) -> np.ndarray | None:
        """Reads a page again, as small as previews are compared."""
        more_time()
        try:
            return image.pixels(page.page, longest_side=2 * SIDE, max_pixels=self._rules.max_pixels)
        except UnreadableImage:
            return None

    def _page(self, image: ImageFile, image_id: str, number: int) -> Page:
        header: Header | None = None
        more_time()
        try:
            header = image.header(number)
            if min(header.width, header.height) < self._rules.min_side:
                sides = f"{header.width} × {header.height} pixels"
                reason = f"it has {sides}, its shorter side is below min_side ({self._rules.min_side})"
                return _describe(image_id, number, header, "too_small", reason)
            pixels = image.pixels(number, longest_side=self._rules.longest_side, max_pixels=self._rules.max_pixels)
        except UnreadableImage as error:
            return _describe(image_id, number, header, error.status, error.reason)
        deviation = float(cv2.meanStdDev(pixels)[1].max())
        if deviation < self._rules.blank_deviation:
            reason = (
                f"it is blank: its tones deviate by {deviation:.2f} of 255 grey levels, "
                f"less than blank_deviation ({self._rules.blank_deviation:g})"
            )
            return _describe(image_id, number, header, "blank", reason)
        if self._images.are_others(image_id, pixels):
            self._corrected.append(image_id)
        else:
            self._images.put(image_id, pixels)
        return _describe(image_id, number, header, "ok", phash=perceptual_hash(pixels))


def perceptual_hash(pixels: np.ndarray) -> str:
    """Computes the 64-bit DCT hash of an image, 16 hex characters (imagehash.phash)."""
    return str(imagehash.phash(Image.fromarray(pixels)))


def encode_pages(pages: list[Page]) -> bytes:
    """Writes pages as bytes for a store."""
    return json.dumps([asdict(page) for page in pages]).encode()


def decode_pages(value: bytes) -> list[Page]:
    """Reads the pages that :func:`encode_pages` was given."""
    return [Page(**page) for page in json.loads(value)]


def _state(file: Path) -> tuple[int, int, int]:
    facts = file.stat()
    return facts.st_size, facts.st_mtime_ns, facts.st_ino


def _unread(reason: str) -> Inspection:
    return Inspection(None, [Page(None, status="corrupt", reason=reason)], lasting=False)


def _describe(
    image_id: str,
    number: int,
    header: Header | None,
    status: Status,
    reason: str | None = None,
    phash: str | None = None,
) -> Page:
    if header is None:
        return Page(image_id, number, status=status, reason=reason)
    known = max(header.width, header.height) <= _LONGEST_SIDE
    width, height = (header.width, header.height) if known else (None, None)
    return Page(image_id, number, width, height, header.format, header.mode, status, reason, phash)
