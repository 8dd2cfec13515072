"""Matches a picture with images of an archive that it does not belong to, as the stage ``match`` does the archive's."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cbir.images.reduced import ReducedImages
from cbir.matching.archive import Matching, judge_pairs
from cbir.matching.description import describe
from cbir.matching.evidence import EVIDENCE, Picture, gather
from cbir.matching.learned.evidence import gather_learned
from cbir.matching.learned.points import find_points
from cbir.matching.local.features import extract
from cbir.matching.standing import Standing, nearness_of

Floats = NDArray[np.floating[Any]]

_ITSELF = pd.DataFrame({"image_id": [""], "path": [""]})


def stand_outside(similarity: Floats, own: Floats, theirs: Sequence[Floats], *, listed: int) -> Standing:
    """Tells how a picture stands to images of an archive, as :func:`cbir.matching.standing.stand` does if it is there.

    Args:
        similarity: (m,) cosines of the picture with the images, falling.
        own: cosines of the picture with its nearest images, falling.
        theirs: of each of the m images with its nearest others, falling.
        listed: neighbours of an image, at most.
    """
    last, ranks = np.zeros(len(similarity)), np.zeros((len(similarity), 2), np.int64)
    for row, (value, others) in enumerate(zip(similarity, theirs, strict=True)):
        joined = np.sort(np.append(others, value))[::-1][:listed]
        last[row] = 1 - joined[-1]
        ranks[row] = 1 + np.sum(own > value), 1 + np.sum(others > value)
    nearness = nearness_of(similarity, 1 - own[:listed][-1], last)
    return Standing(similarity.astype(np.float32), nearness, ranks.clip(max=listed + 1))


def match_outside(
    pixels: NDArray[np.uint8],
    images: pd.DataFrame,
    standing: Standing,
    source: ReducedImages,
    store: Path,
    settings: Matching,
    *,
    count: int,
) -> pd.DataFrame:
    """Returns the pairs of the picture with each image, in the order of the images: the columns of MATCHES but rank.

    Nothing of the picture is stored.

    Args:
        pixels: of the picture, (H, W) or (H, W, 3) uint8, reduced as the images are.
        images: image_id, path and page.
        standing: of these pairs.
        source, store, settings: those of :func:`cbir.matching.archive.match_archive`.
        count: images of the archive.
    """
    described = describe(images, source, store, most=settings.features)
    files = images[["image_id", "path", "page"]].itertuples(index=False, name=None)
    others = [
        Picture(features, partial(source.read, image_id, path, int(page)))
        for features, (image_id, path, page) in zip(described, files, strict=True)
    ]
    verifier = _Verifier(Picture(extract(pixels, most=settings.features), lambda: pixels), others)
    pairs = np.stack([np.zeros(len(images), np.int64), np.arange(1, len(images) + 1)], axis=1)
    rows = pd.concat([_ITSELF, images[["image_id", "path"]]], ignore_index=True)
    return judge_pairs(
        pairs, standing, rows, verifier, closer=settings.closer > 0, nearest=settings.closer, count=count
    )


class _Verifier:
    """Looks at pairs of a picture, at position 0, with others behind it."""

    def __init__(self, query: Picture, others: list[Picture]) -> None:
        self._query, self._others = query, others

    def by_features(self, pairs: NDArray[np.int64]) -> NDArray[np.void]:
        return np.array([gather(self._query, self._others[at - 1]) for at in pairs[:, 1]], EVIDENCE)

    def by_points(self, pairs: NDArray[np.int64]) -> NDArray[np.void]:
        query = self._query
        evidence = np.zeros(len(pairs), EVIDENCE)
        if not len(pairs):
            return evidence
        ways = {
            mirrored: find_points(query.pixels(), query.features.pitch, mirrored=mirrored) for mirrored in (False, True)
        }
        for row, at in enumerate(pairs[:, 1]):
            other = self._others[at - 1]
            points = find_points(other.pixels(), other.features.pitch)
            evidence[row] = gather_learned(query, other, lambda *, mirrored: ways[mirrored], points)
        return evidence
