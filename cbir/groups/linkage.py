"""Groups near-duplicates by average linkage over the probabilities of pairs, cut at a threshold.

A chain of weak links must not join what does not belong together, so two clusters are joined only while the *mean*
probability over the pairs between them reaches the threshold (UPGMA: Sokal & Michener, 1958). A pair that was not
looked at is unlikely if the list of one of its images goes on to strangers; a list full of relatives says nothing about
others. Such pairs between two clusters count as one, for lists are short: a link joins two images, and two groups only
with others. Then each image moves to the cluster that its pairs speak for most, for the strongest link may be a false
one, and is joined first. Images that may not be together never are, neither at the joins nor at the moves. Only pairs
that were looked at are held: memory is theirs, whatever the size of a cluster.
"""

import heapq
from collections.abc import Iterable, Iterator
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from cbir.base.display import Progress, silent
from cbir.groups.decisions.constraints import Apart, component_labels, within

UNSEEN = 0.02  # probability of a pair that was not looked at, where one of the two met strangers
_STRANGER = 0.5  # a less likely pair is one of strangers
_DECIMALS = 9  # beyond them, equal means differ by the order of summation
FREE: Apart = MappingProxyType({})  # any two may be together


def find_clusters(
    pairs: np.ndarray,
    probabilities: np.ndarray,
    *,
    threshold: float,
    apart: Apart = FREE,
    progress: Progress = silent,
) -> list[np.ndarray]:
    """Finds average-linkage clusters of two images and more, as sorted positions, by their first position.

    Args:
        pairs, probabilities: as :func:`cbir.groups.grouping.known_pairs` gives them.
        threshold: the least mean probability between two clusters that are joined; above ``UNSEEN``.
        apart: positions that may not be in one cluster.
    """
    clusters: list[np.ndarray] = []
    components = list(_components(pairs, probabilities >= threshold))
    strangers = np.unique(pairs[probabilities < _STRANGER])
    for members, inside in progress(components, total=len(components), desc="group", unit="component"):
        local, met = np.searchsorted(members, pairs[inside]), np.isin(members, strangers)
        known = local, probabilities[inside], within(apart, members)
        parts = average_linkage(met, *known, threshold=threshold)
        parts = settle(parts, met, *known, threshold=threshold)
        clusters.extend(members[part] for part in parts if len(part) > 1)
    return sorted(clusters, key=lambda cluster: int(cluster[0]))


def _components(pairs: np.ndarray, linked: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields connected components of the graph of linked pairs: sorted positions (n,), and the rows of all ``pairs``
    that are inside.
    """
    if not linked.any():
        return
    labels = component_labels(pairs[linked], int(pairs.max()) + 1)
    inside = np.flatnonzero(labels[pairs[:, 0]] == labels[pairs[:, 1]])
    order = np.argsort(labels[pairs[inside, 0]], kind="stable")
    rows = inside[order]
    starts = np.flatnonzero(np.r_[True, np.diff(labels[pairs[rows, 0]]) != 0])
    for block in np.split(rows, starts[1:]):
        yield np.unique(pairs[block]), block


def average_linkage(
    met: NDArray[np.bool_], pairs: np.ndarray, probabilities: np.ndarray, apart: Apart = FREE, *, threshold: float
) -> list[np.ndarray]:
    """Joins the most likely clusters while their mean probability reaches the threshold (UPGMA cut at a probability).

    Args:
        met: (n,) whether the list of each image goes on to strangers.
        pairs: (m, 2) positions of the pairs that were looked at, each once.
        probabilities: (m,) of those.
        apart: positions that may not be in one cluster.
        threshold: the least mean probability between two clusters that are joined.

    Returns:
        The clusters, each the sorted positions of its members, by their first position; single images too.
    """
    clusters = _Clusters(met, pairs, probabilities, apart)
    queue: list[tuple[float, int, int]] = []
    for cluster in range(len(met)):
        clusters.push(queue, cluster, threshold)
    while queue:
        _, cluster, other = heapq.heappop(queue)
        if clusters.members[cluster] and clusters.members[other]:
            clusters.push(queue, clusters.join(cluster, other), threshold)
    return _by_first(clusters.members)


def _by_first(clusters: Iterable[list[int]]) -> list[np.ndarray]:
    positions = [np.array(sorted(members)) for members in clusters if members]
    return sorted(positions, key=lambda members: int(members[0]))


class _Clusters:
    """Keeps clusters by number: a join makes a new one, and its two parts are empty from then on.

    For each cluster and each other that pairs lead to, it holds the sum of their probabilities, their number, and the
    number of those in which neither image met strangers.
    """

    def __init__(self, met: NDArray[np.bool_], pairs: np.ndarray, probabilities: np.ndarray, apart: Apart) -> None:
        self.members = [[position] for position in range(len(met))]
        self.silent = (~met).astype(int).tolist()  # members that met no strangers
        self.apart = [set(apart.get(position, ())) for position in range(len(met))]
        self.known: list[dict[int, tuple[float, int, int]]] = [{} for _ in range(len(met))]
        quiet = (~met[pairs].any(axis=1)).astype(int).tolist()
        for (first, second), probability, mute in zip(pairs.tolist(), probabilities.tolist(), quiet, strict=True):
            self.known[first][second] = self.known[second][first] = (probability, 1, mute)

    def push(self, queue: list[tuple[float, int, int]], cluster: int, threshold: float) -> None:
        """Queues the joins of a cluster that may be and reach the threshold, the most likely first to be popped."""
        for other, (total, known, mute) in self.known[cluster].items():
            if other in self.apart[cluster]:
                continue
            every = len(self.members[cluster]) * len(self.members[other])
            unseen = min(every - known - (self.silent[cluster] * self.silent[other] - mute), 1)
            mean = round((total + unseen * UNSEEN) / (known + unseen), _DECIMALS)
            if mean >= threshold:
                heapq.heappush(queue, (-mean, min(cluster, other), max(cluster, other)))

    def join(self, cluster: int, other: int) -> int:
        """Puts two clusters together; returns the number of the new one."""
        new = len(self.members)
        self.members.append(self.members[cluster] + self.members[other])
        self.silent.append(self.silent[cluster] + self.silent[other])
        self.apart.append(self.apart[cluster] | self.apart[other])
        for barred in self.apart[new]:
            self.apart[barred] = self.apart[barred] - {cluster, other} | {new}
        together: dict[int, tuple[float, int, int]] = {}
        for part in (cluster, other):
            for linked, (total, known, mute) in self.known[part].items():
                before = together.get(linked, (0.0, 0, 0))
                together[linked] = (before[0] + total, before[1] + known, before[2] + mute)
                self.known[linked].pop(part)
            self.members[part], self.known[part] = [], {}
        together.pop(other, None)
        for linked, sums in together.items():
            self.known[linked][new] = sums
        self.known.append(together)
        return new


def settle(
    clusters: list[np.ndarray],
    met: NDArray[np.bool_],
    pairs: np.ndarray,
    probabilities: np.ndarray,
    apart: Apart = FREE,
    *,
    threshold: float,
) -> list[np.ndarray]:
    """Moves images to the cluster that their pairs speak for most, until none wants to move (correlation clustering).

    A pair speaks for its cluster by its probability less the threshold. Each move raises the sum over all pairs inside
    clusters, so there is an end. A cluster that no likely pairs hold together any more falls apart.

    Args:
        clusters: as :func:`average_linkage` gives them; the other arguments are its own.
    """
    homes = _Homes(clusters, met, pairs, probabilities, apart, threshold)
    waiting = dict.fromkeys(range(len(met)))
    while waiting:
        image = next(iter(waiting))
        del waiting[image]
        if homes.move(image):
            waiting |= dict.fromkeys([*homes.near[image], *sorted(apart.get(image, ()))])
    held = (homes.home[pairs[:, 0]] == homes.home[pairs[:, 1]]) & (probabilities >= threshold)
    labels = component_labels(pairs[held], len(met))
    return _by_first([np.flatnonzero(labels == label).tolist() for label in np.unique(labels)])


class _Homes:
    """Keeps the cluster of each image, and what its pairs say of any other."""

    def __init__(
        self,
        clusters: list[np.ndarray],
        met: NDArray[np.bool_],
        pairs: np.ndarray,
        probabilities: np.ndarray,
        apart: Apart,
        threshold: float,
    ) -> None:
        self.home = np.empty(len(met), np.int64)
        self.near: list[dict[int, float]] = [{} for _ in met]
        self._met, self._apart, self._threshold = met, apart, threshold
        self._size = [len(cluster) for cluster in clusters]
        self._size_met = [int(met[cluster].sum()) for cluster in clusters]
        for number, cluster in enumerate(clusters):
            self.home[cluster] = number
        for (first, second), probability in zip(pairs.tolist(), probabilities.tolist(), strict=True):
            self.near[first][second] = self.near[second][first] = probability

    def move(self, image: int) -> bool:
        """Moves an image to the best cluster among those of its pairs that may be; returns whether that is another."""
        own = int(self.home[image])
        barred = {int(self.home[other]) for other in self._apart.get(image, ())}
        choices = sorted({int(self.home[other]) for other in self.near[image]} - barred - {own})
        best = max(choices, key=lambda number: self._speaks(image, number), default=own)
        if best == own or self._speaks(image, best) <= max(self._speaks(image, own), 0):
            return False
        for number, step in ((own, -1), (best, 1)):
            self._size[number] += step
            self._size_met[number] += step * int(self._met[image])
        self.home[image] = best
        return True

    def _speaks(self, image: int, number: int) -> float:
        """Returns what the pairs of an image and the other members of a cluster say, above 0 for and below against."""
        heard = [other for other in self.near[image] if self.home[other] == number]
        itself = int(self.home[image] == number)
        if self._met[image]:
            unseen = self._size[number] - itself - len(heard)
        else:
            unseen = self._size_met[number] - int(self._met[heard].sum())
        total = sum(self.near[image][other] for other in heard) + unseen * UNSEEN
        return round(total - (len(heard) + unseen) * self._threshold, _DECIMALS)
