"""The facts of a stage follow from what dvc.yaml says that it reads and writes, whatever the stage is called."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from cbir.embedding.files import write_embeddings
from cbir.encoders.files import encoder_digest
from cbir.evaluation.quality import LEADING
from tasks.harness.settings import PARAMS, Paths, load_paths, read_yaml
from tasks.tracking.facts import encoder_used, metrics_files, numbers

REPOSITORY = Path(__file__).parents[3]
GRAPH = """
stages:
  tidy: {cmd: x, deps: ["${paths.raw}"], outs: ["${paths.manifest}"], metrics: ["${paths.reports}/tidy.json"]}
  adapt: {cmd: x, deps: ["${paths.manifest}"], outs: ["${paths.encoder}"]}
  read: {cmd: x, deps: ["${paths.encoder}/history.parquet"], metrics: ["${paths.reports}/metrics.json"]}
  vectors: {cmd: x, deps: ["${paths.manifest}", "${paths.encoder}"], outs: ["${paths.embeddings}"]}
  gather: {cmd: x, deps: ["${paths.embeddings}", "${paths.reports}/metrics.json"], outs: ["${paths.groups}"]}
"""


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A workspace with an encoder, embeddings of an earlier one, and metrics."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(REPOSITORY / "params.yaml", PARAMS)
    Path("dvc.yaml").write_text(GRAPH)
    paths = load_paths(read_yaml(PARAMS))
    paths.encoder.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (paths.encoder / name).write_text(name)
    vector = [(["0" * 32], np.ones((1, 2), np.float32))]
    write_embeddings(paths.embeddings, vector, dimension=2, encoder_digest="earlier", precision="float32")
    paths.reports.mkdir()
    for name in ("tidy.json", "metrics.json"):
        (paths.reports / name).write_text("{}")
    return paths


def test_the_metrics_of_a_stage_are_its_own_and_those_of_the_stages_that_it_reads_from(paths: Paths) -> None:
    tidy, metrics = paths.reports / "tidy.json", paths.reports / "metrics.json"
    assert metrics_files("tidy") == metrics_files("adapt") == metrics_files("vectors") == [tidy]
    assert metrics_files("read") == metrics_files("gather") == [metrics]
    metrics.unlink()
    assert metrics_files("gather") == []


def test_a_stage_works_with_the_encoder_of_its_embeddings_or_with_the_one_that_it_reads(paths: Paths) -> None:
    assert encoder_used("vectors", paths) == encoder_used("gather", paths) == "earlier"
    assert encoder_used("read", paths) == encoder_digest(paths.encoder)
    assert encoder_used("tidy", paths) is None


def test_few_numbers_are_metrics_and_have_names_without_a_slash(paths: Paths) -> None:
    document = {
        "recall@1": 0.4,
        "recall@10": 0.5,
        "mrr": None,
        "rule": "f1",
        "kept": True,
        "ci95": {"recall@1": {"low": 0, "high": None}},
    }
    for name in ("tidy.json", "metrics.json", "robustness.json"):
        (paths.reports / name).write_text(json.dumps(document))
    assert numbers(paths.reports / "metrics.json") == {"recall_at_10": 0.5}
    assert numbers(paths.reports / "robustness.json") == {"robustness_recall_at_1": 0.4}
    assert numbers(paths.reports / "tidy.json") == {}
    assert sum(len(names) for names in LEADING.values()) <= 18
