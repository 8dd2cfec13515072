"""Lays one picture on another by their tones, where too few of their features agree: each similarity that features vote
for is a start, and the tones themselves lead from there.

Evangelidis and Psarakis, Parametric Image Alignment Using Enhanced Correlation Coefficient Maximization, TPAMI 30(10),
2008.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from cbir.matching.local.correspondences import NEAREST, Resemblance
from cbir.matching.local.features import FORMS, Features
from cbir.matching.local.hough import in_bins, relative, similarities

_FEATURES = 300  # of an image that vote
_VOTES = 3  # at least, for a start
_STRONG = 0.25  # of all votes for a start, in cosine; weaker ones lead nowhere
_STARTS = 2  # tried for a pair, and as many in the mirror
_NEAR = 16.0  # px of the image, within which votes of one start agree
_SCALES = (0.2, 5.0)  # least and most by which a copy is enlarged
_STEPS = 30  # of the alignment
_GROWN = 2.0  # most by which it may enlarge or shrink what it started from
_CELLS = 300  # px of the coarse picture that both show; fewer say nothing
_CELL = 144  # px of the coarse picture, within which forms say the same
_WINDOWS = 4 * _STARTS  # starts, two grids of bins, two mirrorings
_PROMISING = 0.15  # correlation of forms at a start; lower ones lead nowhere
_CHANCE = -0.5  # log10; an alignment that is no likelier is not worth reading the pixels
_OUTSIDE, _DARKEST = -1e9, -256.0  # a tone that no picture has, in which no picture has a part; and the least there is
_FLAT = 0.5  # grey levels, deviation below which a picture is flat

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Alignment:
    """A map of an image onto another by which their tones agree.

    Attributes:
        affine: (2, 3) float64, from px of the query to px of the other.
        log_nfa: log10 of the number of maps as good that chance gives one pair of images.
    """

    affine: NDArray[np.float64]
    log_nfa: float


def align(resemblance: Resemblance) -> Alignment | None:
    """Returns the map of the query onto the other image by which their tones agree best; None where chance explains
    it.
    """
    best: Alignment | None = None
    for start in _starts(resemblance):
        aligned = _aligned(resemblance.query, resemblance.other, start)
        if aligned is not None and (best is None or aligned.log_nfa < best.log_nfa):
            best = aligned
    return best


def _starts(resemblance: Resemblance) -> Iterator[NDArray[np.float64]]:
    """Yields the similarities (2, 3) that most features vote for, from px of the query to px of the other."""
    query, other = resemblance.query, resemblance.other
    nearest, values = resemblance.nearest[:_FEATURES], resemblance.values[:_FEATURES]
    if min(len(query.places), len(other.places)) < NEAREST:
        return
    gain = (values[:, :-1] - values[:, -1:]).ravel()  # the last is what unrelated ones resemble
    feature, voted = np.repeat(np.arange(len(nearest)), NEAREST - 1), nearest[:, :-1].ravel()
    similarity = similarities(relative(query)[feature], relative(other)[voted])
    strongest: list[tuple[float, NDArray[np.bool_]]] = []
    for bins in in_bins(similarity, np.zeros(len(feature), np.int64)):
        votes = np.bincount(bins.of, gain) * (bins.count >= _VOTES)
        strongest += [(float(votes[at]), bins.of == at) for at in np.argsort(-votes, kind="stable")[:_STARTS]]
    for strength, inside in sorted(strongest, key=lambda each: -each[0])[:_STARTS]:
        if strength >= _STRONG:
            start = _similarity(query.points[feature[inside]], other.points[voted[inside]])
            if start is not None:
                yield start


def _similarity(query: Floats, other: Floats) -> NDArray[np.float64] | None:
    affine = cv2.estimateAffinePartial2D(query, other, method=cv2.RANSAC, ransacReprojThreshold=_NEAR, maxIters=200)[0]
    if affine is None or not _SCALES[0] < np.sqrt(np.linalg.det(affine[:, :2])) < _SCALES[1]:
        return None
    return np.asarray(affine, np.float64)


def _aligned(query: Features, other: Features, start: NDArray[np.float64]) -> Alignment | None:
    """Returns the better of a start and of what the tones make of it; None where chance explains both."""
    to_query, to_other = _to_image(query), _to_image(other)
    back = np.linalg.inv(np.linalg.inv(to_other) @ np.vstack([start, (0, 0, 1)]) @ to_query)[:2].astype(np.float32)
    if _forms_agree(query.forms, other.forms, back) < _PROMISING:
        return None
    first, second = query.coarse.astype(np.float32), other.coarse.astype(np.float32)
    refined = _refined(first, second, back)
    log_nfa, best = min((_log_nfa(*_agreement(first, second, map_)), at) for at, map_ in enumerate((back, refined)))
    if log_nfa > _CHANCE:
        return None
    chosen = np.vstack([(back, refined)[best], (0, 0, 1)]).astype(np.float64)
    return Alignment((to_other @ np.linalg.inv(chosen) @ np.linalg.inv(to_query))[:2], log_nfa)


def _forms_agree(query: Floats, other: Floats, back: Floats) -> float:
    """Returns how forms correlate where a map lays the query on the other, seen quickly: -1..1."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(query, back, other.shape[::-1], flags=flags, borderValue=_OUTSIDE)
    inside = moved > _DARKEST
    a, b = moved[inside], other[inside]
    if len(a) < _CELLS:
        return 0.0
    a, b = a - a.mean(), b - b.mean()
    return float(a @ b / max(np.sqrt((a @ a) * (b @ b)), 1e-6))


def _to_image(features: Features) -> NDArray[np.float64]:
    """Returns the map (3, 3) from px of the coarse picture to px of the image; both count from the middle of a px."""
    height, width = features.coarse.shape
    across, down = features.size[0] / width, features.size[1] / height
    return np.array([(across, 0, (across - 1) / 2), (0, down, (down - 1) / 2), (0, 0, 1)])


def _refined(query: Floats, other: Floats, back: Floats) -> Floats:
    """Returns the map from the other to the query that the tones lead to; the start where they lead nowhere."""
    end = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, _STEPS, 1e-3)
    try:
        refined = cv2.findTransformECC(other, query, back.copy(), cv2.MOTION_AFFINE, end)[1]
    except cv2.error:  # it does not converge, or leaves the picture
        return back
    grown = np.linalg.det(refined[:, :2]) / np.linalg.det(back[:, :2])
    return np.asarray(refined, np.float32) if 1 / _GROWN < grown < _GROWN else back


def _agreement(query: Floats, other: Floats, back: Floats) -> tuple[float, int]:
    """Returns how forms correlate where a map lays the query on the other, 0..1, and px of the coarse picture there."""
    size = other.shape[::-1]
    moved = np.asarray(cv2.warpAffine(query, back, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP), np.float32)
    inside = cv2.warpAffine(np.ones_like(query), back, size, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP) > 0.5
    if inside.sum() < _CELLS:
        return 0.0, 0
    a, b = _forms(moved, inside), _forms(other, inside)
    if min(a.std(), b.std()) < _FLAT:
        return 0.0, 0
    return float(np.clip(np.corrcoef(a, b)[0, 1], 0, 0.999)), int(inside.sum())


def _log_nfa(correlation: float, cells: int) -> float:
    """Returns log10 of the number of maps by which chance lets forms correlate as well, for one pair of images.

    A correlation r of n independent cells is one of chance with the probability that a normal variable is above
    atanh(r) · √n (Fisher, Metron 1, 1921).
    """
    chance = log_ndtr(-np.arctanh(correlation) * np.sqrt(cells / _CELL)) / np.log(10)
    return float(chance + np.log10(_WINDOWS))


def _forms(grey: Floats, inside: NDArray[np.bool_]) -> Floats:
    """Returns the tones inside (n,) without their light and dark sides."""
    weight = inside.astype(np.float32)
    around = cv2.GaussianBlur(grey * weight, (0, 0), FORMS) / np.maximum(cv2.GaussianBlur(weight, (0, 0), FORMS), 1e-3)
    return np.asarray((grey - around)[inside], np.float32)
