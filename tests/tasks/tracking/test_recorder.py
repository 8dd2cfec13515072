"""tasks.tracking.recorder: one process records all stages in order; one that fails harms no other."""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tasks.tracking.facts import Data, Ran
from tests.support.outputs import REPOSITORY, make_outputs


def ask(folder: Path, *requests: object) -> list[dict[str, Any]]:
    """The answers of a recorder whose input ends after the last request."""
    lines = "".join(f"{request if isinstance(request, str) else json.dumps(request)}\n" for request in requests)
    done = subprocess.run(
        [sys.executable, "-m", "tasks.tracking.recorder"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        input=lines,
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_stages_of_a_pipeline_run_share_an_mlflow_run_and_what_fails_leaves_the_rest_as_it_is(tmp_path: Path) -> None:
    import mlflow

    make_outputs(tmp_path)
    read = Data("data/raw", "0123.dir", 12, 3)
    index, clean, other = (
        {"stage": asdict(Ran(name, str(tmp_path), key, 2.0, data=(read,)))}
        for name, key in (("index", "one"), ("clean", "one"), ("clean", "two"))
    )
    failed = {"stage": asdict(Ran("group", str(tmp_path), "two", 1.0, failed="no space"))}
    unknown = {"registry": {"command": "describe", "number": "7"}}
    said = ask(tmp_path, index, "not JSON", unknown, clean, other, failed)
    assert [list(one) for one in said] == [["answer"], ["error", "user"], ["error", "user"], *[["answer"]] * 3]
    assert said[0] == said[3] != said[4] == said[5]
    assert (said[1]["user"], said[2]["user"]) == (False, True)
    assert said[2]["error"].startswith("cbir-encoder has no version 7")
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path.as_posix()}/mlflow.db")
    run = client.get_run(said[0]["answer"])
    assert run.data.tags["stages"] == "index, clean"
    assert run.info.status == "FINISHED"
    assert run.data.metrics["seconds/clean"] == 2.0
    assert [(one.dataset.name, one.dataset.digest) for one in run.inputs.dataset_inputs] == [("data/raw", "0123.dir")]
    assert client.get_run(said[5]["answer"]).data.tags["failed.group"] == "no space"
