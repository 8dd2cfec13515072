"""Tests of cbir.calibration.fitting."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from cbir.calibration.fitting import fit_logistic
from cbir.matching.probability import read_logistic

RNG = np.random.default_rng(0)
VALUES = {"first": RNG.normal(2, 3, 2000), "second": RNG.normal(0, 1, 2000)}
TRUE = RNG.random(2000) < expit(0.8 * (VALUES["first"] - 2) / 3 + 1.5 * VALUES["second"] - 1)


def fitted(values: dict[str, np.ndarray], true: np.ndarray = TRUE) -> dict:
    return fit_logistic(values, true)


def test_the_weights_are_those_of_scikit_learn_where_none_is_negative() -> None:
    document = fitted(VALUES)
    standard = np.stack([(v - v.mean()) / v.std() for v in VALUES.values()], axis=1)
    expected = LogisticRegression(C=1.0).fit(standard, TRUE)
    weights = [row["weight"] for row in document["features"].values()]
    assert weights == pytest.approx(expected.coef_[0], rel=1e-3)
    assert document["intercept"] == pytest.approx(expected.intercept_[0], rel=1e-3)


def test_a_feature_that_speaks_against_a_pair_has_no_weight() -> None:
    document = fitted(VALUES | {"against": -VALUES["second"]})
    assert document["features"]["against"]["weight"] == 0


def test_the_document_is_a_model_that_tells_true_pairs_from_others() -> None:
    document = fitted(VALUES)
    odds = read_logistic(document).odds(VALUES)
    assert odds[TRUE].mean() > odds[~TRUE].mean() + 1
    assert (document["pairs"], document["true_pairs"]) == (2000, TRUE.sum())
