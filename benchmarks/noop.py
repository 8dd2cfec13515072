"""What a run costs in which nothing has changed: the flow with a running Prefect server, and `dvc repro`."""

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.figures import Figure, in_turn

BIN = Path(sys.executable).parent


def run() -> list[Figure]:
    """Bring the workspace up to date, then time the flow and `dvc repro` on it in turn."""
    with _prefect_server() as environment:
        cbir = [str(BIN / "cbir"), "run"]
        subprocess.run(cbir, env=environment, check=True, capture_output=True)
        seconds = in_turn(
            {
                "flow": lambda: subprocess.run(cbir, env=environment, check=True, capture_output=True),
                "repro": lambda: subprocess.run([BIN / "dvc", "repro"], check=True, capture_output=True),
            },
            rounds=5,
        )
    flow, repro = seconds["flow"], seconds["repro"]
    return [
        Figure(
            "no-op flow, Prefect server running", flow, "s", "dvc repro", 4.0, False, f"{flow / repro:.1f} × dvc repro"
        ),
        Figure("no-op dvc repro", repro, "s", bar=1.5, higher_is_better=False),
    ]


@contextmanager
def _prefect_server() -> Iterator[dict[str, str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    api = f"http://127.0.0.1:{port}/api"
    with tempfile.TemporaryDirectory() as home:
        path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "PREFECT_HOME": home, "PREFECT_API_URL": api}
        command = [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)]
        server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _wait_until_healthy(f"{api}/health")
            yield environment
        finally:
            server.terminate()
            server.wait(timeout=30)


def _wait_until_healthy(url: str) -> None:
    end = time.monotonic() + 90
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            if time.monotonic() > end:
                raise
            time.sleep(0.3)
