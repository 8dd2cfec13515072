"""A run's commit holds what the run wrote and nothing else, and a checkout of it is up to date anywhere."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.repository.versioning import Commit, commit, edited, push
from flows.workspace.settings import with_values
from tests.support.toy import REPOSITORY, Workspace

ENVIRONMENT = {
    "PYTHONPATH": str(REPOSITORY),
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "DVC_NO_ANALYTICS": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The toy after a first `dvc repro`, committed."""
    made = Workspace.make(tmp_path_factory.mktemp("toy") / "workspace", ENVIRONMENT)
    made.dvc("repro", "-q")
    made.ran()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        assert commit("first run", root=made.folder).hash
    return made


@pytest.fixture
def workspace(committed: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    yield committed.copy(tmp_path / "workspace")


def _land(workspace: Workspace, name: str = "two") -> None:
    """A second accession, and the run that follows."""
    (workspace.folder / "data/raw" / name).mkdir()
    (workspace.folder / "data/raw" / name / "b.txt").write_text(name)
    workspace.dvc("add", "-q", f"data/raw/{name}")
    workspace.dvc("repro", "-q")


def _git(workspace: Workspace, *words: str) -> list[str]:
    return workspace.command("git", *words).stdout.splitlines()


def _changed(workspace: Workspace) -> list[str]:
    return _git(workspace, "show", "--format=", "--name-only", "HEAD")


@pytest.mark.heavy
def test_what_a_run_wrote_is_committed_and_unrelated_edits_stay_as_they_were(workspace: Workspace) -> None:
    (workspace.folder / "notes.txt").write_text("staged")
    (workspace.folder / "toy/extra.py").write_text("untracked")
    workspace.command("git", "add", "notes.txt")
    workspace.dvc("config", "core.check_update", "false")
    workspace.replace(".gitignore", "ran.log", "ran.log\n*.bak")
    _land(workspace)
    made = commit("two landed: 1 image", root=workspace.folder)
    assert made == Commit(hash=_git(workspace, "rev-parse", "HEAD")[0])
    assert _changed(workspace) == ["data/raw/.gitignore", "data/raw/two.dvc", "dvc.lock"]
    assert _git(workspace, "log", "-1", "--format=%s %an %ae") == ["two landed: 1 image cbir cbir@localhost"]
    assert _git(workspace, "status", "--porcelain") == [
        " M .dvc/config",
        " M .gitignore",
        "A  notes.txt",
        "?? toy/extra.py",
    ]
    assert commit("again", root=workspace.folder) == Commit()


def test_the_first_runs_commit_has_what_dvc_told_git_to_ignore(workspace: Workspace) -> None:
    assert _changed(workspace) == ["dvc.lock", "out/.gitignore"]
    assert _git(workspace, "status", "--porcelain") == []


def test_a_configured_author_is_kept(workspace: Workspace) -> None:
    workspace.command("git", "config", "user.name", "Ada")
    workspace.command("git", "config", "user.email", "ada@example.org")
    (workspace.folder / "data/raw/two.dvc").write_text("outs: []\n")
    assert commit("landed", root=workspace.folder).hash
    assert _git(workspace, "log", "-1", "--format=%an %cn %ae") == ["Ada Ada ada@example.org"]


@pytest.mark.heavy
def test_a_checkout_elsewhere_is_up_to_date_after_a_pull(workspace: Workspace, tmp_path: Path) -> None:
    workspace.dvc("remote", "add", "-q", "-d", "there", str(tmp_path / "remote"))
    workspace.commit("a remote")
    _land(workspace)
    assert commit("landed", root=workspace.folder).hash
    assert push(workspace.folder) == ""
    workspace.command("git", "clone", "-q", str(workspace.folder), str(tmp_path / "clone"))
    clone = Workspace(tmp_path / "clone", ENVIRONMENT)
    clone.dvc("pull", "-q")
    assert clone.is_clean()
    clone.dvc("repro", "-q")
    assert clone.ran() == []
    assert _git(clone, "status", "--porcelain") == []
    assert (clone.folder / "data/raw/two/b.txt").read_text() == "two"


@pytest.mark.heavy
def test_an_accession_that_was_removed_is_committed_as_removed(workspace: Workspace) -> None:
    _land(workspace)
    commit("landed", root=workspace.folder)
    workspace.dvc("remove", "-q", "data/raw/two.dvc")
    (workspace.folder / "data/raw/two/b.txt").unlink()
    (workspace.folder / "data/raw/two").rmdir()
    workspace.dvc("repro", "-q")
    assert commit("removed", root=workspace.folder).reason == ""
    assert _changed(workspace) == ["data/raw/.gitignore", "data/raw/two.dvc", "dvc.lock"]
    assert _git(workspace, "status", "--porcelain") == []


def test_edits_that_decide_a_result_are_named_and_keep_a_run_from_being_committed(workspace: Workspace) -> None:
    assert edited(workspace.folder) == []
    workspace.replace("params.yaml", "factor: 2", "factor: 4")
    workspace.replace("toy/third.py", "import time", "import time  # edited")
    (workspace.folder / "notes.txt").write_text("decides nothing")
    edits = edited(workspace.folder)
    assert edits == ["params.yaml", "toy/third.py"]
    head = _git(workspace, "rev-parse", "HEAD")
    assert commit("landed", root=workspace.folder, edits=edits).reason == (
        "not committed, because a checkout would not be up to date without what is edited in "
        "params.yaml, toy/third.py; commit that first"
    )
    assert _git(workspace, "rev-parse", "HEAD") == head
    workspace.command("git", "checkout", "-q", "--", "toy/third.py")
    assert "edited in params.yaml; commit that first" in commit("landed", root=workspace.folder, edits=edits[:1]).reason


def test_a_module_that_git_does_not_know_counts_as_an_edit(workspace: Workspace) -> None:
    (workspace.folder / "toy/helper.py").write_text("")
    workspace.replace("dvc.yaml", "toy/first.py]", "toy/first.py, toy/helper.py]")
    assert edited(workspace.folder) == ["dvc.yaml", "toy/helper.py"]


def test_a_reference_file_that_neither_git_nor_dvc_knows_counts_as_an_edit(workspace: Workspace) -> None:
    (workspace.folder / "r").mkdir()
    (workspace.folder / "r/README.md").write_text("")
    workspace.replace("dvc.yaml", "toy/first.py]", "toy/first.py, r]")
    workspace.commit("reference files")
    for name in ("list.csv", "known.csv.dvc", ".gitignore"):
        (workspace.folder / "r" / name).write_text("/known.csv")
    (workspace.folder / "r/known.csv").write_text("")
    assert edited(workspace.folder) == ["r/list.csv"]


def test_decisions_are_no_edit_and_are_committed_with_a_run(workspace: Workspace) -> None:
    workspace.replace("dvc.yaml", "toy/first.py]", "toy/first.py, de]")
    (workspace.folder / "de").write_text("time,person\n")
    workspace.commit("a file of decisions")
    (workspace.folder / "de").write_text("time,person\nnow,Anne\n")
    assert edited(workspace.folder) == []
    assert commit("decided", root=workspace.folder).hash
    assert _changed(workspace) == ["de"]


def test_values_that_the_run_itself_set_are_committed_with_it(workspace: Workspace) -> None:
    params = workspace.folder / "params.yaml"
    own = ("first.factor", "second")
    params.write_text(with_values(params.read_text(), {"first.factor": 8, "second.factor": 5})[0])
    assert edited(workspace.folder) == ["params.yaml"]
    assert edited(workspace.folder, own=own) == []
    assert commit("set", root=workspace.folder, own=own).hash
    assert _changed(workspace) == ["params.yaml"]
    params.write_text(with_values(params.read_text(), {"first.factor": 9, "fourth.factor": 6})[0])
    assert edited(workspace.folder, own=own) == ["params.yaml"]
    assert edited(workspace.folder, own=("no.value",)) == ["params.yaml"]


@pytest.mark.heavy
def test_lines_that_a_person_wrote_into_a_gitignore_stay_uncommitted(workspace: Workspace) -> None:
    _land(workspace)
    ignored = workspace.folder / "data/raw/.gitignore"
    ignored.write_text(ignored.read_text() + "*.bak\n")
    assert commit("landed", root=workspace.folder).hash
    assert _changed(workspace) == ["data/raw/two.dvc", "dvc.lock"]
    assert _git(workspace, "status", "--porcelain") == [" M data/raw/.gitignore"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["git", "checkout", "-q", "--detach"], "not committed, because no branch is checked out (HEAD is detached)"),
        (["touch", ".git/MERGE_HEAD"], "not committed, because a merge is under way in git; end it first"),
        (["mkdir", ".git/rebase-merge"], "not committed, because a rebase is under way in git; end it first"),
        (["touch", ".git/index.lock"], "not committed: git says fatal: Unable to create"),
        (["rm", "-rf", ".git"], "not committed: git says fatal: not a git repository"),
        (["sh", "-c", "echo 'echo no; exit 1' > .git/hooks/pre-commit; chmod +x .git/hooks/pre-commit"], "git says no"),
    ],
)
def test_where_git_takes_no_commit_there_is_a_reason(workspace: Workspace, words: list[str], sentence: str) -> None:
    (workspace.folder / "data/raw/two.dvc").write_text("outs: []\n")
    workspace.command(*words)
    made = commit("landed", root=workspace.folder)
    assert sentence in made.reason
    assert made.hash == ""


def test_without_git_there_is_a_reason(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert edited(workspace.folder) == []
    assert commit("landed", root=workspace.folder).reason == "not committed, because git is not installed"


def test_a_workspace_below_the_top_of_a_repository_is_committed_alike(tmp_path: Path, workspace: Workspace) -> None:
    outer = Workspace(tmp_path / "outer", ENVIRONMENT)
    outer.folder.mkdir()
    outer.command("git", "init", "-q")
    inner = Workspace(outer.folder / "inner", ENVIRONMENT)
    workspace.folder.rename(inner.folder)
    inner.command("rm", "-rf", ".git")
    outer.commit("all")
    (inner.folder / "data/raw/two.dvc").write_text("outs: []\n")
    assert commit("landed", root=inner.folder).reason == ""
    assert _changed(inner) == ["inner/data/raw/two.dvc"]


def test_failures_of_a_push_are_sentences(workspace: Workspace) -> None:
    assert push(workspace.folder).startswith("not pushed, because DVC has no default remote; name one with `dvc remote")
    workspace.command("touch", "file")
    workspace.dvc("remote", "add", "-q", "-d", "there", str(workspace.folder / "file"))
    assert "the next run tries again" in push(workspace.folder)
