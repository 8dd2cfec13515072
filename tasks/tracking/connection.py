"""Connects to MLflow, and finds or creates the MLflow run of a pipeline run."""

import importlib
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock

from cbir.base.errors import UserError
from tasks.harness.settings import Paths, load_section
from tasks.tracking.facts import code_tags, without_credentials

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

RUN_LINE = "MLflow run: "  # and the id: the only line on stdout
PIPELINE = "pipeline_run"  # the tag by which the stages of a pipeline run find their MLflow run
ENCODER = "encoder"  # the tag of models and runs that holds the encoder's digest
KIND = "mlflow.experimentKind"  # by which MLflow opens pages of models, and not of prompts and judges
LOCK_TIMEOUT = 600  # seconds; another stage may be uploading its report
PLACES = (  # the columns of MLflow's database with the places of artifacts
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # a server that is down holds a stage up for seconds, not for minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}


class RecorderError(Exception):
    """MLflow could not do what it was asked for; the message says why."""


@dataclass(frozen=True)
class Tracking:
    """The section ``tracking`` of params.yaml: MLflow's address (empty: off), experiment, registered model, UI."""

    uri: str
    experiment: str
    model: str
    ui: str


@dataclass(frozen=True)
class Pipeline:
    """The identity of a pipeline run: its key, the time at which it began at the earliest, and its command.

    ``name`` is the MLflow run's, ``parent`` the id of the run that it is part of, if it is, and ``preset`` the preset
    that the command was told, if it was.
    """

    key: str
    began: float
    command: str
    name: str | None = None
    parent: str | None = None
    preset: str = ""

    @property
    def kind(self) -> str:
        """The word of the command by which people look for runs, such as ``run``, ``refresh`` or ``repro``."""
        return "".join(self.command.split()[1:2]) or self.command


def load_tracking(params: dict[str, Any]) -> Tracking:
    """Returns the section ``tracking``, checked."""
    return load_section("tracking", Tracking, params)


def run_url(run_id: str, params: dict[str, Any]) -> str:
    """Returns the address of the run for a browser: on the tracking server where there is one, else on the local UI."""
    tracking = load_tracking(params)
    served = tracking.uri.startswith(("http://", "https://"))
    return f"{without_credentials(tracking.uri if served else tracking.ui).rstrip('/')}/#/runs/{run_id}"


def web_application() -> Any:
    """Returns the ASGI application of MLflow's server, in a process that ``mlflow server`` has started."""
    from mlflow.server.fastapi_app import app

    return app


def load_mlflow() -> None:
    """Loads MLflow, which takes seconds."""
    os.environ.update({name: value for name, value in QUIET.items() if name not in os.environ})
    importlib.import_module("mlflow")


@contextmanager
def connection(tracking: Tracking, paths: Paths) -> Iterator[tuple["MlflowClient", str]]:
    """Yields a client and the experiment's id, under a lock.

    Without the lock, one of two processes that create the database at once would die
    (https://github.com/mlflow/mlflow/issues/19299), and two that look for the pipeline's run would create it twice.
    """
    load_mlflow()
    database = re.fullmatch(r"sqlite:///(.+)", tracking.uri)
    path = Path(f"{database[1]}.lock") if database else paths.store / "tracking.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(path, timeout=LOCK_TIMEOUT):
            import mlflow

            if database:
                follow_workspace(Path(database[1]))
            # An absolute path, for callers may change the working directory.
            mlflow.set_tracking_uri(f"sqlite:///{Path(database[1]).absolute()}" if database else tracking.uri)
            experiment, client = mlflow.set_experiment(tracking.experiment), mlflow.MlflowClient()
            if KIND not in experiment.tags:
                client.set_experiment_tag(experiment.experiment_id, KIND, "custom_model_development")
            yield client, experiment.experiment_id
    except filelock.Timeout as error:
        raise UserError(f"{path} was held by another process for {LOCK_TIMEOUT} s; end it and run again") from error


def follow_workspace(database: Path) -> None:
    """Lets an SQLite database that was copied or moved with its workspace name the artifacts that lie beside it.

    MLflow keeps absolute paths, so that a copy would write its artifacts into the original. A place that someone chose
    stays. Waits for https://github.com/mlflow/mlflow/issues/3144.
    """
    own = Path(os.path.realpath(database)).parent / "mlruns"
    if not database.exists():
        return
    with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(database)) as connected, connected:
        places = [place for (place,) in connected.execute("SELECT artifact_location FROM experiments")]
        parts = [re.fullmatch(r"(?:file://)?(/.*/mlruns)/\d+", place) for place in places]
        for folder in {part[1] for part in parts if part}:
            if _is_left_behind(Path(folder), own, database.name):
                for table, column in PLACES:
                    change = f"UPDATE {table} SET {column} = replace({column}, ?, ?)"
                    connected.execute(change, (f"{folder}/", f"{own}/"))


def _is_left_behind(folder: Path, own: Path, database: str) -> bool:
    """Returns whether a folder of artifacts is the one of the workspace that this database was copied or moved from.

    A database that was copied without its artifacts finds them where they are.
    """
    if os.path.realpath(folder) == str(own) or not own.exists():
        return False
    return (folder.parent / database).exists() or not folder.exists()


def prepare_database(tracking: Tracking, paths: Paths) -> None:
    """Creates MLflow's database and experiment where they are missing."""
    with connection(tracking, paths):
        pass


def find_or_create(client: "MlflowClient", experiment: str, pipeline: Pipeline, *, began: float) -> "Run":
    """Returns the MLflow run of the pipeline run.

    Process numbers are reused: a run older than the process belongs to an earlier process with the same number.
    """
    since = int((pipeline.began - 5) * 1000)  # clocks are set now and then
    query = f"tags.{PIPELINE} = '{pipeline.key}' AND attributes.start_time >= {since}"
    runs = client.search_runs([experiment], query, max_results=1)
    if runs:
        return runs[0]
    tags = {PIPELINE: pipeline.key, "mlflow.source.name": pipeline.command, "mlflow.source.type": "LOCAL"}
    tags |= code_tags() | {"kind": pipeline.kind} | ({"preset": pipeline.preset} if pipeline.preset else {})
    if pipeline.parent:
        tags["mlflow.parentRunId"] = pipeline.parent
    return client.create_run(experiment, start_time=int(began * 1000), tags=tags, run_name=pipeline.name)


def sentence_of(error: Exception) -> str:
    """Returns an error's message in one line."""
    words = " ".join(str(error).split()).partition(" [SQL:")[0]  # the SQL statement tells a user nothing
    return without_credentials(words or type(error).__name__)
