"""Verifies pairs of an archive's images, each once: their evidence is kept in the store by the content of both."""

import hashlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cbir.base.display import Progress, silent
from cbir.images.reduced import ReducedImages
from cbir.matching.description import Described
from cbir.matching.evidence import EVIDENCE, VERSION, Picture, gather
from cbir.matching.local.cores import on_each_core
from cbir.store import Store

_BLOCK = 256  # pairs that are verified, and stored, together


def verify(
    pairs: NDArray[np.int64],
    images: pd.DataFrame,
    described: Described,
    source: ReducedImages,
    store: Path,
    *,
    progress: Progress = silent,
) -> NDArray[np.void]:
    """Returns the evidence of pairs; those that the store does not hold are looked at.

    Args:
        pairs: (m, 2) positions, the smaller first, sorted, so that an image's pairs follow one another.
        images: image_id, path and page by position.
        described: their features.
        store: folder of the stores; the evidence is in its ``pairs.sqlite``.

    Returns:
        (m,) EVIDENCE, of the second image as seen from the first.
    """
    entries = Store(store / "pairs.sqlite")
    keys = np.array([_key(described.keys[first], described.keys[second]) for first, second in pairs], object)
    missing = np.flatnonzero(np.isin(keys, entries.missing(keys.tolist())))
    pictures = _Pictures(images, described, source)
    blocks = [missing[start : start + _BLOCK] for start in range(0, len(missing), _BLOCK)]
    results = on_each_core(lambda rows: [pictures.gather(*pairs[row]) for row in rows], blocks)
    for rows, evidence in progress(zip(blocks, results, strict=True), total=len(blocks), desc="verify", unit="block"):
        entries.put_many(zip(keys[rows], (each.tobytes() for each in evidence), strict=True))
    return np.fromiter(_stored(entries, keys), EVIDENCE, len(keys))


def _key(first: str, second: str) -> str:
    return hashlib.sha256(f"{first}\n{second}\n{VERSION}".encode()).hexdigest()[:32]


def _stored(entries: Store, keys: NDArray[np.object_]) -> Iterator[np.void]:
    for start in range(0, len(keys), _BLOCK):
        block = keys[start : start + _BLOCK]
        values = entries.get_many(block.tolist())
        yield from (np.frombuffer(values[key], EVIDENCE)[0] for key in block)


class _Pictures:
    """The images of an archive by position, as :func:`cbir.matching.evidence.gather` takes them."""

    def __init__(self, images: pd.DataFrame, described: Described, source: ReducedImages) -> None:
        self._files = images[["image_id", "path", "page"]].to_numpy(dtype=object)
        self._described, self._source = described, source

    def gather(self, first: int, second: int) -> NDArray[np.void]:
        return gather(self._picture(first), self._picture(second))

    def _picture(self, at: int) -> Picture:
        image_id, path, page = self._files[at]
        return Picture(self._described[at], partial(self._source.read, image_id, path, int(page)))
