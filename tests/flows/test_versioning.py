"""A run is committed by itself: all that makes it again elsewhere, and nothing of what somebody else is at."""

from pathlib import Path

import pytest

from flows import versioning
from flows.versioning import commit_run, edited, push_data
from tests.flows.toy import Workspace


@pytest.fixture
def workspace(toy: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A toy that has run, with an accession that has landed since and a setting that the run has changed."""
    monkeypatch.chdir(toy.folder)
    (toy.folder / "notes.txt").write_text("mine")
    toy.commit("notes")
    toy.replace("params.yaml", "factor: 2", "factor: 4")
    (toy.folder / "data/raw/two").mkdir()
    (toy.folder / "data/raw/two/b.txt").write_text("new")
    toy.dvc("add", "-q", "data/raw/two")
    toy.dvc("repro")
    return toy


def names(workspace: Workspace, *words: str) -> set[str]:
    return set(workspace.command("git", *words).stdout.split())


def test_a_run_is_committed_alone_and_other_edits_stay_as_they_are(workspace: Workspace) -> None:
    (workspace.folder / "notes.txt").write_text("still at it")
    (workspace.folder / "staged.txt").write_text("staged")
    workspace.command("git", "add", "staged.txt")
    assert commit_run(Path(), "cbir refresh: two", edited_before=[]).startswith("committed as ")
    changed = names(workspace, "show", "--name-only", "--format=", "HEAD")
    assert changed == {"dvc.lock", "params.yaml", "data/raw/two.dvc", "data/raw/.gitignore"}
    assert workspace.command("git", "log", "-1", "--format=%s").stdout.strip() == "cbir refresh: two"
    assert names(workspace, "diff", "--name-only") == {"notes.txt"}
    assert names(workspace, "diff", "--cached", "--name-only") == {"staged.txt"}
    assert commit_run(Path(), "again", edited_before=[]) == "nothing to commit"


def test_settings_that_were_edited_before_the_run_are_not_committed_with_it(workspace: Workspace) -> None:
    head = workspace.command("git", "rev-parse", "HEAD").stdout
    assert edited(Path()) == ["params.yaml"]
    said = commit_run(Path(), "cbir refresh", edited_before=["params.yaml"])
    assert said == "not committed: params.yaml has edits of yours; commit or undo them"
    assert workspace.command("git", "rev-parse", "HEAD").stdout == head


def test_edited_code_counts_as_a_setting_and_other_files_do_not(
    toy: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(toy.folder)
    assert edited(Path()) == []
    toy.replace("toy/first.py", "import time", "import time  # edited")
    (toy.folder / "notes.txt").write_text("mine")
    assert edited(Path()) == ["toy/first.py"]


def test_a_merge_under_way_and_a_folder_without_git_are_reasons(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace.folder / ".git/MERGE_HEAD").write_text("0" * 40)
    assert commit_run(Path(), "x", edited_before=[]).startswith("not committed: a merge")
    (workspace.folder / ".git").rename(workspace.folder / "no-git")
    assert commit_run(Path(), "x", edited_before=[]).startswith("not committed: git says")
    monkeypatch.setenv("PATH", "")
    assert commit_run(Path(), "x", edited_before=[]) == "not committed: git is not installed"


def test_a_clone_of_the_commit_pulls_the_data_and_runs_nothing(workspace: Workspace, tmp_path: Path) -> None:
    assert push_data(Path()).startswith("not pushed: ")
    workspace.dvc("remote", "add", "-q", "-d", "store", str(tmp_path / "remote"))
    workspace.command("git", "add", ".dvc/config")
    workspace.command("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "remote")
    assert push_data(Path()).endswith("files to the DVC remote")
    assert commit_run(Path(), "cbir refresh", edited_before=[]).startswith("committed")
    workspace.command("git", "clone", "-q", str(workspace.folder), str(tmp_path / "elsewhere"))
    elsewhere = Workspace(tmp_path / "elsewhere", workspace.environment)
    elsewhere.dvc("pull", "-q")
    assert elsewhere.is_clean()
    elsewhere.dvc("repro")
    assert elsewhere.ran() == []


def test_without_an_identity_a_run_is_committed_as_one_of_the_program(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versioning, "_has_identity", lambda _: False)
    assert commit_run(Path(), "x", edited_before=[]).startswith("committed")
    assert workspace.command("git", "log", "-1", "--format=%ae").stdout.strip() == "cbir@localhost"
