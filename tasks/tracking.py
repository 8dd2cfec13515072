"""Records a stage that ran in MLflow; under `dvc repro` by ``python -m tasks.tracking STAGE SECONDS`` after each stage.

All stages of one pipeline run share one MLflow run. Under Prefect the flow names the pipeline run, and all its stages
are recorded by one process, see :mod:`tasks.recorder`; under `dvc repro` it is the process of DVC from which the stages
descend. Nobody knows there which stage is the last, so the MLflow run is ended after each stage and taken up again by
the next. Where nothing ran nothing is called, and there is no MLflow run.
"""

import argparse
import importlib
import json
import os
import re
import socket
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock
import psutil

import cbir
from cbir.encoder_files import CONFIG_FILE, encoder_digest
from cbir.errors import UserError
from tasks.findings import (
    Data,
    counts,
    data_read,
    embedded_by,
    evaluation,
    flatten,
    history,
    read_commit,
    trained_on,
    without_credentials,
)
from tasks.settings import PARAMS, Paths, load_paths, load_section, outputs, read_yaml

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

RUN_LINE = "MLflow run: "  # and the id: the one line on stdout
PIPELINE = "pipeline_run"  # the tag by which the stages of a pipeline run find their MLflow run
FAILED = "failed."  # and the stage: the tag that holds what went wrong
PARAMS_ARTIFACT, ACCESSIONS_ARTIFACT = "params.yaml", "accessions.json"  # how an encoder was made, to come back to
ENCODER = "encoder"  # the tag of models and runs that holds the encoder's digest
SHELLS = {"sh", "bash", "dash", "zsh", "ksh", "fish", "csh", "tcsh"}
LOCK_TIMEOUT = 600  # seconds; another stage may be uploading its report
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # a server that is down holds a stage up for seconds, not for minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}
REQUIREMENTS = [  # of the logged model; MLflow would take 9 s to find them by loading it
    "imagehash",
    "mlflow",
    "numpy",
    "open_clip_torch",
    "opencv-python-headless",
    "pandas",
    "pillow",
    "pyvips",
    "pyvips-binary",
    "safetensors",
    "timm",
    "torch",
    "torchvision",
]


@dataclass(frozen=True)
class Tracking:
    """The section ``tracking`` of params.yaml: MLflow's address (empty: off), experiment, registered model, UI."""

    uri: str
    experiment: str
    model: str
    ui: str


@dataclass(frozen=True)
class Pipeline:
    """What identifies a pipeline run: its key, the time at which it began at the earliest, the command that it is.

    ``name`` is the MLflow run's, and ``parent`` the id of the MLflow run that it belongs to, where there is one.
    """

    key: str
    began: float
    command: str
    name: str | None = None
    parent: str | None = None


def load_tracking(params: dict[str, Any]) -> Tracking:
    """The section ``tracking``, checked."""
    return load_section("tracking", Tracking, params)


def run_url(run_id: str, params: dict[str, Any]) -> str:
    """Where a browser finds the run: on the tracking server where there is one, else on the local UI."""
    tracking = load_tracking(params)
    served = tracking.uri.startswith(("http://", "https://"))
    return f"{without_credentials(tracking.uri if served else tracking.ui).rstrip('/')}/#/runs/{run_id}"


def find_pipeline() -> Pipeline:
    """The pipeline run that this process belongs to; its parent is the stage."""
    owner, command = psutil.Process().parent() or psutil.Process(), f"python -m {__package__}"
    if os.environ.get("DVC_STAGE"):
        owner = next((one for one in owner.parents() if one.name() not in SHELLS), owner)
        command = "dvc repro"
    return Pipeline(key=f"{socket.gethostname()}:{owner.pid}", began=owner.create_time(), command=command)


def record(
    stage: str,
    seconds: float,
    pipeline: Pipeline,
    *,
    failed: str | None = None,
    data: Sequence[Data] | None = None,
) -> str:
    """Record a stage that ran; returns the id of the MLflow run.

    Args:
        seconds: how long it took.
        failed: the sentence that says why it failed; None where it did not.
        data: what it read; None: as DVC has it now.
    """
    params = read_yaml(PARAMS)
    with connection(load_tracking(params), load_paths(params)) as (client, experiment):
        run = find_or_create(client, experiment, pipeline, began=time.time() - seconds)
        log_stage(client, run, stage, seconds, failed=failed, data=data)
    return run.info.run_id


def log_stage(
    client: "MlflowClient",
    run: "Run",
    stage: str,
    seconds: float,
    *,
    failed: str | None = None,
    data: Sequence[Data] | None = None,
) -> None:
    """Put a stage of the workspace, which is the working directory, on an MLflow run, and end the run, for now."""
    params = read_yaml(PARAMS)
    _log_params(client, run, params)
    _log_stage(client, run, stage, seconds, data_read(stage) if data is None else data)
    if failed is None:
        _log_results(client, run.info.run_id, stage, load_paths(params), load_tracking(params))
    _end(client, run, stage, failed)


def load_mlflow() -> None:
    """Spend the seconds that MLflow takes to load."""
    os.environ.update({name: value for name, value in QUIET.items() if name not in os.environ})
    importlib.import_module("mlflow")


@contextmanager
def connection(tracking: Tracking, paths: Paths) -> Iterator[tuple["MlflowClient", str]]:
    """A client and the experiment's id, under a lock.

    Of two processes that create the database at once one dies, and two that look for the pipeline's run create two.
    """
    load_mlflow()
    database = re.fullmatch(r"sqlite:///(.+)", tracking.uri)
    path = Path(f"{database[1]}.lock") if database else paths.store / "tracking.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(path, timeout=LOCK_TIMEOUT):
            import mlflow

            # An absolute path, for callers may change the working directory.
            mlflow.set_tracking_uri(f"sqlite:///{Path(database[1]).absolute()}" if database else tracking.uri)
            experiment = mlflow.set_experiment(tracking.experiment)
            yield mlflow.MlflowClient(), experiment.experiment_id
    except filelock.Timeout as error:
        raise UserError(f"{path} was held by another process for {LOCK_TIMEOUT} s; end it and run again") from error


def prepare_database(tracking: Tracking, paths: Paths) -> None:
    """Create MLflow's database and experiment where they are not there."""
    with connection(tracking, paths):
        pass


def find_or_create(client: "MlflowClient", experiment: str, pipeline: Pipeline, *, began: float) -> "Run":
    """The MLflow run of the pipeline run.

    A process's number is given again after its end: a run that is older than the process belongs to another one.
    """
    since = int((pipeline.began - 5) * 1000)  # clocks are set now and then
    query = f"tags.{PIPELINE} = '{pipeline.key}' AND attributes.start_time >= {since}"
    found = client.search_runs([experiment], query, max_results=1)
    if found:
        return found[0]
    tags = {PIPELINE: pipeline.key, "mlflow.source.name": pipeline.command, "mlflow.source.type": "LOCAL"}
    commit = read_commit()
    if commit:
        tags["mlflow.source.git.commit"] = commit.sha
        tags["mlflow.source.git.branch"] = commit.branch
        tags["changed_since_commit"] = ", ".join(commit.changed) or "nothing"
    if pipeline.parent:
        tags["mlflow.parentRunId"] = pipeline.parent
    return client.create_run(experiment, start_time=int(began * 1000), tags=tags, run_name=pipeline.name)


def _log_params(client: "MlflowClient", run: "Run", params: dict[str, Any]) -> None:
    """Params as they stand when the pipeline run begins; MLflow keeps the first value."""
    from mlflow.entities import Param

    flat = {name: without_credentials(str(value)) for name, value in flatten(params)}
    new = [Param(name, value) for name, value in flat.items() if name not in run.data.params]
    for start in range(0, len(new), 100):  # MLflow's limit of one call
        client.log_batch(run.info.run_id, params=new[start : start + 100])


def _log_stage(client: "MlflowClient", run: "Run", stage: str, seconds: float, data: Sequence[Data]) -> None:
    """That the stage ran, how long it took, and the data that it read, with DVC's hashes."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    ran = [name for name in run.data.tags.get("stages", "").split(", ") if name and name != stage]
    client.set_tag(run.info.run_id, "stages", ", ".join([*ran, stage]))
    client.log_metric(run.info.run_id, f"seconds/{stage}", seconds)
    datasets = []
    for one in data:
        source, profile = json.dumps({"uri": one.path}), json.dumps({"bytes": one.size, "files": one.files})
        dataset = Dataset(one.path, one.md5, source_type="local", source=source, profile=profile)
        datasets.append(DatasetInput(dataset, tags=[InputTag("mlflow.data.context", stage)]))
    client.log_inputs(run.info.run_id, datasets)


def _log_results(client: "MlflowClient", run_id: str, stage: str, paths: Paths, tracking: Tracking) -> None:
    """The reports that the stage wrote, and what it found."""
    for path in outputs(stage):
        if path.is_relative_to(paths.reports) and path.is_dir():
            client.log_artifacts(run_id, str(path), path.relative_to(paths.reports.parent).as_posix())
        elif path.is_relative_to(paths.reports) and path.exists():
            client.log_artifact(run_id, str(path), path.parent.relative_to(paths.reports.parent).as_posix())
    if stage == "train":
        _log_metrics(client, run_id, history(paths.encoder / "history.parquet"))
        register_encoder(client, run_id, paths, tracking)
        return
    found = counts(stage, paths)
    if stage in ("evaluate", "group", "sift"):  # a run that only grouped anew can be compared with others all the same
        found |= evaluation(paths.reports / "metrics.json")
    model = None
    if stage in ("embed", "evaluate", "group", "robustness"):
        model = _use_model(client, run_id, tracking, embedded_by(paths.embeddings))
    _log_metrics(client, run_id, [(name, value, 0) for name, value in found.items()], model=model)


def _log_metrics(
    client: "MlflowClient", run_id: str, values: Iterable[tuple[str, float, int]], *, model: str | None = None
) -> None:
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    metrics = [Metric(name, value, now, step, model_id=model) for name, value, step in values]
    for start in range(0, len(metrics), 1000):  # MLflow's limit of one call
        client.log_batch(run_id, metrics[start : start + 1000])


def _use_model(client: "MlflowClient", run_id: str, tracking: Tracking, digest: str) -> str | None:
    """Say that the run works with the encoder of this digest; returns the id of its registered model, if it has one."""
    from mlflow.entities import LoggedModelInput

    client.set_tag(run_id, ENCODER, digest)
    versions = client.search_model_versions(f"name = '{tracking.model}' AND tags.{ENCODER} = '{digest}'", max_results=1)
    if not versions:
        return None
    model = str(versions[0].source).removeprefix("models:/")  # the version's own field model_id stays empty
    if versions[0].run_id != run_id:
        client.log_inputs(run_id, models=[LoggedModelInput(model)])
    return model


def register_encoder(client: "MlflowClient", run_id: str, paths: Paths, tracking: Tracking) -> None:
    """Log the encoder as a model that takes images, and register it; one that is registered already is not copied.

    The settings that made it come first: no version is there without them.
    """
    from cbir.serving import COLUMN

    digest = encoder_digest(paths.encoder)
    if _use_model(client, run_id, tracking, digest):
        return
    client.log_text(run_id, without_credentials(PARAMS.read_text(encoding="utf-8")), PARAMS_ARTIFACT)
    client.log_text(run_id, json.dumps(trained_on(paths), ensure_ascii=False), ACCESSIONS_ARTIFACT)

    import mlflow
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema, TensorSpec

    params = read_yaml(PARAMS)
    dimension = json.loads((paths.encoder / CONFIG_FILE).read_text(encoding="utf-8"))["dimension"]
    signature = ModelSignature(
        inputs=Schema([ColSpec(DataType.binary, COLUMN)]),
        outputs=Schema([TensorSpec(np.dtype(np.float32), (-1, dimension))]),
    )
    with mlflow.start_run(run_id=run_id):
        mlflow.pyfunc.log_model(
            name="encoder",
            loader_module="cbir.serving",
            data_path=str(paths.encoder),
            code_paths=[str(Path(cbir.__file__).parent)],
            model_config={
                "longest_side": params["images"]["longest_side"],
                "batch_size": params["embed"]["batch_size"],
                "precision": params["embed"]["precision"],
            },
            signature=signature,
            pip_requirements=[f"{name}=={version(name)}" for name in REQUIREMENTS],
            registered_model_name=tracking.model,
            tags={ENCODER: digest, PIPELINE: client.get_run(run_id).data.tags[PIPELINE]},
        )


def _end(client: "MlflowClient", run: "Run", stage: str, failed: str | None) -> None:
    """End the run, for now: FAILED as long as there is a stage that failed and has not succeeded since."""
    if failed is not None:
        client.set_tag(run.info.run_id, FAILED + stage, without_credentials(failed))
    elif FAILED + stage in run.data.tags:
        client.delete_tag(run.info.run_id, FAILED + stage)
    others = [tag for tag in run.data.tags if tag.startswith(FAILED) and tag != FAILED + stage]
    client.set_terminated(run.info.run_id, "FAILED" if failed is not None or others else "FINISHED")


def sentence_of(error: Exception) -> str:
    """What an error says, in one line."""
    words = " ".join(str(error).split()).partition(" [SQL:")[0]  # the statement behind it tells a user nothing
    return without_credentials(words or type(error).__name__)


def main() -> None:
    """The command: its one line on stdout names the run; where it fails, its last line on stderr says why."""
    parser = argparse.ArgumentParser(prog="python -m tasks.tracking", description="Record a stage that ran in MLflow.")
    parser.add_argument("stage")
    parser.add_argument("seconds", type=float)
    parser.add_argument("--failed", metavar="SENTENCE", help="why the stage failed")
    arguments = parser.parse_args()
    try:
        with redirect_stdout(sys.stderr):
            run_id = record(arguments.stage, arguments.seconds, find_pipeline(), failed=arguments.failed)
    except Exception as error:
        sys.exit(sentence_of(error))
    print(f"{RUN_LINE}{run_id}")  # noqa: T201 - the answer to the stage


if __name__ == "__main__":
    main()
