"""flows.pipeline.recorder: asks a process that may die, and says why it has."""

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cbir.errors import UserError
from flows.pipeline import recorder as module
from flows.pipeline.recorder import Recorder, RecorderError, Recording, recorder
from flows.pipeline.stages import Outcome, StageError
from tasks.harness.settings import is_tracked
from tests.support.toy import REPOSITORY

PATIENCE = 120  # seconds


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory, with the settings of the project; nothing ran, and what a test starts ends with it."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(REPOSITORY / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setattr(module, "_recorders", [])
    yield tmp_path
    for process in _recorders():
        process.kill()
    while any(thread.name == "recorder" for thread in threading.enumerate()):
        time.sleep(0.05)


def _recorders() -> list[psutil.Process]:
    return [one for one in psutil.Process().children() if "tasks.tracking.recorder" in one.cmdline()]


def test_a_mistake_of_the_user_and_a_failure_of_mlflow_are_told_apart(workspace: Path) -> None:
    asked = Recorder()
    answers = [asked.ask({"registry": {"command": "describe", "number": "7"}}), asked.ask({"nonsense": 1})]
    with pytest.raises(UserError, match="has no version 7"):
        answers[0].result(PATIENCE)
    with pytest.raises(RecorderError, match="stage"):
        answers[1].result(PATIENCE)


def test_one_that_was_killed_owes_no_answer_and_the_next_request_starts_another(workspace: Path) -> None:
    first = recorder()
    assert recorder() is first
    (process,) = _recorders()
    answer = first.ask({"registry": {"command": "describe", "number": "7"}})
    process.kill()
    with pytest.raises(RecorderError, match="was killed"):
        answer.result(PATIENCE)
    with pytest.raises(RecorderError, match="was killed"):
        first.ask({}).result(PATIENCE)
    assert recorder() is not first


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
    assert said[0].startswith("MLflow did not record the stage clean: ")
    assert "nonsense" in said[0]


def test_without_an_address_nothing_is_tracked(workspace: Path) -> None:
    assert is_tracked()
    text = (workspace / "params.yaml").read_text().replace("sqlite:///mlflow.db", '""')
    (workspace / "params.yaml").write_text(text)
    assert not is_tracked()
