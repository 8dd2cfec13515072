"""Tests of cbir.evaluation.retrieval.bootstrap."""

import numpy as np
import pytest

from cbir.evaluation.retrieval import bootstrap
from cbir.evaluation.retrieval.bootstrap import intervals, resampled

UNITS = np.repeat(np.arange(40), 5)


def mean_of(values: np.ndarray) -> bootstrap.Statistics:
    return lambda weight: {"mean": weight @ values / weight.sum(axis=1)}


def test_the_interval_of_a_mean_of_groups_is_that_of_the_normal_law() -> None:
    groups = np.random.default_rng(0).normal(size=40)
    low, high = intervals(mean_of(groups[UNITS]), UNITS, resamples=4000, seed=0)["mean"]
    error = groups.std() / np.sqrt(40)
    assert low == pytest.approx(groups.mean() - 1.96 * error, abs=0.1 * error)
    assert high == pytest.approx(groups.mean() + 1.96 * error, abs=0.1 * error)


def test_queries_of_one_group_are_drawn_together() -> None:
    seen: list[np.ndarray] = []

    def statistics(weight: np.ndarray) -> dict[str, np.ndarray]:
        seen.append(weight)
        return {"count": weight.sum(axis=1)}

    intervals(statistics, UNITS, resamples=20, seed=0)
    by_group = np.concatenate(seen).reshape(20, 40, 5)
    assert (by_group == by_group[:, :, :1]).all()
    assert (by_group[:, :, 0].sum(axis=1) == 40).all()


def test_the_same_seed_gives_the_same_interval_in_blocks_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(size=200)
    whole = intervals(mean_of(values), UNITS, resamples=100, seed=3)
    monkeypatch.setattr(bootstrap, "_BLOCK", 1400)
    assert intervals(mean_of(values), UNITS, resamples=100, seed=3)["mean"] == pytest.approx(whole["mean"])
    assert intervals(mean_of(values), UNITS, resamples=100, seed=4) != whole


@pytest.mark.parametrize(("width", "rows"), [(1, 7), (350, 4), (1400, 1), (9000, 1)])
def test_no_more_resamples_are_drawn_at_once_than_the_memory_holds(
    monkeypatch: pytest.MonkeyPatch, width: int, rows: int
) -> None:
    monkeypatch.setattr(bootstrap, "_BLOCK", 1400)
    sizes: list[int] = []

    def statistics(weight: np.ndarray) -> dict[str, np.ndarray]:
        sizes.append(len(weight))
        return {"count": weight.sum(axis=1)}

    intervals(statistics, UNITS, resamples=20, seed=0, width=width)
    assert max(sizes) == rows
    assert sum(sizes) == 20


def test_two_groups_have_an_interval() -> None:
    units = np.array([0, 0, 1, 1])
    assert intervals(mean_of(np.array([1.0, 1, 3, 3])), units, resamples=500, seed=0) == {"mean": (1, 3)}


def test_a_single_resample_is_drawn() -> None:
    drawn = resampled(mean_of(np.ones(200)), UNITS, resamples=1, seed=0)
    assert drawn["mean"].tolist() == [1]


@pytest.mark.parametrize("units", [np.zeros(5, dtype=np.int64), np.zeros(0, dtype=np.int64)])
def test_fewer_than_two_groups_have_no_interval(units: np.ndarray) -> None:
    assert intervals(mean_of(np.ones(len(units))), units, resamples=100, seed=0) == {}


def test_no_resamples_give_no_interval() -> None:
    assert intervals(mean_of(np.ones(200)), UNITS, resamples=0, seed=0) == {}


def test_resamples_in_which_a_value_is_undefined_are_left_out() -> None:
    def statistics(weight: np.ndarray) -> dict[str, np.ndarray]:
        return {"some": np.where(weight[:, 0] > 0, 1.0, np.nan), "never": np.full(len(weight), np.nan)}

    assert intervals(statistics, UNITS, resamples=50, seed=0) == {"some": (1.0, 1.0)}
