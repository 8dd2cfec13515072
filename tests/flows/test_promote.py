"""An encoder by its version's number: put into service without training, or refused and the workspace untouched."""

import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from benchmarks.workspace import Workspace
from tests.flows.encoders import GOOD, SYNC, assign, encoder, is_clean, params, registered


@pytest.fixture(scope="module")
def finished(served: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace whose second encoder took the place of the first."""
    folder = tmp_path_factory.mktemp("promote") / "workspace"
    shutil.copytree(served.folder, folder, symlinks=True)
    workspace = Workspace(folder, served.environment)
    workspace.run(GOOD)
    workspace.command(*SYNC)
    assert registered(workspace)[0] == "2"
    return workspace


@pytest.fixture
def workspace(finished: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the workspace, to be changed at will."""
    shutil.copytree(finished.folder, tmp_path / "workspace", symlinks=True)
    return Workspace(tmp_path / "workspace", finished.environment)


def test_a_rollback_restores_the_one_before_and_promote_the_one_after_and_nothing_trains(workspace: Workspace) -> None:
    second = encoder(workspace)
    back = workspace.command("cbir", "rollback")
    assert "version 1 is in service" in back.stdout
    assert encoder(workspace) != second
    assert params(workspace)["train"]["learning_rate"] == 0.3
    assert registered(workspace)[0] == "1"
    assert is_clean(workspace)
    further = workspace.command("cbir", "rollback", check=False)
    assert further.returncode == 1
    assert "error: there is nothing to go back to" in further.stderr
    again = workspace.command("cbir", "promote", "2")
    assert encoder(workspace) == second
    assert params(workspace)["train"]["learning_rate"] == 0.003
    assert registered(workspace)[0] == "2"
    assert is_clean(workspace)
    assert "training on" not in back.stderr + again.stderr
    assert "version 2 is in service already" in workspace.command("cbir", "promote", "2").stdout


@pytest.mark.parametrize(
    ("edited", "names"),
    [("cbir/training.py", "cbir/training.py"), ("data/reference/groundtruth.xlsx", "data/training.parquet")],
)
def test_what_differs_since_a_version_was_trained_is_named_and_nothing_is_touched(
    workspace: Workspace, edited: str, names: str
) -> None:
    file = workspace.folder / edited
    if file.suffix == ".py":
        file.write_text(file.read_text(encoding="utf-8") + "# edited\n", encoding="utf-8")
    else:
        _drop_rows(file)
    workspace.run()
    before, settings = encoder(workspace), (workspace.folder / "params.yaml").read_bytes()
    done = workspace.command("cbir", "promote", "1", check=False)
    assert done.returncode == 1
    assert f"error: version 1 cannot be restored: {names} changed since it was trained" in done.stderr
    assert encoder(workspace) == before
    assert (workspace.folder / "params.yaml").read_bytes() == settings
    assert is_clean(workspace)


def _drop_rows(file: Path) -> None:
    import openpyxl

    book = openpyxl.load_workbook(file)
    sheet = book.active
    assert sheet is not None
    sheet.delete_rows(1, sheet.max_row // 2)
    book.save(file)


def test_a_version_that_is_none_or_that_dvc_has_forgotten_is_refused_in_one_sentence(workspace: Workspace) -> None:
    done = workspace.command("cbir", "promote", "7", check=False)
    assert "error: cbir-encoder has no version 7; there are 1, 2" in done.stderr
    shutil.rmtree(workspace.folder / ".dvc/cache/files/md5/runs", ignore_errors=True)
    shutil.rmtree(workspace.folder / ".dvc/cache/runs", ignore_errors=True)
    done = workspace.command("cbir", "promote", "1", check=False)
    assert "error: version 1 cannot be restored: DVC remembers no training with its settings" in done.stderr
    assert is_clean(workspace)


def test_killed_after_the_settings_were_written_the_next_run_goes_on_to_the_new_encoder(workspace: Workspace) -> None:
    second, settings = encoder(workspace), (workspace.folder / "params.yaml").read_bytes()
    process = subprocess.Popen(
        ["cbir", "rollback"], cwd=workspace.folder, env=workspace.environment, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    end = time.monotonic() + 180
    while (workspace.folder / "params.yaml").read_bytes() == settings:
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(1)
    done = workspace.command("cbir", "refresh")
    assert "training on" not in done.stderr
    assert encoder(workspace) != second
    assert registered(workspace)[0] == "1"
    assert is_clean(workspace)


def test_a_promotion_that_cannot_come_to_its_end_is_taken_back(workspace: Workspace) -> None:
    second = encoder(workspace)
    assign(workspace, 'robustness.chosen=["nowhere.jpg"]')
    settings = (workspace.folder / "params.yaml").read_bytes()
    done = workspace.command("cbir", "promote", "1", check=False)
    assert done.returncode == 1
    assert "nowhere.jpg" in done.stderr.splitlines()[-1]
    assert "params.yaml is as it was" in done.stderr.splitlines()[-1]
    assert (workspace.folder / "params.yaml").read_bytes() == settings
    assert encoder(workspace) == second
