"""Tests of cbir.evaluation.retrieval.evaluation."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cbir.evaluation.retrieval.evaluation import Evaluation, evaluate_retrieval, metrics_document, query_table
from cbir.evaluation.retrieval.threshold import published, threshold_document
from tests.support.retrievals import Archive, archive, scattered


def evaluate(made: Archive, **changes: Any) -> Evaluation:
    task = made.task(**{name: changes.pop(name) for name in ("relevance", "gallery") if name in changes})
    options = {"queries": "test", "rule": "f1", "target_precision": 0.95, "default_threshold": 0.9}
    return evaluate_retrieval(task, made.vectors, made.neighbours, **(options | {"resamples": 50, "seed": 0} | changes))


HARD = scattered(groups=30, distractors=60, noise=1.1, seed=1)


def test_the_metrics_are_the_means_over_the_test_queries() -> None:
    evaluation = evaluate(HARD)
    table = query_table(evaluation, HARD.vectors)
    assert set(table["split"]) == {"test"}
    assert len(table) == 30
    for name in ("map@10", "recall@5", "ndcg@10", "mrr"):
        assert evaluation.metrics[name] == pytest.approx(table[name].mean())
        assert 0 < table[name].mean() < 1


def test_a_query_with_a_group_of_its_own_changes_no_ranked_metric() -> None:
    lonely = HARD.groundtruth.copy()
    lonely.loc[lonely["group_id"].isna(), "group_id"] = [f"alone{n}" for n in range(60)]
    lonely["split"] = lonely["split"].fillna("test")
    other = Archive(HARD.ids, HARD.vectors, lonely, HARD.neighbours)
    assert evaluate(other).metrics == evaluate(HARD).metrics


def test_all_queries_are_every_labelled_image_and_leave_the_threshold_and_its_reading_alone() -> None:
    tested, every = evaluate(HARD), evaluate(HARD, queries="all")
    assert len(every.lists.queries) == 90
    for name in ("threshold", "threshold_precision", "threshold_recall", "threshold_f1"):
        assert every.metrics[name] == tested.metrics[name]
        assert every.intervals[name] == tested.intervals[name]
    assert every.metrics["map@10"] != tested.metrics["map@10"]


def test_the_threshold_depends_on_the_validation_groups_alone() -> None:
    before = evaluate(HARD).threshold
    truth = HARD.groundtruth.copy()
    truth.loc[truth["split"] == "test", "group_id"] = None
    after = evaluate(Archive(HARD.ids, HARD.vectors, truth, HARD.neighbours)).threshold
    assert after == before
    assert before.rule == "f1"


def test_without_validation_groups_the_threshold_is_the_default_whatever_test_holds() -> None:
    truth = HARD.groundtruth.assign(split=HARD.groundtruth["split"].replace("val", "train"))
    evaluation = evaluate(Archive(HARD.ids, HARD.vectors, truth, HARD.neighbours), default_threshold=0.5)
    assert (evaluation.threshold.value, evaluation.threshold.rule) == (0.5, "default")
    assert evaluation.metrics["threshold_precision"] is not None
    assert "threshold" not in evaluation.intervals


def test_the_labelled_gallery_is_easier_than_the_whole_archive() -> None:
    labelled, whole = evaluate(HARD, gallery="labelled"), evaluate(HARD)
    assert (labelled.metrics["map@10"] or 0) > (whole.metrics["map@10"] or 0)
    assert metrics_document(labelled)["counts"]["distractors"] == 0


def test_every_metric_has_an_interval_around_it() -> None:
    evaluation = evaluate(HARD, resamples=300)
    for name, value in evaluation.metrics.items():
        low, high = evaluation.intervals[name]
        assert value is not None
        assert low - 1e-9 <= value <= high + 1e-9, name


def test_one_group_has_metrics_but_no_intervals() -> None:
    made = archive(np.eye(4) + 0.1, groups=["a", "a", None, None])
    evaluation = evaluate(made)
    assert evaluation.metrics["hit_rate@5"] == 1
    assert not evaluation.intervals
    assert metrics_document(evaluation)["ci95"]["map@10"] == {"low": None, "high": None}


@pytest.mark.parametrize("count", [1, 2, 12])
def test_without_ground_truth_the_document_has_counts_and_nulls(count: int) -> None:
    made = archive(np.random.default_rng(0).normal(size=(count, 4)), groups=[None] * count, splits=[None] * count)
    evaluation = evaluate(made)
    document = json.loads(json.dumps(metrics_document(evaluation), allow_nan=False))
    assert document["counts"]["images"] == count
    assert document["counts"]["queries"] == document["counts"]["true_pairs"] == 0
    assert document["map@10"] is document["micro_ap"] is document["threshold_f1"] is None
    assert document["threshold"] == 0.9
    assert query_table(evaluation, made.vectors).empty


def test_class_retrieval_ranks_deep_enough_for_the_largest_class() -> None:
    rng = np.random.default_rng(0)
    names = np.repeat(["x", "y"], 60)
    made = archive(
        rng.normal(size=(120, 4)) + 3.0 * (names == "x")[:, None],
        groups=[None] * 120,
        classes=list(names),
        splits=["val", "test"] * 60,
        k=10,
    )
    evaluation = evaluate(made)
    document = metrics_document(evaluation)
    assert document["relevance"] == "class"
    assert document["counts"]["list_length"] == 59
    # 60 queries; each pair of two of them once, and the pairs with the 60 that are no queries.
    assert document["counts"]["true_pairs"] == 2 * (30 * 29 // 2 + 30 * 30)
    assert evaluation.intervals["map@10"][0] < (evaluation.metrics["map@10"] or 0)
    assert "class" in query_table(evaluation, made.vectors)


def test_the_document_has_flat_names_and_the_published_rules() -> None:
    document = metrics_document(evaluate(HARD))
    assert isinstance(document["map@10"], float)
    assert set(document["ci95"]) == {name for name, value in document.items() if isinstance(value, float)}
    assert set(document["published_thresholds"]) == {"mean", "median", "percentile25"}
    assert set(document["published_thresholds"]["mean"]) == {"threshold", "precision", "recall", "f1"}


def test_the_published_rules_look_at_the_ten_nearest_neighbours_of_every_image() -> None:
    nearest = HARD.neighbours.loc[HARD.neighbours["rank"] <= 10, "similarity"].to_numpy(float)
    assert {name: value for name, (value, _) in evaluate(HARD).published.items()} == published(nearest)


def test_the_threshold_document_says_what_it_was_learned_on() -> None:
    evaluation = evaluate(HARD, rule="precision", target_precision=0.9)
    document = threshold_document(evaluation.threshold, target_precision=0.9)
    assert document["threshold"] == evaluation.metrics["threshold"]
    assert document["rule"] == "precision"
    assert document["target_precision"] == 0.9
    assert document["precision"] >= 0.9
    assert document["true_pairs"] == 30


def test_the_query_table_names_the_most_similar_image_that_was_missed() -> None:
    # Image 2 belongs to images 0 and 1 but lies away from them, behind eleven distractors.
    away = np.array([[1, 0], [1, 0.01], [0, 1]])
    between = np.stack([np.ones(11), np.linspace(0.1, 0.5, 11)], axis=1)
    made = archive(np.concatenate([away, between]), groups=["a"] * 3 + [None] * 11)
    row = query_table(evaluate(made), made.vectors).iloc[0]
    assert (row["relevant"], row["found"], row["first_relevant_rank"]) == (2, 1, 1)
    assert row["best_missed"] == made.ids[2]
    assert row["best_missed_rank"] == 13
    assert row["best_missed_similarity"] == pytest.approx(made.vectors[0] @ made.vectors[2])


def test_a_query_that_misses_nothing_has_no_best_missed() -> None:
    made = archive(np.eye(4) + 0.1, groups=["a", "a", "b", "b"])
    table = query_table(evaluate(made), made.vectors)
    assert table["best_missed"].isna().all()
    assert table["best_missed_rank"].isna().all()
    assert isinstance(table, pd.DataFrame)


def test_a_system_without_embeddings_is_measured_as_one_with_them_whose_lists_serve() -> None:
    task = HARD.task()
    options: dict[str, Any] = {"queries": "test", "rule": "f1", "target_precision": 0.95, "default_threshold": 0.9}
    lists = [
        evaluate_retrieval(task, vectors, HARD.neighbours, **options, resamples=20, seed=0)
        for vectors in (HARD.vectors, None)
    ]
    assert metrics_document(lists[0]) == metrics_document(lists[1])


def test_without_embeddings_what_was_missed_is_told_by_the_lists() -> None:
    evaluation = evaluate(HARD)
    known, listed = query_table(evaluation, HARD.vectors), query_table(evaluation, None)
    late = known["best_missed_rank"].notna()
    assert 0 < late.sum() < len(known)
    columns = ["query_id", "best_missed", "best_missed_rank", "best_missed_similarity"]
    pd.testing.assert_frame_equal(known.loc[late, columns], listed.loc[late, columns], check_exact=False)
    assert listed.loc[~late, "best_missed"].isna().all()


def matched(made: Archive) -> pd.DataFrame:
    """The five nearest as matches: true pairs at 0.6 and wrong ones at 0.4."""
    near = made.neighbours[made.neighbours["rank"] <= 5]
    label = made.groundtruth.set_index("image_id")["group_id"]
    true = near["query_id"].map(label).eq(near["neighbour_id"].map(label))
    rows = near.assign(probability=np.where(true, 0.6, 0.4)).sort_values(
        ["query_id", "probability", "rank"], ascending=[True, False, True]
    )
    return rows.assign(rank=rows.groupby("query_id").cumcount() + 1)


def test_with_matches_the_threshold_is_a_probability_and_the_ranks_are_theirs() -> None:
    evaluation, before = evaluate(HARD, matches=matched(HARD)), evaluate(HARD)
    assert evaluation.threshold.value == pytest.approx(0.5)
    assert evaluation.metrics["threshold_precision"] == 1
    assert (evaluation.metrics["map@10"] or 0) > (before.metrics["map@10"] or 0)
    assert evaluation.lists.neighbours.shape[1] == 30
    assert evaluation.published == before.published  # whose thresholds are cosines


def test_with_matches_the_ranks_by_cosine_are_measured_too_for_they_tell_encoders_apart() -> None:
    evaluation, before = evaluate(HARD, matches=matched(HARD)), evaluate(HARD)
    assert evaluation.metrics["embedding_map@10"] == before.metrics["map@10"]
    assert evaluation.intervals["embedding_map@10"] == before.intervals["map@10"]
    assert "embedding_map@10" in query_table(evaluation, HARD.vectors)
    assert "embedding_map@10" not in before.metrics


def test_the_threshold_is_learned_on_pairs_that_were_looked_at_alone() -> None:
    nearest = matched(HARD).query("rank == 1")
    evaluation = evaluate(HARD, matches=nearest)
    assert evaluation.threshold.pairs < evaluate(HARD).threshold.pairs / 10
    assert evaluation.threshold.value >= 0.4
