"""Tests of cbir.comparison.paired."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_1samp

from cbir.base.errors import UserError
from cbir.comparison.paired import Comparison, compare, holm


def table(values: np.ndarray | list[float], groups: list[str] | None = None, start: int = 0) -> pd.DataFrame:
    frame = pd.DataFrame({"query_id": [f"q{start + n:04}" for n in range(len(values))], "map@10": values})
    return frame if groups is None else frame.assign(group_id=groups)


def naive(system: pd.DataFrame, baseline: pd.DataFrame, *, resamples: int, seed: int) -> tuple[float, float, float]:
    """Interval and p-value by loops over the groups drawn and the queries in them."""
    other = dict(zip(baseline["query_id"], baseline["map@10"], strict=True))
    members: dict[str, list[float]] = {}
    for query, group, value in zip(system["query_id"], system["group_id"], system["map@10"], strict=True):
        if query in other:
            members.setdefault(group, []).append(value - other[query])
    groups = sorted(members)
    every = [value for group in groups for value in members[group]]
    observed = sum(every) / len(every)
    rng = np.random.default_rng(seed)
    means, extreme = [], 0
    for _ in range(resamples):
        drawn = []
        for group, times in zip(groups, rng.multinomial(len(groups), [1 / len(groups)] * len(groups)), strict=True):
            drawn += members[group] * times
        means.append(sum(drawn) / len(drawn))
        extreme += abs(means[-1] - observed) >= abs(observed) - 1e-9
    low, high = np.percentile(means, [2.5, 97.5])
    return low, high, (1 + extreme) / (1 + resamples)


def test_interval_and_p_value_are_those_of_a_naive_loop() -> None:
    rng = np.random.default_rng(0)
    groups = [f"g{n // 3}" for n in range(45)]
    system = table(rng.uniform(0.2, 1, 45), groups).sample(frac=1, random_state=1)
    baseline = table(rng.uniform(0, 0.9, 40), groups[:40], start=5)
    comparison = compare(system, baseline, resamples=200, seed=3)
    assert comparison.interval is not None
    assert (*comparison.interval, comparison.p_value) == pytest.approx(naive(system, baseline, resamples=200, seed=3))
    assert comparison.queries == 40


def test_only_queries_that_both_have_count() -> None:
    groups = ["a", "a", "b", "b"]
    comparison = compare(table([1.0, 0.5, 0.5, 0.5], groups), table([0.25, 0.25, 0.0, 0.0], groups, start=1))
    assert comparison.queries == 3
    assert comparison.difference == pytest.approx((0.25 + 0.25 + 0.5) / 3)


def test_a_system_differs_from_itself_by_nothing() -> None:
    first = table(np.linspace(0, 1, 20), [f"g{n // 2}" for n in range(20)])
    assert compare(first, first) == Comparison(20, 0.0, (0.0, 0.0), 1.0)


def test_a_system_that_is_better_in_every_group_is_so_by_no_chance() -> None:
    groups = [f"g{n // 2}" for n in range(40)]
    better = np.random.default_rng(0).uniform(0.2, 0.4, 40)
    comparison = compare(table(better, groups), table(np.zeros(40), groups), resamples=999)
    assert comparison.p_value == pytest.approx(0.001)
    assert comparison.interval is not None
    assert 0.2 < comparison.interval[0] < (comparison.difference or 0) < comparison.interval[1] < 0.4


def test_baseline_and_system_exchanged_give_the_opposite() -> None:
    rng = np.random.default_rng(1)
    groups = [f"g{n // 2}" for n in range(30)]
    first, other = table(rng.uniform(size=30), groups), table(rng.uniform(size=30), groups)
    forth, back = compare(first, other), compare(other, first)
    assert forth.interval is not None
    assert (forth.difference, forth.p_value) == (pytest.approx(-(back.difference or 0)), back.p_value)
    assert back.interval == pytest.approx((-forth.interval[1], -forth.interval[0]))


def test_with_one_query_a_group_the_p_value_is_near_that_of_the_t_test() -> None:
    differences = np.random.default_rng(5).normal(0.05, 0.2, size=80)
    comparison = compare(table(differences, [f"g{n}" for n in range(80)]), table(np.zeros(80)), resamples=20_000)
    assert comparison.p_value == pytest.approx(ttest_1samp(differences, 0).pvalue, abs=0.01)


def test_queries_of_one_group_are_no_independent_evidence() -> None:
    differences = np.random.default_rng(2).normal(0.1, 0.3, size=12)
    apart = compare(table(np.repeat(differences, 10), [f"g{n}" for n in range(120)]), table(np.zeros(120)))
    together = compare(table(np.repeat(differences, 10), [f"g{n // 10}" for n in range(120)]), table(np.zeros(120)))
    assert (apart.p_value or 0) < 0.5 * (together.p_value or 0)


def test_without_groups_each_query_is_drawn_by_itself() -> None:
    values = np.random.default_rng(2).normal(0.1, 0.3, size=30)
    comparison = compare(table(values), table(np.zeros(30)))
    assert comparison == compare(table(values, [f"g{n:02}" for n in range(30)]), table(np.zeros(30)))


@pytest.mark.parametrize(("start", "queries", "difference"), [(9, 0, None), (0, 3, 1.0)])
def test_fewer_than_two_shared_groups_have_no_p_value(start: int, queries: int, difference: float | None) -> None:
    first = table(np.ones(3), ["a"] * 3)
    assert compare(first, table(np.zeros(3), start=start)) == Comparison(queries, difference)


def test_an_unknown_metric_is_said_with_those_that_there_are() -> None:
    first = table(np.ones(3), ["a", "b", "c"])
    with pytest.raises(UserError, match=r"map@7 is no metric of the per-query tables; they have map@10"):
        compare(first, first, metric="map@7")


def test_holm_is_as_counted_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []
