"""A study in MLflow: one run, with a nested one a preset."""

import shutil
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest

from tasks.tracking.facts import Ran
from tasks.tracking.study import Member, record_study
from tests.support.outputs import make_outputs

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.filterwarnings("ignore:.*AnyType:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*input example:UserWarning"),
]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The MLflow runs of a study of a preset that succeeded and one that failed, by name."""
    import mlflow

    folder = tmp_path_factory.mktemp("study") / "workspace"
    folder.mkdir()
    make_outputs(folder)
    (folder / "reports/study.csv").write_text("preset,map@10\n")
    member = folder / ".store/studies/good"
    member.mkdir(parents=True)
    for name in ("params.yaml", "dvc.yaml", "dvc.lock"):
        shutil.copy(folder / name, member)
    for name in ("data", "models", "reports"):
        shutil.copytree(folder / name, member / name)
    members = [
        Member(
            "good", str(member), [Ran("train", 12.0), Ran("embed", 3.0), Ran("evaluate", 2.0), Ran("robustness", 1.0)]
        ),
        Member("bad", str(member), [Ran("groundtruth", 1.0), Ran("train", 0.0, failed="no caption at all")]),
    ]
    with chdir(folder):
        parent = record_study("key", 1_700_000_000.0, members, ["reports/study.csv"])
    mlflow.set_tracking_uri(f"sqlite:///{folder.as_posix()}/mlflow.db")
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("cbir")
    named = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert named["study"].info.run_id == parent
    return named


def test_a_study_is_one_run_with_a_nested_one_a_preset(runs: dict[str, Any]) -> None:
    assert set(runs) == {"study", "good", "bad"}
    parent = runs["study"].info.run_id
    assert {name: run.data.tags.get("mlflow.parentRunId") for name, run in runs.items()} == {
        "study": None,
        "good": parent,
        "bad": parent,
    }
    assert runs["study"].info.status == runs["good"].info.status == "FINISHED"


def test_a_nested_run_has_the_metrics_and_seconds_of_its_stages(runs: dict[str, Any]) -> None:
    metrics = runs["good"].data.metrics
    assert metrics["map_at_10"] == 0.81
    assert metrics["seconds_train"] == 12.0
    assert metrics["robustness_recall_at_1"] == 0.65
    assert metrics["train/loss"] == 2.0
    assert runs["good"].data.params["train.method"] == "simclr"


def test_a_preset_that_failed_is_a_failed_run_that_says_why(runs: dict[str, Any]) -> None:
    assert runs["bad"].info.status == "FAILED"
    assert runs["bad"].data.tags["failed.train"] == "no caption at all"
    assert runs["bad"].data.metrics["seconds_groundtruth"] == 1.0


def test_the_table_is_with_the_whole(runs: dict[str, Any]) -> None:
    artifacts = Path(runs["study"].info.artifact_uri)
    assert (artifacts / "reports/study.csv").read_text() == "preset,map@10\n"
