"""The gate holds only for an encoder that is measurably better."""

import pandas as pd
import pytest

from cbir.base.errors import UserError
from cbir.comparison.gate import Gate, Measured, decide, loss_in_words, require_metric

GATE = Gate(metric="map@10", significance=0.05, tolerance=0.02)
SERVED = [0.2, 0.3, 0.1, 0.4, 0.2, 0.3, 0.5, 0.0]  # mean 0.25
EVERYWHERE_BETTER = [value + 0.4 for value in SERVED]


def measured(
    values: list[float], *, guarded: float | None = 0.5, gallery: int = 100, start: int = 0, per_group: int = 2
) -> Measured:
    numbers = range(start, start + len(values))
    table = pd.DataFrame({"query_id": [f"q{n}" for n in numbers], "map@10": values, "mrr": values})
    table["group_id"] = [f"g{n // per_group}" for n in range(len(values))]
    counts = {"images": gallery, "gallery": gallery, "queries": len(values), "true_pairs": len(values)}
    return Measured({"counts": counts, "recall_at_p90": guarded}, table)


def test_one_that_is_better_everywhere_is_promoted_with_the_numbers_that_decided() -> None:
    decision = decide(measured(EVERYWHERE_BETTER, guarded=0.6), measured(SERVED), GATE)
    assert decision.promoted
    assert decision.numbers == pytest.approx(
        {
            "map@10": 0.65,
            "map@10_in_service": 0.25,
            "difference": 0.4,
            "low": 0.4,  # each group is better by the same, so every resample is
            "high": 0.4,
            "p_value": 1 / 10_001,  # no resample lies as far from the difference as zero does
            "queries": 8,
            "recall_at_p90": 0.6,
            "recall_at_p90_in_service": 0.5,
        }
    )
    assert decision.reason == (
        "better: map@10 0.650, in service 0.250: +0.400 (+0.400 to +0.400), p = 0.0001 on 8 queries"
    )


@pytest.mark.parametrize("values", [SERVED, [value - 0.05 for value in SERVED]])
def test_one_that_is_worse_or_the_same_is_not(values: list[float]) -> None:
    decision = decide(measured(values), measured(SERVED), GATE)
    assert not decision.promoted
    assert decision.reason.startswith("not better: map@10")


def test_a_gain_that_may_be_chance_is_not_enough() -> None:
    # Two groups, one better by 0.2: the mean of a resample is 0, 0.1 or 0.2, one, two and one time in four.
    better, served = measured([0.4, 0.2], per_group=1), measured([0.2, 0.2], per_group=1)
    decision = decide(better, served, GATE)
    assert decision.numbers["difference"] == pytest.approx(0.1)
    assert decision.numbers["p_value"] == pytest.approx(0.5, abs=0.02)
    assert not decision.promoted
    assert decision.reason.startswith("the gain may be chance: map@10 0.300, in service 0.200")
    assert decision.reason.endswith("to be below 0.05")
    assert decide(better, served, Gate(metric="map@10", significance=0.6, tolerance=0.0)).promoted


@pytest.mark.parametrize(("guarded", "promoted"), [(0.6, True), (0.485, True), (0.48, True), (0.47, False)])
def test_recall_at_a_precision_may_fall_by_the_tolerance_and_no_more(guarded: float, promoted: bool) -> None:
    decision = decide(measured(EVERYWHERE_BETTER, guarded=guarded), measured(SERVED), GATE)
    assert decision.promoted is promoted
    assert promoted or decision.reason.startswith("recall_at_p90 falls by 0.030, more than 0.02; map@10 0.650")


def test_without_a_recall_in_service_there_is_nothing_to_fall_from() -> None:
    assert decide(measured(EVERYWHERE_BETTER), measured(SERVED, guarded=None), GATE).promoted
    assert not decide(measured(EVERYWHERE_BETTER, guarded=None), measured(SERVED), GATE).promoted


def test_encoders_that_were_not_measured_alike_are_not_compared() -> None:
    other = decide(measured(EVERYWHERE_BETTER, gallery=99), measured(SERVED), GATE)
    assert other.reason == "not measured alike: 99 images, of the encoder in service 100"
    fewer = decide(measured(EVERYWHERE_BETTER), measured(SERVED[:6]), GATE)
    assert fewer.reason == "not measured alike: 8 queries, of the encoder in service 6"
    moved = decide(measured(EVERYWHERE_BETTER, start=1), measured(SERVED), GATE)
    assert moved.reason == "not measured alike: 2 queries that only one of the two encoders was asked"
    assert not (other.promoted or fewer.promoted or moved.promoted)


@pytest.mark.parametrize("values", [[], [0.9], [0.9, 0.9]])
def test_too_few_groups_decide_nothing(values: list[float]) -> None:
    decision = decide(measured(values), measured([0.1] * len(values)), GATE)
    assert not decision.promoted
    assert decision.reason == f"not enough to tell: {len(values)} queries, of fewer than two groups"


def test_a_metric_that_queries_have_not_is_named_with_those_that_they_have() -> None:
    gate = Gate(metric="micro_ap", significance=0.05, tolerance=0.0)
    with pytest.raises(UserError, match=r"promotion\.metric is 'micro_ap', .*; there are map@10, mrr$"):
        require_metric(measured(SERVED), gate)


def test_a_loss_is_worded_with_both_figures_where_the_two_were_measured_alike() -> None:
    worse = measured([value - 0.05 for value in SERVED])
    assert loss_in_words(worse, measured(SERVED), metric="map@10") == "map@10 0.200, in service 0.250"
    assert loss_in_words(measured(SERVED), worse, metric="map@10") == ""
    assert loss_in_words(worse, measured(SERVED[:4]), metric="map@10") == ""
    assert loss_in_words(worse, measured(SERVED), metric="ndcg@10") == ""
