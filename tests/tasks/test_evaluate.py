"""Tests of tasks.evaluate."""

import json
import logging
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from cbir.archive.manifest import SCHEMA
from cbir.embedding.files import write_embeddings
from cbir.files import write_parquet
from cbir.images.reduced import ReducedImages
from cbir.matching.table import MATCHES, write_matches
from cbir.training.objective import PREDICTIONS
from tasks.evaluate import evaluate
from tasks.harness.settings import Paths, grouped
from tests.support.retrievals import Archive, archive, scattered

OPTIONS: dict[str, Any] = {
    "longest_side": 64,
    "queries": "test",
    "gallery": "all",
    "relevance": "auto",
    "threshold_rule": "f1",
    "target_precision": 0.95,
    "default_threshold": 0.9,
    "bootstrap": 50,
    "projection_images": 0,
    "seed": 0,
}
HARD = scattered(groups=30, distractors=60, noise=1.1, seed=1)
CURVES = {"loss.csv", "precision_recall.csv", "probabilities.csv", "similarities.csv"}


def workspace(made: Archive, *, history: bool = True) -> Paths:
    """All that the stage reads, in the working directory; the image at position 0 is neither stored nor on disk."""
    files = {field.name: Path("work") / field.name for field in fields(Paths)}
    paths = Paths(**files | {"reports": Path("reports"), "raw": Path("data/raw")})
    batch = [(list(made.ids), made.vectors)]
    write_embeddings(paths.embeddings, batch, dimension=made.vectors.shape[1], encoder_digest="d", precision="float32")
    made.neighbours.to_parquet(paths.neighbours)
    write_matches(paths.matches, matched(made))
    made.groundtruth.assign(caption=None).to_parquet(paths.groundtruth)
    rows = [{"image_id": image_id, "path": f"old/été {n}.jpg"} for n, image_id in enumerate(made.ids)]
    known = {"page": 0, "accession": "old", "bytes": 1, "width": 9, "height": 9, "status": "ok"}
    pd.DataFrame(rows).assign(**known).reindex(columns=SCHEMA.names).to_parquet(paths.manifest)
    paths.encoder.mkdir()
    losses = [(1, "train", 3.0), (1, "val", 3.1), (2, "train", 2.0), (2, "val", 2.2)] if history else []
    table = pd.DataFrame(losses, columns=["epoch", "split", "loss"]).astype({"loss": float})
    table.to_parquet(paths.encoder / "history.parquet")
    write_parquet(paths.encoder / "predictions.parquet", PREDICTIONS.empty_table())
    images = ReducedImages(paths.store, paths.raw, longest_side=64)
    for position, image_id in enumerate(made.ids[1:], 1):
        images.put(image_id, np.full((48, 64), position % 256, np.uint8))
    return paths


def matched(made: Archive) -> pd.DataFrame:
    """The neighbours as matches, whose probabilities come from the similarity."""
    rows = made.neighbours.assign(relation="unrelated", mirrored=False, inliers=0, map=None, tone=0.0, log_nfa=0.0)
    rows = rows.assign(probability=((rows["similarity"] + 1) / 2).clip(0, 1) ** 4)
    return rows.assign(overlap_query=0.0, overlap_neighbour=0.0)[MATCHES.names]


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def written(folder: str) -> set[str]:
    return {path.name for path in Path("reports", folder).iterdir()}


def test_the_stage_writes_metrics_threshold_queries_curves_and_figures() -> None:
    evaluate(workspace(HARD), **grouped(evaluate, OPTIONS))
    metrics = json.loads(Path("reports/metrics.json").read_text())
    threshold = json.loads(Path("reports/threshold.json").read_text())
    queries = pd.read_parquet("reports/per_query.parquet")
    assert metrics["counts"]["queries"] == len(queries) == 30
    assert metrics["map@10"] == pytest.approx(queries["map@10"].mean(), abs=1e-6)
    assert metrics["threshold"] == pytest.approx(threshold["threshold"], abs=1e-6)
    assert queries["query_id"].is_monotonic_increasing
    assert written("curves") == CURVES
    figures = {f"{name}.png" for name in ("loss", "precision_recall", "probabilities", "similarities", "reliability")}
    assert written("plots") == figures | {f"contact_{name}.png" for name in ("best", "worst", "missed")}
    assert written(".") == {"metrics.json", "threshold.json", "per_query.parquet", "curves", "plots"}


def test_what_a_classifier_predicted_for_test_images_is_measured(caplog: pytest.LogCaptureFixture) -> None:
    paths = workspace(HARD)
    rows = [("1", "test", "a", "a"), ("2", "test", "a", "b"), ("3", "test", "b", "b"), ("4", "val", "a", "b")]
    columns = [pa.array(column) for column in zip(*rows, strict=True)]
    write_parquet(paths.encoder / "predictions.parquet", pa.table(columns, schema=PREDICTIONS))
    with caplog.at_level(logging.INFO):
        evaluate(paths, **grouped(evaluate, OPTIONS))
    metrics = json.loads(Path("reports/metrics.json").read_text())
    figures = [metrics[f"class_{name}"] for name in ("precision", "recall", "f1")]
    assert figures == pytest.approx([0.75, 0.75, 2 / 3], abs=1e-6)
    assert "scenes of the test images: class_precision 0.750" in caplog.text


def test_the_same_inputs_give_the_same_bytes() -> None:
    paths = workspace(HARD)
    seen = []
    for _ in range(2):
        evaluate(paths, **grouped(evaluate, OPTIONS))
        seen.append({path: path.read_bytes() for path in sorted(Path("reports").rglob("*")) if path.is_file()})
    assert seen[0] == seen[1]


def test_without_ground_truth_and_training_the_stage_writes_counts_and_the_default_threshold(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = archive(np.random.default_rng(0).normal(size=(12, 4)), groups=[None] * 12, splits=[None] * 12)
    with caplog.at_level(logging.INFO):
        evaluate(workspace(made, history=False), **grouped(evaluate, OPTIONS))
    metrics = json.loads(Path("reports/metrics.json").read_text())
    assert metrics["map@10"] is metrics["class_f1"] is None
    assert metrics["counts"]["images"] == 12
    assert json.loads(Path("reports/threshold.json").read_text())["rule"] == "default"
    assert pd.read_parquet("reports/per_query.parquet").empty
    assert written("curves") == CURVES
    assert written("plots") == {"similarities.png", "contact_nearest.png"}
    assert "no query" in caplog.text
    assert "threshold 0.900 is evaluate.default_threshold" in caplog.text


def test_an_archive_of_one_image_is_no_error() -> None:
    evaluate(workspace(archive(np.eye(1), groups=[None], splits=[None]), history=False), **grouped(evaluate, OPTIONS))
    assert json.loads(Path("reports/metrics.json").read_text())["counts"]["images"] == 1


def test_an_image_that_is_gone_from_store_and_archive_costs_one_picture_and_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = archive(np.eye(4) + 0.1, groups=["a", "a", "b", "b"], splits=["test"] * 4)
    evaluate(workspace(made), **grouped(evaluate, OPTIONS))
    assert "a contact sheet lacks old/été 0.jpg" in caplog.text
    assert "contact_best.png" in written("plots")


def test_the_log_tells_the_metrics_with_their_intervals(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        evaluate(workspace(HARD), **grouped(evaluate, OPTIONS))
    metrics = json.loads(Path("reports/metrics.json").read_text())
    between = metrics["ci95"]["map@10"]
    assert f"map@10 {metrics['map@10']:.3f} ({between['low']:.3f} to {between['high']:.3f})" in caplog.text
    assert "30 queries of 10 groups among 150 images" in caplog.text


def test_a_promise_that_cannot_be_kept_is_told(caplog: pytest.LogCaptureFixture) -> None:
    away = np.array([[1, 0], [0, 1], [1, 0.1], [0.1, 1]])
    made = archive(away, groups=["a", "a", None, None], splits=["val", "val", None, None])
    evaluate(workspace(made), **grouped(evaluate, OPTIONS | {"threshold_rule": "precision"}))
    assert json.loads(Path("reports/threshold.json").read_text())["target_kept"] is False
    assert "no threshold reaches evaluate.target_precision" in caplog.text


def test_where_nothing_can_be_promised_threshold_json_and_the_log_say_why(caplog: pytest.LogCaptureFixture) -> None:
    evaluate(workspace(HARD), **grouped(evaluate, OPTIONS | {"threshold_rule": "promise"}))
    threshold = json.loads(Path("reports/threshold.json").read_text())
    assert (threshold["rule"], threshold["target_kept"], threshold["groups"]) == ("promise", False, 10)
    reason = "10 validation groups are too few, it takes at least 59 with every pair right"
    assert threshold["not_promised"] == reason
    assert f"nothing can be promised: {reason}" in caplog.text


def test_enough_groups_that_are_easy_have_a_promise(caplog: pytest.LogCaptureFixture) -> None:
    easy = scattered(groups=300, distractors=100, noise=0.2, seed=1)
    with caplog.at_level(logging.INFO):
        evaluate(workspace(easy), **grouped(evaluate, OPTIONS | {"threshold_rule": "promise"}))
    threshold = json.loads(Path("reports/threshold.json").read_text())
    assert (threshold["target_kept"], threshold["confidence"], threshold["not_promised"]) == (True, 0.95, None)
    assert threshold["precision"] >= 0.95
    assert "promised with 95 % confidence, by 100 validation groups" in caplog.text


def test_the_calibration_of_the_matches_is_measured_on_the_test_groups(caplog: pytest.LogCaptureFixture) -> None:
    paths = workspace(HARD)
    with caplog.at_level(logging.INFO):
        evaluate(paths, **grouped(evaluate, OPTIONS))
    metrics = json.loads(Path("reports/metrics.json").read_text())
    between = metrics["ci95"]["calibration_slope"]
    assert between["low"] < metrics["calibration_slope"] < between["high"]
    assert f"probabilities of test pairs: calibration_slope {metrics['calibration_slope']:.3f} (" in caplog.text
    same_file = matched(HARD).assign(relation="same file")
    write_matches(paths.matches, same_file)
    evaluate(paths, **grouped(evaluate, OPTIONS))
    assert json.loads(Path("reports/metrics.json").read_text())["calibration_slope"] is None
