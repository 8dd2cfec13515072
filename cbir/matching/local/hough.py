"""Puts matches of local features into bins of the similarity that each one fixes: those of a copy fall into one bin.

Lowe, Distinctive Image Features from Scale-Invariant Keypoints, IJCV 60(2), 2004.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cbir.matching.local.features import Features

_TURN = 45.0  # degrees, width of a bin
_OCTAVES = 1.0  # width of a bin of enlargements
_PLACE = 0.3  # of the longest side, width of a bin of where the query's middle lies
_SPAN = 64  # bins along each axis that a key tells apart


@dataclass(frozen=True)
class Bins:
    """Bins that hold a match or more.

    Attributes:
        of: (m,) the bin of each match.
        owner: (b,) of the matches in each bin.
        count: (b,) matches in each.
    """

    of: NDArray[np.int64]
    owner: NDArray[np.int64]
    count: NDArray[np.int64]


def relative(features: Features) -> NDArray[np.float32]:
    """Returns places with lengths in parts of the image's longest side, from its middle."""
    half = np.array(features.size, np.float32) / 2
    places = features.places.copy()
    places[:, :2] -= half
    places[:, :3] /= max(features.size)
    return places


def similarities(query: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
    """Returns the similarity that each match fixes, in widths of bins (n, 4): turn, enlargement, and the place of the
    query's middle.

    Args:
        query, other: places as :func:`relative` gives them, (n, 4).
    """
    turn = (other[:, 3] - query[:, 3]) % 360
    grown = other[:, 2] / query[:, 2]
    angle = np.deg2rad(turn)
    cos, sin = grown * np.cos(angle), grown * np.sin(angle)
    x = other[:, 0] - (cos * query[:, 0] - sin * query[:, 1])
    y = other[:, 1] - (sin * query[:, 0] + cos * query[:, 1])
    return np.stack([turn / _TURN, np.log2(grown) / _OCTAVES, x / _PLACE, y / _PLACE], axis=1).astype(np.float64)


def in_bins(similarity: NDArray[np.float64], owner: NDArray[np.int64]) -> Iterator[Bins]:
    """Yields the bins of two grids half a bin apart.

    Args:
        similarity: (m, 4), as :func:`similarities` gives them.
        owner: (m,); matches of two owners fall into no bin together.
    """
    for shift in (0.0, 0.5):
        cells = np.floor(similarity + shift).astype(np.int64)
        cells[:, 0] %= round(360 / _TURN)
        key = owner
        for axis in cells.T:
            key = key * _SPAN + np.clip(axis, -_SPAN // 2, _SPAN // 2 - 1) + _SPAN // 2
        bins, bin_of, count = np.unique(key, return_inverse=True, return_counts=True)
        yield Bins(bin_of, bins // _SPAN ** cells.shape[1], count)
