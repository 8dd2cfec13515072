"""Runs the MLflow UI and the Prefect UI on this workspace: two local servers, started, watched and stopped together."""

import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

from flows.processes.servers import (
    HOST,
    Running,
    Server,
    ask,
    choose_port,
    prefect_server,
    ready,
    require_alive,
    started,
)
from tasks.harness.settings import PARAMS, load_paths, read_yaml
from tasks.tracking.connection import Tracking, follow_workspace, load_tracking, prepare_database
from tasks.tracking.runs import without_credentials


def serve(*, mlflow_port: int | None = None, prefect_port: int | None = None) -> None:
    """Runs both servers, prints the address of each as soon as it answers, and stops both on Ctrl-C, TERM or hang-up.

    Without a port they listen at 5000 and 4200, or others where these are taken.

    Raises:
        UserError: a port that is taken, or a server that does not start or ends by itself.
    """
    params = read_yaml(PARAMS)
    tracking, paths = load_tracking(params), load_paths(params)
    logs = paths.store / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    servers = []
    if tracking.uri.startswith(("http://", "https://")):
        print(f"MLflow   {without_credentials(tracking.uri)} (tracking.uri; not started here)", flush=True)
    elif tracking.uri:
        servers.append(mlflow_server(tracking, choose_port("MLflow", mlflow_port, preferred=5000), logs / "mlflow.log"))
    else:
        print("MLflow   is off: params.yaml gives no tracking.uri", flush=True)
    taken = [int(server.address.rpartition(":")[2]) for server in servers]
    prefect = choose_port("Prefect", prefect_port, preferred=4200, taken=taken)
    servers.append(prefect_server(prefect, logs / "prefect.log"))
    if tracking.uri.startswith("sqlite:///"):
        database = Path(tracking.uri.removeprefix("sqlite:///"))
        follow_workspace(database)
        if not database.exists():
            prepare_database(tracking, paths)
    print("Starting; this takes some seconds.", file=sys.stderr, flush=True)
    try:
        with _ending_on_signals(), ExitStack() as running:
            _watch([running.enter_context(started(server)) for server in servers], tracking)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr, flush=True)


def mlflow_server(tracking: Tracking, port: int, log: Path) -> Server:
    """Describes MLflow's server on the database of the workspace, without the job runners of its other products."""
    command = ["mlflow", "server", "--backend-store-uri", tracking.uri, "--host", HOST, "--port", str(port)]
    command += ["--app-name", "cbir"]  # flows/processes/mlflow_app.py, by the entry point in pyproject.toml
    return Server(
        name="MLflow",
        command=[sys.executable, "-m", *command, "--workers", "1"],
        environment={"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        address=f"http://{HOST}:{port}",
        health=f"http://{HOST}:{port}/health",
        log=log,
    )


@contextmanager
def _ending_on_signals() -> Iterator[None]:
    """Ends by TERM and hang-up as by Ctrl-C, once; a second signal does not disturb the stopping."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def end(*_: Any) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, end) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _watch(running: Sequence[Running], tracking: Tracking) -> None:
    """Prints each address once it answers; return never: it takes a signal, or a server that ends, to leave."""
    for server in ready(running):
        page = experiment_page(server.address, tracking.experiment) if server.name == "MLflow" else server.address
        print(f"{server.name:8} {page}", flush=True)
        if server.name == "MLflow" and tracking.ui.rstrip("/") != server.address:
            print(f"         (links to runs point to {tracking.ui}, which is tracking.ui in params.yaml)", flush=True)
    print("Ctrl-C stops both.", file=sys.stderr, flush=True)
    while True:
        require_alive(running)
        time.sleep(0.3)


def experiment_page(address: str, experiment: str) -> str:
    """Returns the page of the experiment's runs on a running MLflow server, or its front page where there is none.

    Without its last part MLflow shows the pages that it has for chat agents.
    """
    try:
        answer = ask(f"{address}/api/2.0/mlflow/experiments/get-by-name", experiment_name=experiment)
        number = answer.json()["experiment"]["experiment_id"]
    except (httpx.HTTPError, ValueError, KeyError):
        return address
    return f"{address}/#/experiments/{number}/runs?workflowType=machine_learning"
