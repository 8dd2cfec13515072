"""Finds near-duplicates without learning: local features that agree on one geometry, as copies of a picture do.

Lowe, Distinctive Image Features from Scale-Invariant Keypoints, IJCV 60(2), 2004 (SIFT, the ratio test); Arandjelović
and Zisserman, Three Things Everyone Should Know to Improve Object Retrieval, CVPR 2012 (RootSIFT); Jégou, Douze and
Schmid, Exploiting Descriptor Distances for Precise Image Search, 2011 (votes); Fischler and Bolles, Random Sample
Consensus, CACM 24(6), 1981.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import faiss
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from cbir.embedding.inference import side_by_side
from cbir.index.neighbours import NEIGHBOURS
from cbir.progress import Progress, silent

Read = Callable[[str], NDArray[np.uint8]]  # the pixels of an image by its id, (H, W) grey or (H, W, 3) RGB

_SIDE = 256  # px; at 512 the dots of a newspaper's screen are features, fewer reprints are found, and it takes longer
_VOTES = 8  # gallery descriptors compared with each of the query; the distance of the last is that of unrelated ones
_FARTHEST = 4.0  # squared distance that unit vectors can have; FAISS gives more where it found too few
_RATIO = 0.85  # of the distances to the nearest and the next descriptor of an image, at most
_TOLERANCE = 5.0  # px between where a feature is and where the geometry puts it
_LEAST = 6  # features that agree; three fix the geometry, and two or three more agree by chance
_SCALES = (0.2, 5.0)  # least and most by which a copy is enlarged
_SQUEEZE = 2.0  # most by which it is enlarged more in one direction than across it
_HALF = 20  # features that agree and give a similarity of one half
_TRAINED_ON = 64  # descriptors a list of the index; more take longer and find nothing more
_PROBES = 8  # lists that are searched for each descriptor
_BLOCK = 1 << 16  # descriptors that are added to the index at a time: 34 MB


@dataclass(frozen=True)
class Features:
    """The local features of an image: places (n, 2) in px, and SIFT descriptors (n, 128) uint8."""

    points: NDArray[np.float32]
    descriptors: NDArray[np.uint8]


def extract(pixels: NDArray[np.uint8], *, most: int = 500) -> Features:
    """Extracts SIFT features of an image, the ``most`` with the highest contrast; a blank image has none."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) if pixels.ndim == 3 else pixels
    scale = min(1.0, _SIDE / max(grey.shape))
    size = [max(1, round(length * scale)) for length in grey.shape[::-1]]
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    keypoints, descriptors = cv2.SIFT.create(nfeatures=most).detectAndCompute(small, None)
    if descriptors is None:
        return Features(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.uint8))
    # Of keypoints with the same contrast SIFT keeps all, and gives some more than it was asked for.
    points = np.array([keypoint.pt for keypoint in keypoints[:most]], np.float32)
    return Features(points, descriptors[:most].astype(np.uint8))


def root_sift(descriptors: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Converts SIFT descriptors (n, 128) to length 1 with their Hellinger kernel as inner product."""
    values = descriptors.astype(np.float32)
    return np.sqrt(values / np.maximum(values.sum(axis=1, keepdims=True), 1))


def agreeing(query: Features, other: Features) -> int:
    """Returns how many features of two images lie as one affine map says, 0 where fewer do than chance explains.

    Features are matched where each is the other's nearest and clearly nearer than the next one.
    """
    if min(len(query.points), len(other.points)) < _LEAST:
        return 0
    cosine = _products(root_sift(query.descriptors), root_sift(other.descriptors))
    nearest, back = cosine.argmax(axis=1), cosine.argmax(axis=0)
    next_one = np.partition(cosine, -2, axis=1)[:, -2]
    best = cosine[np.arange(len(cosine)), nearest]
    clear = (1 - best) <= _RATIO**2 * (1 - next_one)  # squared distances of unit vectors are 2 - 2 cos
    rows = np.flatnonzero(clear & (back[nearest] == np.arange(len(cosine))))
    if len(rows) < _LEAST:
        return 0
    affine, inliers = cv2.estimateAffine2D(
        query.points[rows], other.points[nearest[rows]], ransacReprojThreshold=_TOLERANCE, maxIters=500
    )
    if affine is None or not _plausible(affine[:, :2]):
        return 0
    agree = int(inliers.sum())
    return agree if agree >= _LEAST else 0


def _products(rows: NDArray[np.float32], columns: NDArray[np.float32]) -> NDArray[np.float32]:
    """Multiplies by PyTorch, whose threads can be kept on one core each; those of NumPy's library wait for one
    another.
    """
    return (torch.from_numpy(rows) @ torch.from_numpy(columns).T).numpy()


def _plausible(linear: NDArray[Any]) -> bool:
    """Returns whether the map could make a print of a print: no mirror (that is tried by itself), no extreme."""
    large, small = np.linalg.svd(linear, compute_uv=False)
    return bool(np.linalg.det(linear) > 0 and _SCALES[0] < small <= large < min(_SCALES[1], _SQUEEZE * small))


def similarity(agreeing: NDArray[np.int64]) -> NDArray[np.float32]:
    """Converts numbers of features that agree to 0..1, rising: n / (n + 20)."""
    return (agreeing / (agreeing + _HALF)).astype(np.float32)


@dataclass(frozen=True)
class Gallery:
    """The features of a gallery, and an index over all their descriptors whose row i is of image ``owner[i]``."""

    ids: Sequence[str]
    features: Sequence[Features]
    index: Any
    owner: NDArray[np.int64]

    def candidates(self, query: Features, *, most: int) -> NDArray[np.int64]:
        """Positions of the images that most of the query's descriptors vote for.

        Each descriptor votes for the images of its nearest ones, once for each, by how much nearer they are than the
        last of those.
        """
        if not len(query.points) or not self.index.ntotal:
            return np.zeros(0, np.int64)
        width = min(_VOTES, self.index.ntotal)
        distances, rows = self.index.search(root_sift(query.descriptors), width)
        owner = np.where(rows >= 0, self.owner[rows], -1)
        gain = np.where(rows >= 0, np.minimum(distances[:, -1:], _FARTHEST) - distances, 0)
        again = (owner[:, :, None] == owner[:, None, :]) & np.tri(width, k=-1, dtype=bool)
        gain[again.any(axis=2)] = 0
        votes = np.bincount(owner[gain > 0], gain[gain > 0], minlength=len(self.ids))
        order = np.argsort(-votes, kind="stable")[:most]
        return order[votes[order] > 0]


def build_gallery(
    ids: Sequence[str], read: Read, *, features: int = 500, seed: int = 0, progress: Progress = silent
) -> Gallery:
    """Extracts and indexes a gallery; it takes about 400 B a feature: 200 MB for 1,000 images of 500.

    Args:
        features: of each image, at most.
        seed: of the index's clustering.
    """
    extracted = list(_extracted(ids, read, features=features, progress=progress))
    counts = [len(image.points) for image in extracted]
    descriptors = (
        np.concatenate([image.descriptors for image in extracted]) if extracted else np.zeros((0, 128), np.uint8)
    )
    return Gallery(list(ids), extracted, _index(descriptors, seed=seed), np.repeat(np.arange(len(extracted)), counts))


def local_neighbours(
    queries: Sequence[str],
    read: Read,
    gallery: Gallery,
    *,
    k: int = 30,
    verified: int = 20,
    features: int = 500,
    progress: Progress = silent,
) -> pd.DataFrame:
    """Returns the images of a gallery that share a picture with each query, or with its mirror image.

    Args:
        queries: ids; one that is in the gallery is not its own neighbour.
        k: neighbours of a query, at most.
        verified: candidates of the query, and as many of its mirror image, whose geometry is looked at.
        features: of each query, at most.

    Returns:
        As :func:`cbir.index.faiss_index.read_neighbours`, with the similarity of :func:`similarity`: query_id, rank,
        neighbour_id, similarity, sorted by query_id and rank. Images that have nothing in common with the query are
        not listed, so lists may be short, or empty.
    """

    def search(query: str) -> list[tuple[str, int, str, float]]:
        pixels = read(query)
        agree = np.zeros(len(gallery.ids), np.int64)
        for side in (pixels, np.ascontiguousarray(pixels[:, ::-1])):
            own = extract(side, most=features)
            for position in gallery.candidates(own, most=verified + 1):
                if gallery.ids[position] != query:
                    agree[position] = max(agree[position], agreeing(own, gallery.features[position]))
        order = np.lexsort((np.asarray(gallery.ids), -agree))[:k]
        near = zip(order[agree[order] > 0], similarity(agree[order]), strict=False)
        return [(query, rank, gallery.ids[at], float(value)) for rank, (at, value) in enumerate(near, start=1)]

    ordered = sorted(queries)
    answers = side_by_side(search, ordered)
    rows = [row for answer in progress(answers, total=len(ordered), desc="match", unit="image") for row in answer]
    return pd.DataFrame(rows, columns=NEIGHBOURS.names).astype(
        {"query_id": "str", "rank": "int32", "neighbour_id": "str", "similarity": "float32"}
    )


def _extracted(ids: Sequence[str], read: Read, *, features: int, progress: Progress) -> Iterator[Features]:
    extracted = side_by_side(lambda image_id: extract(read(image_id), most=features), ids)
    yield from progress(extracted, total=len(ids), desc="SIFT", unit="image")


def _index(descriptors: NDArray[np.uint8], *, seed: int) -> Any:
    """Builds an index of lists around centres, of which a search looks at a few; a component of a descriptor takes a
    byte.
    """
    lists = max(1, min(round(len(descriptors) ** 0.5), len(descriptors) // _TRAINED_ON))
    coarse = faiss.IndexFlatL2(128)
    index = faiss.IndexIVFScalarQuantizer(coarse, 128, lists, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_L2)
    index.cp.seed, index.nprobe = seed, _PROBES
    index.cp.min_points_per_centroid = 1  # fewer are worse, but no matter for a warning
    if len(descriptors):
        sample = np.random.default_rng(seed).permutation(len(descriptors))[: lists * _TRAINED_ON]
        index.train(root_sift(descriptors[np.sort(sample)]))
    for start in range(0, len(descriptors), _BLOCK):
        index.add(root_sift(descriptors[start : start + _BLOCK]))
    return index
