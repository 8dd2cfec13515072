"""Gathers the evidence of two pictures by their learned points."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cbir.matching.evidence import EVIDENCE, Picture, measured
from cbir.matching.learned.matcher import count_alike, match_points
from cbir.matching.learned.points import Points
from cbir.matching.local.geometry import Geometry, fit_map

VERSION = 1  # raise it with any change of the code that decides this evidence
_ALIKE = 5  # points, at least, that resemble each other most; of 80 pairs of hard reprints 95 % have more
_AS_ALIKE = 2  # fewer of them in the mirror, or more, leave it open which way round a picture is
_AGREEING = 8  # points, at least, that agree on a map
_FREE, _PER_POINT = 4.0, 0.125
"""Points that agree by chance in any two pictures, and powers of ten by which each further one is rarer: measured on
false pairs, for points that another network chose agree more often than independent ones.
"""


class Find(Protocol):
    """Returns the points of a picture, as it is or in the mirror."""

    def __call__(self, *, mirrored: bool) -> Points: ...


def gather_learned(query: Picture, other: Picture, find: Find, points: Points) -> NDArray[np.void]:
    """Returns the evidence of two pictures, () EVIDENCE, the likelier way up to a mirror.

    Args:
        find: the points of the query.
        points: of the other.
    """
    ways = {mirrored: find(mirrored=mirrored) for mirrored in (False, True)}
    alike = {mirrored: count_alike(way, points) for mirrored, way in ways.items()}
    least = max(_ALIKE, max(alike.values()) - _AS_ALIKE)
    maps = {mirrored: _geometry(ways[mirrored], points) for mirrored in ways if alike[mirrored] >= least}
    kept = {mirrored: geometry for mirrored, geometry in maps.items() if geometry is not None}
    if not kept:
        return np.zeros((), EVIDENCE)
    mirrored = max(kept, key=lambda each: len(kept[each].inliers))
    evidence = measured(query, other, kept[mirrored], mirrored=mirrored)
    evidence["learned"] = 1
    return evidence


def _geometry(query: Points, other: Points) -> Geometry | None:
    pairs = match_points(query, other)
    fitted = fit_map(pairs, other.size)
    if fitted is None or (count := int(fitted[1].sum())) < _AGREEING:
        return None
    affine, near = fitted
    return Geometry(affine, pairs.of(near), count / len(pairs), min(0.0, _PER_POINT * (_FREE - count)))
