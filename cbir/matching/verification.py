"""Verifies pairs of an archive's images, each once: their evidence is kept in the store by the content of both."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cbir.base.display import Progress, silent
from cbir.images.reduced import ReducedImages
from cbir.matching import evidence
from cbir.matching.description import Described
from cbir.matching.evidence import EVIDENCE, Picture
from cbir.matching.learned import evidence as learned
from cbir.matching.learned.points import Points, find_points
from cbir.matching.local.cores import on_each_core
from cbir.store import Store

_BLOCK = 256  # pairs that are verified, and stored, together
_AT_HAND = 2048  # pictures whose learned points are in memory; each takes 70 kB

Gather = Callable[[int, int], NDArray[np.void]]


class Verification:
    """Verifies pairs of an archive.

    Args:
        images: image_id, path and page by position.
        described: their features.
        source: of their pixels.
        store: folder of the stores; the evidence is in its ``pairs.sqlite``.
    """

    def __init__(
        self,
        images: pd.DataFrame,
        described: Described,
        source: ReducedImages,
        store: Path,
        *,
        progress: Progress = silent,
    ) -> None:
        self._files = images[["image_id", "path", "page"]].to_numpy(dtype=object)
        self._described, self._source, self._progress = described, source, progress
        self._entries = Store(store / "pairs.sqlite")
        self._points = lru_cache(_AT_HAND)(self._find_points)

    def by_features(self, pairs: NDArray[np.int64]) -> NDArray[np.void]:
        """Returns the evidence of pairs; those that the store does not hold are looked at.

        Args:
            pairs: (m, 2) positions, the smaller first, sorted, so that an image's pairs follow one another.

        Returns:
            (m,) EVIDENCE, of the second image as seen from the first.
        """
        return self._verified(pairs, self._by_features, f"{evidence.VERSION}", "verify")

    def by_points(self, pairs: NDArray[np.int64]) -> NDArray[np.void]:
        """Returns the same by learned points, which take ten times as long."""
        version = f"{evidence.VERSION}, points {learned.VERSION}"
        return self._verified(pairs, self._by_points, version, "look closer", around=_one_thread_each)

    def _verified(
        self,
        pairs: NDArray[np.int64],
        gather: Gather,
        version: str,
        name: str,
        *,
        around: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> NDArray[np.void]:
        of = self._described.keys
        keys = np.array([_key(of[first], of[second], version) for first, second in pairs], object)
        missing = np.flatnonzero(np.isin(keys, self._entries.missing(keys.tolist())))
        blocks = [missing[start : start + _BLOCK] for start in range(0, len(missing), _BLOCK)]
        with around() if blocks else nullcontext():
            results = zip(blocks, on_each_core(lambda rows: [gather(*pairs[row]) for row in rows], blocks), strict=True)
            for rows, gathered in self._progress(results, total=len(blocks), desc=name, unit="block"):
                self._entries.put_many(zip(keys[rows], (each.tobytes() for each in gathered), strict=True))
        return np.fromiter(_stored(self._entries, keys), EVIDENCE, len(keys))

    def _by_features(self, first: int, second: int) -> NDArray[np.void]:
        return evidence.gather(self._picture(first), self._picture(second))

    def _by_points(self, first: int, second: int) -> NDArray[np.void]:
        find, points = partial(self._points, first), self._points(second, mirrored=False)
        return learned.gather_learned(self._picture(first), self._picture(second), find, points)

    def _picture(self, at: int) -> Picture:
        image_id, path, page = self._files[at]
        return Picture(self._described[at], partial(self._source.read, image_id, path, int(page)))

    def _find_points(self, at: int, *, mirrored: bool) -> Points:
        picture = self._picture(at)
        return find_points(picture.pixels(), picture.features.pitch, mirrored=mirrored)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Lets torch compute on one core, in threads that begin meanwhile too."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _key(first: str, second: str, version: str) -> str:
    return hashlib.sha256(f"{first}\n{second}\n{version}".encode()).hexdigest()[:32]


def _stored(entries: Store, keys: NDArray[np.object_]) -> Iterator[np.void]:
    for start in range(0, len(keys), _BLOCK):
        block = keys[start : start + _BLOCK]
        values = entries.get_many(block.tolist())
        yield from (np.frombuffer(values[key], EVIDENCE)[0] for key in block)
