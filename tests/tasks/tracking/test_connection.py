"""tasks.tracking.connection: the database of a workspace that was copied or moved names the artifacts beside it."""

import shutil
import sqlite3
from contextlib import chdir
from pathlib import Path

import pytest

from tasks.harness.settings import PARAMS, load_paths, read_yaml
from tasks.tracking.connection import PLACES, Tracking, connection, follow_workspace

TRACKING = Tracking(uri="sqlite:///mlflow.db", experiment="archive", model="encoder", ui="")
PROJECT = Path(__file__).parents[3]


@pytest.fixture
def original(tmp_path: Path) -> Path:
    """A workspace with a run, its artifact, and a version of a model."""
    folder = tmp_path / "the original"
    folder.mkdir()
    record(folder, "first")
    return folder


def record(folder: Path, name: str) -> None:
    """Record a run with one artifact and a version of a model in a workspace."""
    with chdir(folder), connection(TRACKING, load_paths(read_yaml(PROJECT / PARAMS))) as (client, experiment):
        run = client.create_run(experiment)
        client.log_text(run.info.run_id, name, f"{name}.txt")
        if not client.search_registered_models():
            client.create_registered_model("encoder")
        client.create_model_version("encoder", f"{run.info.artifact_uri}/{name}.txt", run.info.run_id)


def places(folder: Path) -> list[str]:
    """All that the database says of where artifacts are."""
    with sqlite3.connect(folder / "mlflow.db") as database:
        return [
            value for table, column in PLACES for (value,) in database.execute(f"SELECT {column} FROM {table}") if value
        ]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "mlruns").rglob("*.txt"))


@pytest.mark.heavy
def test_what_a_copy_records_stays_in_the_copy_and_its_history_comes_with_it(original: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(original, copy)
    record(copy, "second")
    assert names(original) == ["first.txt"]
    assert names(copy) == ["first.txt", "second.txt"]
    assert all(str(copy) in place and str(original) not in place for place in places(copy))
    assert all(str(original) in place for place in places(original))


@pytest.mark.heavy
def test_a_moved_workspace_writes_nothing_where_it_was(original: Path, tmp_path: Path) -> None:
    moved = original.rename(tmp_path / "moved")
    record(moved, "second")
    assert not original.exists()
    assert names(moved) == ["first.txt", "second.txt"]


@pytest.mark.heavy
def test_a_place_that_someone_chose_and_a_workspace_behind_a_link_stay_as_they_are(
    original: Path, tmp_path: Path
) -> None:
    before = places(original)
    (tmp_path / "link").symlink_to(original)
    follow_workspace(tmp_path / "link/mlflow.db")
    assert places(original) == before
    chosen = tmp_path / "large disk/mlruns"
    shutil.move(original / "mlruns", chosen)
    with sqlite3.connect(original / "mlflow.db") as database:
        database.execute("UPDATE experiments SET artifact_location = ?", (f"{chosen}/1",))
    before = places(original)
    follow_workspace(original / "mlflow.db")
    assert places(original) == before


def test_a_database_that_mlflow_has_not_made_or_that_is_damaged_is_left_to_mlflow(tmp_path: Path) -> None:
    follow_workspace(tmp_path / "mlflow.db")
    assert not (tmp_path / "mlflow.db").exists()
    for content in (b"", b"no database" * 500):
        (tmp_path / "mlflow.db").write_bytes(content)
        follow_workspace(tmp_path / "mlflow.db")
        assert (tmp_path / "mlflow.db").read_bytes() == content
