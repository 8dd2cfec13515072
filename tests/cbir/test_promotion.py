"""The gate holds only for an encoder that is measurably better."""

import numpy as np
import pandas as pd
import pytest

from cbir.errors import UserError
from cbir.promotion import Decision, Gate, Measured, decide

GATE = Gate(metric="map@10", significance=0.05, tolerance=0.02)


def measured(values: list[float], *, guarded: float | None = 0.5, gallery: int = 100) -> Measured:
    table = pd.DataFrame({"query_id": [f"q{number}" for number in range(len(values))], "map@10": values})
    table["group_id"] = [f"g{number // 2}" for number in range(len(values))]
    return Measured({"counts": {"gallery": gallery}, "recall_at_p90": guarded}, table)


WORSE = [0.2, 0.3, 0.1, 0.4, 0.2, 0.3, 0.5, 0.1, 0.3, 0.2, 0.2, 0.3]
BETTER = [value + 0.4 for value in WORSE]


def test_one_that_is_better_everywhere_is_promoted_with_the_numbers_that_decided() -> None:
    decision = decide(measured(BETTER), measured(WORSE), GATE)
    assert decision.promoted
    assert decision.numbers["difference"] == pytest.approx(0.4)
    assert decision.numbers["p_value"] < 0.05
    assert decision.numbers["queries"] == 12
    assert (decision.numbers["recall_at_p90"], decision.numbers["recall_at_p90_in_service"]) == (0.5, 0.5)
    assert decision.reason.startswith("better: map@10 +0.400")


def test_one_that_is_worse_or_the_same_is_not() -> None:
    assert decide(measured(WORSE), measured(BETTER), GATE).reason.startswith("not better: map@10 -0.400")
    assert not decide(measured(WORSE), measured(WORSE), GATE).promoted


def test_a_gain_that_may_be_chance_is_not_enough() -> None:
    chance = np.random.default_rng(0)
    noisy = (np.array(WORSE) + chance.normal(0.02, 0.2, len(WORSE))).tolist()
    decision = decide(measured(noisy), measured(WORSE), GATE)
    assert decision.numbers["difference"] > 0
    assert not decision.promoted
    assert decision.reason.startswith("the gain may be chance")


@pytest.mark.parametrize(("guarded", "promoted"), [(0.485, True), (0.47, False), (None, True)])
def test_recall_at_a_precision_may_fall_by_the_tolerance_and_no_more(guarded: float | None, promoted: bool) -> None:
    assert decide(measured(BETTER, guarded=guarded), measured(WORSE), GATE).promoted is promoted


def test_other_galleries_and_too_few_groups_decide_nothing() -> None:
    assert "different galleries, of 99 and 100" in decide(measured(BETTER, gallery=99), measured(WORSE), GATE).reason
    assert decide(measured([0.9, 0.9]), measured([0.1, 0.1]), GATE) == Decision(
        False, "not enough to tell: 2 queries that both have, of fewer than two groups", {}
    )


def test_queries_that_one_of_them_alone_has_do_not_count() -> None:
    assert decide(measured(BETTER), measured(WORSE[:8]), GATE).numbers["queries"] == 8


@pytest.mark.parametrize(("name", "value"), [("significance", 0.0), ("significance", 1.5), ("tolerance", -0.1)])
def test_a_value_out_of_its_range_is_named_with_its_rule(name: str, value: float) -> None:
    with pytest.raises(UserError, match=rf"promotion\.{name} must .*{value:g}"):
        Gate(**{"metric": "map@10", "significance": 0.05, "tolerance": 0.0, name: value})
