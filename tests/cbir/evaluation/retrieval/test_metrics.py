"""Tests of cbir.evaluation.retrieval.metrics: against hand-counted cases, naive loops, trec_eval and scikit-learn."""

import math

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from cbir.evaluation.retrieval import metrics

# Two queries: right at ranks 1, 3 and 4 of three right images; and at rank 2 of twelve right images.
HITS = np.array([[1, 0, 1, 1, 0, 0], [0, 1, 0, 0, 0, 0]], dtype=bool)
RELEVANT = np.array([3, 12])


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("hit_rate@1", 1, 0),
        ("hit_rate@5", 1, 1),
        ("top1", 1, 0),
        ("top5", 1, 1),
        ("recall@1", 1 / 3, 0),
        ("recall@10", 1, 1 / 12),
        ("precision@1", 1, 0),
        ("precision@5", 3 / 5, 1 / 5),
        ("precision@10", 3 / 10, 1 / 10),
        ("f1@5", 2 * 3 / (5 + 3), 2 * 1 / (5 + 12)),
        ("map@1", 1, 0),
        ("map@5", (1 + 2 / 3 + 3 / 4) / 3, (1 / 2) / 5),
        ("map@10", (1 + 2 / 3 + 3 / 4) / 3, (1 / 2) / 10),
        ("map@10_by_relevant", (1 + 2 / 3 + 3 / 4) / 3, (1 / 2) / 12),
        ("mrr", 1, 1 / 2),
        ("ndcg@5", (1 + 0.5 + 1 / math.log2(5)) / (1 + 1 / math.log2(3) + 0.5), None),
    ],
)
def test_each_metric_gives_what_is_counted_by_hand(name: str, first: float, second: float | None) -> None:
    values = metrics.per_query(HITS, RELEVANT)[name]
    assert values[0] == pytest.approx(first)
    assert second is None or values[1] == pytest.approx(second)


def test_a_perfect_list_has_a_map_of_one_however_many_images_are_right() -> None:
    hits = np.ones((1, 10), dtype=bool)
    values = metrics.per_query(hits, np.array([40]))
    assert [values["map@10"][0], values["ndcg@10"][0]] == pytest.approx([1, 1])
    assert values["map@10_by_relevant"][0] == pytest.approx(10 / 40)


def test_the_names_are_those_of_the_contract() -> None:
    at_k = {f"{name}@{k}" for name in ("hit_rate", "recall", "precision", "f1", "map", "ndcg") for k in (1, 5, 10)}
    by_relevant = {f"map@{k}_by_relevant" for k in (1, 5, 10)}
    assert set(metrics.per_query(HITS, RELEVANT)) == at_k | by_relevant | {"mrr", "top1", "top5"}


def test_a_query_with_an_empty_list_scores_zero_everywhere() -> None:
    values = metrics.per_query(np.zeros((1, 0), dtype=bool), np.array([2]))
    assert all(value.tolist() == [0.0] for value in values.values())
    assert metrics.first_rank(np.zeros((1, 0), dtype=bool)).dtype == np.int64


def test_a_right_image_at_rank_six_counts_among_ten_and_not_among_five() -> None:
    values = metrics.per_query(np.eye(8, dtype=bool)[5:6], np.array([2]))
    assert [values[name][0] for name in ("top1", "top5", "hit_rate@5", "hit_rate@10", "recall@10")] == [0, 0, 0, 1, 0.5]


def test_queries_without_a_right_neighbour_have_a_reciprocal_rank_of_zero() -> None:
    hits = np.zeros((500, 3), dtype=bool)
    hits[::2, 2] = True
    assert metrics.reciprocal_rank(hits).tolist() == [1 / 3, 0] * 250


ranked = st.lists(st.booleans(), min_size=1, max_size=15).flatmap(
    lambda hits: st.tuples(st.just(hits), st.integers(max(sum(hits), 1), 20))
)


@given(ranked, st.sampled_from([1, 5, 10]))
def test_the_vectorised_metrics_equal_naive_loops(query: tuple[list[bool], int], k: int) -> None:
    hits, relevant = query
    count, total, gain = 0, 0.0, 0.0
    for rank, right in enumerate(hits[:k], 1):
        if right:
            count += 1
            total += count / rank
            gain += 1 / math.log2(rank + 1)
    best = sum(1 / math.log2(rank + 1) for rank in range(1, min(k, relevant) + 1))
    precision, recall = count / k, count / relevant
    values = metrics.per_query(np.array([hits]), np.array([relevant]))
    assert values[f"hit_rate@{k}"][0] == (count > 0)
    assert values[f"precision@{k}"][0] == pytest.approx(precision)
    assert values[f"recall@{k}"][0] == pytest.approx(recall)
    assert values[f"f1@{k}"][0] == pytest.approx(2 * precision * recall / (precision + recall) if count else 0)
    assert values[f"map@{k}"][0] == pytest.approx(total / min(k, relevant))
    assert values[f"map@{k}_by_relevant"][0] == pytest.approx(total / relevant)
    assert values[f"ndcg@{k}"][0] == pytest.approx(gain / best)
    assert values["mrr"][0] == pytest.approx(1 / (hits.index(True) + 1) if True in hits else 0)


def test_trec_eval_finds_the_same_values() -> None:
    rng = np.random.default_rng(0)
    hits = rng.random((40, 30)) < 0.2
    relevant = np.maximum(hits.sum(axis=1) + rng.integers(0, 4, 40), 1)
    right, run = {}, {}
    for query, (row, count) in enumerate(zip(hits, relevant, strict=True)):
        listed = [f"right{rank}" if hit else f"wrong{rank}" for rank, hit in enumerate(row)]
        missed = [f"missed{number}" for number in range(count - row.sum())]
        right[f"q{query:02d}"] = dict.fromkeys([name for name in listed if name.startswith("right")] + missed, 1)
        run[f"q{query:02d}"] = {name: 1.0 - rank / 100 for rank, name in enumerate(listed)}
    theirs = pytrec_eval.RelevanceEvaluator(
        right, {f"{name}.1,5,10" for name in ("success", "recall", "P", "map_cut", "ndcg_cut")} | {"recip_rank"}
    ).evaluate(run)
    ours = metrics.per_query(hits, relevant)
    names = {"hit_rate": "success", "recall": "recall", "precision": "P", "ndcg": "ndcg_cut"}
    pairs = {f"{name}@{k}": f"{names[name]}_{k}" for name in names for k in (1, 5, 10)}
    pairs |= {f"map@{k}_by_relevant": f"map_cut_{k}" for k in (1, 5, 10)} | {"mrr": "recip_rank"}
    for name, measure in pairs.items():
        values = [theirs[query][measure] for query in sorted(right)]
        np.testing.assert_allclose(ours[name], values, atol=1e-12, err_msg=name)


def curve(similarity: list[float], true: list[int], total: float, **options: np.ndarray) -> metrics.PairCurve:
    return metrics.pair_curve(np.array(similarity, float), np.array(true, bool), total, **options)


def test_micro_ap_counted_by_hand_with_a_missed_pair() -> None:
    # True pairs stand at ranks 1 and 3, and a third one stands in no list.
    assert metrics.micro_ap(curve([0.9, 0.8, 0.7, 0.6], [1, 0, 1, 0], 3)) == pytest.approx((1 + 2 / 3) / 3)


def test_pairs_of_equal_similarity_are_accepted_together() -> None:
    first, second = curve([0.9, 0.8, 0.8], [1, 1, 0], 2), curve([0.9, 0.8, 0.8], [1, 0, 1], 2)
    assert metrics.micro_ap(first) == metrics.micro_ap(second) == pytest.approx((1 + 2 / 3) / 2)


def test_precision_recall_and_f1_are_those_of_the_pairs_accepted_at_each_threshold() -> None:
    drawn = curve([0.9, 0.8, 0.8, 0.6], [1, 1, 0, 0], 4)
    assert drawn.similarity.tolist() == [0.9, 0.8, 0.6]
    assert drawn.precision.tolist() == [1, 2 / 3, 2 / 4]
    assert drawn.recall.tolist() == [1 / 4, 2 / 4, 2 / 4]
    assert drawn.f1.tolist() == [2 / (1 + 4), 4 / (3 + 4), 4 / (4 + 4)]


def test_recall_at_p90_is_the_highest_recall_that_keeps_the_precision() -> None:
    true = [1] * 9 + [0] + [0, 1]
    drawn = curve(list(np.linspace(0.9, 0.1, 12)), true, 20)
    assert metrics.recall_at_precision(drawn, 0.9) == pytest.approx(9 / 20)
    assert metrics.recall_at_precision(curve([0.9], [0], 3), 0.9) == 0
    exactly = curve(list(np.linspace(0.9, 0.1, 10)), [1] * 8 + [0, 1], 20)  # 9 of 10 is a precision of 0.9
    assert metrics.recall_at_precision(exactly, 0.9) == pytest.approx(9 / 20)


def test_without_a_pair_every_curve_metric_is_zero() -> None:
    assert metrics.micro_ap(curve([], [], 2)) == metrics.recall_at_precision(curve([], [], 2), 0.9) == 0


@given(
    st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=1, max_size=30).filter(
        lambda p: any(t for _, t in p)
    )
)
def test_micro_ap_equals_scikit_learns_average_precision_when_no_pair_is_missed(pairs: list[tuple[int, bool]]) -> None:
    pairs = sorted(pairs, key=lambda pair: -pair[0])
    scores, true = zip(*pairs, strict=True)
    ours = metrics.micro_ap(curve(list(scores), list(map(int, true)), sum(true)))
    assert ours == pytest.approx(average_precision_score(true, scores))


@given(st.lists(st.tuples(st.integers(0, 8), st.booleans(), st.integers(0, 3)), min_size=1, max_size=20))
def test_a_weight_counts_like_so_many_copies_of_a_pair(pairs: list[tuple[int, bool, int]]) -> None:
    pairs = sorted(pairs, key=lambda pair: -pair[0])
    copies = [(score, true) for score, true, weight in pairs for _ in range(weight)]
    scores, true, weight = zip(*pairs, strict=True)
    weighted = curve(list(scores), list(map(int, true)), 30, weight=np.array([weight, weight], float))
    plain = curve([score for score, _ in copies], [int(label) for _, label in copies], 30)
    assert metrics.micro_ap(weighted) == pytest.approx(np.repeat(metrics.micro_ap(plain), 2))
    assert metrics.recall_at_precision(weighted, 0.9) == pytest.approx(
        np.repeat(metrics.recall_at_precision(plain, 0.9), 2)
    )
