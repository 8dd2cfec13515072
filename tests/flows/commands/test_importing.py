"""cbir import and remove: an accession comes and goes, its files are kept, and what is known is told."""

import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cbir.base.errors import UserError
from flows.cli import app
from tasks.harness.settings import read_yaml
from tests.support.workspace import take_settings

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")  # inside DVC


@pytest.fixture
def scans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of two scans and a ground truth beside a workspace without code, which is the working directory."""
    workspace, folder = tmp_path / "workspace", tmp_path / "scans"
    workspace.mkdir()
    monkeypatch.chdir(workspace)
    take_settings()
    subprocess.run(["dvc", "init", "-q", "--no-scm"], check=True)
    folder.mkdir()
    for name in ("a.jpg", "b.jpg"):
        (folder / name).write_bytes(name.encode())
    (tmp_path / "gt.csv").write_text("a.jpg,b.jpg\n")
    return folder


def say(*words: str | Path) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_an_accession_comes_is_undone_and_leaves_its_files(scans: Path) -> None:
    before = read_yaml(Path("params.yaml"))
    shown = say("import", scans, "--groundtruth", scans.parent / "gt.csv")
    assert "2 names matched, 0 unmatched" in shown
    assert read_yaml(Path("params.yaml"))["groundtruth"]["file"] == "gt.csv"
    assert Path("data/raw/scans.dvc").exists()
    shown = say("import", "--undo")
    assert shown.startswith("scans is out of the archive; its files are in data/removed/scans\n")
    assert read_yaml(Path("params.yaml")) == before
    assert not list(Path("data/raw").glob("scans*"))
    assert sorted(path.name for path in Path("data/removed/scans").iterdir()) == ["a.jpg", "b.jpg"]
    with pytest.raises(UserError, match="no import is known that could be undone"):
        say("import", "--undo")


def test_copies_are_told_and_an_accession_is_removed_by_its_name(scans: Path) -> None:
    say("import", scans)
    shown = say("import", scans, "--accession", "again")
    assert "copies: 2 of 2 are in the archive already, in scans; `cbir import --undo` takes again out again" in shown
    with pytest.raises(UserError, match=r"agian is no accession in data/raw; did you mean again\?"):
        say("remove", "agian")
    say("remove", "again")
    assert [path.name for path in sorted(Path("data/raw").glob("[!.]*"))] == ["scans", "scans.dvc"]


def test_a_corrected_ground_truth_comes_alone_and_the_one_before_is_kept(scans: Path) -> None:
    groundtruth = scans.parent / "gt.csv"
    say("import", scans, "--groundtruth", groundtruth)
    groundtruth.write_text("a.jpg,c.jpg\n")
    assert "1 names matched, 1 unmatched" in say("import", "--groundtruth", groundtruth)
    assert Path("data/reference/gt.csv").read_text() == "a.jpg,c.jpg\n"
    assert Path("data/removed/gt.csv").read_text() == "a.jpg,b.jpg\n"


def test_a_second_ground_truth_joins_the_first(scans: Path) -> None:
    say("import", scans, "--groundtruth", scans.parent / "gt.csv")
    (scans.parent / "more.csv").write_text("b.jpg,c.jpg\n")
    say("import", "--groundtruth", scans.parent / "more.csv")
    assert read_yaml(Path("params.yaml"))["groundtruth"]["file"] == ["gt.csv", "more.csv"]


def test_metadata_comes_in_says_how_many_names_it_has_and_is_undone_with_its_accession(scans: Path) -> None:
    table = scans.parent / "papers.csv"
    table.write_text("name;title;date\na;Miroir;1916\nzz;X;once\n", encoding="utf-8")
    shown = say("import", scans, "--metadata", table)
    assert "metadata of 1 images, 1 names without an image; 1 images have a date" in shown
    assert read_yaml(Path("params.yaml"))["groundtruth"]["metadata"] == "papers.csv"
    say("import", "--metadata", table)
    say("import", "--undo")
    assert read_yaml(Path("params.yaml"))["groundtruth"]["metadata"] == ""
    table.write_text("title;date\nMiroir;1916\n", encoding="utf-8")
    with pytest.raises(UserError, match="the headings must be name and some of title, date"):
        say("import", "--metadata", table)


def test_an_import_of_nothing_says_what_to_name(scans: Path) -> None:
    with pytest.raises(UserError, match="name the folder of images to bring in, or give --groundtruth"):
        say("import")
