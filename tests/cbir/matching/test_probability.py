"""Tests of cbir.matching.probability: the shipped model, that evidence never speaks against a pair, and relations."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbir.matching.evidence import EVIDENCE
from cbir.matching.probability import features, log_false_alarms, relations, shipped_model

STRONG: dict[str, Any] = {
    "inliers": 80, "share": 0.8, "log_nfa": -150, "spread": 0.3, "overlap_query": 1, "overlap_neighbour": 0.6,
    "tone": 0.95, "forms": 0.9,
}  # fmt: skip
FEATURES = {"inliers": (0, 200), "share": (0, 1), "spread": (0, 0.5), "tone": (-1, 1), "forms": (-1, 1)}


def evidence(**values: float) -> np.ndarray:
    row = np.zeros(1, EVIDENCE)
    for name, value in values.items():
        row[name] = value
    return row


def probability(row: np.ndarray, *, images: int = 500, nearness: float = 0.3, rank: int = 5) -> float:
    model = shipped_model()
    values = features(row, images=images, nearness=np.array([nearness]), ranks=np.array([[rank, rank]]))
    return float(model.probability(values, row)[0])


def test_a_pair_with_strong_evidence_is_likely_and_one_without_is_not() -> None:
    assert probability(evidence(**STRONG)) > 0.95
    assert probability(evidence()) < 0.1


def test_embeddings_alone_find_no_photograph() -> None:
    assert probability(evidence(), nearness=1.0, rank=1) < 0.5 < probability(evidence(**STRONG), nearness=1.0, rank=1)


def test_no_weight_of_the_shipped_model_is_negative() -> None:
    for model in (shipped_model().by_features, shipped_model().by_points):
        assert (model.weight >= 0).all()
        assert (model.scale > 0).all()
        assert len(model.names) <= 12


@given(st.sampled_from(sorted(FEATURES)), st.floats(0, 1), st.floats(0, 1), st.booleans())
def test_more_evidence_never_makes_a_pair_less_likely(name: str, first: float, second: float, learned: bool) -> None:
    low, high = FEATURES[name]
    less, more = (low + (high - low) * part for part in sorted((first, second)))
    before, after = (probability(evidence(**STRONG | {"learned": learned, name: value})) for value in (less, more))
    assert before <= after + 1e-9


def test_the_same_evidence_says_less_in_a_larger_archive() -> None:
    row = evidence(**STRONG | {"log_nfa": -9})
    assert log_false_alarms(row, images=1000)[0] == pytest.approx(-9 + np.log10(999 * 500), abs=1e-5)
    assert probability(row, images=100_000) < probability(row, images=100)


def test_pictures_whose_forms_differ_are_another_shot_of_the_scene() -> None:
    row = evidence(**STRONG | {"forms": 0.1})
    assert probability(row) < 0.05
    likely, moment = np.array([0.9, 0.1, 0.1, 0.1]), np.array([1.0, 0.1, 0.1, 0.9])
    alarms = np.array([-9.0, -9.0, 3.0, -9.0])
    assert relations(likely, moment, alarms).tolist() == ["same photograph", "same scene", "unrelated", "unrelated"]


def test_a_part_too_small_to_compare_is_no_sign_of_another_shot() -> None:
    row = evidence(**STRONG | {"tone": np.nan, "forms": np.nan})
    assert shipped_model().same_moment(row)[0] == 1


def test_many_points_that_agree_and_like_forms_make_a_pair_likely_and_either_alone_does_not() -> None:
    points: dict[str, Any] = {**STRONG, "learned": 1, "log_nfa": -7, "inliers": 60, "forms": 0.95}
    assert probability(evidence(**points)) > 0.6
    assert probability(evidence(**points | {"forms": 0.2, "tone": 0.2})) < 0.1
    assert probability(evidence(**points | {"inliers": 5, "share": 0.2, "spread": 0.02})) < 0.1
