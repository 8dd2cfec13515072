"""Lays pictures on one another by their maps: one warped into the frame of the other, and the part in common."""

import hashlib
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cbir.base.display import Progress, silent
from cbir.images.reduced import ReducedImages
from cbir.matching.overlap import common, moved, shrunk
from cbir.reports.thumbnails import PAGE_SIDE, as_webp, in_threads, recipe
from cbir.store import Store

VERSION = 1  # raise it with any change of the code that decides an overlay
_BLOCK = 64  # pairs that are read, made and written together
_HEADER = struct.Struct("<4I")  # width and height of both
_OPAQUE = 255
_EFFORT = 0  # of compression; 2 takes 10 ms a picture more, for 10 kB in place of 16

Images = Mapping[str, Mapping[str, Any]]
Size = tuple[int, int]  # width and height, px
Outline = tuple[tuple[int, int], ...]  # corners, px


@dataclass(frozen=True)
class Laid:
    """Tells how two pictures lie on one another.

    Attributes:
        size, other_size: of both as reduced.
        outline, other_outline: of the part in common, on each.
    """

    size: Size
    other_size: Size
    outline: Outline
    other_outline: Outline


def address(query_id: str, neighbour_id: str) -> str:
    """Returns the name of a pair's file in the folder of :func:`write_overlays`."""
    return f"{query_id}-{neighbour_id}.webp"


def write_overlays(
    folder: Path,
    pairs: pd.DataFrame,
    images: Images,
    source: ReducedImages,
    *,
    store: Store,
    progress: Progress = silent,
) -> dict[tuple[str, str], Laid]:
    """Writes a WebP a pair into a folder that is there: the query in the frame of the neighbour, transparent where it
    does not reach.

    Args:
        pairs: query_id, neighbour_id and map, as ``cbir.matching.table.read_matches`` gives them; without a map none
            is written.
        images: the files of each, by image_id, as ``cbir.groups.evidence.pages.describe_images`` gives them.
        source: of their pixels.
        store: where pictures are kept, so that only those of new pairs are made.

    Returns:
        By query_id and neighbour_id how the two lie, of the pairs with a map.

    Raises:
        UnreadableImage: an image is neither in the store nor, unchanged, in the archive.
    """
    mapped = pairs[pairs["map"].notna()].drop_duplicates(["query_id", "neighbour_id"])
    rows = list(zip(mapped["query_id"], mapped["neighbour_id"], map(as_matrix, mapped["map"]), strict=True))
    laid = {}
    made = progress(_values(rows, images, source, store), total=len(rows), desc="overlays", unit="pair")
    for (query_id, neighbour_id, affine), value in zip(rows, made, strict=True):
        (folder / address(query_id, neighbour_id)).write_bytes(value[_HEADER.size :])
        width, height, other_width, other_height = _HEADER.unpack_from(value)
        laid[query_id, neighbour_id] = lie(affine, (width, height), (other_width, other_height))
    return laid


def as_matrix(affine: Any) -> NDArray[np.float64]:
    """Returns the column map of a match as (2, 3), from px of the query to px of the neighbour."""
    return np.reshape(np.asarray(affine, np.float64), (2, 3))


def read_pixels(image_id: str, images: Images, source: ReducedImages) -> NDArray[np.uint8]:
    """Reads the reduced image, (H, W) or (H, W, 3), by its first file; raises UnreadableImage as the source does."""
    file = images[image_id]["files"][0]
    return source.read(image_id, file["path"], file["page"] - 1)


def reduced_size(image: Mapping[str, Any], longest_side: int) -> Size:
    """Returns the size of an image, given by its width and height, that is shrunk to a longest side, px."""
    scale = min(1.0, longest_side / max(image["width"], image["height"]))
    return max(1, round(scale * image["width"])), max(1, round(scale * image["height"]))


def _values(
    rows: list[tuple[str, str, NDArray[np.float64]]], images: Images, source: ReducedImages, store: Store
) -> Iterator[bytes]:
    """Yields the store's value of each pair; those that are missing are made."""

    def make(row: tuple[str, str, NDArray[np.float64]]) -> bytes:
        return lay(read_pixels(row[0], images, source), read_pixels(row[1], images, source), row[2])

    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        keys = [_key(source, *row) for row in block]
        kept = store.get_many(keys)
        todo = {key: row for key, row in zip(keys, block, strict=True) if key not in kept}
        new = dict(zip(todo, in_threads(make, list(todo.values())), strict=True))
        store.put_many(new.items())
        yield from ((kept | new)[key] for key in keys)


def _key(source: ReducedImages, query_id: str, neighbour_id: str, affine: NDArray[np.float64]) -> str:
    parts = (source.key(query_id), source.key(neighbour_id), affine.tobytes().hex(), recipe(PAGE_SIDE), VERSION)
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:32]


def lay(pixels: NDArray[np.uint8], other: NDArray[np.uint8], affine: NDArray[np.float64]) -> bytes:
    """Returns the sizes of both and a WebP, as the store keeps them: a picture warped into the frame of another.

    Args:
        pixels, other: (H, W) or (H, W, 3) uint8.
        affine: (2, 3), from px of the picture to px of the other.
    """
    height, width = other.shape[:2]
    scale = min(1.0, PAGE_SIDE / max(height, width))
    frame = max(1, round(width * scale)), max(1, round(height * scale))
    small, onto = shrunk(pixels, scale * affine)
    warped = cv2.warpAffine(_with_alpha(small), onto, frame)
    return _HEADER.pack(pixels.shape[1], pixels.shape[0], width, height) + as_webp(warped, effort=_EFFORT)


def coloured(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Returns pixels as (H, W, 3)."""
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)


def _with_alpha(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.dstack([coloured(pixels), np.full(pixels.shape[:2], _OPAQUE, np.uint8)])


def lie(affine: NDArray[np.float64], size: Size, other_size: Size) -> Laid:
    """Cuts the frames of two pictures with one another.

    Args:
        affine: (2, 3), from px of the first to px of the other.
    """
    on_other = common(affine, size, other_size)
    back = np.linalg.inv(np.vstack([affine, (0, 0, 1)]))[:2]
    return Laid(size, other_size, _outline(moved(on_other, back)), _outline(on_other))


def _outline(points: NDArray[Any]) -> Outline:
    return tuple((int(x), int(y)) for x, y in np.round(points).tolist())
