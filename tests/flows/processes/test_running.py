"""flows.processes.running: stages start in groups of their own, and none outlives its run."""

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from flows.processes.running import Running

PATIENCE = 60  # seconds
TELL = """
import json, os, sys
facts = {"arguments": sys.argv[1:], "folder": os.getcwd(), "group": os.getpgid(0) == os.getpid(),
         "tracking": os.environ["CBIR_TRACKING"], "bars": os.environ.get("TQDM_DISABLE"),
         "parent": os.environ["CBIR_PARENT"] == str(os.getppid()), "mark": os.environ.get("MARK")}
with os.fdopen(int(os.environ["CBIR_LOG_FD"]), "w") as log:
    json.dump(facts, log)
sys.exit(7)
"""
ORPHAN = """
import sys, time
from flows.processes.running import Running
code = "import os, time; print(os.getpid(), flush=True); time.sleep(1); {watch}; time.sleep(600)"
watch = "from tasks.harness.stage import die_with_parent; die_with_parent()"
with Running().started([sys.executable, "-c", code.format(watch=watch)], "."):
    time.sleep(600)
"""


def _python(code: str, *words: str) -> list[str]:
    return [sys.executable, "-c", code, *words]


def _stopped(running: Running, code: str) -> int:
    """The exit code of a program that says when it has begun, and then is stopped."""
    with running.started(_python(code), ".") as (process, log):
        with running.started(["sleep", "600"], ".") as (other, _):
            started = log.readline()
            running.stop()
            other.wait(PATIENCE)
        assert started == "ready\n"
        return process.wait(PATIENCE)


def test_a_stage_runs_in_a_group_of_its_own_and_its_log_arrives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARK", "of the flow")
    with Running().started(_python(TELL, "a", "b c"), str(tmp_path)) as (process, log):
        facts = json.loads(log.read())
        assert process.wait(PATIENCE) == 7
    assert facts == {
        **{"arguments": ["a", "b c"], "folder": str(tmp_path), "group": True, "parent": True},
        **{"tracking": "later", "bars": "1", "mark": "of the flow"},
    }


READY = "import os, time; os.write(int(os.environ['CBIR_LOG_FD']), b'ready\\n'); time.sleep(600)"


def test_when_a_run_is_stopped_its_stages_end_also_one_that_does_not_listen() -> None:
    assert _stopped(Running(), READY) == -signal.SIGTERM
    deaf = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {READY}"
    assert _stopped(Running(), deaf) == -signal.SIGKILL


def test_stopping_a_run_calls_what_stops_its_threads_and_leaves_other_runs_alone() -> None:
    first, second = Running(), Running()
    stopped = threading.Event()
    with first.stopped_by(stopped.set), second.started(["sleep", "600"], ".") as (process, _):
        first.stop()
        assert process.poll() is None
        second.stop()
        assert process.wait(PATIENCE) == -signal.SIGTERM
    assert stopped.is_set()
    assert first.stopped
    stopped.clear()
    first.stop()  # it does not wait for this thread any more
    assert not stopped.is_set()


def test_a_program_that_cannot_be_started_leaves_nothing_open() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(FileNotFoundError), Running().started(["no-such-program"], "."):
        pytest.fail("it cannot start")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_stage_whose_flow_was_killed_before_it_asked_for_it_ends() -> None:
    """The number of the flow comes with the environment: the number of the parent is another one by then."""
    with subprocess.Popen([sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, text=True) as flow:
        assert flow.stdout
        stage = psutil.Process(int(flow.stdout.readline()))
        flow.kill()
    end = time.monotonic() + PATIENCE
    while stage.is_running() and stage.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end
        time.sleep(0.05)
