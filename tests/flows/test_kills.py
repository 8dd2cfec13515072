"""Kills of `cbir run` at random moments: nothing stays behind that runs, nothing is lost, and a plain rerun completes.

`CBIR_KILLS=200 CBIR_KILL_WITHIN=40 pytest -s -m "" tests/flows/test_kills.py` kills 200 times, each fourth time within
three seconds.
"""

import os
import random
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.support.archive import copy, digest, is_clean, start
from tests.support.workspace import Workspace

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(0)]
MARK = "CBIR_KILL_MARK"  # a variable that all inherits that a command starts
KILLS = int(os.environ.get("CBIR_KILLS", "2"))
WITHIN = float(os.environ.get("CBIR_KILL_WITHIN", "20"))  # seconds
RERUN_EACH = 10  # kills
PATIENCE = 90  # seconds; what was asked of MLflow is still recorded, and loading it takes long on a busy machine


def left_running(mark: str) -> list[psutil.Process]:
    """The living processes that a command with this mark has started, and itself."""
    living = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == mark:
                living.append(process)
    return living


def kill(process: "subprocess.Popen[bytes]", mark: str, whom: str, chance: random.Random) -> None:
    """Kill the command, one of the processes that it has started, or all at once."""
    running = left_running(mark)
    others = [other for other in running if other.pid != process.pid]
    victims = {"command": [], "child": [chance.choice(others)] if others else [], "tree": running}[whom]
    for victim in victims or [psutil.Process(process.pid)]:
        with suppress(psutil.NoSuchProcess):
            victim.kill()


def wait_until_all_have_ended(mark: str) -> None:
    end = time.monotonic() + PATIENCE
    while left := left_running(mark):
        assert time.monotonic() < end, [process.cmdline() for process in left if process.is_running()]
        time.sleep(0.1)


def archive_of(workspace: Workspace) -> dict[str, str]:
    """The digest of each file of the archive."""
    raw = workspace.folder / "data/raw"
    return {str(path.relative_to(raw)): digest(path) for path in sorted(raw.rglob("*")) if path.is_file()}


def set_seed(workspace: Workspace, seed: int) -> None:
    """Give the stages from `train` on something to do."""
    params = workspace.folder / "params.yaml"
    head, train, rest = params.read_text(encoding="utf-8").partition("\ntrain:\n")
    lines = rest.split("\n")
    number = next(number for number, line in enumerate(lines) if line.startswith("  seed: "))
    lines[number] = f"  seed: {seed}"
    params.write_text(head + train + "\n".join(lines), encoding="utf-8")


def test_a_run_that_is_killed_at_any_moment_leaves_no_process_loses_nothing_and_goes_on(
    sample: Workspace, tmp_path: Path
) -> None:
    workspace = copy(sample, tmp_path / "workspace")
    for name in ("PREFECT_API_URL", "PREFECT_HOME"):  # each run has a server of its own, as a user's has
        workspace.environment.pop(name, None)
    chance = random.Random(os.environ.get("CBIR_KILL_SEED", "0"))
    before = archive_of(workspace)
    for turn in range(KILLS):
        set_seed(workspace, 1000 + turn)
        workspace.environment[MARK] = mark = f"{os.getpid()}-{turn}"
        early = turn % 4 == 0
        whom = "command" if early else chance.choice(["command", "child", "tree"])
        seconds = chance.uniform(0, 3) if early else chance.uniform(3, WITHIN)
        process = start(workspace, "run")
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        ended = process.poll() is not None
        if not ended:
            kill(process, mark, whom, chance)
        process.wait(600)  # one that has lost a child ends by itself
        wait_until_all_have_ended(mark)
        assert archive_of(workspace) == before
        print(f"{turn}: {whom} after {seconds:.2f} s{' (it had ended)' if ended else ''}", flush=True)
        if turn % RERUN_EACH == RERUN_EACH - 1 or turn == KILLS - 1:
            workspace.run()
            assert is_clean(workspace)
            print(f"{turn}: clean after a plain rerun", flush=True)
            wait_until_all_have_ended(mark)
    assert archive_of(workspace) == before
