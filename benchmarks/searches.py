"""Searches of a benchmark: queries, a gallery, what is right in it; their measures, and their ranking by embeddings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cbir.encoders.encoder import Encoder
from cbir.evaluation.retrieval.metrics import average_precision, micro_ap, pair_curve, recall_at_precision

MEASURES = ("map@10", "micro_ap", "recall at 90 % precision")

Pixels = NDArray[np.uint8]  # (H, W), grey


@dataclass(frozen=True)
class Search:
    """Queries, a gallery, and what is to be found.

    Attributes:
        queries, gallery: images.
        right: (queries, gallery) bool.
        itself: (queries, gallery) bool, true where both are the same file, which is no find.
    """

    queries: Sequence[Pixels]
    gallery: Sequence[Pixels]
    right: NDArray[np.bool_]
    itself: NDArray[np.bool_]


Rank = Callable[[Search], NDArray[np.float64]]  # the similarities (queries, gallery), the higher the more alike


def measures(similarity: NDArray[np.float64], search: Search) -> dict[str, float]:
    """Returns map@10 over the queries, and micro_ap and recall at 90 % precision over all pairs."""
    similarity = np.where(search.itself, -np.inf, similarity)
    order = np.argsort(-similarity, axis=1, kind="stable")
    hits = np.take_along_axis(search.right, order, axis=1)
    falling = np.argsort(-similarity[~search.itself], kind="stable")
    pairs, true = similarity[~search.itself][falling], search.right[~search.itself][falling]
    curve = pair_curve(pairs, true, float(search.right.sum()))
    values = (
        average_precision(hits, search.right.sum(axis=1), 10).mean(),
        micro_ap(curve),
        recall_at_precision(curve, 0.9),
    )
    return dict(zip(MEASURES, map(float, values), strict=True))


class Embedded:
    """The embeddings of images by an encoder; an image that several searches share is embedded once."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._known: dict[int, NDArray[np.float32]] = {}  # by the identity of an image, which the searches hold

    def vectors(self, images: Sequence[Pixels]) -> NDArray[np.float32]:
        """Returns the L2-normalised embeddings (n, d)."""
        new = [image for image in images if id(image) not in self._known]
        if new:
            self._known.update(zip(map(id, new), self._encoder.embed(new), strict=True))
        return np.stack([self._known[id(image)] for image in images])

    def cosines(self, search: Search) -> NDArray[np.float64]:
        """Returns the similarities of a search, (queries, gallery)."""
        return np.asarray(self.vectors(search.queries) @ self.vectors(search.gallery).T, np.float64)
