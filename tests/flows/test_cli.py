"""The command line: quick to ask for help, and one sentence for a mistake."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from flows.cli import dashed_name
from tests.support.toy import Workspace

HEAVY = {"torch", "mlflow", "prefect", "dvc.repo", "pandas", "faiss", "cv2"}


def test_asking_for_help_loads_nothing_heavy() -> None:
    code = "import sys, json, flows.cli as c\nfrom typer.testing import CliRunner\n"
    code += "r = CliRunner().invoke(c.app, ['--help']); print(json.dumps([r.exit_code, r.output, sorted(sys.modules)]))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    exit_code, shown, modules = json.loads(output)
    assert exit_code == 0
    assert all(command in shown for command in ("run", "import", "sample", "search", "why", "ui"))
    assert not HEAVY & set(modules)


@pytest.mark.parametrize(
    "command", [["run"], ["sample"], ["search", "a.jpg"], ["search", "--text", "a"], ["why", "a", "b"], ["import", "."]]
)
def test_outside_of_any_workspace_a_command_says_how_to_make_one(command: list[str], tmp_path: Path) -> None:
    cbir = Path(sys.executable).with_name("cbir")
    done = subprocess.run([cbir, *command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {tmp_path} is in no cbir workspace (no folder from here up has dvc.yaml")
    assert "make one with `cbir init DIR`, or name one with `cbir -C DIR`" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def _error_of(workspace: Workspace, *options: str) -> str:
    done = workspace.flow(*options, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()[-1]


@pytest.mark.heavy
def test_an_unknown_stage_is_named_with_those_that_there_are(toy: Workspace) -> None:
    expected = "error: --force fift: there is no such stage; there are first, second, third, fourth"
    assert _error_of(toy, "--force", "fift") == expected


@pytest.mark.heavy
def test_a_mistake_in_the_graph_is_one_sentence(toy: Workspace) -> None:
    (toy.folder / "dvc.yaml").write_text("stages: {first: {comand: x}}")
    assert _error_of(toy) == "error: './dvc.yaml' validation failed: 2 errors; `dvc status` shows where"


def test_an_unknown_param_in_the_file_fails_its_stage_in_one_sentence(toy: Workspace) -> None:
    toy.replace("params.yaml", "fourth: {factor", "fourth: {facto: 1, factor")
    assert _error_of(toy) == "error: fourth: params.yaml: fourth.facto is no parameter; did you mean factor?"


@pytest.mark.heavy
def test_an_empty_archive_is_no_reason_to_run(toy: Workspace) -> None:
    (toy.folder / "data/raw/one/a.txt").unlink()
    (toy.folder / "data/raw/one").rmdir()
    expected = "error: data/raw holds no accession: bring images in with `cbir import DIR`, or try `cbir sample`"
    assert _error_of(toy) == expected


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["search", "-k.jpg"], "-k.jpg"),
        (["search", "--text.jpg"], "--text.jpg"),
        (["search", "-k", "3", "-photo.tif"], "-photo.tif"),
        (["import", "-scans"], "-scans"),
    ],
)
def test_a_name_that_begins_with_a_dash_is_told_how_to_be_given(words: list[str], name: str, tmp_path: Path) -> None:
    (tmp_path / "-scans").mkdir()
    cbir = Path(sys.executable).with_name("cbir")
    done = subprocess.run([cbir, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    expected = f"error: {name} was read as an option; put -- before a name that begins with a dash"
    assert done.stderr.splitlines()[-1] == expected
    rest = [word for word in words[1:] if word != name]
    done = subprocess.run(
        [cbir, words[0], *rest, "--", name], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "is in no cbir workspace" in done.stderr


def test_an_option_with_a_wrong_value_is_no_name() -> None:
    assert dashed_name(["search", "-k", "many", "--text=a.b"]) is None
    assert dashed_name(["search", "--", "-k.jpg"]) is None


@pytest.mark.heavy
def test_an_archive_that_is_set_with_the_run_is_the_one_that_is_looked_at(toy: Workspace, tmp_path: Path) -> None:
    (tmp_path / "nas").mkdir()
    assert _error_of(toy, "--set", f"paths.raw={tmp_path}/nas").startswith(
        f"error: paths.raw is {tmp_path}/nas, outside of"
    )


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    code = "import errno, sys\nfrom unittest import mock\nimport flows.cli as c\n"
    code += "sys.argv = ['cbir', 'run']\nfull = OSError(errno.ENOSPC, 'No space left on device')\n"
    code += "with mock.patch('flows.workspace.settings.enter_workspace', side_effect=full): c.main()"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: no space is left on the disk of {tmp_path}; free some")
    assert len(done.stderr.splitlines()) == 1
