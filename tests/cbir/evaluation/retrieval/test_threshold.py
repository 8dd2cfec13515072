"""Tests of cbir.evaluation.retrieval.threshold."""

import numpy as np
import pytest

from cbir.evaluation.retrieval import threshold
from cbir.evaluation.retrieval.pairs import Pairs
from cbir.evaluation.retrieval.promise import Promise
from cbir.evaluation.retrieval.threshold import Reading, learn, published, read, threshold_document


def made(similarity: list[float], true: list[int], *, total: float) -> Pairs:
    """Pairs of one query each, with ``total`` true pairs."""
    count = len(similarity)
    places = np.arange(count)
    share = np.ones(count)
    total_share = np.zeros(max(count, 1))
    total_share[0] = total
    queries = np.arange(max(count, 1))
    label = np.arange(200)  # a group a query
    return Pairs(
        places, places + 100, np.array(similarity), np.array(true, bool), share, 0 * share, queries, total_share, label
    )


PAIRS = made([0.95, 0.9, 0.8, 0.7, 0.5, 0.4], [1, 1, 0, 1, 0, 0], total=4)


def test_f1_takes_the_best_f1_half_way_to_the_next_pair() -> None:
    # Accepting four pairs finds three of four true ones: F1 = 2 · 3 / (4 + 4).
    learned = learn(PAIRS, rule="f1", target_precision=0.95, default=0.9)
    assert learned.value == pytest.approx((0.7 + 0.5) / 2)
    assert learned.reading == Reading(precision=3 / 4, recall=3 / 4, f1=3 / 4)
    assert (learned.rule, learned.kept, learned.pairs, learned.true_pairs) == ("f1", None, 6, 4)


def test_precision_takes_the_lowest_threshold_that_keeps_the_promise() -> None:
    learned = learn(PAIRS, rule="precision", target_precision=0.7, default=0.9)
    assert learned.value == pytest.approx(0.6)  # 3 of 4, though 2 of 3 above it are too few
    exact = learn(PAIRS, rule="precision", target_precision=3 / 4, default=0.9)
    assert (exact.value, exact.kept) == (pytest.approx(0.6), True)
    strict = learn(PAIRS, rule="precision", target_precision=0.95, default=0.9)
    assert strict.value == pytest.approx(0.85)
    assert strict.kept is True


def test_a_promise_that_nothing_keeps_is_told_and_the_most_precise_threshold_taken() -> None:
    learned = learn(made([0.9, 0.8, 0.7], [0, 1, 0], total=1), rule="precision", target_precision=0.95, default=0.9)
    assert learned.kept is False
    assert learned.reading.precision == pytest.approx(1 / 2)


@pytest.mark.parametrize("pairs", [made([], [], total=0), made([0.9, 0.8], [0, 0], total=1)])
def test_where_no_true_pair_is_found_the_threshold_is_the_default(pairs: Pairs) -> None:
    learned = learn(pairs, rule="f1", target_precision=0.95, default=0.87)
    assert (learned.value, learned.rule, learned.reading) == (0.87, "default", Reading())
    assert learned.reason == "there is no validation pair to learn from"


def test_the_last_pair_of_all_is_accepted_where_all_are_true() -> None:
    learned = learn(made([0.9, 0.8, 0.6], [1, 1, 1], total=3), rule="f1", target_precision=0.95, default=0.9)
    assert learned.value == pytest.approx(0.6)
    assert learned.reading.recall == 1


def test_the_only_true_pair_is_accepted_where_it_is_the_last() -> None:
    learned = learn(made([0.9, 0.8, 0.7], [0, 0, 1], total=1), rule="f1", target_precision=0.95, default=0.9)
    assert learned.value == pytest.approx(0.7)


def test_a_true_pair_in_no_list_lowers_recall() -> None:
    assert read(PAIRS, 0.0).recall == pytest.approx(3 / 4)


def test_nothing_accepted_has_no_precision() -> None:
    assert read(PAIRS, 0.99) == Reading(precision=None, recall=0.0, f1=0.0)


def test_without_true_pairs_nothing_is_read() -> None:
    assert read(made([0.9], [0], total=0), 0.5) == Reading()


@pytest.mark.parametrize("rule", ["f1", "precision"])
def test_resamples_choose_as_each_alone_would(rule: str) -> None:
    pairs = made([0.95, 0.9, 0.8, 0.7], [1, 0, 1, 0], total=2)
    rng = np.random.default_rng(0)
    weight = rng.integers(0, 3, size=(50, 4)).astype(float)
    together = threshold.choose(pairs.resampled(weight), rule=rule, target_precision=0.9)
    alone = [threshold.choose(pairs.resampled(row[None]), rule=rule, target_precision=0.9)[0] for row in weight]
    np.testing.assert_array_equal(together, alone)
    assert np.isnan(together[weight[:, [0, 2]].sum(axis=1) == 0]).all()


def test_the_published_rules_turn_distances_into_cosines() -> None:
    distance = np.array([0.2, 0.4, 0.6, 1.2])
    thresholds = published(1 - distance**2 / 2)
    assert thresholds["mean"] == pytest.approx(1 - 0.6**2 / 2)
    assert thresholds["median"] == pytest.approx(1 - 0.5**2 / 2)
    assert thresholds["percentile25"] == pytest.approx(1 - 0.35**2 / 2)
    assert published(np.zeros(0)) == {}


def test_the_document_has_the_threshold_its_rule_and_what_it_was_learned_on() -> None:
    learned = learn(PAIRS, rule="f1", target_precision=0.95, default=0.9)
    assert threshold_document(learned, target_precision=0.95).items() >= {
        "threshold": learned.value, "rule": "f1", "target_precision": None, "target_kept": None,
        "learned_on_pairs": 6, "true_pairs": 4, "precision": 3 / 4, "recall": 3 / 4, "f1": 3 / 4,
    }.items()  # fmt: skip


def test_a_promise_stands_in_the_document_with_its_confidence_and_its_groups() -> None:
    pairs = made(list(np.linspace(0.9, 0.5, 80)), [1] * 80, total=80)
    learned = learn(pairs, rule="promise", target_precision=0.95, default=0.9)
    assert threshold_document(learned, target_precision=0.95).items() >= {
        "threshold": 0.5, "rule": "promise", "target_precision": 0.95, "target_kept": True, "confidence": 0.95,
        "groups": 80, "not_promised": None, "learned_on_pairs": 80, "precision": 1.0, "recall": 1.0,
    }.items()  # fmt: skip


def test_a_promise_is_looked_for_with_the_seed_and_the_gallery_that_were_given(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, object]] = []

    def find(_: Pairs, **options: object) -> Promise:
        asked.append(options)
        return Promise(None, 3, "for a reason")

    monkeypatch.setattr(threshold, "find_promise", find)
    learned = learn(PAIRS, rule="promise", target_precision=0.9, default=0.5, whole=False, seed=7)
    assert asked == [{"precision": 0.9, "whole": False, "seed": 7}]
    assert (learned.rule, learned.kept, learned.groups, learned.reason) == ("promise", False, 3, "for a reason")
    assert learned.value == pytest.approx(0.85)  # the lowest that keeps 9 of 10
