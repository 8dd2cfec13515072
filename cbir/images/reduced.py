"""The store of reduced images, which every stage reads in place of the scans: decoded once, lossless, fast to read."""

import struct
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import numpy as np
from annotated_types import Ge

from cbir.images.ids import image_ids
from cbir.images.reading import DECODERS, UnreadableImage, read_image
from cbir.store import Store

# Raise it with a change of the code that alters the pixels of most images: all that is made of them is computed anew
# then. Where few kinds of files were read wrong, `clean` notices, and `forget` drops what was made of them alone.
VERSION = 1
_IMAGES = "images.sqlite"
_OF_SEVERAL = ("pairs.sqlite", "votes.sqlite")  # stores whose keys do not name the images
_HEADER = struct.Struct("<III")  # height, width, channels

LongestSide = Annotated[int, Ge(1)]  # px


class ReducedImages:
    """Reads images of an archive, shrunk so that the longest side is at most ``longest_side`` px.

    Can be pickled, so that worker processes read by themselves.

    Args:
        store: folder of the stores; the images are in its ``images.sqlite``.
        archive: folder that the paths of the manifest are relative to.
        longest_side: px; smaller images stay as they are.
    """

    def __init__(self, store: Path, archive: Path, *, longest_side: int) -> None:
        self._entries = Store(store / _IMAGES)
        self._archive = archive
        self._longest_side = longest_side

    def read(self, image_id: str, path: str, page: int) -> np.ndarray:
        """Returns the pixels of one image, from the store; what is not there is decoded from the archive and stored.

        Returns:
            uint8, (H, W) for grey or (H, W, 3) RGB, upright.

        Raises:
            UnreadableImage: the file is gone, holds another image than the one of this image_id, or cannot be read.
        """
        pixels = self.stored(image_id)
        if pixels is not None:
            return pixels
        file = self._archive / path
        try:
            present = image_ids(file, pages=page + 1)[page]
        except OSError as error:
            raise UnreadableImage(file, f"the file cannot be read: {error.strerror}", "corrupt") from error
        if present != image_id:
            raise UnreadableImage(file, "the file has changed since the stage clean; run clean again", "corrupt")
        # Every image of the manifest has passed the limit of pixels that the stage clean was given.
        pixels = read_image(file, page=page, longest_side=self._longest_side, max_pixels=sys.maxsize)
        self.put(image_id, pixels)
        return pixels

    def stored(self, image_id: str) -> np.ndarray | None:
        """Returns the pixels of one image as :meth:`read` does, if they are in the store; decodes nothing."""
        value = self._entries.get(self.key(image_id))
        return None if value is None else _unpack(value)

    def put(self, image_id: str, pixels: np.ndarray) -> None:
        """Stores the pixels of an image that was decoded at this size; one that is there stays as it is."""
        self._entries.put_many([(self.key(image_id), _pack(pixels))])

    def are_others(self, image_id: str, pixels: np.ndarray) -> bool:
        """Tells whether other pixels of the image are stored: those of an earlier release, which read it wrong."""
        value = self._entries.get(self.key(image_id))
        return value is not None and value != _pack(pixels)

    def key(self, image_id: str) -> str:
        """Returns the store's key of an image: everything that determines its pixels."""
        return f"{image_id}/{self._longest_side}/{VERSION}/{DECODERS}"


def forget(store: Path, image_ids: Collection[str]) -> None:
    """Removes from every store what was made of images that are read otherwise now, their reduced images last.

    The evidence of pairs and the votes go as a whole, for their keys do not name the images.

    Args:
        store: folder of the stores.
    """
    for path in sorted(store.glob("*.sqlite"), key=lambda path: path.name == _IMAGES):
        entries = Store(path)
        if path.name in _OF_SEVERAL:
            entries.clear()
        else:
            entries.forget(image_ids)
        entries.close()


def _pack(pixels: np.ndarray) -> bytes:
    height, width, *channels = pixels.shape
    return _HEADER.pack(height, width, channels[0] if channels else 1) + pixels.tobytes()


def _unpack(value: bytes) -> np.ndarray:
    height, width, channels = _HEADER.unpack_from(value)
    pixels = np.frombuffer(bytearray(value), np.uint8, offset=_HEADER.size)
    return pixels.reshape((height, width) if channels == 1 else (height, width, channels))
