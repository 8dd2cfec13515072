"""A study: a row a preset, the working files as they were, one cache, and on from where it was stopped."""

import csv
import hashlib
import os
import signal
import time
from pathlib import Path

import pytest

from tests.support.study_runs import with_presets
from tests.support.toy import Workspace

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def prepared(finished_toy: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return with_presets(finished_toy.copy(tmp_path_factory.mktemp("study") / "workspace"))


@pytest.fixture
def workspace(prepared: Workspace, tmp_path: Path) -> Workspace:
    return prepared.copy(tmp_path / "workspace")


def _files(workspace: Workspace) -> dict[str, str]:
    """Digests of all working files but those that a study writes."""
    own = (".store/", ".git/", ".dvc/", "reports/study.")
    files = [path for path in sorted(workspace.folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts]
    names = {path.relative_to(workspace.folder).as_posix(): path for path in files}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in names.items() if not name.startswith(own)
    }


def _rows(workspace: Workspace) -> dict[str, dict[str, str]]:
    with (workspace.folder / "reports/study.csv").open(newline="") as file:
        return {row["preset"]: row for row in csv.DictReader(file)}


def _ran(workspace: Workspace, preset: str) -> list[str]:
    return Workspace(workspace.folder / ".store/studies" / preset, workspace.environment).ran()


def test_a_study_has_a_row_a_preset_runs_only_what_is_new_and_compared_and_leaves_the_working_files_as_they_were(
    workspace: Workspace,
) -> None:
    before = _files(workspace)
    done = workspace.command("cbir", "study")
    assert _files(workspace) == before
    assert workspace.is_clean()
    rows = _rows(workspace)
    assert set(rows) == {"wide", "tall"}
    assert rows["wide"]["description"] == "a wider second stage"
    assert rows["wide"]["published_map@10"] == "0.5"
    assert 3 * float(rows["wide"]["value"]) == pytest.approx(1.5 * float(rows["tall"]["value"]) * 3)
    assert all(row["failure"] == "" for row in rows.values())
    assert "reports/study.html" in done.stdout
    assert "tall/second: restored from the run cache" in done.stderr  # the user's own workspace had it
    assert _ran(workspace, "tall") == ["third"]  # the fourth has no metric that is compared
    assert _ran(workspace, "wide") == ["second", "third"]
    assert workspace.ran() == []
    for name in ("study.md", "study.html", "study.png"):
        assert (workspace.folder / "reports" / name).stat().st_size > 0


def test_what_a_study_ran_is_restored_by_the_command_of_its_row(workspace: Workspace) -> None:
    workspace.command("cbir", "study", "wide", "--set", "third.factor=6")
    row = _rows(workspace)["wide"]
    assert row["command"] == "cbir run --preset wide --set third.factor=6"
    output = workspace.command("sh", "-c", row["command"]).stderr
    assert "second: restored from the run cache" in output
    assert "third: restored from the run cache" in output
    assert workspace.ran() == []
    assert f'"value": {row["value"]}' in (workspace.folder / "reports/metrics.json").read_text()


def test_a_second_study_runs_nothing_and_code_that_was_edited_runs_again(workspace: Workspace) -> None:
    workspace.command("cbir", "study", "wide")
    assert _ran(workspace, "wide") == ["second", "third"]
    assert "wide/third: unchanged" in workspace.command("cbir", "study", "wide").stderr
    assert _ran(workspace, "wide") == []
    workspace.replace("toy/third.py", "import time", "import time  # edited")
    workspace.command("cbir", "study", "wide")
    assert _ran(workspace, "wide") == ["third"]


def test_a_preset_that_fails_becomes_a_row_that_says_why(workspace: Workspace) -> None:
    workspace.replace("presets/wide.yaml", "factor: 9", "factor: -1")
    workspace.replace("toy/second.py", "    time.sleep", "    assert factor > 0, 'too narrow'\n    time.sleep")
    done = workspace.command("cbir", "study")
    rows = _rows(workspace)
    assert "second: AssertionError: too narrow" in rows["wide"]["failure"]
    assert rows["tall"]["failure"] == ""
    assert float(rows["tall"]["map@10"]) == 0.1
    assert "Traceback" not in done.stdout
    assert "too narrow" in done.stdout


def test_a_killed_study_goes_on_where_it_stopped_and_leaves_nothing_to_mend(workspace: Workspace) -> None:
    before = _files(workspace)
    process = workspace.start("cbir", "study", "tall", "wide", "--set", "third.seconds=3.0")
    waiting = workspace.folder / ".store/studies/wide/out/half-third"
    end = time.monotonic() + 120
    while not waiting.exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert _files(workspace) == before
    assert _ran(workspace, "wide") == ["second", "third"]
    assert _ran(workspace, "tall") == ["third"]
    output = workspace.command("cbir", "study", "tall", "wide", "--set", "third.seconds=3.0").stderr
    assert all(f"{name}: unchanged" in output for name in ("tall/second", "tall/third", "wide/second"))
    assert _ran(workspace, "wide") == ["third"]
    assert _ran(workspace, "tall") == []
    assert {row["failure"] for row in _rows(workspace).values()} == {""}


def test_only_one_study_runs_at_a_time(workspace: Workspace) -> None:
    process = workspace.start("cbir", "study", "tall", "--set", "third.seconds=20.0")
    waiting = workspace.folder / ".store/studies/tall/out/half-third"
    end = time.monotonic() + 120
    while not waiting.exists():
        assert time.monotonic() < end
        time.sleep(0.02)
    done = workspace.command("cbir", "study", "wide", check=False)
    process.kill()
    process.communicate()
    assert done.stderr == "error: another study is under way in this folder; run this one when it has ended\n"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["tal"], "error: there is no preset 'tal' in presets; did you mean tall?"),
        (
            ["--set", "paths.raw=x"],
            "error: --set paths.raw=x: a study may change none of paths, images, clean, tracking, ",
        ),
        (["--set", "second.facto=1"], "error: params.yaml has no second.facto; did you mean second.factor?"),
    ],
)
def test_a_mistake_is_one_sentence_before_anything_runs(workspace: Workspace, words: list[str], sentence: str) -> None:
    done = workspace.command("cbir", "study", *words, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(sentence)
    assert len(done.stderr.splitlines()) == 1
    assert not (workspace.folder / ".store/studies").exists()


def test_outputs_that_the_presets_would_write_over_each_other_are_refused(workspace: Workspace) -> None:
    workspace.replace("dvc.yaml", "out/fourth.json", str(workspace.folder / "far.json"))
    rows = workspace.command("cbir", "study", "wide", check=False)
    assert "far.json lies outside of this folder" in rows.stdout + rows.stderr
