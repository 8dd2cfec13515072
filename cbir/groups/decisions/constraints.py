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
    """Returns the components that may not meet, from pairs of positions (m, 2); a pair inside one binds no more."""
    apart: dict[int, set[int]] = defaultdict(set)
    for first, second in labels[pairs].tolist():
        if first != second:
            apart[first].add(second)
            apart[second].add(first)
    return dict(apart)


def within(apart: Apart, members: NDArray[np.int64]) -> Apart:
    """Returns the same among some sorted positions, numbered from 0."""
    local = {position: place for place, position in enumerate(members.tolist()) if position in apart}
    return {place: {local[other] for other in apart[position] if other in local} for position, place in local.items()}


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


def rejoin(
    clusters: Sequence[NDArray[np.int64]],
    before: Sequence[NDArray[np.int64]],
    likely: NDArray[np.int64],
    labels: NDArray[np.int64],
    apart: Apart,
) -> list[NDArray[np.int64]]:
    """Brings back to images that are together what was in a cluster with one of them before they were.

    Two clusters of which a pair is the same photograph are one: their other pairs may be unlikely, and would draw them
    apart again. Nothing comes back without a likely pair, or with others that were in none of the clusters.

    Args:
        clusters: positions, as :func:`expand` gives them.
        before: the same, of images that nothing puts together.
        likely: (m, 2) positions of pairs that reach the threshold.
        labels: (n,) component of each position.
        apart: as :func:`keep_apart` gives it; what it keeps apart stays so.
    """
    homes = {position: home for home in (set(part.tolist()) for part in clusters) for position in home}
    company = {position: part.tolist() for part in before for position in part.tolist()}
    near: dict[int, set[int]] = defaultdict(set)
    for first, second in likely.tolist():
        near[first].add(second)
        near[second].add(first)
    order = np.argsort(labels, kind="stable")
    for members in np.split(order, np.bincount(labels).cumsum()[:-1]):
        if len(members) > 1:
            wanted = {other for position in members.tolist() for other in company.get(position, ())}
            _gather(int(members[0]), wanted, homes, near, labels, apart)
    parts = {min(home): home for home in homes.values()}
    return [np.array(sorted(parts[first])) for first in sorted(parts)]


def _gather(
    first: int,
    wanted: AbstractSet[int],
    homes: dict[int, set[int]],
    near: Mapping[int, AbstractSet[int]],
    labels: NDArray[np.int64],
    apart: Apart,
) -> None:
    """Joins to the cluster of an image those of the wanted ones that may come, as long as one does."""
    own = homes[first]
    waiting = sorted(wanted - own)
    while waiting:
        for position in waiting:
            other = homes.get(position, {position})
            linked = any(near.get(member, set()) & own for member in other)
            if linked and other <= wanted and not _clash(own, other, labels, apart):
                homes.update(dict.fromkeys(other, own))
                own |= other
                break
        else:
            return
        waiting = [position for position in waiting if position not in own]


def _clash(own: set[int], other: set[int], labels: NDArray[np.int64], apart: Apart) -> bool:
    barred = {component for position in own for component in apart.get(int(labels[position]), ())}
    return any(int(labels[position]) in barred for position in other)
