"""flows.pipeline.recorder: asks a process that outlives this one, and says why it could not do what it was asked."""

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from pydantic import TypeAdapter

from cbir.base.errors import UserError
from flows.pipeline import recorder as module
from flows.pipeline.flow import Run
from flows.pipeline.recorder import RecorderError, Recording, recorder
from flows.pipeline.stages import Outcome, Plan, StageError
from tasks.harness.settings import is_tracked
from tasks.tracking import registry
from tests.support.outputs import make_outputs
from tests.support.toy import REPOSITORY
from tests.support.workspace import take_settings

PATIENCE = 120  # seconds


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory, with the settings of the project; nothing ran, and what a test starts ends with it."""
    monkeypatch.chdir(tmp_path)
    take_settings()
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setattr(module, "_recorders", [])
    yield tmp_path
    for asked in module._recorders:
        asked._process.kill()
        asked._process.wait()


@pytest.mark.heavy
def test_a_mistake_of_the_user_and_a_failure_of_mlflow_are_told_apart_in_whatever_order_they_are_read(
    workspace: Path,
) -> None:
    asked = recorder()
    answers = [asked.ask(registry.answer, registry.describe, "7"), asked.ask(int, "nonsense"), asked.ask(abs, -3)]
    assert answers[2]() == 3
    with pytest.raises(RecorderError, match="nonsense"):
        answers[1]()
    with pytest.raises(UserError, match="has no version 7"):
        answers[0]()


def test_one_that_was_killed_owes_no_answer_and_the_next_request_starts_another(workspace: Path) -> None:
    first = recorder()
    assert recorder() is first
    answer = first.ask(time.sleep, 600)
    first._process.kill()
    with pytest.raises(RecorderError, match="was killed"):
        answer()
    with pytest.raises(RecorderError, match="was killed"):
        first.ask(abs, -3)()
    while first.alive:
        time.sleep(0.05)
    assert recorder() is not first


def test_where_it_was_killed_one_warning_names_all_that_is_not_recorded(workspace: Path) -> None:
    recording = Recording(workspace, "key")
    recording.prepare()
    recorder().ask(time.sleep, 600)
    for name in ("clean", "embed", "index"):
        recording.ran(Outcome(name, True, "ran", 1.0, "key"))
    recorder()._process.kill()
    said: list[str] = []
    assert recording.finish(lambda _, text: said.append(text)) is None
    assert said == ["MLflow did not record clean, embed, index: the process that records in MLflow was killed"]


def test_what_a_run_has_under_way_does_not_travel_to_its_workers(workspace: Path) -> None:
    recording = Recording(workspace, "key")
    recording.ran(Outcome("clean", True, "ran", 1.0, "key"))
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(recording)
    run = Run(workspace, Plan({}, {}), (), (), False, "", recording)
    sent = TypeAdapter(dict[str, Any]).dump_python({"run": run})  # as Prefect sends the arguments of a task
    assert type(pickle.loads(pickle.dumps(sent))["run"]) is object


def test_ctrl_c_in_the_terminal_does_not_reach_it(workspace: Path) -> None:
    process = recorder()._process
    assert os.getsid(process.pid) == process.pid != os.getsid(0)


KILLED = """
import os, signal, sys
from flows.pipeline.recorder import recorder
from tasks.tracking.connection import Pipeline
from tasks.tracking.facts import Ran
from tasks.tracking.recorder import record_stage

asked = recorder()
for name in sys.argv[1:]:
    asked.ask(record_stage, os.getcwd(), Pipeline("key", 0.0, "cbir run"), Ran(name, 1.0))
print(asked._process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.heavy
def test_what_was_asked_is_recorded_although_the_run_was_killed_and_then_the_process_ends(tmp_path: Path) -> None:
    """The kill comes before MLflow has loaded, so that all requests but the first are still on their way."""
    import mlflow

    make_outputs(tmp_path)
    names = ["index", "clean", "group", "evaluate", "groundtruth", "embed"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", KILLED, *names]
    killed = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL
    end = time.monotonic() + PATIENCE
    while _is_running(int(killed.stdout)):
        assert time.monotonic() < end
        time.sleep(0.1)
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path.as_posix()}/mlflow.db")
    experiment = client.get_experiment_by_name("cbir")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.data.tags["stages"] == ", ".join(names)


def _is_running(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_what_cannot_be_recorded_is_a_warning_that_names_the_stage(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = Recording(workspace / "gone", "")
    recording.ran(Outcome("clean", True, "ran", 1.0, "key"))
    assert recording.finish(lambda *_: pytest.fail("nothing was to be recorded")) is None

    text = (workspace / "params.yaml").read_text().replace("sqlite:///mlflow.db", "nonsense://host")
    (workspace / "params.yaml").write_text(text)
    recording = Recording(workspace, "key")
    recording.ran(Outcome("clean", True, "ran", 1.0, "key"))
    recording.failed("embed", StageError("embed: it would have to run"))  # it did not run, so there is nothing to tell
    said: list[str] = []
    assert recording.finish(lambda _, text: said.append(text)) is None
    assert len(said) == 1
    assert said[0].startswith("MLflow did not record clean: ")
    assert "nonsense" in said[0]


def test_without_an_address_nothing_is_tracked(workspace: Path) -> None:
    assert is_tracked()
    text = (workspace / "params.yaml").read_text().replace("sqlite:///mlflow.db", '""')
    (workspace / "params.yaml").write_text(text)
    assert not is_tracked()
