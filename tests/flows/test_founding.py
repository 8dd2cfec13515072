"""`cbir init`: a workspace with settings and graph, under DVC and git, with nothing of the code."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cbir.base.errors import UserError
from flows.founding import COPIED, EDITOR, SCHEMA, describe_settings, init, make_workspace
from flows.repository.versioning import awaits_first_commit
from flows.workspace.checks import shipped_settings
from flows.workspace.graph import archive_graph
from flows.workspace.settings import require_workspace

CBIR = Path(sys.executable).with_name("cbir")


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace under git."""
    make_workspace(tmp_path / "archive", git=True)
    monkeypatch.chdir(tmp_path / "archive")
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    return tmp_path / "archive"


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], capture_output=True, text=True, check=True).stdout


def test_a_new_workspace_has_settings_with_their_comments_the_graph_and_none_of_the_code(archive: Path) -> None:
    assert (archive / "params.yaml").read_text(encoding="utf-8") == shipped_settings()
    assert (archive / "dvc.yaml").read_text() == archive_graph()
    assert not [*archive.rglob("*.py")]
    files = {path.relative_to(archive).as_posix() for path in archive.rglob("*") if path.is_file()}
    kept = {name for name in files if not name.startswith((".git/", ".dvc/"))}
    assert kept | {".dvc/plots.html"} == {*COPIED, SCHEMA, EDITOR, "params.yaml", "dvc.yaml"}
    assert require_workspace().raw == Path("data/raw")


def test_it_is_committed_and_dvc_finds_nothing_wrong_with_it(archive: Path) -> None:
    assert _git("status", "--porcelain") == ""
    assert _git("log", "--format=%s").startswith("An archive, made by cbir ")
    assert "analytics = False" in (archive / ".dvc/config").read_text()
    assert not awaits_first_commit()


def test_until_results_are_committed_a_run_proposes_the_first_commit(archive: Path) -> None:
    (archive / "dvc.lock").write_text("schema: '2.0'\n")
    assert awaits_first_commit()
    _git("add", "--all")
    _git("-c", "user.name=Anne", "-c", "user.email=anne@example.org", "commit", "--quiet", "--message=first run")
    assert not awaits_first_commit()


def test_an_editor_finds_the_schema_of_the_settings_and_keeps_its_own(archive: Path) -> None:
    assert json.loads((archive / EDITOR).read_text()) == {"yaml.schemas": {f"./{SCHEMA}": "params.yaml"}}
    assert "train" in json.loads((archive / SCHEMA).read_text())["properties"]
    (archive / EDITOR).write_text("{}")
    describe_settings(archive)
    assert (archive / EDITOR).read_text() == "{}"


def test_plots_need_no_network(archive: Path) -> None:
    rows = [{"rev": rev, "epoch": str(epoch), "loss": str(epoch)} for rev in ("a", "b") for epoch in (1, 2)]
    Path("loss.json").write_text(json.dumps(rows))
    (archive / "dvc.yaml").write_text("plots: [loss.json: {x: epoch, y: loss}]")
    shown = subprocess.run([CBIR.with_name("dvc"), "plots", "show"], capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    page = (archive / "dvc_plots/index.html").read_text()
    assert "function vegaEmbed" in page
    assert not re.search(r"""(src|href)=["']?http|import\(|fetch\(""", page)


def test_without_git_there_is_none(tmp_path: Path) -> None:
    make_workspace(tmp_path / "archive", git=False)
    assert not (tmp_path / "archive/.git").exists()
    assert "no_scm = True" in (tmp_path / "archive/.dvc/config").read_text()


def test_in_a_repository_of_git_it_is_a_folder_of_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _git("init", "--quiet")
    make_workspace(tmp_path / "archives/one", git=True)
    assert not (tmp_path / "archives/one/.git").exists()
    assert "archives/one/params.yaml" in _git("ls-files")


def test_a_folder_that_holds_a_workspace_or_part_of_one_is_refused(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"archive lies in the workspace .*: choose a folder outside of it$"):
        init(archive, git=False)
    with pytest.raises(UserError, match=r"new lies in the workspace"):
        init(archive / "new", git=False)
    (tmp_path / "other").mkdir()
    (tmp_path / "other/params.yaml").touch()
    with pytest.raises(UserError, match=r"other has a params\.yaml already: choose an empty folder$"):
        init(tmp_path / "other", git=False)
    with pytest.raises(UserError, match=r"params\.yaml is a file: name a new folder$"):
        init(tmp_path / "other/params.yaml", git=False)


def test_commands_find_the_workspace_from_a_folder_below_and_from_elsewhere(archive: Path) -> None:
    for folder, words in ((archive / "data", ()), (archive.parent, ("-C", "archive"))):
        done = subprocess.run([CBIR, *words, "presets"], cwd=folder, capture_output=True, text=True, check=True)
        assert "press" in done.stdout
