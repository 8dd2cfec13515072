"""A Prefect server for the tests that run flows, and workspaces for them."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.workspace import Workspace as Archive
from tests.flows import archive
from tests.flows.toy import REPOSITORY, Workspace


@pytest.fixture(scope="session")
def prefect_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The variables with which a command talks to a server of the test session's own."""
    home = tmp_path_factory.mktemp("prefect")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PYTHONPATH": str(REPOSITORY),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (home / "server.log").open("w") as log:
        server = subprocess.Popen(command, env={**os.environ, **environment}, stdout=log, stderr=log)
    try:
        _wait_until_healthy(f"{environment['PREFECT_API_URL']}/health", server)
        yield environment
    finally:
        server.terminate()
        server.wait(timeout=30)


def _wait_until_healthy(url: str, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 90
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.3)
    raise AssertionError("the Prefect server did not come up")


@pytest.fixture(scope="session")
def finished_toy(tmp_path_factory: pytest.TempPathFactory, prefect_environment: dict[str, str]) -> Workspace:
    """The toy after its first flow run, committed; tests work on copies of it."""
    workspace = Workspace.make(tmp_path_factory.mktemp("toy") / "workspace", prefect_environment)
    workspace.flow()
    workspace.commit("first run")
    workspace.ran()
    return workspace


@pytest.fixture
def toy(finished_toy: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the finished toy, to be changed at will."""
    return finished_toy.copy(tmp_path / "workspace")


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory, prefect_environment: dict[str, str]) -> Archive:
    """The real pipeline after its first run on a small sample archive; tests work on copies of it."""
    return archive.make(tmp_path_factory.mktemp("sample") / "workspace", prefect_environment)
