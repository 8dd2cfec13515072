from pathlib import Path

import pytest

from cbir.base.errors import UserError
from cbir.base.files import write_json
from cbir.groups.threshold import explain_threshold, threshold_in_use


def test_a_threshold_chosen_by_hand_needs_no_learned_one(tmp_path: Path) -> None:
    value, rule = threshold_in_use(tmp_path / "threshold.json", 0.5)
    assert value == 0.5
    assert rule == "Chosen by hand (group.threshold in params.yaml)."


def test_zero_takes_the_learned_threshold(tmp_path: Path) -> None:
    write_json(tmp_path / "threshold.json", {"threshold": 0.875, "rule": "default"})
    assert threshold_in_use(tmp_path / "threshold.json", 0.0)[0] == 0.875


def test_a_learned_threshold_that_is_not_there_names_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"threshold\.json, .*, is not there; `cbir run` makes it \(stage evaluate\)"):
        threshold_in_use(tmp_path / "threshold.json", 0.0)


def test_the_threshold_is_explained_with_what_it_promises() -> None:
    learned = {"rule": "f1", "target_precision": None, "target_kept": None, "precision": 0.964, "recall": 0.9}
    assert "96 in 100 proposed pairs are right, and 90 in 100 true pairs are found" in explain_threshold(learned)
    poor = {**learned, "precision": 0.205, "recall": 0.25}
    assert "about 1 in 5 proposed pairs are right, and about 1 in 4 true pairs are found" in explain_threshold(poor)
    promised = {**learned, "rule": "precision", "target_precision": 0.95, "target_kept": True}
    assert "keeps a precision of 95.0 %" in explain_threshold(promised)
    assert "No threshold kept a precision of 95.0 %" in explain_threshold({**promised, "target_kept": False})
    assert "no ground truth" in explain_threshold({"rule": "default"})


def test_a_promise_says_for_whom_it_holds_and_a_missing_one_why() -> None:
    learned = {"rule": "promise", "target_precision": 0.95, "target_kept": True, "groups": 212, "not_promised": None}
    figures = {"precision": 0.98, "recall": 0.9}
    sentence = explain_threshold({**learned, **figures})
    assert sentence.startswith("Promised, with 95 % confidence: 95 in 100 pairs that images of groups like the 212 ")
    reason = "14 validation groups are too few, it takes at least 59 with every pair right"
    sentence = explain_threshold({**learned, **figures, "target_kept": False, "not_promised": reason})
    assert sentence.startswith(f"Nothing can be promised: {reason}; the threshold is a careful one.")
    assert "98 in 100 proposed pairs are right" in sentence
