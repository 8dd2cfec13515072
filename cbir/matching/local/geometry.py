"""Finds the affine map that most correspondences of two images agree on, and how likely chance would agree as well.

Barath, Noskova, Ivashechkin and Matas, MAGSAC++, CVPR 2020; Moisan and Stival, A Probabilistic Criterion to Detect
Rigid Point Matches, IJCV 57(3), 2004 (the number of false alarms).
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from cbir.matching.local.correspondences import Correspondences, Resemblance, correspond, in_agreement

_TOLERANCE = 0.02  # of the longest side, between where a feature is and where the map puts it
_FINEST = 0.004  # of the longest side; no feature lies more exactly
LEAST = 5  # correspondences; three fix the map, and two more may agree by chance
_SCALES = (0.2, 5.0)  # least and most by which a copy is enlarged
_SQUEEZE = 2.0  # most by which it is enlarged more in one direction than across it
_WINDOWS = 2 * 12 * 4  # mirrorings, turns and enlargements that are looked at
_REFINED = 3  # times that the map is fitted to those that agree with it
_LN10 = np.log(10.0)


@dataclass(frozen=True)
class Geometry:
    """The map of an image onto another that their features agree on.

    Attributes:
        affine: (2, 3) float64, from px of the query to px of the other.
        inliers: correspondences that agree.
        share: of all correspondences of the two images, 0..1.
        log_nfa: log10 of the number of maps as good that chance gives one pair of images.
    """

    affine: NDArray[np.float64]
    inliers: Correspondences
    share: float
    log_nfa: float


def find_geometry(resemblance: Resemblance) -> Geometry | None:
    """Returns the map of the query onto the other image; None where fewer features agree than chance explains."""
    pairs, size = correspond(resemblance), resemblance.other.size
    window = pairs.of(in_agreement(pairs)) if len(pairs) >= LEAST else pairs
    fitted = fit_map(window, size)
    if fitted is None:
        return None
    affine, near = fitted
    distance = np.sort(_distances(affine, window)[near]) / max(size)
    return Geometry(affine, window.of(near), float(near.sum() / len(pairs)), _log_nfa(distance, len(pairs), size))


def fit_map(pairs: Correspondences, size: tuple[int, int]) -> tuple[NDArray[np.float64], NDArray[np.bool_]] | None:
    """Fits a map (2, 3) to correspondences, and marks those that agree with it (n,); None where there is no good one.

    Args:
        size: width and height of the other image, px.
    """
    tolerance = max(size) * _TOLERANCE
    affine = _fit(pairs, tolerance) if len(pairs) >= LEAST else None
    if affine is None:
        return None
    near = _distances(affine, pairs) <= tolerance
    return (affine, near) if near.sum() >= LEAST and _plausible(affine[:, :2]) else None


def _fit(pairs: Correspondences, tolerance: float) -> NDArray[np.float64] | None:
    """Fits a map by a robust estimator, and again to all that agree with it."""
    affine: Any
    affine, _ = cv2.estimateAffine2D(
        *pairs.points,
        method=cv2.USAC_MAGSAC,
        ransacReprojThreshold=tolerance,
        maxIters=1000,
        confidence=0.999,
    )
    for _ in range(_REFINED):
        if affine is None or not np.isfinite(affine).all():
            return None
        near = _distances(affine, pairs) <= tolerance
        if near.sum() < LEAST:
            return None
        affine = _least_squares(pairs.of(near))
    return affine


def _least_squares(pairs: Correspondences) -> NDArray[np.float64]:
    points = np.column_stack([pairs.query[:, :2], np.ones(len(pairs))]).astype(np.float64)
    return np.asarray(np.linalg.lstsq(points, pairs.other[:, :2].astype(np.float64), rcond=None)[0].T, np.float64)


def _distances(affine: NDArray[np.float64], pairs: Correspondences) -> NDArray[np.float64]:
    """Returns px between where the features are and where the map puts them, (n,)."""
    mapped = pairs.query[:, :2] @ affine[:, :2].T + affine[:, 2]
    return np.hypot(*(mapped - pairs.other[:, :2]).T)


def _plausible(linear: NDArray[Any]) -> bool:
    """Returns whether the map could make a print of a print: no mirror (that is tried by itself), no extreme."""
    large, small = np.linalg.svd(linear, compute_uv=False)
    return bool(np.linalg.det(linear) > 0 and _SCALES[0] < small <= large < min(_SCALES[1], _SQUEEZE * small))


def _log_nfa(distance: NDArray[np.float64], candidates: int, size: tuple[int, int]) -> float:
    """Returns log10 of the number of false alarms of the best k correspondences, over all k.

    A correspondence of chance falls within r of its place with probability p = πr² / (width · height), so for k of n
    correspondences, of which three fix the map, NFA(k) = windows · (n − 3) · C(n, k) · C(k, 3) · p^(k − 3).

    Args:
        distance: (m,), of those that agree, rising, in parts of the longest side.
        candidates: n.
    """
    k = np.arange(4, len(distance) + 1)
    chance = np.pi * np.maximum(distance[3:], _FINEST) ** 2 * max(size) / min(size)
    tests = np.log10(_WINDOWS * max(candidates - 3, 1)) + _log_binomial(candidates, k) + _log_binomial(k, 3)
    return float((tests + (k - 3) * np.log10(np.minimum(chance, 1))).min())


def _log_binomial(n: Any, k: Any) -> Any:
    return (gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)) / _LN10
