"""One run at a time in a workspace, and a lock that nobody has to remove by hand."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows.workspace.exclusive import HOLDER, BusyError, hold_workspace

HOLD = """
import sys, time
from flows.workspace.exclusive import hold_workspace
with hold_workspace("cbir run"):
    print("held", flush=True)
    time.sleep(float(sys.argv[1]))
"""
ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def other(seconds: float) -> subprocess.Popen[str]:
    """Another process that holds the workspace."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(seconds)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_another_run_is_waited_for_and_named(caplog: pytest.LogCaptureFixture) -> None:
    with other(1.5) as process, caplog.at_level("INFO"), hold_workspace("cbir refresh"):
        assert process.poll() is not None or process.wait(1) == 0
    assert f"waiting: cbir run (process {process.pid} on " in caplog.text


def test_who_does_not_wait_is_told_at_once() -> None:
    with other(5) as process:
        started = time.monotonic()
        with pytest.raises(BusyError, match=r"cbir run .* works in this folder"), hold_workspace("x", wait=False):
            pass
        assert time.monotonic() - started < 1
        process.terminate()


def test_a_killed_run_leaves_no_lock() -> None:
    with other(60) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        with hold_workspace("cbir run", wait=False):
            assert HOLDER.read_text().startswith(f"cbir run (process {os.getpid()} on ")
