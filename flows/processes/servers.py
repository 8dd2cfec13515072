"""Runs local servers as child processes: started on a free port, out of Ctrl-C's reach, and stopped in order."""

import atexit
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from cbir.base.errors import UserError, require_writable
from flows.processes import lifeline
from tasks.tracking.facts import without_credentials

HOST = "127.0.0.1"
START_TIMEOUT = 180  # seconds; on a busy machine MLflow takes most of a minute
API_TIMEOUT = 30  # seconds for the answer of a server that runs already
ASKS_FOR_PASSWORD = (401, 403)
STOP_TIMEOUT = 15  # seconds from TERM to KILL
ERROR_LINE = re.compile(r"error|exception|errno", re.IGNORECASE)
RAISED = re.compile(r"[\w.]+(Error|Exception): ")  # the last line of a traceback
UNREADABLE = re.compile(r"not a database|malformed|revision|no such (table|column)|already exists", re.IGNORECASE)


@dataclass(frozen=True)
class Server:
    """The command that starts a server, and the address that answers once it is ready.

    ``history`` is a database that it reads and that can go: no result depends on it.
    """

    name: str
    command: Sequence[str]
    environment: dict[str, str]
    address: str
    health: str
    log: Path
    history: Path | None = None


Running = tuple[Server, subprocess.Popen[bytes]]


def prefect_server(port: int, log: Path) -> Server:
    """Describes Prefect's server on the runs in PREFECT_HOME; it asks for PREFECT_SERVER_API_AUTH_STRING, if set."""
    address = f"http://{HOST}:{port}"
    api = f"{address}/api"
    command = ["uvicorn", "--factory", "flows.processes.prefect_app:create_app", "--host", HOST, "--port", str(port)]
    return Server(
        name="Prefect",
        command=[sys.executable, "-m", *command],
        environment={
            "PREFECT_API_URL": api,
            "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "ERROR",  # or its log would not say why it cannot start
            "PREFECT_SERVER_API_HOST": HOST,
            "PREFECT_SERVER_API_PORT": str(port),
            "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": address,
            "PREFECT_SERVER_UI_API_URL": "/api",  # the pages ask where they came from, whatever the tunnel's port
            "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        },
        address=address,
        health=f"{api}/health",
        log=log,
        history=Path(os.environ.get("PREFECT_HOME", ".prefect")) / "prefect.db",
    )


def provide_prefect_api(log: Path, *, preferred: int = 0) -> None:
    """Sees to Prefect's API for this process: the server that PREFECT_API_URL names, or one of its own until it exits.

    Prefect would start one in the terminal's process group, where Ctrl-C ends it before the flow can tell it how the
    run ended (docs/upstream.md, Prefect: own server and Ctrl-C). This one is stopped after Prefect's exit handlers,
    which send what logs are left, if this is called before Prefect is imported. Its port is the preferred one or any.

    Raises:
        UserError: the server does not start, or the one that is named does not answer.
    """
    if url := os.environ.get("PREFECT_API_URL"):
        require_api(url)
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    server = prefect_server(choose_port("Prefect", None, preferred=preferred), log)
    until_exit = ExitStack()
    atexit.register(until_exit.close)
    list(ready([until_exit.enter_context(started(server))]))
    os.environ["PREFECT_API_URL"] = server.environment["PREFECT_API_URL"]
    if password := os.environ.get("PREFECT_SERVER_API_AUTH_STRING"):
        os.environ["PREFECT_API_AUTH_STRING"] = password


def require_api(url: str) -> None:
    """Raises UserError if PREFECT_API_URL names no API of Prefect that answers, or asks for its password."""
    way_out = "start that server, correct the address, or unset the variable, for cbir starts a server of its own"
    try:
        answer = httpx.get(f"{url.rstrip('/')}/health", timeout=API_TIMEOUT, verify=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise UserError(
            f"PREFECT_API_URL is {without_credentials(url)}, which does not answer ({error}); {way_out}"
        ) from error
    if answer.status_code not in ASKS_FOR_PASSWORD and not _is_api(answer):
        raise UserError(
            f"PREFECT_API_URL is {without_credentials(url)}, which answers {answer.status_code} and not as Prefect's "
            f"API does, whose address ends in /api; {way_out}"
        )


def _is_api(answer: httpx.Response) -> bool:
    return answer.status_code == 200 and answer.headers.get("content-type", "").startswith("application/json")


def ready(running: Sequence[Running]) -> Iterator[Server]:
    """Yields each server as soon as it answers; raises UserError if one has ended, or does not answer in time."""
    waiting = [server for server, _ in running]
    deadline = time.monotonic() + START_TIMEOUT
    while waiting:
        require_alive(running)
        for server in [pending for pending in waiting if answers(pending.health)]:
            waiting.remove(server)
            yield server
        if waiting and time.monotonic() > deadline:
            raise UserError(f"{waiting[0].name} did not answer in {START_TIMEOUT} s; see {waiting[0].log}")
        time.sleep(0.1)


def require_alive(running: Sequence[Running]) -> None:
    """Raises UserError with the last words of a server that has ended."""
    for server, process in running:
        if (code := process.poll()) is not None:
            require_writable(server.log.parent)  # on a full disk a server may say nothing
            words = last_words(server.log)
            if server.history and server.history.exists() and UNREADABLE.search(words):
                raise UserError(
                    f"{server.history}, the history of runs, is damaged or of a newer {server.name} ({words}); remove "
                    f"it ({server.history}*), for no result depends on it, and run again"
                )
            raise UserError(f"{server.name} ended with exit code {code}: {words}; see {server.log}")


def choose_port(name: str, given: int | None, *, preferred: int, taken: Sequence[int] = ()) -> int:
    """Returns the given port, if it is free (else UserError), or the preferred one, or else any that is free."""
    if given is not None:
        if reason := "the other server has it" if given in taken else _why_not(given):
            raise UserError(f"port {given} cannot be used for {name} ({reason}): give another one, or none")
        return given
    if preferred not in taken and _why_not(preferred) is None:
        return preferred
    with socket.create_server((HOST, 0)) as free:
        return int(free.getsockname()[1])


def _why_not(port: int) -> str | None:
    """Returns the reason why no server can listen on the port; None where one can."""
    if not 0 < port < 1 << 16:
        return "ports go from 1 to 65535"
    try:
        socket.create_server((HOST, port)).close()  # one that just ended is no obstacle
    except OSError as error:
        return os.strerror(error.errno or 0).lower()
    return None


@contextmanager
def started(server: Server) -> Iterator[Running]:
    """Yields the server and its process, which on leaving is told to end with all that it started, or else killed."""
    with server.log.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", lifeline.__file__, str(os.getpid()), *server.command],
            env={**os.environ, **server.environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C in the terminal reaches this process alone, which stops both in order
        )
    try:
        yield server, process
    finally:
        _signal_group(process, signal.SIGTERM)
        try:
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_TIMEOUT)
        finally:
            _signal_group(process, signal.SIGKILL)
            process.wait()


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def answers(url: str) -> bool:
    try:
        return ask(url).status_code == 200
    except httpx.HTTPError:
        return False


def ask(url: str, **query: str) -> httpx.Response:
    """Asks a server of this machine, whose ports no proxy knows."""
    return httpx.get(url, params=query, timeout=5, trust_env=False, verify=False)


def last_words(log: Path) -> str:
    """Returns the last line of a log that a traceback ends with, or that speaks of an error, or else the last line."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    raised = [line for line in lines if RAISED.match(line)]
    telling = raised or [line for line in lines if ERROR_LINE.search(line)] or lines or ["it said nothing"]
    return telling[-1][:300]
