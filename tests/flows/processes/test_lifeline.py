"""flows.processes.lifeline: a killed command leaves no server behind, whenever the kill comes."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from flows.processes.servers import Server, started

PATIENCE = 60  # seconds
STARTS = """
import sys, time
from pathlib import Path
from flows.processes.servers import Server, started
code = "import subprocess, sys; subprocess.Popen(['sleep', sys.argv[1]]).wait()"
server = Server("Slow", [sys.executable, "-c", code, sys.argv[1]], {}, "", "", Path(sys.argv[2]))
print("now", flush=True)
with started(server):
    time.sleep(600)
"""


def of_mark(mark: str) -> list[psutil.Process]:
    processes = psutil.process_iter(["cmdline", "status"])
    return [p for p in processes if p.info["status"] != psutil.STATUS_ZOMBIE and mark in (p.info["cmdline"] or ())]


@pytest.mark.heavy
@pytest.mark.parametrize("seconds", [0, 0.02, 0.1, 0.5])
def test_a_command_that_is_killed_at_any_moment_leaves_no_server_nor_what_that_has_started(
    tmp_path: Path, seconds: float
) -> None:
    mark = str(600 + seconds)  # the argument by which the processes of this test are known
    with subprocess.Popen([sys.executable, "-c", STARTS, mark, tmp_path / "log"], stdout=subprocess.PIPE) as command:
        assert command.stdout
        assert command.stdout.readline() == b"now\n"
        time.sleep(seconds)
        command.kill()
    time.sleep(1)  # for one that would be starting still
    deadline = time.monotonic() + PATIENCE
    while left := of_mark(mark):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def test_a_server_that_ends_by_itself_is_told_by_its_exit_code(tmp_path: Path) -> None:
    server = Server("Short", [sys.executable, "-c", "import sys; sys.exit(3)"], {}, "", "", tmp_path / "log")
    with started(server) as (_, process):
        assert process.wait(PATIENCE) == 3


def test_a_server_has_its_time_to_end_by_itself(tmp_path: Path) -> None:
    code = (
        "import signal, sys, time; end = lambda *_: (time.sleep(1), print('ended'), sys.exit(0));"
        "signal.signal(signal.SIGTERM, end); print('ready', flush=True); time.sleep(600)"
    )
    log = tmp_path / "log"
    with started(Server("Slow", [sys.executable, "-c", code], {}, "", "", log)) as (_, process):
        deadline = time.monotonic() + PATIENCE
        while "ready" not in log.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert process.returncode == 0
    assert log.read_text().splitlines() == ["ready", "ended"]
