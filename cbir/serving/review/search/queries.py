"""Holds the pictures that people search with: files of theirs, and regions of pictures of the archive."""

import re
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cbir.archive.sandbox import Lost
from cbir.base.display import visible
from cbir.base.errors import UserError
from cbir.images.headers import Header
from cbir.images.ids import image_ids
from cbir.images.reading import UnreadableImage, describe, read_image
from cbir.reports.thumbnails import as_webp, shrink
from cbir.serving.review.findings import Findings
from cbir.serving.review.pictures import LARGE, Pictures

MOST_HELD = 64  # pictures in memory, about 1 MB each; the one that was used longest ago goes first
_LEAST = 0.005  # of a side: a smaller region is a slip of the hand
_REGION = re.compile(r"(?P<image>[0-9a-f]{32})@" + ",".join(4 * [r"(\d\.\d{1,4})"]))
_MOST_SIDE = 12_000  # px, of a picture that a small region is cut out of


@dataclass(frozen=True)
class Box:
    """A region of a picture, in parts of its width and height.

    Raises:
        UserError: it is none, or does not lie in the picture.
    """

    left: float = 0.0
    top: float = 0.0
    width: float = 1.0
    height: float = 1.0

    def __post_init__(self) -> None:
        ends = self.left + self.width, self.top + self.height
        if not (min(self.left, self.top) >= 0 and min(self.width, self.height) >= _LEAST and max(ends) <= 1.0001):
            raise UserError(
                f"a region must lie in the picture and be at least {_LEAST:.1%} of it wide and high, is "
                f"{self.left:.1%} from the left, {self.top:.1%} from the top, {self.width:.1%} wide, "
                f"{self.height:.1%} high; draw it again"
            )

    @property
    def whole(self) -> bool:
        """Whether it is all of the picture."""
        return min(self.width, self.height) >= 0.999


@dataclass(frozen=True)
class Query:
    """A picture to search with.

    Attributes:
        id: by which pages ask for it.
        name: of its file; of a region that of the picture.
        image: image_id of the file; of a region that of the picture.
        box: the region; None for a file.
        pixels: (H, W) or (H, W, 3) uint8, reduced as the images of the archive are.
        size: width and height before that, px.
        large: WebP, to be looked at closely.
    """

    id: str
    name: str
    image: str
    box: Box | None
    pixels: NDArray[np.uint8]
    size: tuple[int, int]
    large: bytes


@dataclass(frozen=True)
class _Cut:
    """A page of a file, the region of it, and px of the longest side; ``image`` is empty where any file will do."""

    file: Path
    page: int
    box: Box
    side: int
    image: str = ""


def region_id(image: str, box: Box) -> str:
    """Returns the id of a region, which says all that there is to know of it."""
    return f"{image}@{box.left:.4f},{box.top:.4f},{box.width:.4f},{box.height:.4f}"


class Queries:
    """Makes queries, each decoded in the sandbox, and holds the last ones.

    Args:
        side: px, longest side of the reduced images of the archive.
    """

    def __init__(self, pictures: Pictures, *, side: int) -> None:
        self._pictures, self._side = pictures, side
        self._held: OrderedDict[str, Query] = OrderedDict()
        self._lock = threading.Lock()

    def small(self, query_id: str) -> bytes:
        """Returns a query's reduced picture as WebP; empty where it is not held."""
        query = self._held.get(query_id)
        return as_webp(query.pixels) if query else b""

    def large(self, query_id: str) -> bytes:
        """Returns a query's picture to be looked at closely, as WebP; empty where it is not held."""
        query = self._held.get(query_id)
        return query.large if query else b""

    def take(self, file: Path, name: str) -> Query:
        """Makes a query of a file from outside, the first page of several.

        Raises:
            UserError: it holds no picture that can be read.
        """
        named = " ".join(name.split())[:200] or "a picture"
        return self._hold(self._cut(_Cut(file, 0, Box(), self._side), named, lambda: secrets.token_urlsafe(16), None))

    def get(self, findings: Findings, query_id: str) -> Query:
        """Returns a query that is held, or the region that the id names.

        Raises:
            UserError: it is neither, or the picture of the region cannot be read.
        """
        with self._lock:
            if query_id in self._held:
                self._held.move_to_end(query_id)
                return self._held[query_id]
        region = _REGION.fullmatch(query_id)
        if region is None or region["image"] not in findings:
            raise UserError("the server holds this picture no more: search with it again")
        box = Box(*map(float, region.groups()[1:]))
        file, page = self._pictures.place(findings, region["image"])
        name = findings.names(region["image"])[region["image"]]
        cut = _Cut(file, page, box, self._side, region["image"])
        return self._hold(self._cut(cut, name, lambda: query_id, None if box.whole else box))

    def _cut(self, cut: _Cut, name: str, query_id: Callable[[], str], box: Box | None) -> Query:
        try:
            made = self._pictures.sandbox.run(_decode, cut)
        except UnreadableImage as error:
            raise UserError(f"{visible(name)}: {error.reason}") from error
        if isinstance(made, Lost):
            raise UserError(f"{visible(name)}: {made.reason}")
        image, pixels, size, large = made
        return Query(query_id(), name, image, box, pixels, size, large)

    def _hold(self, query: Query) -> Query:
        with self._lock:
            self._held[query.id] = query
            while len(self._held) > MOST_HELD:
                self._held.popitem(last=False)
        return query


def _decode(cut: _Cut) -> tuple[str, NDArray[np.uint8], tuple[int, int], bytes]:
    """Decodes a region twice, reduced and large, in a process of its own; returns also the image_id and the size."""
    try:
        image = image_ids(cut.file, pages=cut.page + 1)[cut.page]
    except OSError as error:
        raise UnreadableImage(cut.file, f"the file cannot be read: {error.strerror}", "corrupt") from error
    if cut.image and cut.image != image:
        raise UnreadableImage(cut.file, "the file has changed since the last run", "corrupt")
    header = describe(cut.file, page=cut.page)
    size = round(cut.box.width * header.width), round(cut.box.height * header.height)
    return image, _cropped(cut, header, cut.side), size, as_webp(_cropped(cut, header, LARGE))


def _cropped(cut: _Cut, header: Header, side: int) -> NDArray[np.uint8]:
    """Returns the region with at most ``side`` px a side, of a picture that is decoded as large as that needs."""
    box, longest = cut.box, max(header.width, header.height)
    if box == Box():
        return read_image(cut.file, page=cut.page, longest_side=side)
    needed = side * longest / max(box.width * header.width, box.height * header.height)
    whole = read_image(cut.file, page=cut.page, longest_side=min(_MOST_SIDE, round(needed)))
    height, width = whole.shape[:2]
    left, top = int(box.left * width), int(box.top * height)
    right, bottom = max(left + 1, round((box.left + box.width) * width)), round((box.top + box.height) * height)
    return shrink(np.ascontiguousarray(whole[top : max(top + 1, bottom), left:right]), side)
