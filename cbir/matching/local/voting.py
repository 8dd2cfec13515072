"""Proposes images by the votes of local features: each match fixes a similarity, and those of a copy agree on one.

Jégou, Douze and Schmid, Exploiting Descriptor Distances for Precise Image Search, 2011 (a vote counts by how much
nearer it is than an unrelated descriptor); Lowe, IJCV 60(2), 2004 (votes in bins of turn, enlargement and place).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from cbir.matching.local.features import Features, root_sift

_NEAREST = 8  # gallery descriptors compared with each of the query; the distance of the last is that of unrelated ones
_FARTHEST = 4.0  # squared distance that unit vectors can have; FAISS gives more where it found too few
_TRAINED_ON = 64  # descriptors a list of the index; more take longer and find nothing more
_PROBES = 8  # lists that are searched for each descriptor
_CODED_FROM = 2_000_000  # descriptors; from here on each takes 32 bytes in place of 128
_CODES = 32
_TURN = 45.0  # degrees, width of a bin
_OCTAVES = 1.0  # width of a bin of enlargements
_PLACE = 0.3  # of the longest side, width of a bin of where the query's middle lies
_SPAN = 64  # bins along each axis that a key tells apart
_AGREE = 2  # votes; one alone fixes any similarity


@dataclass(frozen=True)
class LocalIndex:
    """The descriptors of a gallery in an index whose row i is of image ``owner[i]``, at ``places[i]``.

    Attributes:
        images: number of images.
        owner: (n,) int32 positions of images.
        places: (n, 4) float32: x, y and scale in parts of the image's longest side, angle in degrees.
        index: of FAISS, over RootSIFT.
    """

    images: int
    owner: NDArray[np.int32]
    places: NDArray[np.float32]
    index: Any

    def candidates(self, query: Features, *, most: int, but: int = -1) -> list[int]:
        """Returns positions of the images whose features vote most for one similarity with the query, best first.

        Args:
            but: position of the image that the query is.
        """
        if not len(query.places) or not self.index.ntotal:
            return []
        width = min(_NEAREST, self.index.ntotal)
        distances, rows = self.index.search(query.roots, width)
        gain = np.where(rows >= 0, np.minimum(distances[:, -1:], _FARTHEST) - distances, 0)
        feature, column = np.nonzero(gain > 0)
        voted = rows[feature, column]
        own = self.owner[voted] == but
        feature, voted, gain = feature[~own], voted[~own], gain[feature, column][~own]
        score = self._strongest_bins(_relative(query), feature, voted, gain)
        order = np.argsort(-score, kind="stable")[:most]
        return [int(at) for at in order[score[order] > 0]]

    def _strongest_bins(
        self, places: NDArray[np.float32], feature: NDArray[Any], voted: NDArray[Any], gain: NDArray[Any]
    ) -> NDArray[np.float64]:
        """Returns the votes in the strongest bin of each image (images,), in two grids half a bin apart."""
        owner = self.owner[voted].astype(np.int64)
        similarity = _similarities(places[feature], self.places[voted])
        score = np.zeros(self.images)
        for shift in (0.0, 0.5):
            cells = np.floor(similarity + shift).astype(np.int64)
            cells[:, 0] %= round(360 / _TURN)
            key = owner
            for axis in cells.T:
                key = key * _SPAN + np.clip(axis, -_SPAN // 2, _SPAN // 2 - 1) + _SPAN // 2
            bins, bin_of, count = np.unique(key, return_inverse=True, return_counts=True)
            votes = np.bincount(bin_of, gain, minlength=len(bins)) * (count >= _AGREE)
            np.maximum.at(score, bins // _SPAN ** cells.shape[1], votes)
        return score


def build_index(features: Sequence[Features], *, most: int, seed: int) -> LocalIndex:
    """Indexes a gallery, image by image, so that its features need not be in memory.

    Args:
        features: of each image; read twice.
        most: features of an image that are indexed, those with the highest contrast.
        seed: of the index's clustering.
    """
    counts, places, sample = [], [np.zeros((0, 4), np.float32)], [np.zeros((0, 128), np.uint8)]
    rng = np.random.default_rng(seed)
    each = _TRAINED_ON * round((len(features) * most) ** 0.5) // max(len(features), 1) + 1
    for image in features:
        places.append(_relative(image.first(most)))
        counts.append(len(places[-1]))
        sample.append(image.descriptors[np.sort(rng.permutation(counts[-1])[:each])])
    index = _trained(np.concatenate(sample), sum(counts), seed=seed)
    for image in features:
        if len(image.places):
            index.add(root_sift(image.descriptors[:most]))
    owner = np.repeat(np.arange(len(features), dtype=np.int32), counts)
    return LocalIndex(len(features), owner, np.concatenate(places), index)


def _relative(features: Features) -> NDArray[np.float32]:
    """Returns places with lengths in parts of the image's longest side, from its middle."""
    half = np.array(features.size, np.float32) / 2
    places = features.places.copy()
    places[:, :2] -= half
    places[:, :3] /= max(features.size)
    return places


def _similarities(query: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
    """Returns the similarity that each match fixes, in widths of bins (n, 4): turn, enlargement, and the place of the
    query's middle.
    """
    turn = (other[:, 3] - query[:, 3]) % 360
    grown = other[:, 2] / query[:, 2]
    angle = np.deg2rad(turn)
    cos, sin = grown * np.cos(angle), grown * np.sin(angle)
    x = other[:, 0] - (cos * query[:, 0] - sin * query[:, 1])
    y = other[:, 1] - (sin * query[:, 0] + cos * query[:, 1])
    return np.stack([turn / _TURN, np.log2(grown) / _OCTAVES, x / _PLACE, y / _PLACE], axis=1).astype(np.float64)


def _trained(sample: NDArray[np.uint8], count: int, *, seed: int) -> Any:
    """Returns an empty index for ``count`` descriptors: lists around centres, of which a search looks at a few."""
    lists = max(1, min(round(count**0.5), len(sample) // _TRAINED_ON))
    coarse = faiss.IndexFlatL2(128)
    index: Any
    if count < _CODED_FROM:
        index = faiss.IndexIVFScalarQuantizer(coarse, 128, lists, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_L2)
    else:
        index = faiss.IndexIVFPQ(coarse, 128, lists, _CODES, 8)
    index.cp.seed, index.nprobe = seed, _PROBES
    index.cp.min_points_per_centroid = 1  # fewer are worse, but no matter for a warning
    if len(sample):
        index.train(root_sift(sample))
    return index
