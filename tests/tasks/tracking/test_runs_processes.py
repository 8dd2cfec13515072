"""tasks.tracking.runs in processes of its own, as stages start it: one MLflow run, one line, one sentence."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tasks.tracking import runs as tracking
from tests.support.outputs import REPOSITORY, make_outputs, settings

STAGE = """
import subprocess, sys
from pathlib import Path
from tasks.harness.stage import main


def {name}(paths, *, value: int) -> None:
    Path("{output}").write_text(str(value))


if __name__ == "__main__":
    main({name})
"""
GRAPH = """
stages:
  one: {cmd: python -m toy.one, params: [one], outs: [one.txt]}
  two: {cmd: python -m toy.two, params: [two], deps: [one.txt], outs: [two.txt]}
"""


@pytest.mark.heavy
def test_dvc_repro_makes_one_run_for_its_stages_and_none_where_nothing_ran(tmp_path: Path) -> None:
    params = settings(tmp_path) | {"one": {"value": 1}, "two": {"value": 1}}
    YAML().dump(params, tmp_path / "params.yaml")
    (tmp_path / "dvc.yaml").write_text(GRAPH)
    (tmp_path / "toy").mkdir()
    for name in ("one", "two"):
        (tmp_path / "toy" / f"{name}.py").write_text(STAGE.format(name=name, output=f"{name}.txt"))
    binaries = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(REPOSITORY),
        "DVC_NO_ANALYTICS": "1",
    }

    def dvc(*arguments: str) -> str:
        command = [str(binaries / "dvc"), *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        return done.stdout + done.stderr

    dvc("init", "--no-scm")
    first = dvc("repro")
    lines = [line for line in first.splitlines() if tracking.RUN_LINE in line]
    assert len(lines) == 2
    assert len({line.rpartition(" ")[2] for line in lines}) == 1
    assert "WARN" not in first.upper()
    assert tracking.RUN_LINE not in dvc("repro")


@pytest.mark.heavy
def test_two_stages_that_end_at_once_in_a_workspace_without_a_database_share_a_run(tmp_path: Path) -> None:
    make_outputs(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "tasks.tracking.runs"]
    both = [
        subprocess.Popen(
            [*command, stage, "1"],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for stage in ("clean", "index")
    ]
    answers = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert answers[0] == answers[1]
    assert answers[0].startswith(tracking.RUN_LINE)
    assert len(answers[0].splitlines()) == 1


def test_a_store_that_mlflow_refuses_is_one_sentence_on_stderr(tmp_path: Path) -> None:
    params = settings(tmp_path)
    params["tracking"]["uri"] = "nonsense://user:secret@host"
    YAML().dump(params, tmp_path / "params.yaml")
    shutil.copy(REPOSITORY / "dvc.yaml", tmp_path)
    command = [sys.executable, "-m", "tasks.tracking.runs", "clean", "1"]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert "nonsense://host" in done.stderr.splitlines()[-1]
    assert "secret" not in done.stderr
