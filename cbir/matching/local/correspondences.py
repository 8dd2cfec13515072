"""Pairs the local features of two images: each the other's nearest, clearly nearer than the next, none twice.

Lowe, Distinctive Image Features from Scale-Invariant Keypoints, IJCV 60(2), 2004 (the ratio test); Jégou, Douze and
Schmid, Hamming Embedding and Weak Geometric Consistency, ECCV 2008 (turns and enlargements that agree).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cbir.matching.local.features import Features

NEAREST = 4  # features of the other image that are kept for each
_RATIO = 0.85  # of the distances to the nearest and the next descriptor of an image, at most
_TURN = 30.0  # degrees, half the width of what counts as one turn; squeezing a copy turns its features apart
_ENLARGEMENT = 0.8  # octaves, half the width of what counts as one enlargement
_SAME_PLACE = 4.0  # px between features that count as two; SIFT gives one place several angles and scales


@dataclass(frozen=True)
class Correspondences:
    """Places (n, 4) of the features of a query and of those that they resemble in another image, best first."""

    query: NDArray[np.float32]
    other: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.query)

    @property
    def points(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Returns x and y of both sides, (n, 2) px each."""
        return np.ascontiguousarray(self.query[:, :2]), np.ascontiguousarray(self.other[:, :2])

    def of(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> "Correspondences":
        """Returns some of the correspondences."""
        return Correspondences(self.query[rows], self.other[rows])


@dataclass(frozen=True)
class Resemblance:
    """How the features of a query resemble those of another image.

    Attributes:
        query, other: the features, n and m.
        cosine: (n, m) float32, of their descriptors.
        nearest: (n, k) int64, for each feature of the query the k that it resembles most, best first: 4, or m if fewer.
        values: (n, k) float32, the cosines of those.
    """

    query: Features
    other: Features
    cosine: NDArray[np.float32]
    nearest: NDArray[np.int64]
    values: NDArray[np.float32]


def resemble(query: Features, other: Features) -> Resemblance:
    """Compares each feature of a query with each of another image."""
    cosine = query.roots @ other.roots.T
    rows, count = np.arange(len(cosine)), min(NEAREST, cosine.shape[1])
    nearest, values = np.empty((len(rows), count), np.int64), np.empty((len(rows), count), np.float32)
    for place in range(count):  # faster than a partition, for so few
        nearest[:, place] = cosine.argmax(axis=1)
        values[:, place] = cosine[rows, nearest[:, place]]
        cosine[rows, nearest[:, place]] = -1
    cosine[rows[:, None], nearest] = values
    return Resemblance(query, other, cosine, nearest, values)


def correspond(resemblance: Resemblance) -> Correspondences:
    """Pairs the features of two images where each is the other's nearest and clearly nearer than the next one."""
    query, other, nearest = resemblance.query.places, resemblance.other.places, resemblance.nearest
    if min(len(query), len(other)) < 2:
        return Correspondences(query[:0], other[:0])
    best, next_best = resemblance.values[:, 0], resemblance.values[:, 1]
    ratio = (1 - best) / np.maximum(1 - next_best, 1e-6)  # squared distances of unit vectors are 2 - 2 cos
    clear = np.flatnonzero(ratio <= _RATIO**2)
    kept = clear[resemblance.cosine[:, nearest[clear, 0]].argmax(axis=0) == clear]
    kept = kept[np.argsort(ratio[kept], kind="stable")]
    return _once(Correspondences(query[kept], other[nearest[kept, 0]]))


def _once(pairs: Correspondences) -> Correspondences:
    """Keeps the best correspondence of each place, so that none counts as several."""
    for side in ("query", "other"):
        across, down = np.floor(getattr(pairs, side)[:, :2] / _SAME_PLACE).astype(np.int64).T
        pairs = pairs.of(np.sort(np.unique((across << 32) + down, return_index=True)[1]))
    return pairs


def in_agreement(pairs: Correspondences) -> NDArray[np.bool_]:
    """Marks the correspondences that turn and enlarge as the most do: (n,)."""
    turn = (pairs.other[:, 3] - pairs.query[:, 3]) % 360
    octaves = np.log2(pairs.other[:, 2] / pairs.query[:, 2])
    apart = np.abs((turn[:, None] - turn + 180) % 360 - 180)
    near = (apart <= _TURN) & (np.abs(octaves[:, None] - octaves) <= _ENLARGEMENT)
    return near[near.sum(axis=1).argmax()] if len(pairs) else np.zeros(0, bool)
