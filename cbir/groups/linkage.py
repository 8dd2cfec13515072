"""Groups near-duplicates by average linkage over the probabilities of pairs, cut at a threshold.

A chain of weak links must not join what does not belong together, so two clusters are joined only while the *mean*
probability over the pairs between them reaches the threshold (UPGMA: Sokal & Michener, 1958). A pair that was not
looked at is unlikely if the list of one of its images goes on to strangers; a list full of relatives says nothing about
others. Such pairs between two clusters count as one, for lists are short: a link joins two images, and two groups only
with others. Then each image moves to the cluster that its pairs speak for most, for the strongest link may be a false
one, and is joined first. Only pairs that were looked at are held: memory is theirs, whatever the size of a cluster.
"""

import heapq
from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from cbir.archive.manifest import in_order, unique_images
from cbir.progress import Progress, silent

UNSEEN = 0.02  # probability of a pair that was not looked at, where one of the two met strangers
_STRANGER = 0.5  # a less likely pair is one of strangers
_DECIMALS = 9  # beyond them, equal means differ by the order of summation


def group_images(
    manifest: pd.DataFrame,
    matches: pd.DataFrame,
    *,
    threshold: float,
    progress: Progress = silent,
) -> pd.DataFrame:
    """Returns the groups of an archive: images that show the same photograph, and pictures that are there as exact
    copies only.

    Args:
        manifest: as ``cbir.archive.manifest.read_manifest`` gives it.
        matches: query_id, neighbour_id, probability, in any order, a pair in one direction or both.
        threshold: probability that the mean between two clusters must reach for them to be one.

    Returns:
        One row an image of a group, sorted by group_id and image_id. group_id: the image_id of the group's first member
        by accession, path and page, which stays when later accessions add members. representative: true for the best
        copy, the one with the most pixels, and of those the first by accession, path and page. similarity: mean
        probability over its pairs with other members. evidence: ``match``, or ``exact copy`` for an image in several
        files without any other relative, whose similarity is 1.
    """
    images = unique_images(manifest)
    ids = images["image_id"].to_numpy(object)
    pairs = known_pairs(matches, ids)
    clusters = find_clusters(*pairs, threshold=threshold, progress=progress)
    related = pd.DataFrame(
        {
            "image_id": np.concatenate([ids[:0], *(ids[cluster] for cluster in clusters)]),
            "cluster": np.repeat(np.arange(len(clusters)), [len(cluster) for cluster in clusters]),
            "similarity": _to_the_others(clusters, *pairs),
            "evidence": "match",
        }
    )
    copies = manifest.loc[manifest["status"] == "ok", "image_id"].value_counts(sort=False)
    copied = np.setdiff1d(copies.index[copies > 1].to_numpy(object), related["image_id"].to_numpy(object))
    numbers = len(clusters) + np.arange(len(copied))
    alone = pd.DataFrame({"image_id": copied, "cluster": numbers, "similarity": 1.0, "evidence": "exact copy"})
    return _name(pd.concat([part for part in (related, alone) if len(part)] or [related]), images)


def _name(clusters: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """Gives each cluster its group_id and its representative."""
    facts = ["image_id", "width", "height", "accession", "path", "page"]
    table = in_order(clusters.merge(images[facts], on="image_id", validate="one_to_one"))
    table = table.sort_values("cluster", kind="stable", ignore_index=True)
    table["group_id"] = table.groupby("cluster")["image_id"].transform("first")
    pixels = table["width"].astype("int64") * table["height"].astype("int64")
    best = pixels.groupby(table["cluster"]).idxmax()  # the first of the largest
    table["representative"] = table.index.isin(best)
    columns = ["group_id", "image_id", "representative", "similarity", "evidence"]
    return table.sort_values(["group_id", "image_id"], ignore_index=True)[columns]


def known_pairs(matches: pd.DataFrame, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the pairs that were looked at, each once: positions in ``ids`` (m, 2), the smaller first, and their
    probabilities (m,).
    """
    index = pd.Index(ids)
    first, second = index.get_indexer(matches["query_id"]), index.get_indexer(matches["neighbour_id"])
    keys = np.minimum(first, second).astype(np.int64) * max(len(ids), 1) + np.maximum(first, second)
    keys, rows = np.unique(keys, return_index=True)
    pairs = np.stack([keys // max(len(ids), 1), keys % max(len(ids), 1)], axis=1)
    return pairs, matches["probability"].to_numpy(np.float64)[rows]


def find_clusters(
    pairs: np.ndarray, probabilities: np.ndarray, *, threshold: float, progress: Progress = silent
) -> list[np.ndarray]:
    """Finds average-linkage clusters of two images and more, as sorted positions, by their first position.

    Args:
        pairs, probabilities: as :func:`known_pairs` gives them.
        threshold: the least mean probability between two clusters that are joined; above ``UNSEEN``.
    """
    clusters: list[np.ndarray] = []
    components = list(_components(pairs, probabilities >= threshold))
    strangers = np.unique(pairs[probabilities < _STRANGER])
    for members, inside in progress(components, total=len(components), desc="group", unit="component"):
        local, met = np.searchsorted(members, pairs[inside]), np.isin(members, strangers)
        parts = average_linkage(met, local, probabilities[inside], threshold=threshold)
        parts = settle(parts, met, local, probabilities[inside], threshold=threshold)
        clusters.extend(members[part] for part in parts if len(part) > 1)
    return sorted(clusters, key=lambda cluster: int(cluster[0]))


def _components(pairs: np.ndarray, linked: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields connected components of the graph of linked pairs: sorted positions (n,), and the rows of all ``pairs``
    that are inside.
    """
    if not linked.any():
        return
    labels = _labels(pairs[linked], int(pairs.max()) + 1)
    inside = np.flatnonzero(labels[pairs[:, 0]] == labels[pairs[:, 1]])
    order = np.argsort(labels[pairs[inside, 0]], kind="stable")
    rows = inside[order]
    starts = np.flatnonzero(np.r_[True, np.diff(labels[pairs[rows, 0]]) != 0])
    for block in np.split(rows, starts[1:]):
        yield np.unique(pairs[block]), block


def _labels(linked: np.ndarray, count: int) -> np.ndarray:
    """Returns the number of the connected component of each of ``count`` images, linked by pairs (m, 2)."""
    graph = coo_array((np.ones(len(linked), dtype=bool), (linked[:, 0], linked[:, 1])), shape=(count, count))
    labels: np.ndarray = connected_components(graph, directed=False)[1]
    return labels


def average_linkage(
    met: NDArray[np.bool_], pairs: np.ndarray, probabilities: np.ndarray, *, threshold: float
) -> list[np.ndarray]:
    """Joins the most likely clusters while their mean probability reaches the threshold (UPGMA cut at a probability).

    Args:
        met: (n,) whether the list of each image goes on to strangers.
        pairs: (m, 2) positions of the pairs that were looked at, each once.
        probabilities: (m,) of those.
        threshold: the least mean probability between two clusters that are joined.

    Returns:
        The clusters, each the sorted positions of its members, by their first position; single images too.
    """
    clusters = _Clusters(met, pairs, probabilities)
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

    def __init__(self, met: NDArray[np.bool_], pairs: np.ndarray, probabilities: np.ndarray) -> None:
        self.members = [[position] for position in range(len(met))]
        self.silent = (~met).astype(int).tolist()  # members that met no strangers
        self.known: list[dict[int, tuple[float, int, int]]] = [{} for _ in range(len(met))]
        quiet = (~met[pairs].any(axis=1)).astype(int).tolist()
        for (first, second), probability, mute in zip(pairs.tolist(), probabilities.tolist(), quiet, strict=True):
            self.known[first][second] = self.known[second][first] = (probability, 1, mute)

    def push(self, queue: list[tuple[float, int, int]], cluster: int, threshold: float) -> None:
        """Queues the joins of a cluster that reach the threshold, the most likely first to be popped."""
        for other, (total, known, mute) in self.known[cluster].items():
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
    *,
    threshold: float,
) -> list[np.ndarray]:
    """Moves images to the cluster that their pairs speak for most, until none wants to move (correlation clustering).

    A pair speaks for its cluster by its probability less the threshold. Each move raises the sum over all pairs inside
    clusters, so there is an end. A cluster that no likely pairs hold together any more falls apart.

    Args:
        clusters: as :func:`average_linkage` gives them; the other arguments are its own.
    """
    homes = _Homes(clusters, met, pairs, probabilities, threshold)
    waiting = dict.fromkeys(range(len(met)))
    while waiting:
        image = next(iter(waiting))
        del waiting[image]
        if homes.move(image):
            waiting |= dict.fromkeys(homes.near[image])
    held = (homes.home[pairs[:, 0]] == homes.home[pairs[:, 1]]) & (probabilities >= threshold)
    labels = _labels(pairs[held], len(met))
    return _by_first([np.flatnonzero(labels == label).tolist() for label in np.unique(labels)])


class _Homes:
    """Keeps the cluster of each image, and what its pairs say of any other."""

    def __init__(
        self,
        clusters: list[np.ndarray],
        met: NDArray[np.bool_],
        pairs: np.ndarray,
        probabilities: np.ndarray,
        threshold: float,
    ) -> None:
        self.home = np.empty(len(met), np.int64)
        self.near: list[dict[int, float]] = [{} for _ in met]
        self._met, self._threshold = met, threshold
        self._size = [len(cluster) for cluster in clusters]
        self._size_met = [int(met[cluster].sum()) for cluster in clusters]
        for number, cluster in enumerate(clusters):
            self.home[cluster] = number
        for (first, second), probability in zip(pairs.tolist(), probabilities.tolist(), strict=True):
            self.near[first][second] = self.near[second][first] = probability

    def move(self, image: int) -> bool:
        """Moves an image to the best cluster among those of its pairs; returns whether that is another one."""
        own = int(self.home[image])
        choices = sorted({int(self.home[other]) for other in self.near[image]} - {own})
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


def _to_the_others(clusters: list[np.ndarray], pairs: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Returns each member's mean probability over its pairs with other members, cluster by cluster."""
    if not clusters:
        return np.empty(0)
    members = np.concatenate(clusters)
    cluster_of = np.full(int(pairs.max()) + 1, -1)
    cluster_of[members] = np.repeat(np.arange(len(clusters)), [len(cluster) for cluster in clusters])
    inside = (cluster_of[pairs[:, 0]] == cluster_of[pairs[:, 1]]) & (cluster_of[pairs[:, 0]] >= 0)
    ends, weights = pairs[inside].ravel(order="F"), np.tile(probabilities[inside], 2)
    return (np.bincount(ends, weights)[members] / np.bincount(ends)[members]).round(6)
