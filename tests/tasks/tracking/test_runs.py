import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from cbir.base.errors import UserError
from cbir.encoders.encoder import load_encoder
from cbir.encoders.files import encoder_digest
from cbir.images.reading import read_image
from tasks.tracking import runs as tracking
from tasks.tracking.connection import run_url
from tests.support.outputs import make_outputs

pytestmark = [  # of MLflow: one when it imports mlflow.pyfunc, one for what makes it embed a whole batch on the spot
    pytest.mark.filterwarnings("ignore:.*AnyType:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*input example:UserWarning"),
]


@dataclass
class Recorded:
    """A workspace all of whose stages were recorded, by two pipeline runs: all but the last two by the first."""

    folder: Path
    first: str
    second: str

    @property
    def client(self) -> Any:
        import mlflow

        return mlflow.MlflowClient()

    def artifacts(self, run_id: str) -> set[str]:
        root = Path(self.client.get_run(run_id).info.artifact_uri)
        return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    folder = tmp_path_factory.mktemp("workspace")
    make_outputs(folder)
    first = tracking.Pipeline(key="flow-1", began=0.0, command="cbir run", preset="press")
    second = tracking.Pipeline(key="flow-2", began=0.0, command="cbir run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "environ", os.environ.copy())
        patch.setenv("DEEPL_API_KEY", "0f3a-secret-7c:fx")
        patch.chdir(folder)
        stages = ("clean", "groundtruth", "train", "embed", "index", "evaluate", "plots")
        ids = {tracking.record(tracking.Ran(stage, 1.5), first) for stage in stages}
        others = {tracking.record(tracking.Ran(stage, 0.5), second) for stage in ("group", "robustness")}
        yield Recorded(folder, ids.pop(), others.pop())
        assert not ids
        assert not others


def test_all_stages_of_a_pipeline_run_are_in_one_mlflow_run_and_those_of_another_in_another(recorded: Recorded) -> None:
    tags = recorded.client.get_run(recorded.first).data.tags
    assert tags["stages"] == "clean, groundtruth, train, embed, index, evaluate, plots"
    assert recorded.client.get_run(recorded.second).data.tags["stages"] == "group, robustness"


def test_a_run_is_named_by_its_command_and_its_encoder_and_has_tags_to_look_for(recorded: Recorded) -> None:
    run = recorded.client.get_run(recorded.first)
    assert run.info.run_name == "cbir run: simclr timm/mobilenetv2_100"
    tags = {name: run.data.tags[name] for name in ("kind", "preset", "method", "backbone", "weights", "accessions")}
    assert tags == {
        "kind": "run",
        "preset": "press",
        "method": "simclr",
        "backbone": "timm/mobilenetv2_100",
        "weights": "shipped",
        "accessions": "all",
    }
    experiment = recorded.client.get_experiment(run.info.experiment_id)
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"


def test_a_run_has_the_params_that_stages_read_without_credentials_and_the_file_with_all(recorded: Recorded) -> None:
    params = recorded.client.get_run(recorded.first).data.params
    assert params["train.method"] == "simclr"
    assert params["groundtruth.unlabelled"] == "['unlabelled', 'unknown']"
    assert params["groundtruth.file"] == "http://example.org/truth.xlsx"
    sections = {name.partition(".")[0] for name in params}
    assert sections >= {"images", "train", "match", "evaluate", "group"}
    assert sections.isdisjoint({"paths", "tracking", "landing", "schedule", "version", "notify", "shards"})
    written = Path(recorded.client.download_artifacts(recorded.first, "params.yaml")).read_text()
    assert "reader:secret" not in written
    assert "schedule:" in written


def test_the_key_of_the_translations_is_nowhere_in_mlflow(recorded: Recorded) -> None:
    files = [path for path in recorded.folder.rglob("*") if path.is_file()]
    assert recorded.folder / "mlflow.db" in files
    assert not [path for path in files if b"0f3a-secret" in path.read_bytes()]


def test_a_run_names_the_data_that_it_read_with_dvcs_hashes(recorded: Recorded) -> None:
    inputs = recorded.client.get_run(recorded.first).inputs.dataset_inputs
    read = {(entry.dataset.name, entry.dataset.digest, entry.tags[0].value) for entry in inputs}
    assert read == {
        ("data/raw/first", "3" * 32 + ".dir", "clean"),
        ("data/manifest.parquet", "1" * 32, "groundtruth"),
        ("data/training.parquet", "2" * 32, "train"),
    }


def test_a_run_has_seconds_and_few_metrics_under_names_that_mlflow_takes(recorded: Recorded) -> None:
    metrics = recorded.client.get_run(recorded.first).data.metrics
    assert metrics["seconds_clean"] == 1.5
    assert metrics["map_at_10"] == 0.81
    numbers = {name for name in metrics if not name.startswith(("seconds_", "train/", "val/"))}
    assert numbers == {"map_at_10", "embedding_map_at_10"}


def test_all_figures_are_in_tables_with_their_intervals(recorded: Recorded) -> None:
    experiment = recorded.client.get_run(recorded.first).info.experiment_id
    table = recorded.client.load_table(experiment, run_ids=[recorded.first], artifact_file="figures/metrics.json")
    rows = {row.pop("figure"): row for row in table.drop(columns="run_id", errors="ignore").to_dict("records")}
    assert rows["map@10"] == pytest.approx({"value": 0.81, "low": 0.7, "high": 0.9})
    assert rows["map@10_by_relevant"]["value"] == 0.5
    assert "mrr" not in rows


def test_a_run_and_the_version_of_its_encoder_are_described_by_their_summary_with_contact_sheets(
    recorded: Recorded,
) -> None:
    run = recorded.client.get_run(recorded.first)
    note = run.data.tags["mlflow.note.content"]
    assert "metrics   map@10              0.810  (0.700 to 0.900)" in note
    assert f"![contact_best](get-artifact?path=reports/plots/contact_best.png&run_uuid={recorded.first})" in note
    assert "groups" not in note
    described = recorded.client.get_model_version("cbir-encoder", "1").description
    assert "robust    altered copies found at rank 1: flip 60 %" in described


def test_a_run_that_only_grouped_anew_has_the_metrics_too_and_names_the_model(recorded: Recorded) -> None:
    run = recorded.client.get_run(recorded.second)
    assert run.data.metrics["map_at_10"] == 0.81
    assert run.data.metrics["groups"] == 3
    (version,) = recorded.client.search_model_versions("name = 'cbir-encoder'")
    assert [model.model_id for model in run.inputs.model_inputs] == [version.source.removeprefix("models:/")]


def test_a_number_that_several_stages_read_is_logged_once(recorded: Recorded) -> None:
    assert len(recorded.client.get_metric_history(recorded.first, "map_at_10")) == 1
    assert len(recorded.client.get_metric_history(recorded.second, "map_at_10")) == 1


def test_the_figures_of_robustness_have_names_of_their_own(recorded: Recorded) -> None:
    metrics = recorded.client.get_run(recorded.second).data.metrics
    assert metrics["robustness_recall_at_1"] == 0.65
    assert "mrr" not in metrics


def test_the_training_curves_are_there_epoch_by_epoch(recorded: Recorded) -> None:
    losses = recorded.client.get_metric_history(recorded.first, "train/loss")
    assert [(point.step, point.value) for point in losses] == [(0, 3.0), (1, 2.0)]
    assert len(recorded.client.get_metric_history(recorded.first, "val/loss")) == 1


def test_reports_and_plots_are_in_the_run(recorded: Recorded) -> None:
    assert recorded.artifacts(recorded.first) == {
        "params.yaml",
        "accessions.json",
        "figures/clean.json",
        "figures/groundtruth.json",
        "figures/metrics.json",
        "reports/clean.json",
        "reports/cleaning.csv",
        "reports/groundtruth.csv",
        "reports/groundtruth.json",
        "reports/metrics.json",
        "reports/plots/contact_best.png",
    }
    of_robustness = {f"reports/robustness.{kind}" for kind in ("csv", "html", "json", "png")}
    of_group = {"reports/group.json", "reports/groups.csv", "reports/groups.xlsx", "reports/index.html"}
    tables = {f"figures/{name}.json" for name in ("clean", "groundtruth", "metrics", "group", "robustness")}
    assert recorded.artifacts(recorded.second) == of_group | of_robustness | tables | {"params.yaml"}


def test_runs_end_finished(recorded: Recorded) -> None:
    run = recorded.client.get_run(recorded.first)
    assert run.info.status == "FINISHED"
    assert run.info.end_time - run.info.start_time >= 1500


def test_the_registered_model_gives_the_pipelines_vectors_number_for_number(recorded: Recorded) -> None:
    import mlflow

    image = np.random.default_rng(0).integers(0, 255, (700, 900, 3), dtype=np.uint8)
    assert cv2.imwrite("picture.jpg", image)
    model = mlflow.pyfunc.load_model("models:/cbir-encoder/1")
    given = model.predict(pd.DataFrame({"image": [Path("picture.jpg").read_bytes()] * 2}))
    encoder = load_encoder(Path("models/encoder"))
    expected = encoder.embed([read_image(Path("picture.jpg"), longest_side=512)] * 2, batch_size=64, precision="auto")
    assert given.dtype == np.float32
    np.testing.assert_array_equal(given, expected)


def test_the_registered_model_says_what_it_takes_and_gives_and_where_it_came_from(recorded: Recorded) -> None:
    import mlflow

    info = mlflow.models.get_model_info("models:/cbir-encoder/1")
    assert info.signature.inputs.to_dict() == [{"type": "binary", "name": "image", "required": True}]
    assert info.signature.outputs.to_dict()[0]["tensor-spec"]["shape"] == (
        -1,
        load_encoder(Path("models/encoder")).dimension,
    )
    version = recorded.client.get_model_version("cbir-encoder", "1")
    assert version.run_id == recorded.first
    digest = encoder_digest(Path("models/encoder"))
    assert version.tags == {"encoder": digest, "pipeline_run": "flow-1", "gate.embedding_map_at_10": "0.7"}
    example = info.saved_input_example_info["artifact_path"]
    assert example in {path.name for path in Path("mlruns").rglob("*.json")}


def test_nothing_of_the_model_is_pickled(recorded: Recorded) -> None:
    stored = [path for path in Path("mlruns").rglob("*") if path.suffix in (".pkl", ".pickle", ".joblib", ".pt")]
    assert not stored
    assert "cloudpickle" not in next(Path("mlruns").rglob("MLmodel")).read_text()


def test_a_stage_that_failed_shows_until_it_succeeded(recorded: Recorded) -> None:
    pipeline = tracking.Pipeline(key="flow-3", began=0.0, command="cbir run")
    run_id = tracking.record(tracking.Ran("index", 1.0, failed="no space on http://a:b@example.org"), pipeline)
    failed = recorded.client.get_run(run_id)
    assert failed.info.status == "FAILED"
    assert failed.data.tags["failed.index"] == "no space on http://example.org"
    tracking.record(tracking.Ran("groundtruth", 1.0), pipeline)
    assert recorded.client.get_run(run_id).info.status == "FAILED"
    tracking.record(tracking.Ran("index", 1.0), pipeline)
    mended = recorded.client.get_run(run_id)
    assert mended.info.status == "FINISHED"
    assert "failed.index" not in mended.data.tags


def test_an_encoder_that_is_registered_is_not_registered_again(recorded: Recorded) -> None:
    pipeline = tracking.Pipeline(key="flow-4", began=0.0, command="cbir run")
    run_id = tracking.record(tracking.Ran("train", 1.0), pipeline)
    assert len(recorded.client.search_model_versions("name = 'cbir-encoder'")) == 1
    assert recorded.client.get_run(run_id).inputs.model_inputs


def test_a_run_of_an_earlier_process_with_the_same_number_is_not_taken_up(recorded: Recorded) -> None:
    earlier = tracking.record(
        tracking.Ran("index", 1.0), tracking.Pipeline(key="host:7", began=0.0, command="dvc repro")
    )
    info = recorded.client.get_run(earlier).info
    later = tracking.Pipeline(key="host:7", began=info.start_time / 1000 + 60, command="dvc repro")
    assert tracking.record(tracking.Ran("index", 1.0), later) != earlier


def test_the_settings_of_the_tracking_are_checked() -> None:
    with pytest.raises(UserError, match=r"tracking\.experimnt is no parameter; did you mean experiment"):
        tracking.load_tracking({"tracking": {"experimnt": "a"}})
    with pytest.raises(UserError, match=r"tracking\.experiment is missing"):
        tracking.load_tracking({"tracking": {"uri": "a"}})


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("sqlite:///mlflow.db", "http://127.0.0.1:5000/#/runs/1f"),
        ("https://me:secret@mlflow.example.org/", "https://mlflow.example.org/#/runs/1f"),
    ],
)
def test_the_address_of_a_run_is_on_the_server_where_there_is_one(uri: str, address: str) -> None:
    values = {"uri": uri, "experiment": "cbir", "model": "cbir-encoder", "ui": "http://127.0.0.1:5000"}
    assert run_url("1f", {"tracking": values}) == address
