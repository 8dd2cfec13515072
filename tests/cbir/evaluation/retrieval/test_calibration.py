"""Tests of cbir.evaluation.retrieval.calibration."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from cbir.evaluation.retrieval.calibration import BINS, Calibration, calibration
from cbir.evaluation.retrieval.pairs import Pairs


def made(probability: np.ndarray, true: np.ndarray) -> Pairs:
    """Pairs of a query each with a stranger or its like; every two queries are a group."""
    count = len(probability)
    order = np.argsort(-probability, kind="stable")
    share, label = np.ones(count), np.r_[np.repeat(np.arange((count + 1) // 2), 2)[:count], np.full(count, -1)]
    queries = np.arange(count)
    return Pairs(queries, queries + count, probability[order], true[order], share, 0 * share, queries, share, label)


def drawn(count: int, *, slope: float = 1.0, intercept: float = 0.0, seed: int = 0) -> Pairs:
    """Pairs whose probabilities are right but for a slope and an intercept of their logits."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(-1, 2, count)
    true = rng.random(count) < 1 / (1 + np.exp(-(intercept + slope * logit)))
    return made(1 / (1 + np.exp(-logit)), true)


def measure(pairs: Pairs, resamples: int = 100) -> Calibration:
    return calibration(pairs, pairs.label[pairs.queries], resamples=resamples, seed=0)


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, 0.0), (0.5, 0.0), (1.0, -1.0), (1.6, 0.7)])
def test_slope_and_intercept_are_found_within_their_intervals(slope: float, intercept: float) -> None:
    measured = measure(drawn(4000, slope=slope, intercept=intercept))
    for name, value in (("slope", slope), ("intercept", intercept)):
        low, high = measured.intervals[name] or (np.nan, np.nan)
        assert low < value < high, name
        assert low < measured.values[name] < high, name
        assert high - low < 0.4, name


def test_slope_and_intercept_are_those_of_a_library() -> None:
    pairs = drawn(3000, slope=0.7, intercept=0.4)
    logit = np.log(pairs.similarity / (1 - pairs.similarity)).clip(-9, 9)
    model = LogisticRegression(C=1e6, tol=1e-8).fit(logit[:, None], pairs.true)
    values = measure(pairs, resamples=0).values
    assert values["slope"] == pytest.approx(model.coef_[0, 0], abs=0.01)
    assert values["intercept"] == pytest.approx(model.intercept_[0], abs=0.01)


def test_the_error_is_the_mean_gap_of_the_bins() -> None:
    # 10 pairs at 0.25, 4 of them right; 30 at 0.85, all right: (10 · 0.15 + 30 · 0.15) / 40, plus one wrong at 0.85.
    probability = np.r_[np.full(10, 0.25), np.full(31, 0.85)]
    true = np.r_[np.arange(10) < 4, np.arange(31) < 30]
    measured = measure(made(probability, true))
    gap = abs(30 / 31 - 0.85)
    assert measured.values["error"] == pytest.approx((10 * 0.15 + 31 * gap) / 41)
    assert measured.count.tolist() == [0, 0, 10, 0, 0, 0, 0, 0, 31, 0]
    assert measured.share[[2, 8]] == pytest.approx([0.4, 30 / 31])
    assert measured.probability[[2, 8]] == pytest.approx([0.25, 0.85])
    assert np.isnan(measured.share[0])
    low, high = measured.bars[2]
    assert low < 0.4 < high
    assert len(measured.bars) == BINS


def test_probabilities_that_mean_what_they_say_have_a_small_error_and_those_that_are_too_sure_a_low_slope() -> None:
    assert measure(drawn(4000)).values["error"] < 0.02
    sure = drawn(4000, slope=0.4)
    assert measure(sure).values["error"] > 0.05
    assert measure(sure).values["slope"] < 0.5


def test_where_right_and_wrong_are_altogether_apart_the_slope_is_large_and_finite() -> None:
    measured = measure(made(np.r_[np.full(20, 0.9), np.full(20, 0.1)], np.arange(40) < 20))
    assert 1.25 < measured.values["slope"] < 20
    assert measured.values["error"] == pytest.approx(0.1)


def test_pairs_that_are_all_right_have_no_slope_and_one_group_no_interval() -> None:
    measured = measure(made(np.array([0.9, 0.8]), np.array([True, True])))
    assert np.isnan(measured.values["slope"])
    assert np.isnan(measured.values["error"])
    assert measured.intervals["slope"] is None


def test_certain_probabilities_count_and_a_heavier_group_weighs_more() -> None:
    pairs = made(np.array([1.0, 1.0, 0.0, 0.0, 0.5, 0.5]), np.array([True, True, False, False, True, False]))
    assert measure(pairs).values["error"] == pytest.approx(0)
    wrong = replace(pairs, true=~pairs.true)
    assert measure(wrong).values["error"] == pytest.approx(4 / 6)


def test_without_pairs_nothing_is_defined() -> None:
    measured = measure(made(np.zeros(0), np.zeros(0, bool)))
    assert (measured.pairs, measured.right) == (0, 0)
    assert all(np.isnan(value) for value in measured.values.values())
    assert measured.count.sum() == 0
