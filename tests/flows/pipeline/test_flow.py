"""The real pipeline on a small sample archive: what a user does, and what must hold afterwards."""

import csv
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from tests.support.archive import assign, copy, is_clean, registered, start, tracked_runs
from tests.support.workspace import Workspace

pytestmark = pytest.mark.heavy


@pytest.fixture
def workspace(sample: Workspace, tmp_path: Path) -> Workspace:
    return copy(sample, tmp_path / "workspace")


def _hashes(workspace: Workspace) -> dict[str, str]:
    lock = YAML(typ="safe").load(workspace.folder / "dvc.lock")
    return {out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage["outs"]}


def test_dvc_repro_from_nothing_gives_the_same_bytes_and_one_mlflow_run(workspace: Workspace) -> None:
    by_flow = _hashes(workspace)
    shutil.rmtree(workspace.folder / ".store")
    shutil.rmtree(workspace.folder / ".dvc/cache/runs")
    before = tracked_runs(workspace)
    workspace.command("dvc", "repro", "--force", "--no-run-cache")
    assert _hashes(workspace) == by_flow
    new = [status for run, status in tracked_runs(workspace) if run not in {known for known, _ in before}]
    assert new == ["FINISHED"]


def test_images_that_land_later_train_nothing_and_only_they_are_embedded(workspace: Workspace, tmp_path: Path) -> None:
    landed = tmp_path / "landed"
    landed.mkdir()
    manifest = pq.read_table(workspace.folder / "data/manifest.parquet").to_pylist()
    jpegs = [row["path"] for row in manifest if row["status"] == "ok" and row["path"].endswith(".jpg")]
    for number, path in enumerate(jpegs[:2]):
        data = (workspace.folder / "data/raw" / path).read_bytes()
        (landed / f"new {number}.jpg").write_bytes(data + bytes([number]))  # another file of the same picture
    names = sorted({row["accession"] for row in manifest})
    assign(workspace, f"groundtruth.accessions={json.dumps(names)}")
    workspace.command("cbir", "import", landed)
    output = workspace.run().stderr
    assert "train: unchanged" in output
    assert "embed: ran" in output
    assert is_clean(workspace)
    neighbours = pq.read_table(workspace.folder / "data/neighbours.parquet").to_pylist()
    after = pq.read_table(workspace.folder / "data/manifest.parquet").to_pylist()
    new = {row["image_id"] for row in after if row["accession"] == "landed"}
    nearest = [row for row in neighbours if row["query_id"] in new and row["rank"] == 1]
    assert len(nearest) == 2
    assert all(row["similarity"] > 0.99 for row in nearest)


def test_training_that_was_killed_goes_on_by_dvc_repro_and_the_alias_follows_the_encoder_on_disk(
    workspace: Workspace,
) -> None:
    assert registered(workspace)[0] == "1"
    assert "in service" not in workspace.run().stderr
    assign(workspace, "train.epochs=12", "train.patience=12")
    checkpoints = workspace.folder / ".store/checkpoints"
    process = start(workspace, "run")
    end = time.monotonic() + 120
    while not any(checkpoints.rglob("last.ckpt")):
        assert process.poll() is None
        assert time.monotonic() < end, "no checkpoint appeared"
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    done = workspace.command("dvc", "repro")
    assert "going on after epoch" in done.stdout + done.stderr
    assert is_clean(workspace)
    assert "in service: version 2 of cbir-encoder" in workspace.run().stderr
    assert registered(workspace)[0] == "2"
    worse = ("--set", "train.epochs=2", "--set", "train.patience=30", "--yes")
    restored = workspace.command("cbir", "run", *worse).stderr
    assert ": ran" not in restored
    assert registered(workspace)[0] == "1"


def test_a_study_and_the_workspace_restore_what_the_other_has_computed(workspace: Workspace) -> None:
    done = workspace.command("cbir", "study", "simclr-standard", "sift", "--quick")
    assert "simclr-standard/groundtruth: restored from the run cache" in done.stderr
    assert "simclr-standard/train: ran" in done.stderr
    with (workspace.folder / "reports/study.csv").open(newline="") as file:
        rows = {row["preset"]: row for row in csv.DictReader(file)}
    assert set(rows) == {"simclr-standard", "sift"}
    for row in rows.values():
        assert row["failure"] == ""
        assert float(row["map@10"]) >= 0
        assert float(row["robustness/recall@1"]) >= 0
        assert float(row["embedding_seconds"]) > 0
    assert float(rows["simclr-standard"]["training_seconds"]) > 0
    output = workspace.command("sh", "-c", rows["simclr-standard"]["command"]).stderr
    assert "train: restored from the run cache" in output
    assert "robustness: restored from the run cache" in output
    again = workspace.command("cbir", "study", "sift", "simclr-standard", "--quick")
    assert ": ran" not in again.stderr
    with sqlite3.connect(workspace.folder / "mlflow.db") as database:
        parents = database.execute("SELECT value FROM tags WHERE key = 'mlflow.parentRunId'").fetchall()
    assert len(parents) >= 2
    assert len(set(parents)) < len(parents)


def test_ctrl_c_ends_in_one_sentence_and_the_next_run_goes_on(workspace: Workspace) -> None:
    process = subprocess.Popen(
        ["cbir", "run", "--set", "train.epochs=41"], cwd=workspace.folder, env=workspace.environment, text=True,
        start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    encoder = workspace.folder / "models/encoder"
    while encoder.exists():  # DVC removes the old output when the stage begins
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(4)
    os.killpg(process.pid, signal.SIGINT)
    _, shown = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in shown
    assert "Traceback" not in shown
    workspace.run("train.epochs=2")
    assert is_clean(workspace)


def test_a_wrong_value_ends_in_one_sentence_that_names_it(workspace: Workspace) -> None:
    done = workspace.run("groundtruth.file=missing.xlsx", check=False)
    assert done.returncode == 1
    error = done.stderr.splitlines()[-1]
    assert error.startswith("error: ")
    assert "missing.xlsx" in error
    assert "Traceback" not in done.stderr
