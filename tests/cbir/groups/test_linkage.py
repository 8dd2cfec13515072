"""Tests of cbir.groups.linkage."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from cbir.embedding.files import Embeddings
from cbir.groups.linkage import average_linkage, find_clusters, group_images, known_pairs, settle
from tests.support.manifests import image_id_of, manifest

Clusters = set[frozenset[int]]


def embeddings(vectors: np.ndarray, ids: Sequence[str] | None = None) -> Embeddings:
    named = [f"{place:032x}" for place in range(len(vectors))] if ids is None else list(ids)
    order = np.argsort(np.array(named, dtype=object))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return Embeddings(np.array(named, dtype=object)[order], unit[order].astype(np.float32), "digest")


def matches(of: Embeddings, *, k: int = 1000) -> pd.DataFrame:
    """The k nearest of each image, with their cosine as probability."""
    cosines = of.vectors.astype(float) @ of.vectors.T.astype(float)
    np.fill_diagonal(cosines, -np.inf)
    nearest = np.argsort(-cosines, axis=1)[:, : min(k, len(of.ids) - 1)]
    return pd.DataFrame(
        {
            "query_id": np.repeat(of.ids, nearest.shape[1]),
            "neighbour_id": of.ids[nearest.ravel()],
            "probability": np.take_along_axis(cosines, nearest, axis=1).ravel(),
        }
    )


def clustered(listed: pd.DataFrame, of: Embeddings, *, threshold: float) -> list[np.ndarray]:
    return find_clusters(*known_pairs(listed, of.ids), threshold=threshold)


def linked(of: Embeddings, *, threshold: float) -> Clusters:
    """The clusters of average linkage alone, where all pairs were looked at."""
    clusters = average_linkage(np.ones(len(of.ids), bool), *known_pairs(matches(of), of.ids), threshold=threshold)
    return as_sets([cluster for cluster in clusters if len(cluster) > 1])


def scenes(seed: int, *, scenes: int, images: int, dimension: int = 6, noise: float = 0.6) -> Embeddings:
    random = np.random.default_rng(seed)
    centres = random.standard_normal((scenes, dimension))
    vectors = centres[random.integers(0, scenes, images)] + noise * random.standard_normal((images, dimension))
    return embeddings(vectors)


def angles(*degrees: float) -> Embeddings:
    radians = np.radians(degrees)
    return embeddings(np.stack([np.cos(radians), np.sin(radians)], axis=1))


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


def archive(**degrees: float) -> Embeddings:
    """Embeddings of images by path, as angles."""
    paths = [path.replace("__", "/") for path in degrees]
    radians = np.radians(list(degrees.values()))
    return embeddings(np.stack([np.cos(radians), np.sin(radians)], axis=1), [image_id_of(path) for path in paths])


def test_a_group_is_named_by_its_first_member_by_accession_and_path() -> None:
    given = archive(b__1=0, a__9=1, a__2=2)
    groups = group_images(manifest("b/1", "a/9", "a/2"), matches(given), threshold=0.9)
    assert set(groups["group_id"]) == {image_id_of("a/2")}
    assert set(groups["image_id"]) == {image_id_of("b/1"), image_id_of("a/9"), image_id_of("a/2")}
    assert set(groups["evidence"]) == {"match"}


def test_ids_stay_when_a_later_accession_adds_members() -> None:
    before = archive(a__1=0, a__2=1, a__3=50, b__1=51, b__2=120)
    after = archive(a__1=0, a__2=1, a__3=50, b__1=51, b__2=120, c__1=0.5, c__2=52, c__3=121)
    first = group_images(manifest("a/1", "a/2", "a/3", "b/1", "b/2"), matches(before), threshold=0.97)
    paths = ["a/1", "a/2", "a/3", "b/1", "b/2", "c/1", "c/2", "c/3"]
    second = group_images(manifest(*paths), matches(after), threshold=0.97)
    assert set(first["group_id"]) == {image_id_of("a/1"), image_id_of("a/3")}
    assert set(second["group_id"]) == {image_id_of("a/1"), image_id_of("a/3"), image_id_of("b/2")}


def test_the_representative_has_the_most_pixels_and_is_the_first_of_those() -> None:
    given = archive(a__1=0, a__2=1, a__3=2)
    table = manifest("a/1", "a/2", "a/3")
    cases = [
        ((10, 30, 20), (10, 10, 10), "a/2"),
        ((10, 30, 30), (10, 10, 10), "a/2"),
        ((30, 30, 30), (10, 10, 10), "a/1"),
        ((10, 30, 20), (10, 10, 40), "a/3"),
        ((70_000, 30_000, 20), (70_000, 30_000, 20), "a/1"),  # more pixels than 32 bits hold
    ]
    for widths, heights, best in cases:
        table["width"], table["height"] = pd.array(widths, dtype="Int32"), pd.array(heights, dtype="Int32")
        groups = group_images(table, matches(given), threshold=0.9)
        assert groups.loc[groups["representative"], "image_id"].tolist() == [image_id_of(best)]


def test_similarity_is_the_mean_probability_over_the_pairs_with_other_members() -> None:
    given = archive(a__1=0, a__2=10, a__3=20)
    groups = group_images(manifest("a/1", "a/2", "a/3"), matches(given), threshold=0.9).set_index("image_id")
    ten, twenty = np.cos(np.radians([10, 20]))
    expected = {"a/1": (ten + twenty) / 2, "a/2": ten, "a/3": (ten + twenty) / 2}
    for path, similarity in expected.items():
        assert groups.loc[image_id_of(path), "similarity"] == round(similarity, 6)


def test_pictures_that_are_there_as_exact_copies_only_are_groups() -> None:
    given = archive(a__1=0, a__2=1, a__7=90, a__8=180)
    table = manifest(
        *("a/1", "a/2", "a/7", "a/8"),
        copies={"a/3": "a/1", "b/7": "a/7", "b/8": "a/8"},
        rejected={"a/x": "cut off", "a/y": "cut off"},
    )
    groups = group_images(table, matches(given), threshold=0.9).set_index("image_id")
    assert groups.loc[image_id_of("a/7")].to_dict() == {
        "group_id": image_id_of("a/7"),
        "representative": True,
        "similarity": 1.0,
        "evidence": "exact copy",
    }
    assert groups.loc[image_id_of("a/8"), "group_id"] == image_id_of("a/8")
    assert groups.loc[image_id_of("a/1"), "evidence"] == "match"
    assert len(groups) == 4


def test_the_table_is_sorted_by_group_and_image_and_its_rows_are_numbered() -> None:
    given = archive(b__1=0, a__1=1, a__2=90, b__2=91)
    groups = group_images(manifest("b/1", "a/1", "a/2", "b/2"), matches(given), threshold=0.9)
    rows = list(zip(groups["group_id"], groups["image_id"], strict=True))
    assert rows == sorted(rows)
    assert groups.index.tolist() == [0, 1, 2, 3]


def test_progress_counts_the_components() -> None:
    seen: list[dict[str, object]] = []

    def progress(parts: Sequence[object], **named: object) -> Sequence[object]:
        seen.append(named)
        return parts

    given = archive(a__1=0, a__2=1, a__3=90, a__4=91)
    table = manifest("a/1", "a/2", "a/3", "a/4")
    assert len(group_images(table, matches(given), threshold=0.9, progress=progress)) == 4
    assert seen == [{"total": 2, "desc": "group", "unit": "component"}]


def test_without_relatives_the_table_is_empty_and_keeps_its_columns() -> None:
    given = archive(a__1=0, a__2=90)
    groups = group_images(manifest("a/1", "a/2"), matches(given), threshold=0.9)
    assert groups.columns.tolist() == ["group_id", "image_id", "representative", "similarity", "evidence"]
    assert groups.empty


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
