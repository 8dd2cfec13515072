"""Describes the images of an archive by local features, each once: the store keeps them by the image's content."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import overload

import pandas as pd

from cbir.base.display import Progress, silent
from cbir.images.reduced import ReducedImages
from cbir.matching.local.cores import on_each_core
from cbir.matching.local.features import VERSION, Features, extract, pack, unpack
from cbir.store import Store

_AT_HAND = 384  # images whose features are in memory; each takes 650 kB, as it is and in the mirror
_STORED_AT_ONCE = 64


class Described(Sequence[Features]):
    """The features of images by position, read from the store as they are needed.

    Attributes:
        keys: (n,) of the images in the store; each holds all that decides the image's features.
    """

    def __init__(self, keys: Sequence[str], store: Store) -> None:
        self.keys, self._store = keys, store
        self._read = lru_cache(_AT_HAND)(self._from_store)

    def __len__(self) -> int:
        return len(self.keys)

    @overload
    def __getitem__(self, at: int) -> Features: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Features]: ...
    def __getitem__(self, at: int | slice) -> Features | Sequence[Features]:
        if isinstance(at, slice):
            return [self[position] for position in range(len(self))[at]]
        return self._read(range(len(self))[at])

    def _from_store(self, at: int) -> Features:
        value = self._store.get(self.keys[at])
        if value is None:
            raise LookupError(f"{self.keys[at]} has left {self._store.path}")
        return unpack(value)


def describe(
    images: pd.DataFrame, source: ReducedImages, store: Path, *, most: int, progress: Progress = silent
) -> Described:
    """Extracts the features of those images that are not described in the store yet.

    Args:
        images: image_id, path and page.
        source: of their pixels.
        store: folder of the stores; the features are in its ``features.sqlite``.
        most: features of an image.

    Raises:
        UnreadableImage: an image that is neither in the store nor, unchanged, in the archive.
    """
    entries = Store(store / "features.sqlite")
    keys = [f"{source.key(image_id)}/{most}/{VERSION}" for image_id in images["image_id"]]
    missing = set(entries.missing(keys))
    files = zip(keys, images["image_id"], images["path"], map(int, images["page"]), strict=True)
    todo = [file for file in files if file[0] in missing]

    def work(item: tuple[str, str, str, int]) -> tuple[str, bytes]:
        key, image_id, path, page = item
        return key, pack(extract(source.read(image_id, path, page), most=most))

    batch: list[tuple[str, bytes]] = []
    for entry in progress(on_each_core(work, todo), total=len(todo), desc="describe", unit="image"):
        batch.append(entry)
        if len(batch) == _STORED_AT_ONCE:
            entries.put_many(batch)
            batch.clear()
    entries.put_many(batch)
    return Described(keys, entries)
