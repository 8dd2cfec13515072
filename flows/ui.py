"""The MLflow UI and the Prefect UI on this workspace: two local servers, started, watched and stopped together."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from cbir.errors import UserError
from tasks.settings import PARAMS, load_paths, read_yaml
from tasks.tracking import Tracking, load_tracking, prepare_database, without_credentials

HOST = "127.0.0.1"
START_TIMEOUT = 180  # seconds; on a busy machine MLflow takes most of a minute
STOP_TIMEOUT = 15  # seconds from TERM to KILL
ERROR_LINE = re.compile(r"error|exception|errno", re.IGNORECASE)


@dataclass(frozen=True)
class Server:
    """How to start a server, and the address that answers once it is ready."""

    name: str
    command: Sequence[str]
    environment: dict[str, str]
    address: str
    health: str
    log: Path


def serve(*, mlflow_port: int | None = None, prefect_port: int | None = None) -> None:
    """Run both servers, print the address of each as soon as it answers, and stop both on Ctrl-C, TERM or hang-up.

    Args:
        mlflow_port, prefect_port: a free port; None: 5000 and 4200, or others where these are taken.

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
    if tracking.uri.startswith("sqlite:///") and not Path(tracking.uri.removeprefix("sqlite:///")).exists():
        prepare_database(tracking, paths)
    print("Starting; this takes some seconds.", file=sys.stderr, flush=True)
    try:
        with _ending_on_signals(), ExitStack() as running:
            _watch(servers, [running.enter_context(started(server)) for server in servers], tracking)
    except _Ended:
        print("Stopped.", file=sys.stderr, flush=True)


def mlflow_server(tracking: Tracking, port: int, log: Path) -> Server:
    """MLflow's server on the database of the workspace, without the job runners that its other products need."""
    command = ["mlflow", "server", "--backend-store-uri", tracking.uri, "--host", HOST, "--port", str(port)]
    return Server(
        name="MLflow",
        command=[sys.executable, "-m", *command, "--workers", "1"],
        environment={"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        address=f"http://{HOST}:{port}",
        health=f"http://{HOST}:{port}/health",
        log=log,
    )


def prefect_server(port: int, log: Path) -> Server:
    """Prefect's server on the runs in PREFECT_HOME."""
    api = f"http://{HOST}:{port}/api"
    command = ["uvicorn", "--factory", "flows.prefect_app:create_app", "--host", HOST, "--port", str(port)]
    return Server(
        name="Prefect",
        command=[sys.executable, "-m", *command],
        environment={
            "PREFECT_API_URL": api,
            "PREFECT_SERVER_API_HOST": HOST,
            "PREFECT_SERVER_API_PORT": str(port),
            "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        },
        address=f"http://{HOST}:{port}",
        health=f"{api}/health",
        log=log,
    )


def choose_port(name: str, given: int | None, *, preferred: int, taken: Sequence[int] = ()) -> int:
    """The given port, or else the preferred one, or else any that is free.

    Raises:
        UserError: the given port is taken or cannot be used.
    """
    if given is not None:
        reason = "the other server has it" if given in taken else _why_not(given)
        if reason:
            raise UserError(f"port {given} cannot be used for {name} ({reason}): give another one, or none")
        return given
    if preferred not in taken and _why_not(preferred) is None:
        return preferred
    with socket.socket() as free:
        free.bind((HOST, 0))
        return int(free.getsockname()[1])


def _why_not(port: int) -> str | None:
    """Why no server can listen on the port; None where one can."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: one that just ended is no obstacle
        try:
            trial.bind((HOST, port))
        except OverflowError:
            return "ports go from 1 to 65535"
        except OSError as error:
            return (error.strerror or str(error)).lower()
    return None if port else "ports go from 1 to 65535"


@contextmanager
def started(server: Server) -> Iterator[subprocess.Popen[bytes]]:
    """The server's process; on leaving, it and all that it started are told to end, and killed where they do not."""
    with server.log.open("wb") as log:
        process = subprocess.Popen(
            server.command,
            env={**os.environ, **server.environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C in the terminal reaches this process alone, which stops both in order
        )
    try:
        yield process
    finally:
        _signal_group(process, signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            pass
        finally:
            _signal_group(process, signal.SIGKILL)
            process.wait()


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return


class _Ended(Exception):  # noqa: N818 - it is how a run ends that has no end of its own
    """The user wants the servers stopped."""


@contextmanager
def _ending_on_signals() -> Iterator[None]:
    """Within it, Ctrl-C, TERM and hang-up raise ``_Ended``, once; a second one does not disturb the stopping."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def end(_number: int, _frame: FrameType | None) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise _Ended

    before = {number: signal.signal(number, end) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _watch(servers: Sequence[Server], processes: Sequence[subprocess.Popen[bytes]], tracking: Tracking) -> None:
    """Print each address once it answers; return never: it takes a signal, or a server that ends, to leave."""
    waiting = list(servers)
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        for server, process in zip(servers, processes, strict=True):
            if process.poll() is not None:
                code = process.returncode
                raise UserError(
                    f"{server.name} ended with exit code {code}: {_last_words(server.log)}; see {server.log}"
                )
        for server in [one for one in waiting if _answers(one.health)]:
            waiting.remove(server)
            page = experiment_page(server.address, tracking.experiment) if server.name == "MLflow" else server.address
            print(f"{server.name:8} {page}", flush=True)
            if server.name == "MLflow" and tracking.ui.rstrip("/") != server.address:
                print(
                    f"         (links to runs point to {tracking.ui}, which is tracking.ui in params.yaml)", flush=True
                )
            if not waiting:
                print("Ctrl-C stops both.", file=sys.stderr, flush=True)
        if waiting and time.monotonic() > deadline:
            raise UserError(f"{waiting[0].name} did not answer in {START_TIMEOUT} s; see {waiting[0].log}")
        time.sleep(0.3)


def experiment_page(address: str, experiment: str) -> str:
    """The page of the experiment's runs on a running MLflow server, or its front page where there is none.

    Without its last part MLflow shows the pages that it has for chat agents.
    """
    query = urllib.parse.urlencode({"experiment_name": experiment})
    try:
        with _open(f"{address}/api/2.0/mlflow/experiments/get-by-name?{query}") as answer:
            number = json.load(answer)["experiment"]["experiment_id"]
    except (OSError, http.client.HTTPException, ValueError, KeyError):
        return address
    return f"{address}/#/experiments/{number}/runs?workflowType=machine_learning"


def _answers(url: str) -> bool:
    try:
        with _open(url) as answer:
            return answer.status == 200
    except (OSError, http.client.HTTPException):
        return False


def _open(url: str) -> http.client.HTTPResponse:
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({})
    )  # a proxy knows nothing of this machine's ports
    return opener.open(url, timeout=5)


def _last_words(log: Path) -> str:
    """The last line of a log that speaks of an error, or else the last line."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    telling = [line for line in lines if ERROR_LINE.search(line)] or lines or ["it said nothing"]
    return telling[-1][:300]
