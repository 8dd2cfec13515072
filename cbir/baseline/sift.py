"""Finds near-duplicates without learning: local features that agree on one geometry, as copies of a picture do."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cbir.base.display import Progress, silent
from cbir.index.neighbours import NEIGHBOURS
from cbir.matching.local.cores import on_each_core
from cbir.matching.local.correspondences import resemble
from cbir.matching.local.features import Features, Read, extract
from cbir.matching.local.geometry import find_geometry
from cbir.matching.local.voting import LocalIndex

_HALF = 20  # features that agree and give a similarity of one half


def agreeing(query: Features, other: Features) -> int:
    """Returns how many features of two images lie as one affine map says, 0 where fewer do than chance explains."""
    geometry = find_geometry(resemble(query, other))
    return len(geometry.inliers) if geometry is not None and geometry.log_nfa < 0 else 0


def similarity(agreeing: NDArray[np.int64]) -> NDArray[np.float32]:
    """Converts numbers of features that agree to 0..1, rising: n / (n + 20)."""
    return (agreeing / (agreeing + _HALF)).astype(np.float32)


@dataclass(frozen=True)
class Gallery:
    """The features of a gallery, and an index whose votes propose images by their position in ``ids``."""

    ids: Sequence[str]
    features: Sequence[Features]
    index: LocalIndex


def build_gallery(ids: Sequence[str], read: Read, *, features: int = 500, progress: Progress = silent) -> Gallery:
    """Extracts and indexes a gallery; it takes about 400 B a feature: 200 MB for 1,000 images of 500.

    Args:
        features: of each image, at most.
    """
    work = on_each_core(lambda image_id: extract(read(image_id), most=features), ids)
    extracted = list(progress(work, total=len(ids), desc="SIFT", unit="image"))
    index = LocalIndex()
    index.add(extracted)
    return Gallery(list(ids), extracted, index)


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
        own = extract(read(query), most=features)
        agree = np.zeros(len(gallery.ids), np.int64)
        for side in (own, own.mirrored):
            for position in gallery.index.candidates(side, most=verified + 1):
                if gallery.ids[position] != query:
                    agree[position] = max(agree[position], agreeing(side, gallery.features[position]))
        order = np.lexsort((np.asarray(gallery.ids), -agree))[:k]
        near = zip(order[agree[order] > 0], similarity(agree[order]), strict=False)
        return [(query, rank, gallery.ids[at], float(value)) for rank, (at, value) in enumerate(near, start=1)]

    ordered = sorted(queries)
    answers = on_each_core(search, ordered)
    rows = [row for answer in progress(answers, total=len(ordered), desc="match", unit="image") for row in answer]
    return pd.DataFrame(rows, columns=NEIGHBOURS.names).astype(
        {"query_id": "str", "rank": "int32", "neighbour_id": "str", "similarity": "float32"}
    )
