"""tasks.tracking.recorder: one process records all stages in order; one that fails harms no other."""

import os
import subprocess
import sys
from collections.abc import Callable
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import pytest

from cbir.base.errors import UserError
from tasks.tracking import registry
from tasks.tracking.connection import Pipeline, RecorderError
from tasks.tracking.facts import Data, Ran
from tasks.tracking.recorder import record_stage
from tests.support.outputs import REPOSITORY, make_outputs


def ask(folder: Path, *requests: tuple[Callable[..., Any], Any]) -> list[tuple[Any, Exception | None]]:
    """The answers of a recorder that nobody asks any more after the last request."""
    ours, its = Pipe()
    with its:
        process = subprocess.Popen(
            [sys.executable, "-m", "tasks.tracking.recorder", str(its.fileno())],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            pass_fds=[its.fileno()],
        )
    with ours:
        for function, *arguments in requests:
            ours.send((function, arguments))
        answers = [ours.recv() for _ in requests]
    assert process.wait(60) == 0
    return answers


@pytest.mark.heavy
def test_stages_of_a_pipeline_run_share_an_mlflow_run_and_what_fails_leaves_the_rest_as_it_is(tmp_path: Path) -> None:
    import mlflow

    make_outputs(tmp_path)
    read = Data("data/raw", "0123.dir", 12, 3)
    index, clean, other = (
        (record_stage, str(tmp_path), Pipeline(key, 0.0, "cbir run"), Ran(name, 2.0, (read,)))
        for name, key in (("index", "one"), ("clean", "one"), ("clean", "two"))
    )
    failed = record_stage, str(tmp_path), Pipeline("two", 0.0, "cbir run"), Ran("group", 1.0, failed="no space")
    answers = ask(tmp_path, index, (int, "nonsense"), (registry.answer, registry.describe, "7"), clean, other, failed)
    runs, errors = zip(*answers, strict=True)
    assert runs[0] == runs[3] != runs[4] == runs[5]
    assert [type(error) for error in errors] == [type(None), RecorderError, UserError, *[type(None)] * 3]
    assert "nonsense" in str(errors[1])
    assert str(errors[2]).startswith("cbir-encoder has no version 7")
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path.as_posix()}/mlflow.db")
    run = client.get_run(runs[0])
    assert run.data.tags["stages"] == "index, clean"
    assert run.info.status == "FINISHED"
    assert run.data.metrics["seconds_clean"] == 2.0
    assert [(entry.dataset.name, entry.dataset.digest) for entry in run.inputs.dataset_inputs] == [
        ("data/raw", "0123.dir")
    ]
    assert client.get_run(runs[5]).data.tags["failed.group"] == "no space"
    assert "system/cpu_utilization_percentage" in client.get_run(runs[5]).data.metrics
