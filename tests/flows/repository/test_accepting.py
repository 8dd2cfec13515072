"""An upgrade keeps results whose version, settings and files are as they were, and says why of the others."""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from flows.repository.accepting import SINCE_0_1, Kept, keep_results, versions_made_by

GRAPH = """\
stages:
  clean:
    cmd: python -m tasks.clean --stage-version=1
    params: [images, clean]
    deps: ["${paths.raw}"]
    outs: ["${paths.manifest}"]
  train:
    cmd: python -m tasks.train --stage-version=2
    params: [train]
    deps: ["${paths.manifest}"]
    outs: ["${paths.encoder}"]
  embed:
    cmd: python -m tasks.embed --stage-version=1
    params: [train.rate]
    deps: ["${paths.manifest}", "${paths.encoder}"]
    outs: [vectors]
  plots:
    cmd: python -m tasks.plots --stage-version=1
    params: []
    deps: ["${paths.encoder}/history.parquet"]
    outs: [curves]
"""
PARAMS = """\
paths: {raw: data/raw, manifest: m.parquet, encoder: models/encoder}
images: {side: 512}
clean: {blank: 2.0, new: true}
train: {rate: 0.1}
"""


def _entry(name: str, version: int, reads: list[str], writes: str, **params: Any) -> dict[str, Any]:
    return {
        "cmd": f"python -m tasks.{name}" + (f" --stage-version={version}" if version else ""),
        "deps": [{"path": path, "md5": path} for path in reads],
        "params": {"params.yaml": params},
        "outs": [{"path": writes, "md5": writes}],
    }


def _recorded(version: int = 1, train: int = 2) -> dict[str, Any]:
    return {
        "clean": _entry("clean", version, ["data/raw"], "m.parquet", images={"side": 512}, clean={"blank": 2.0}),
        "train": _entry("train", train, ["m.parquet"], "models/encoder", train={"rate": 0.1, "gone": 3}),
        "embed": _entry("embed", version, ["m.parquet", "models/encoder"], "vectors", **{"train.rate": 0.1}),
        "plots": _entry("plots", version, ["models/encoder/history.parquet"], "curves"),
    }


@pytest.fixture
def draft(tmp_path: Path) -> Path:
    """The graph and the settings as an upgrade would write them."""
    (tmp_path / "dvc.yaml").write_text(GRAPH)
    (tmp_path / "params.yaml").write_text(PARAMS)
    return tmp_path


def _keep(draft: Path, recorded: dict[str, Any], **made_by: int) -> Kept:
    return keep_results(recorded, draft, made_by=made_by)


def test_new_settings_and_settings_that_are_none_any_more_make_nothing_stale(draft: Path) -> None:
    kept = _keep(draft, _recorded())
    assert kept.stale == {}
    assert kept.entries["clean"]["params"]["params.yaml"]["clean"] == {"blank": 2.0, "new": True}
    assert kept.entries["train"]["params"]["params.yaml"] == {"train": {"rate": 0.1}}
    assert kept.entries["embed"]["outs"] == [{"path": "vectors", "md5": "vectors"}]


def test_a_raised_version_makes_its_stage_stale_and_those_behind_it_and_is_left_to_dvc(draft: Path) -> None:
    recorded = _recorded(train=1)
    kept = _keep(draft, recorded)
    assert kept.stale == {"train": "version 1 → 2", "embed": "after train", "plots": "after train"}
    assert kept.entries["train"] == recorded["train"]


def test_a_setting_that_differs_from_the_last_run_is_named(draft: Path) -> None:
    recorded = _recorded()
    recorded["clean"]["params"]["params.yaml"]["images"]["side"] = 256
    kept = _keep(draft, recorded)
    assert kept.stale["clean"] == "images.side differs from its last run"
    assert kept.stale["train"] == "after clean"
    assert kept.entries["clean"] == recorded["clean"]


def test_a_stage_that_never_ran_and_one_that_reads_other_files_are_stale(draft: Path) -> None:
    recorded = _recorded()
    del recorded["plots"]
    recorded["embed"]["deps"].pop()
    assert _keep(draft, recorded).stale == {
        "embed": "it reads or writes other files now",
        "plots": "it never ran here",
    }


def test_the_results_of_a_clone_lose_their_code_and_get_its_versions(draft: Path) -> None:
    recorded = _recorded(version=0, train=0)
    recorded["clean"]["deps"] += [{"path": "cbir/archive", "md5": "a"}, {"path": "tasks/clean.py", "md5": "b"}]
    kept = _keep(draft, recorded, clean=1, train=1, embed=1, plots=1)
    assert kept.stale["train"] == "version 1 → 2"
    assert "clean" not in kept.stale
    assert kept.entries["clean"]["deps"] == [{"path": "data/raw", "md5": "data/raw"}]
    assert kept.entries["clean"]["cmd"] == "python -m tasks.clean --stage-version=1"
    assert _keep(draft, recorded).stale["clean"] == "version unknown → 1"


def test_a_stage_that_the_program_no_longer_has_is_forgotten(draft: Path) -> None:
    recorded = _recorded() | {"old": _entry("old", 1, [], "o")}
    assert "old" not in _keep(draft, recorded).entries


def test_a_clone_says_the_versions_of_its_results_by_its_code(tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").write_text("stages: {clean: {cmd: python -m tasks.clean}}")
    versions = dict.fromkeys(("clean", "match", *SINCE_0_1), 5)
    assert versions_made_by(tmp_path, {"match": {}}, versions) == dict.fromkeys(versions, 1)
    assert versions_made_by(tmp_path, {}, versions) == dict.fromkeys(SINCE_0_1, 1)
    (tmp_path / "tasks").mkdir()
    YAML().dump(dict.fromkeys(versions, 3), tmp_path / "tasks/versions.yaml")
    assert versions_made_by(tmp_path, {"match": {}}, versions) == dict.fromkeys(versions, 3)
    (tmp_path / "dvc.yaml").write_text(GRAPH)
    assert versions_made_by(tmp_path, {"match": {}}, versions) == {}
