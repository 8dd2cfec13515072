"""Turns what binds pairs into a smaller problem: images that must be together are one image to the clustering."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Apart = Mapping[int, AbstractSet[int]]
"""By the position of an image those of the images that may not be in one cluster with it, both ways."""


def component_labels(linked: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Returns the number of the connected component of each of ``count`` images, linked by pairs (m, 2); components
    are numbered by their first image.
    """
    graph = coo_array((np.ones(len(linked), dtype=bool), (linked[:, 0], linked[:, 1])), shape=(count, count))
    _, first, labels = np.unique(connected_components(graph, directed=False)[1], return_index=True, return_inverse=True)
    numbers: NDArray[np.int64] = np.argsort(np.argsort(first))[labels]
    return numbers


def contract(
    pairs: NDArray[np.int64], probabilities: NDArray[np.float64], labels: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Returns the pairs between components, each once, and their probabilities: that of the likeliest pair.

    A low probability says most often that nothing was found, a high one that something was. So what speaks for any of
    the images that show the same photograph speaks for all.

    Args:
        pairs, probabilities: positions (m, 2) and (m,).
        labels: (n,) component of each position.
    """
    ends = np.sort(labels[pairs], axis=1)
    between = ends[:, 0] != ends[:, 1]
    count = int(labels.max(initial=0)) + 1
    keys, place = np.unique(ends[between, 0] * count + ends[between, 1], return_inverse=True)
    likeliest = np.full(len(keys), -np.inf)
    np.maximum.at(likeliest, place, probabilities[between])
    return np.stack([keys // count, keys % count], axis=1), likeliest


def keep_apart(pairs: NDArray[np.int64], labels: NDArray[np.int64]) -> Apart:
    """Returns the components that may not meet, from pairs of positions (m, 2); a pair inside a component binds no more."""
    apart: dict[int, set[int]] = defaultdict(set)
    for first, second in labels[pairs].tolist():
        if first != second:
            apart[first].add(second)
            apart[second].add(first)
    return dict(apart)


def within(apart: Apart, members: NDArray[np.int64]) -> Apart:
    """Returns the same among some sorted positions, numbered from 0."""
    local = {position: place for place, position in enumerate(members.tolist()) if position in apart}
    return {
        place: {local[other] for other in apart[position] if other in local} for position, place in local.items()
    }


def expand(clusters: Sequence[NDArray[np.int64]], labels: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Returns clusters of components as sorted positions, with the components of several images that are in none of
    them; by their first position.
    """
    sizes = np.bincount(labels)
    members = np.split(np.argsort(labels, kind="stable"), sizes.cumsum()[:-1])
    taken = {component for cluster in clusters for component in cluster.tolist()}
    alone = [[component] for component in np.flatnonzero(sizes > 1).tolist() if component not in taken]
    parts = [*(cluster.tolist() for cluster in clusters), *alone]
    positions = [np.sort(np.concatenate([members[component] for component in part])) for part in parts]
    return sorted(positions, key=lambda cluster: int(cluster[0]))
