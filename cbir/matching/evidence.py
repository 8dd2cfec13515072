"""Gathers the evidence that two images show the same photograph: what their features and tones agree on.

Nothing here hangs on the other images of an archive, so that the evidence of a pair is computed once.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cbir.matching.local.features import Features
from cbir.matching.local.geometry import Geometry, find_geometry
from cbir.matching.overlap import overlaps, spread, tones

VERSION = 1  # raise it with any change of the code that decides the evidence
EVIDENCE = np.dtype(
    [
        ("mirrored", np.float32),
        ("inliers", np.float32),
        ("share", np.float32),
        ("log_nfa", np.float32),
        ("spread", np.float32),
        ("overlap_query", np.float32),
        ("overlap_neighbour", np.float32),
        ("tone", np.float32),
        ("forms", np.float32),
        ("map", np.float32, (6,)),
    ]
)
"""The evidence of a pair.

mirrored: 1 where one is the other's mirror image. inliers: features that agree; 0: there is no map, and the rest says
nothing. share: of the correspondences, those that agree. log_nfa: log10 of the maps as good that chance gives one
pair. spread: the narrower way that the agreeing features reach, in parts of the longest side, the smaller of both.
overlap_query, overlap_neighbour: the part that the other one covers. tone, forms: correlations of grey values after
warping, of all and of forms alone. map: (2, 3), from px of the query to px of the neighbour, one row after the other.
"""

_CLEAR = -12.0  # log10; a pair that agrees so well is not its own mirror image too

Pixels = Callable[[], NDArray[np.uint8]]


@dataclass(frozen=True)
class Picture:
    """An image as the evidence sees it: its features, and its pixels, read where they are needed."""

    features: Features
    pixels: Pixels


def gather(query: Picture, other: Picture) -> NDArray[np.void]:
    """Returns the evidence of two images, () EVIDENCE; both ways up to a mirror are tried."""
    straight = find_geometry(query.features, other.features)
    turned = None
    if straight is None or straight.log_nfa > _CLEAR:
        turned = find_geometry(query.features.mirrored, other.features)
    best = min((g for g in (straight, turned) if g is not None), key=lambda g: g.log_nfa, default=None)
    if best is None:
        return np.zeros((), EVIDENCE)
    return _measured(query, other, best, mirrored=best is turned)


def _measured(query: Picture, other: Picture, geometry: Geometry, *, mirrored: bool) -> NDArray[np.void]:
    sizes = query.features.size, other.features.size
    flip = np.array([(-1, 0, sizes[0][0] - 1), (0, 1, 0), (0, 0, 1)]) if mirrored else np.eye(3)
    affine = geometry.affine @ flip
    points = geometry.inliers.points
    spreads = [spread(side, size) for side, size in zip(points, sizes, strict=True)]
    evidence = np.zeros((), EVIDENCE)
    evidence["mirrored"], evidence["inliers"] = mirrored, len(geometry.inliers)
    evidence["share"], evidence["log_nfa"], evidence["spread"] = geometry.share, geometry.log_nfa, min(spreads)
    evidence["overlap_query"], evidence["overlap_neighbour"] = overlaps(affine, *sizes)
    evidence["tone"], evidence["forms"] = tones(query.pixels(), other.pixels(), affine, points[1])
    evidence["map"] = affine.ravel()
    return evidence
