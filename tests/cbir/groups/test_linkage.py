"""Tests of cbir.groups.linkage."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from cbir.embedding.files import Embeddings
from cbir.groups.grouping import known_pairs
from cbir.groups.linkage import average_linkage, find_clusters, settle
from tests.support.directions import angles, embeddings, matches, scenes

Clusters = set[frozenset[int]]


def clustered(listed: pd.DataFrame, of: Embeddings, *, threshold: float) -> list[np.ndarray]:
    return find_clusters(*known_pairs(listed, of.ids), threshold=threshold)


def linked(of: Embeddings, *, threshold: float) -> Clusters:
    """The clusters of average linkage alone, where all pairs were looked at."""
    clusters = average_linkage(np.ones(len(of.ids), bool), *known_pairs(matches(of), of.ids), threshold=threshold)
    return as_sets([cluster for cluster in clusters if len(cluster) > 1])


def naive_upgma(vectors: np.ndarray, threshold: float) -> Clusters:
    """Join the two clusters with the highest mean over all pairs, as long as it reaches the threshold."""
    cosines = vectors.astype(float) @ vectors.T.astype(float)
    clusters = [[place] for place in range(len(vectors))]
    while len(clusters) > 1:
        means = {
            (a, b): cosines[np.ix_(clusters[a], clusters[b])].mean()
            for a in range(len(clusters))
            for b in range(a + 1, len(clusters))
        }
        (a, b), best = max(means.items(), key=lambda item: item[1])
        if best < threshold:
            break
        clusters[a] += clusters.pop(b)
    return {frozenset(cluster) for cluster in clusters if len(cluster) > 1}


def as_sets(clusters: Sequence[np.ndarray]) -> Clusters:
    return {frozenset(cluster.tolist()) for cluster in clusters}


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), images=st.integers(2, 25), threshold=st.floats(0.3, 0.99))
def test_the_clusters_are_those_of_naive_average_linkage(seed: int, images: int, threshold: float) -> None:
    given = scenes(seed, scenes=5, images=images)
    assert linked(given, threshold=threshold) == naive_upgma(given.vectors, threshold)


def test_the_clusters_are_those_of_scipy_at_a_few_hundred_images() -> None:
    given = scenes(1, scenes=40, images=400, dimension=16, noise=0.35)
    cosines = given.vectors.astype(float) @ given.vectors.T.astype(float)
    tree = linkage(squareform(1 - cosines, checks=False), "average")
    labels = pd.Series(fcluster(tree, 1 - 0.8, criterion="distance"))
    expected = {frozenset(places) for places in labels.groupby(labels).groups.values() if len(places) > 1}
    assert linked(given, threshold=0.8) == expected
    assert len(expected) > 20


def test_short_neighbour_lists_do_not_tear_a_large_group() -> None:
    random = np.random.default_rng(0)
    near = np.eye(32)[0] + 0.02 * random.standard_normal((120, 32))
    other = np.eye(32)[1] + 0.02 * random.standard_normal((120, 32))
    given = embeddings(np.concatenate([near, other]))
    clusters = clustered(matches(given, k=10), given, threshold=0.9)
    assert as_sets(clusters) == {frozenset(range(120)), frozenset(range(120, 240))}


def test_a_chain_of_weak_links_is_not_one_group() -> None:
    given = angles(*range(0, 200, 20))  # each neighbour at cosine 0.94, the ends at -1
    clusters = clustered(matches(given), given, threshold=0.9)
    assert len(clusters) > 1
    for cluster in clusters:
        cosines = given.vectors[cluster] @ given.vectors[cluster].T
        assert cosines.min() > 0.75


def test_one_bridge_does_not_join_two_groups() -> None:
    given = angles(0, 1, 2, 3, 15, 27, 28, 29, 30)  # 15 is within cos 0.96 of both sides, whose cosine is 0.88
    clusters = as_sets(clustered(matches(given), given, threshold=0.96))
    assert not any({0, 8} <= cluster for cluster in clusters)
    assert {len(cluster) for cluster in clusters} == {4, 5}


def test_clusters_come_by_their_first_member() -> None:
    given = angles(0, 90, 91, 1)
    clusters = clustered(matches(given), given, threshold=0.9)
    assert [cluster.tolist() for cluster in clusters] == [[0, 3], [1, 2]]


def test_a_probability_that_is_the_threshold_joins() -> None:
    given = embeddings(np.array([[1.0, 0, 0, 0], [0.5, 0.5, 0.5, 0.5]]))
    assert as_sets(clustered(matches(given), given, threshold=0.5)) == {frozenset({0, 1})}


def test_the_order_of_the_matches_leaves_no_trace() -> None:
    given = scenes(3, scenes=6, images=60)
    listed = matches(given)
    shuffled = listed.sample(frac=1, random_state=1)
    one_direction = listed[listed["query_id"] < listed["neighbour_id"]]
    expected = as_sets(clustered(listed, given, threshold=0.7))
    assert as_sets(clustered(shuffled, given, threshold=0.7)) == expected
    assert as_sets(clustered(one_direction, given, threshold=0.7)) == expected


def test_linked_images_below_the_threshold_stay_alone() -> None:
    alone = average_linkage(np.ones(2, bool), np.array([[0, 1]]), np.array([0.5]), threshold=0.9)
    assert [cluster.tolist() for cluster in alone] == [[0], [1]]


def listed(*rows: tuple[str, str, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["query_id", "neighbour_id", "probability"])


def clusters_of(*rows: tuple[str, str, float], threshold: float) -> list[str]:
    """The clusters of images that have one letter each."""
    ids = np.array(sorted({image for row in rows for image in row[:2]}), object)
    clusters = find_clusters(*known_pairs(listed(*rows), ids), threshold=threshold)
    return ["".join(ids[cluster]) for cluster in clusters]


def test_a_pair_that_was_not_looked_at_counts_as_unlikely_where_a_list_goes_on_to_strangers() -> None:
    chain = [("a", "b", 1.0), ("b", "c", 0.98)]
    assert clusters_of(*chain, ("a", "x", 0.01), threshold=0.6) == ["ab"]
    assert clusters_of(*chain, ("a", "x", 0.01), threshold=0.4) == ["abc"]
    assert clusters_of(*chain, threshold=0.6) == ["abc"]


def test_the_strongest_link_does_not_join_two_groups_if_it_is_the_only_one() -> None:
    inside = [(a, b, 0.97) for trio in ("abc", "def") for a in trio for b in trio if a < b]
    strangers = [(a, "x", 0.01) for a in "abcdef"]
    assert clusters_of(*inside, ("c", "d", 1.0), *strangers, threshold=0.9) == ["abc", "def"]
    across = [(a, b, 0.01) for a in "abc" for b in "def" if a + b != "cd"]
    assert clusters_of(*inside, ("c", "d", 1.0), *across, threshold=0.5) == ["abc", "def"]


def test_what_a_moved_image_leaves_behind_stays_together_only_by_likely_pairs() -> None:
    pairs = np.array([[0, 1], [0, 2], [0, 3], [0, 4], [3, 4], [1, 2]])
    probabilities = np.array([0.6, 0.6, 0.9, 0.9, 0.9, 0.1])
    start = [np.array([0, 1, 2]), np.array([3, 4])]
    settled = settle(start, np.ones(5, bool), pairs, probabilities, threshold=0.5)
    assert [cluster.tolist() for cluster in settled] == [[0, 3, 4], [1], [2]]


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), threshold=st.floats(0.3, 0.9))
def test_no_image_speaks_more_for_another_cluster_than_for_its_own(seed: int, threshold: float) -> None:
    given = scenes(seed, scenes=4, images=20)
    clusters = clustered(matches(given), given, threshold=threshold)
    excess = given.vectors.astype(float) @ given.vectors.T.astype(float) - threshold
    for own in clusters:
        for image in own:
            stays = excess[image, own[own != image]].sum()
            moves = [excess[image, other].sum() for other in clusters if other is not own]
            assert max(moves, default=-np.inf) <= max(stays, 0) + 1e-6
