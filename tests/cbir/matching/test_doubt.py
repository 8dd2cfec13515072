"""Tests of cbir.matching.doubt: which pairs get a closer look."""

import numpy as np

from cbir.matching.doubt import in_doubt
from cbir.matching.evidence import EVIDENCE

FAR = np.array([[9, 9]])


def rows(probability: float, ranks: np.ndarray, *, nearest: int = 2, **values: float) -> list[int]:
    evidence = np.zeros(1, EVIDENCE)
    for name, value in values.items():
        evidence[name] = value
    return in_doubt(np.array([probability]), evidence, ranks, nearest=nearest).tolist()


def test_a_near_pair_without_evidence_is_in_doubt_whichever_list_holds_it() -> None:
    assert rows(0.1, np.array([[2, 9]])) == [0]
    assert rows(0.1, np.array([[9, 1]])) == [0]
    assert rows(0.1, FAR) == []


def test_weak_evidence_is_in_doubt_and_clear_evidence_is_not() -> None:
    assert rows(0.1, FAR, inliers=6, log_nfa=-3) == [0]
    assert rows(0.1, FAR, aligned=1, log_nfa=-2) == [0]
    assert rows(0.1, FAR, inliers=60, log_nfa=-80) == []  # another shot of the scene


def test_a_likely_pair_is_not_in_doubt() -> None:
    assert rows(0.6, np.array([[1, 1]]), inliers=9, log_nfa=-8) == []
