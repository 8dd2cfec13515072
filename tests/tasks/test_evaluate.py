"""Tests of tasks.evaluate."""

import json
import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from cbir.base.files import write_parquet
from cbir.evaluation.quality import QUALITY
from cbir.matching.table import write_matches
from cbir.training.objective import PREDICTIONS
from tasks.evaluate import evaluate
from tasks.harness.settings import grouped
from tests.support.evaluations import HARD, PROTOCOL, matched, workspace, written
from tests.support.retrievals import archive, scattered


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_stage_writes_metrics_threshold_and_queries() -> None:
    evaluate(workspace(HARD), **grouped(evaluate, PROTOCOL))
    metrics = json.loads(Path("reports/metrics.json").read_text())
    threshold = json.loads(Path("reports/threshold.json").read_text())
    queries = pd.read_parquet("reports/per_query.parquet")
    assert metrics["counts"]["queries"] == len(queries) == 30
    assert metrics["map@10"] == pytest.approx(queries["map@10"].mean(), abs=1e-6)
    assert metrics["threshold"] == pytest.approx(threshold["threshold"], abs=1e-6)
    assert queries["query_id"].is_monotonic_increasing
    assert written(".") == {"metrics.json", "quality.json", "threshold.json", "per_query.parquet"}
    quality = json.loads(Path("reports/quality.json").read_text())
    assert quality == {name: metrics[name] for name in QUALITY}


def test_what_a_classifier_predicted_for_test_images_is_measured(caplog: pytest.LogCaptureFixture) -> None:
    paths = workspace(HARD)
    rows = [("1", "test", "a", "a"), ("2", "test", "a", "b"), ("3", "test", "b", "b"), ("4", "val", "a", "b")]
    columns = [pa.array(column) for column in zip(*rows, strict=True)]
    write_parquet(paths.encoder / "predictions.parquet", pa.table(columns, schema=PREDICTIONS))
    with caplog.at_level(logging.INFO):
        evaluate(paths, **grouped(evaluate, PROTOCOL))
    metrics = json.loads(Path("reports/metrics.json").read_text())
    figures = [metrics[f"class_{name}"] for name in ("precision", "recall", "f1")]
    assert figures == pytest.approx([0.75, 0.75, 2 / 3], abs=1e-6)
    assert "scenes of the test images: class_precision 0.750" in caplog.text


def test_the_same_inputs_give_the_same_bytes() -> None:
    paths = workspace(HARD)
    seen = []
    for _ in range(2):
        evaluate(paths, **grouped(evaluate, PROTOCOL))
        seen.append({path: path.read_bytes() for path in sorted(Path("reports").rglob("*")) if path.is_file()})
    assert seen[0] == seen[1]


def test_without_ground_truth_and_training_the_stage_writes_counts_and_the_default_threshold(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = archive(np.random.default_rng(0).normal(size=(12, 4)), groups=[None] * 12, splits=[None] * 12)
    with caplog.at_level(logging.INFO):
        evaluate(workspace(made, history=False), **grouped(evaluate, PROTOCOL))
    metrics = json.loads(Path("reports/metrics.json").read_text())
    assert metrics["map@10"] is metrics["class_f1"] is None
    assert metrics["counts"]["images"] == 12
    assert json.loads(Path("reports/threshold.json").read_text())["rule"] == "default"
    assert pd.read_parquet("reports/per_query.parquet").empty
    assert "no query" in caplog.text
    assert "threshold 0.900 is evaluate.default_threshold" in caplog.text


def test_an_archive_of_one_image_is_no_error() -> None:
    evaluate(workspace(archive(np.eye(1), groups=[None], splits=[None]), history=False), **grouped(evaluate, PROTOCOL))
    assert json.loads(Path("reports/metrics.json").read_text())["counts"]["images"] == 1


def test_the_log_tells_the_metrics_with_their_intervals(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        evaluate(workspace(HARD), **grouped(evaluate, PROTOCOL))
    metrics = json.loads(Path("reports/metrics.json").read_text())
    between = metrics["ci95"]["map@10"]
    assert f"map@10 {metrics['map@10']:.3f} ({between['low']:.3f} to {between['high']:.3f})" in caplog.text
    assert "30 queries of 10 groups among 150 images" in caplog.text


def test_a_promise_that_cannot_be_kept_is_told(caplog: pytest.LogCaptureFixture) -> None:
    away = np.array([[1, 0], [0, 1], [1, 0.1], [0.1, 1]])
    made = archive(away, groups=["a", "a", None, None], splits=["val", "val", None, None])
    evaluate(workspace(made), **grouped(evaluate, PROTOCOL | {"threshold_rule": "precision"}))
    assert json.loads(Path("reports/threshold.json").read_text())["target_kept"] is False
    assert "no threshold reaches evaluate.target_precision" in caplog.text


def test_where_nothing_can_be_promised_threshold_json_and_the_log_say_why(caplog: pytest.LogCaptureFixture) -> None:
    evaluate(workspace(HARD), **grouped(evaluate, PROTOCOL | {"threshold_rule": "promise"}))
    threshold = json.loads(Path("reports/threshold.json").read_text())
    assert (threshold["rule"], threshold["target_kept"], threshold["groups"]) == ("promise", False, 10)
    reason = "10 validation groups are too few, it takes at least 59 with every pair right"
    assert threshold["not_promised"] == reason
    assert f"nothing can be promised: {reason}" in caplog.text


def test_enough_groups_that_are_easy_have_a_promise(caplog: pytest.LogCaptureFixture) -> None:
    easy = scattered(groups=300, distractors=100, noise=0.2, seed=1)
    with caplog.at_level(logging.INFO):
        evaluate(workspace(easy), **grouped(evaluate, PROTOCOL | {"threshold_rule": "promise"}))
    threshold = json.loads(Path("reports/threshold.json").read_text())
    assert (threshold["target_kept"], threshold["confidence"], threshold["not_promised"]) == (True, 0.95, None)
    assert threshold["precision"] >= 0.95
    assert "promised with 95 % confidence, by 100 validation groups" in caplog.text


def test_the_calibration_of_the_matches_is_measured_on_the_test_groups(caplog: pytest.LogCaptureFixture) -> None:
    paths = workspace(HARD)
    with caplog.at_level(logging.INFO):
        evaluate(paths, **grouped(evaluate, PROTOCOL))
    metrics = json.loads(Path("reports/metrics.json").read_text())
    between = metrics["ci95"]["calibration_slope"]
    assert between["low"] < metrics["calibration_slope"] < between["high"]
    assert f"probabilities of test pairs: calibration_slope {metrics['calibration_slope']:.3f} (" in caplog.text
    same_file = matched(HARD).assign(relation="same file")
    write_matches(paths.matches, same_file)
    evaluate(paths, **grouped(evaluate, PROTOCOL))
    assert json.loads(Path("reports/metrics.json").read_text())["calibration_slope"] is None
