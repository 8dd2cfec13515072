"""Proposes images by the votes of local features: each match fixes a similarity, and those of a copy agree on one.

Jégou, Douze and Schmid, Exploiting Descriptor Distances for Precise Image Search, 2011 (a vote counts by how much
nearer it is than an unrelated descriptor); Lowe, IJCV 60(2), 2004 (votes in bins of turn, enlargement and place).
"""

from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from cbir.matching.local.features import Features
from cbir.matching.local.hough import in_bins, relative, similarities

VERSION = "1"  # raise it with any change of the code that decides the votes
_NEAREST = 8  # gallery descriptors compared with each of the query; the distance of the last is that of unrelated ones
_PROBES = 8  # lists that are searched for each descriptor
SCALE = 510.0  # of a descriptor's values, so that they are whole numbers; the few above 0.5 count as 0.5
_FARTHEST = 4.0 * SCALE**2  # squared distance that unit vectors can have; FAISS gives more where it found too few
_AGREE = 2  # votes; one alone fixes any similarity


class LocalIndex:
    """The descriptors of a gallery in lists around the words that ship: what is in it does not hang on the order in
    which images came, and more can be added.

    Attributes:
        images: number of images.
    """

    def __init__(self) -> None:
        self.images = 0
        self._owner: list[NDArray[np.int32]] = [np.zeros(0, np.int32)]
        self._places: list[NDArray[np.float32]] = [np.zeros((0, 4), np.float32)]
        self._index = _empty()

    def add(self, features: Iterable[Features]) -> None:
        """Adds images, one after the other, so that their features need not be in memory."""
        for image in features:
            if len(image.places):
                self._index.add(_scaled(image.roots))
            self._owner.append(np.full(len(image.places), self.images, np.int32))
            self._places.append(relative(image))
            self.images += 1
        self._owner, self._places = [np.concatenate(self._owner)], [np.concatenate(self._places)]

    def write(self, folder: Path) -> None:
        """Writes the index as files of an empty folder."""
        faiss.write_index(self._index, str(folder / "descriptors.faiss"))
        np.save(folder / "owner.npy", self._owner[0])
        np.save(folder / "places.npy", self._places[0])
        (folder / "images").write_text(str(self.images))

    @classmethod
    def read(cls, folder: Path) -> "LocalIndex":
        """Reads what :meth:`write` wrote."""
        index = cls()
        index.images = int((folder / "images").read_text())
        index._owner, index._places = [np.load(folder / "owner.npy")], [np.load(folder / "places.npy")]
        index._index = faiss.read_index(str(folder / "descriptors.faiss"))
        index._index.nprobe = _PROBES
        return index

    def candidates(self, query: Features, *, most: int, but: int = -1) -> list[int]:
        """Returns positions of the images whose features vote most for one similarity with the query, best first.

        Args:
            but: position of the image that the query is.
        """
        if not len(query.places) or not self._index.ntotal:
            return []
        width = min(_NEAREST, self._index.ntotal)
        distances, rows = self._index.search(_scaled(query.roots), width)
        gain = np.where(rows >= 0, np.minimum(distances[:, -1:], _FARTHEST) - distances, 0)
        feature, column = np.nonzero(gain > 0)
        voted = rows[feature, column]
        own = self._owner[0][voted] == but
        feature, voted, gain = feature[~own], voted[~own], gain[feature, column][~own]
        score = self._strongest_bins(relative(query), feature, voted, gain)
        order = np.argsort(-score, kind="stable")[:most]
        return [int(at) for at in order[score[order] > 0]]

    def _strongest_bins(
        self, places: NDArray[np.float32], feature: NDArray[Any], voted: NDArray[Any], gain: NDArray[Any]
    ) -> NDArray[np.float64]:
        """Returns the votes in the strongest bin of each image (images,), in two grids half a bin apart."""
        owner = self._owner[0][voted].astype(np.int64)
        score = np.zeros(self.images)
        for bins in in_bins(similarities(places[feature], self._places[0][voted]), owner):
            votes = np.bincount(bins.of, gain, minlength=len(bins.owner)) * (bins.count >= _AGREE)
            np.maximum.at(score, bins.owner, votes)
        return score


@cache
def _words() -> NDArray[np.float32]:
    """Reads the centres of the lists (n, 128): benchmarks/words.py makes them of openly licensed photographs."""
    with (files("cbir.matching.local") / "words.npy").open("rb") as file:
        return np.load(file).astype(np.float32)


def _empty() -> Any:
    coarse = faiss.IndexFlatL2(128)
    coarse.add(_words())
    kind = faiss.ScalarQuantizer.QT_8bit_direct
    index = faiss.IndexIVFScalarQuantizer(coarse, 128, len(_words()), kind, faiss.METRIC_L2, False)
    index.train(_words())  # what it would learn is there
    index.nprobe = _PROBES
    return index


def _scaled(roots: NDArray[np.float32]) -> NDArray[np.float32]:
    return (roots * SCALE).round().clip(0, 255)
