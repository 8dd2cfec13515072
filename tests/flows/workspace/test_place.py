"""A workspace is the nearest folder, here or above, with dvc.yaml and params.yaml."""

import os
from pathlib import Path

import pytest

from cbir.base.errors import UserError
from flows.workspace.place import enter_workspace, find_workspace, from_here, go_to


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    (tmp_path / "archive/data/raw").mkdir(parents=True)
    for name in ("dvc.yaml", "params.yaml", "data/params.yaml"):
        (tmp_path / "archive" / name).touch()
    return tmp_path / "archive"


def test_the_nearest_folder_that_has_both_files_is_the_workspace(archive: Path) -> None:
    assert find_workspace(archive) == archive
    assert find_workspace(archive / "data/raw") == archive
    assert find_workspace(archive.parent) is None


def test_a_command_in_a_folder_below_works_in_the_workspace(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_HOME", raising=False)
    monkeypatch.chdir(archive / "data/raw")
    assert from_here(Path("a.jpg")) == archive / "data/raw/a.jpg"
    assert from_here(Path("/b.jpg")) == Path("/b.jpg")
    assert from_here(None) is None
    enter_workspace()
    assert Path.cwd() == archive
    assert os.environ["PREFECT_HOME"] == str(archive / ".prefect")
    assert from_here(Path("a.jpg")) == Path("a.jpg")


def test_another_home_of_prefect_stays(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_HOME", "/elsewhere")
    monkeypatch.chdir(archive)
    enter_workspace()
    assert os.environ["PREFECT_HOME"] == "/elsewhere"


def test_outside_of_any_workspace_a_path_is_as_it_is_given(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(archive.parent)
    assert from_here(Path("a.jpg")) == Path("a.jpg")
    with pytest.raises(UserError, match=r"is in no cbir workspace .* make one with `cbir init DIR`"):
        enter_workspace()


def test_a_folder_to_work_in_that_is_none_is_told(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(archive)
    for name, why in (("gone", "no such file or directory"), ("dvc.yaml", "not a directory")):
        with pytest.raises(UserError, match=rf"^-C {name}: {why}; name a folder$"):
            go_to(Path(name))
    go_to(Path("data"))
    assert Path.cwd() == archive / "data"
