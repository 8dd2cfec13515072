"""The sample archive from its files to the groups by `cbir run`: the one such run of the quick tests."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.support.archive import copy, is_clean, tracked_runs
from tests.support.workspace import Workspace

pytestmark = pytest.mark.timeout(600)
STAGES = ("clean", "groundtruth", "train", "embed", "index", "match", "evaluate", "group", "robustness", "plots")


@pytest.fixture
def workspace(sample: Workspace, tmp_path: Path) -> Workspace:
    return copy(sample, tmp_path / "workspace")


def test_after_a_run_everything_is_there_nothing_is_stale_and_a_second_run_makes_no_mlflow_run(
    workspace: Workspace,
) -> None:
    for name in ("index.html", "groups.csv", "groups.xlsx", "cleaning.csv", "groundtruth.csv", "metrics.json"):
        assert (workspace.folder / "reports" / name).stat().st_size > 0
    before = tracked_runs(workspace)
    assert [status for _, status in before] == ["FINISHED"]
    assert is_clean(workspace)
    assert "didn't change" in workspace.command("dvc", "repro").stdout
    shown = workspace.run().stderr
    assert all(f"{name}: unchanged" in shown for name in STAGES)
    assert tracked_runs(workspace) == before


@pytest.mark.heavy
def test_a_decision_makes_the_groups_anew_and_nothing_else_and_is_obeyed(workspace: Workspace) -> None:
    groups = pq.read_table(workspace.folder / "data/groups.parquet").to_pandas()
    group_id = groups["group_id"].value_counts().index[0]
    first, second = groups.loc[groups["group_id"] == group_id, "image_id"].iloc[:2]
    manifest = pq.read_table(workspace.folder / "data/manifest.parquet").to_pandas().drop_duplicates("image_id")
    file_of = manifest.set_index("image_id")["path"]
    workspace.command("cbir", "decide", file_of[first], file_of[second], "different", "--person", "Anne")
    shown = workspace.run().stderr
    assert [name for name in STAGES if f"{name}: unchanged" not in shown] == ["group"]
    group_of = pq.read_table(workspace.folder / "data/groups.parquet").to_pandas().set_index("image_id")["group_id"]
    assert group_of.get(first) != group_of.get(second)
    assert is_clean(workspace)
    assert "are different (Anne, " in workspace.command("cbir", "why", file_of[first], file_of[second]).stdout


@pytest.mark.heavy
def test_search_shows_the_picture_itself_first(workspace: Workspace) -> None:
    manifest = pq.read_table(workspace.folder / "data/manifest.parquet").to_pylist()
    path = next(row["path"] for row in manifest if row["status"] == "ok" and row["path"].endswith(".jpg"))
    done = workspace.command("cbir", "search", f"data/raw/{path}", "-k", "3")
    assert Path(path).name in done.stdout
    assert "1.000" in done.stdout
    assert done.stderr == ""
