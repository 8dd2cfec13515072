"""Records a stage that ran in MLflow; `dvc repro` runs ``python -m tasks.tracking.runs STAGE SECONDS [WHY IT FAILED]``.

All stages of one pipeline run share one MLflow run. Under Prefect the flow names the pipeline run, and one process
records its stages (:mod:`tasks.tracking.recorder`); under `dvc repro` it is the process of DVC from which the stages
descend. Nobody knows there which stage is the last, so the MLflow run is ended after each and taken up by the next.
"""

import json
import os
import socket
import sys
import time
from collections.abc import Iterable
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from tasks.harness.settings import PARAMS, Paths, load_paths, outputs, read_yaml
from tasks.tracking.connection import (
    ENCODER,
    RUN_LINE,
    Pipeline,
    Tracking,
    connection,
    find_or_create,
    load_tracking,
    sentence_of,
)
from tasks.tracking.facts import (
    Ran,
    data_read,
    encoder_tags,
    encoder_used,
    flatten,
    history,
    metrics_files,
    numbers,
    run_name,
    stage_settings,
    without_credentials,
)
from tasks.tracking.models import find_version, log_settings, register_encoder, use_model
from tasks.tracking.notes import describe, log_tables, note_figures

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

BESIDE_PAGES = ("groups", "thumbnails", "overlays")  # folders of a small file a group or picture, which DVC keeps
FAILED = "failed."  # and the stage: the tag that holds what went wrong
SHELLS = {"sh", "bash", "dash", "zsh", "ksh", "fish", "csh", "tcsh"}


def find_pipeline() -> Pipeline:
    """Returns the pipeline run that this process belongs to; its parent is the stage."""
    owner, command = psutil.Process().parent() or psutil.Process(), f"python -m {__package__}"
    if os.environ.get("DVC_STAGE"):
        owner = next((process for process in owner.parents() if process.name() not in SHELLS), owner)
        command = "dvc repro"
    return Pipeline(key=f"{socket.gethostname()}:{owner.pid}", began=owner.create_time(), command=command)


def record(ran: Ran, pipeline: Pipeline) -> str:
    """Records a stage that ran; returns the id of the MLflow run."""
    params = read_yaml(PARAMS)
    named = replace(pipeline, name=pipeline.name or run_name(pipeline.command, params))
    with connection(load_tracking(params), load_paths(params)) as (client, experiment):
        run = find_or_create(client, experiment, named, began=time.time() - ran.seconds)
        log_stage(client, run, ran)
    return run.info.run_id


def log_stage(client: "MlflowClient", run: "Run", ran: Ran) -> None:
    """Puts a stage of the workspace, which is the working directory, on an MLflow run, and end the run, for now."""
    params = read_yaml(PARAMS)
    _log_params(client, run, params)
    _log_stage(client, run, ran)
    if ran.failed is None:
        _log_reports(client, run.info.run_id, ran.name, load_paths(params).reports)
        _log_results(client, run, ran.name, load_paths(params), load_tracking(params))
        _describe(client, run, ran.name, params)
    _end(client, run, ran)


def _log_params(client: "MlflowClient", run: "Run", params: dict[str, Any]) -> None:
    """Logs what stages are told, and tags, as they stand when the pipeline run begins; MLflow keeps the first value.

    The artifact params.yaml has all settings.
    """
    from mlflow.entities import Param, RunTag

    flat = {name: without_credentials(str(value)) for name, value in flatten(stage_settings(params))}
    tags = [RunTag(name, value) for name, value in encoder_tags(params).items() if name not in run.data.tags]
    if tags:
        client.log_batch(run.info.run_id, tags=tags)
    if not run.data.params:
        log_settings(client, run.info.run_id)
    new = [Param(name, value) for name, value in flat.items() if name not in run.data.params]
    for start in range(0, len(new), 100):  # MLflow's limit of one call
        client.log_batch(run.info.run_id, params=new[start : start + 100])


def _log_stage(client: "MlflowClient", run: "Run", ran: Ran) -> None:
    """Logs that the stage ran, its duration, and the data that it read, with DVC's hashes."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    others = [name for name in run.data.tags.get("stages", "").split(", ") if name and name != ran.name]
    client.set_tag(run.info.run_id, "stages", ", ".join([*others, ran.name]))
    client.log_metric(run.info.run_id, f"seconds_{ran.name}", ran.seconds)
    datasets = []
    for item in data_read(ran.name) if ran.data is None else ran.data:
        source, profile = json.dumps({"uri": item.path}), json.dumps({"bytes": item.size, "files": item.files})
        dataset = Dataset(item.path, item.md5, source_type="local", source=source, profile=profile)
        datasets.append(DatasetInput(dataset, tags=[InputTag("mlflow.data.context", ran.name)]))
    client.log_inputs(run.info.run_id, datasets)


def _log_reports(client: "MlflowClient", run_id: str, stage: str, reports: Path) -> None:
    """Logs the files that the stage wrote into the folder of reports, but for the thousands that a page shows."""
    for path in [path for path in outputs(stage) if path.name not in BESIDE_PAGES]:
        if path.is_relative_to(reports) and path.is_dir():
            client.log_artifacts(run_id, str(path), path.relative_to(reports.parent).as_posix())
        elif path.is_relative_to(reports) and path.exists():
            client.log_artifact(run_id, str(path), path.parent.relative_to(reports.parent).as_posix())


def _log_results(client: "MlflowClient", run: "Run", stage: str, paths: Paths, tracking: Tracking) -> None:
    """Registers the encoder that the stage wrote, or names the one that it works with; logs the numbers of both."""
    run_id, model = run.info.run_id, None
    if paths.encoder in outputs(stage):
        _log_metrics(client, run_id, history(paths.encoder / "history.parquet"))
        register_encoder(client, run_id, paths, tracking)
    elif digest := encoder_used(stage, paths):
        model = use_model(client, run_id, tracking, digest)
    files = metrics_files(stage)
    values = {name: value for file in files for name, value in numbers(file).items()}
    new = [(name, value, 0) for name, value in values.items() if run.data.metrics.get(name) != value]
    _log_metrics(client, run_id, new, model=model)
    log_tables(client, run, files)


def _describe(client: "MlflowClient", run: "Run", stage: str, params: dict[str, Any]) -> None:
    """Describes the run, and the version of the encoder that it works with, by what has been recorded so far."""
    paths, tracking = load_paths(params), load_tracking(params)
    digest = client.get_run(run.info.run_id).data.tags.get(ENCODER)
    version = find_version(client, tracking, digest) if digest else None
    describe(client, run.info.run_id, paths.reports, version)
    if version is not None and any(file.name == "metrics.json" for file in metrics_files(stage)):
        note_figures(client, version, paths, params.get("promotion", {}).get("metric", ""))


def _log_metrics(
    client: "MlflowClient", run_id: str, values: Iterable[tuple[str, float, int]], *, model: str | None = None
) -> None:
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    metrics = [Metric(name, value, now, step, model_id=model) for name, value, step in values]
    for start in range(0, len(metrics), 1000):  # MLflow's limit of one call
        client.log_batch(run_id, metrics[start : start + 1000])


def _end(client: "MlflowClient", run: "Run", ran: Ran) -> None:
    """Ends the run, for now: FAILED as long as there is a stage that failed and has not succeeded since."""
    own = FAILED + ran.name
    if ran.failed is not None:
        client.set_tag(run.info.run_id, own, without_credentials(ran.failed))
    elif own in run.data.tags:
        client.delete_tag(run.info.run_id, own)
    others = [tag for tag in run.data.tags if tag.startswith(FAILED) and tag != own]
    client.set_terminated(run.info.run_id, "FAILED" if ran.failed is not None or others else "FINISHED")


def main() -> None:
    """Runs the command: its one line on stdout names the run; where it fails, its last line on stderr says why."""
    _, name, seconds, *failed = sys.argv
    try:
        with redirect_stdout(sys.stderr):
            run_id = record(Ran(name, float(seconds), failed=" ".join(failed) or None), find_pipeline())
    except Exception as error:
        sys.exit(sentence_of(error))
    print(f"{RUN_LINE}{run_id}")  # noqa: T201 - the answer to the stage


if __name__ == "__main__":
    main()
