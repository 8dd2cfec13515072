"""Groups reprints as the field does today: vectors of a network of ImageNet, clustered by DBSCAN at one distance."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import DBSCAN

from benchmarks.searches import Embedded, Search

_DISTANCES = np.round(np.arange(0.02, 0.62, 0.02), 2)  # cosine distances that are tried


def best_distance(embedded: Embedded, searches: Mapping[str, Search]) -> float:
    """Returns the distance with the best F1 over the pairs of all searches."""
    counts = [np.sum([_counts(embedded, each, distance) for each in searches.values()], 0) for distance in _DISTANCES]
    return float(_DISTANCES[int(np.argmax([2 * hits / max(linked + total, 1) for hits, linked, total in counts]))])


def precision_and_recall(embedded: Embedded, search: Search, distance: float) -> tuple[float, float]:
    """Returns those of the pairs of a query and an image of the gallery that are in one cluster."""
    hits, linked, total = _counts(embedded, search, distance)
    return hits / max(linked, 1), hits / total


def _counts(embedded: Embedded, search: Search, distance: float) -> tuple[int, int, int]:
    """Returns the right pairs in clusters, all pairs in clusters, and all right pairs."""
    together = _together(embedded, search, distance) & ~search.itself
    return int((together & search.right).sum()), int(together.sum()), int(search.right.sum())


def _together(embedded: Embedded, search: Search, distance: float) -> NDArray[np.bool_]:
    gallery = embedded.vectors(search.gallery)
    within = search.itself.any()
    vectors = gallery if within else np.concatenate([gallery, embedded.vectors(search.queries)])
    labels = DBSCAN(eps=distance, min_samples=2, metric="cosine").fit_predict(vectors)
    own = labels[search.itself.argmax(axis=1)] if within else labels[len(gallery) :]
    return np.asarray((own[:, None] == labels[: len(gallery)]) & (own[:, None] >= 0), bool)
