"""The summary at the end of a run tells what the metrics files of the stages hold."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cbir.comparison.study import Row
from flows.pipeline.stages import Outcome
from flows.summary import study_summary, summary
from tasks.harness.settings import Paths

RAN = Outcome("clean", ran=True, reason="ran", seconds=12.3, key="")
KEPT = Outcome("train", ran=False, reason="unchanged", seconds=0.0, key="")


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    here = Paths(*[tmp_path / name for name in Paths.__dataclass_fields__])
    here.reports.mkdir()
    return here


def test_it_counts_images_copies_rejected_files_and_groups(paths: Paths) -> None:
    counts = {"files": 4, "images": 4, "usable": 3, "exact_copies": 1, "rejected": 1, "corrupt": 1}
    (paths.reports / "clean.json").write_text(json.dumps(counts))
    (paths.reports / "group.json").write_text(json.dumps({"groups": 2, "images_in_groups": 3, "pairs_in_doubt": 1}))
    text = summary([RAN, KEPT], paths)
    assert "3 images, 1 of them exact copies; 1 rejected" in text
    assert "2 groups of 3 images; 1 pair needs your look" in text
    assert "clean 12 s; 1 up to date" in text


def test_metrics_come_with_their_intervals_and_those_without_a_value_are_left_out(paths: Paths) -> None:
    metrics = {"map@10": 0.5, "micro_ap": None, "ci95": {"map@10": {"low": 0.4, "high": 0.6}}}
    (paths.reports / "metrics.json").write_text(json.dumps(metrics))
    text = summary([KEPT], paths)
    assert "map@10              0.500  (0.400 to 0.600)" in text
    assert "micro_ap" not in text
    assert "nothing had to run" in text


def test_without_ground_truth_it_says_that_there_are_no_metrics(paths: Paths) -> None:
    (paths.reports / "metrics.json").write_text(json.dumps({"map@10": None}))
    assert "none: no ground truth with a group in the test split" in summary([KEPT], paths)


def test_of_a_run_that_failed_at_once_it_says_what_there_is(paths: Paths) -> None:
    assert summary([replace(RAN, ran=False, reason="unchanged")], paths) == "stages    nothing had to run"


def test_it_tells_of_the_altered_copies_by_kind(paths: Paths) -> None:
    numbers = {"recall@1": 0.7, "recall@1_flip": 1.0, "recall@1_press": 0.406, "mrr_flip": 1.0}
    (paths.reports / "robustness.json").write_text(json.dumps(numbers))
    assert "robust    altered copies found at rank 1: flip 100 %, press 41 %\n" in summary([KEPT], paths)


def test_the_summary_of_a_study_has_a_line_a_preset(paths: Paths) -> None:
    common: dict[str, Any] = {"description": "", "command": ""}
    rows = [
        Row(preset="simclr", metrics={"map@10": 0.5, "ci95": {"map@10": {"low": 0.4, "high": 0.6}}}, **common),
        Row(preset="clip", failure="train: there are no captions", **common),
        Row(preset="none", metrics={"map@10": None}, **common),
    ]
    assert study_summary(rows, paths).splitlines()[:3] == [
        "simclr  map@10 0.500  (0.400 to 0.600)",
        "clip    train: there are no captions",
        "none    no map@10: no ground truth with a group in the test split",
    ]


def test_it_says_which_promise_holds(paths: Paths) -> None:
    (paths.reports / "promise.json").write_text(json.dumps({"sentence": "Nothing is promised for these groups."}))
    assert "promise   Nothing is promised for these groups.\n" in summary([KEPT], paths)
