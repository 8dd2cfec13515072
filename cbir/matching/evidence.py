"""Gathers the evidence that two images show the same photograph: what their features and tones agree on.

Nothing here hangs on the other images of an archive, so that the evidence of a pair is computed once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cbir.matching.alignment import Alignment, align
from cbir.matching.local.correspondences import resemble
from cbir.matching.local.descreening import descreened
from cbir.matching.local.features import Features
from cbir.matching.local.geometry import Geometry, find_geometry
from cbir.matching.overlap import common, overlaps, spread, tones

VERSION = 4  # raise it with any change of the code that decides the evidence
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
        ("aligned", np.float32),
        ("learned", np.float32),
        ("map", np.float32, (6,)),
    ]
)
"""The evidence of a pair.

mirrored: 1 where one is the other's mirror image. inliers: features, or learned points, that agree. aligned: 1 where
too few agree and the map is one of tones. learned: 1 where it is one of learned points. Where there are neither inliers
nor tones that agree, there is no map, and the rest says nothing. share: of the correspondences, those that agree.
log_nfa: log10 of the maps as good that chance gives one pair. spread: the narrower way that the agreeing features
reach, in parts of the longest side, the smaller of both; or that the common part reaches, where the map is one of
tones. overlap_query, overlap_neighbour: the part that the other one covers. tone, forms: correlations of grey values
after warping, of all and of forms alone. map: (2, 3), from px of the query to px of the neighbour, one row after the
other.
"""

_CLEAR = -12.0  # log10; a pair that agrees so well is not its own mirror image too

Pixels = Callable[[], NDArray[np.uint8]]
A = TypeVar("A", Geometry, Alignment)
B = TypeVar("B", Geometry, Alignment)


@dataclass(frozen=True)
class Picture:
    """An image as the evidence sees it: its features, and its pixels, read where they are needed."""

    features: Features
    pixels: Pixels


def mapped(evidence: NDArray[np.void]) -> NDArray[np.bool_]:
    """Returns where there is a map, of evidence of any shape."""
    return np.asarray((evidence["inliers"] > 0) | (evidence["aligned"] > 0))


def is_clear(evidence: NDArray[np.void]) -> NDArray[np.bool_]:
    """Returns where features agree so well that nothing more needs to be looked at."""
    return np.asarray((evidence["inliers"] > 0) & (evidence["log_nfa"] <= _CLEAR))


def gather(query: Picture, other: Picture) -> NDArray[np.void]:
    """Returns the evidence of two images, () EVIDENCE; both ways up to a mirror are tried."""
    own, others = query.features, other.features
    upright = resemble(own, others)
    straight, turned = find_geometry(upright), None
    if not _settled(straight):
        flipped = resemble(own.mirrored, others)
        turned = find_geometry(flipped)
    geometry = _likelier(straight, turned)
    if not _settled(geometry):
        alignments = align(upright), align(flipped)
        alignment = _likelier(*alignments)
        if alignment is not None and _likelier(geometry, alignment) is alignment:
            return _aligned(query, other, alignment, mirrored=alignment is alignments[1])
    if geometry is None:
        return np.zeros((), EVIDENCE)
    return measured(query, other, geometry, mirrored=geometry is turned)


def _likelier(first: A | None, second: B | None) -> A | B | None:
    """Returns the map that chance explains less, the first of two alike; None where there is neither."""
    return min((each for each in (first, second) if each is not None), key=lambda each: each.log_nfa, default=None)


def _settled(geometry: Geometry | None) -> bool:
    return geometry is not None and geometry.log_nfa <= _CLEAR


def measured(query: Picture, other: Picture, geometry: Geometry, *, mirrored: bool) -> NDArray[np.void]:
    points = geometry.inliers.points
    sizes = query.features.size, other.features.size
    evidence = _mapped(query, other, geometry.affine, points[1], mirrored=mirrored)
    evidence["inliers"], evidence["share"] = len(geometry.inliers), geometry.share
    evidence["spread"] = min(spread(side, size) for side, size in zip(points, sizes, strict=True))
    evidence["log_nfa"] = geometry.log_nfa
    return evidence


def _aligned(query: Picture, other: Picture, alignment: Alignment, *, mirrored: bool) -> NDArray[np.void]:
    shown = common(alignment.affine, query.features.size, other.features.size)
    evidence = _mapped(query, other, alignment.affine, shown, mirrored=mirrored)
    evidence["aligned"], evidence["log_nfa"] = 1, alignment.log_nfa
    evidence["spread"] = spread(shown, other.features.size)
    return evidence


def _mapped(
    query: Picture, other: Picture, affine: NDArray[np.float64], shown: NDArray[np.float32], *, mirrored: bool
) -> NDArray[np.void]:
    """Returns the evidence that a map gives, whatever it came from.

    Args:
        affine: (2, 3), from the query as it is, or as it is in the mirror.
        shown: (n, 2) px of the other, around which tones are compared.
    """
    sizes = query.features.size, other.features.size
    flip = np.array([(-1, 0, sizes[0][0] - 1), (0, 1, 0), (0, 0, 1)]) if mirrored else np.eye(3)
    whole = affine @ flip
    evidence = np.zeros((), EVIDENCE)
    evidence["mirrored"] = mirrored
    evidence["overlap_query"], evidence["overlap_neighbour"] = overlaps(whole, *sizes)
    first, second = (descreened(picture.pixels(), picture.features.pitch) for picture in (query, other))
    evidence["tone"], evidence["forms"] = tones(first, second, whole, shown)
    evidence["map"] = whole.ravel()
    return evidence
