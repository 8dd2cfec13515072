"""Tests of tasks.threshold."""

import json
from pathlib import Path

from tasks.threshold import threshold_in_use


def test_a_threshold_chosen_by_hand_needs_no_learned_one(tmp_path: Path) -> None:
    value, rule = threshold_in_use(tmp_path, 0.8)
    assert (value, rule) == (0.8, "Chosen by hand (group.threshold in params.yaml).")


def test_zero_takes_the_learned_threshold_with_what_it_rests_on(tmp_path: Path) -> None:
    (tmp_path / "threshold.json").write_text(json.dumps({"threshold": 0.7, "rule": "default"}))
    value, rule = threshold_in_use(tmp_path, 0.0)
    assert value == 0.7
    assert rule.startswith("The default")
