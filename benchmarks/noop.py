"""Measures a run in which nothing has changed: the flow with a running Prefect server, and `dvc repro`."""

import os
import subprocess
import sys

from benchmarks.figures import Figure, in_turn
from tests.support.workspace import BIN, prefect_server


def run() -> list[Figure]:
    """Brings the workspace up to date, then times the flow and `dvc repro` on it in turn."""
    with prefect_server() as own:
        environment = {**os.environ, **own}
        cbir = [str(BIN / "cbir"), "run"]
        first = subprocess.run(cbir, env=environment, capture_output=True, text=True)
        if first.returncode:
            sys.exit(f"noop: `cbir run` has to succeed in this folder first; {first.stderr.strip().splitlines()[-1]}")
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
            "no-op flow, Prefect server running", flow, "s", "dvc repro", 5.0, False, f"{flow / repro:.1f} × dvc repro"
        ),
        Figure("no-op dvc repro", repro, "s", bar=1.5, higher_is_better=False),
    ]
