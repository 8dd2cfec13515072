"""The workspace of a preset: the user's code, data and cache at the same paths, and other settings."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from flows.studies.study import compared_files
from flows.workspace.copies import archive_stages, make_workspace, writers_of
from tasks.harness.settings import PARAMS, Paths, load_paths, read_yaml
from tests.support.archive import copy
from tests.support.workspace import Workspace


@pytest.fixture
def paths(project: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A workspace as after `clean`, with a checkpoint and a reference file."""
    copy(project, tmp_path / "workspace")
    monkeypatch.chdir(tmp_path / "workspace")
    paths = load_paths(read_yaml(PARAMS))
    (paths.weights / "old.safetensors").write_bytes(b"weights")
    (paths.reference / "groups.csv").write_text("a;b")
    for made in (paths.manifest, paths.reports / "cleaning.csv", paths.encoder / "config.json"):
        made.parent.mkdir(parents=True, exist_ok=True)
        made.write_text(made.name)
    return paths


def _make(paths: Paths) -> Path:
    root = paths.store.absolute() / "studies/one"
    make_workspace(root, {"train.epochs": 3}, ["train.seed=7"], {}, paths)
    return root


def test_the_stage_that_reads_the_archive_is_the_users_and_those_that_a_study_compares_are_the_studys(
    paths: Paths,
) -> None:
    assert archive_stages(paths) == ["clean"]
    root = _make(paths)
    assert "clean" not in read_yaml(root / "dvc.yaml")["stages"]
    assert writers_of(*compared_files(paths), root=root) == ["evaluate", "robustness"]


def test_the_writers_of_a_file_are_found_by_what_dvc_yaml_says_of_the_workspace(paths: Paths) -> None:
    assert writers_of(paths.groups, paths.manifest, paths.encoder) == ["clean", "train", "group"]
    assert writers_of(paths.manifest, root=_make(paths)) == []
    assert writers_of(paths.raw) == []


def test_settings_are_the_presets_and_what_all_share_is_absolute(paths: Paths) -> None:
    params = read_yaml(_make(paths) / PARAMS)
    assert (params["train"]["epochs"], params["train"]["seed"]) == (3, 7)
    here = Path.cwd()
    absolute = {name: value for name, value in params["paths"].items() if Path(value).is_absolute()}
    assert absolute == {
        "raw": str(here / "data/raw"),
        "landing": str(here / "data/landing"),
        "translations": str(here / paths.translations),
        "store": str(here / ".store"),
    }
    assert params["tracking"]["uri"] == f"sqlite:///{here}/mlflow.db"


def test_data_is_linked_code_is_copied_and_results_stay_where_they_are(paths: Paths) -> None:
    root = _make(paths)
    assert (root / paths.weights / "old.safetensors").samefile(paths.weights / "old.safetensors")
    assert (root / paths.reference / "groups.csv").samefile(paths.reference / "groups.csv")
    assert (root / paths.manifest).read_text() == "manifest.parquet"
    assert (root / "cbir/training/methods/none.py").read_bytes() == Path("cbir/training/methods/none.py").read_bytes()
    assert not (root / "cbir/training/methods/none.py").samefile("cbir/training/methods/none.py")
    assert not (root / paths.encoder).exists()


def test_made_again_it_follows_the_users_and_leaves_the_rest_alone(paths: Paths) -> None:
    root = _make(paths)
    (root / "models/encoder").mkdir(parents=True)
    (root / "models/encoder/config.json").write_text("result")
    times = {file: file.stat().st_mtime_ns for file in root.rglob("*.py")}
    Path("cbir/base/errors.py").write_text("# edited")
    Path("cbir/covers.py").write_text("# new")
    (paths.weights / "old.safetensors").unlink()
    (paths.weights / "new.safetensors").write_bytes(b"new")
    _make(paths)
    assert (root / "cbir/base/errors.py").read_text() == "# edited"
    assert (root / "cbir/covers.py").read_text() == "# new"
    assert sorted(path.name for path in (root / paths.weights).glob("*.safetensors")) == ["new.safetensors"]
    assert (root / "models/encoder/config.json").read_text() == "result"
    unchanged = {file for file in times if file.name != "errors.py"}
    assert all(file.stat().st_mtime_ns == times[file] for file in unchanged)


def test_what_people_decide_later_is_in_a_workspace_that_is_made_again(paths: Paths) -> None:
    paths.decisions.parent.mkdir(parents=True, exist_ok=True)
    paths.decisions.write_text("before", encoding="utf-8")
    root = _make(paths)
    paths.decisions.write_text("before and after", encoding="utf-8")
    _make(paths)
    assert (root / paths.decisions).read_text(encoding="utf-8") == "before and after"
    assert not (root / paths.decisions).samefile(paths.decisions)


def test_the_cache_is_the_users_also_where_it_lies_elsewhere(paths: Paths, tmp_path: Path) -> None:
    Path(".dvc/config.local").write_text(f"[cache]\n    dir = {tmp_path}/shared\n    type = hardlink,copy\n")
    written = (_make(paths) / ".dvc/config.local").read_text()
    assert f"dir = {tmp_path}/shared" in written
    assert "type = hardlink,copy" in written
    assert "no_scm = true" in written


def test_presets_stages_take_the_place_of_those_that_write_the_same(paths: Paths) -> None:
    graph = YAML(typ="safe").load(Path("presets/stages/sift.yaml"))["stages"]
    root = paths.store.absolute() / "studies/sift"
    make_workspace(root, {}, [], graph, paths)
    stages = read_yaml(root / "dvc.yaml")["stages"]
    assert writers_of(*compared_files(paths), root=root) == ["sift"]
    assert {"groundtruth", "sift"} <= set(stages)
    assert not {"clean", "evaluate", "robustness"} & set(stages)
