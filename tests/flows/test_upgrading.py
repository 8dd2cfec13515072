"""`cbir upgrade`: says what would change, and changes nothing until it is told to; a clone becomes an archive."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from flows.founding import make_workspace
from flows.upgrading import ASIDE, OF_THE_PROGRAM, apply_upgrade, plan_upgrade, upgrade
from flows.workspace.graph import archive_graph
from tests.support.workspace import ROOT

CLEAN = {
    "cmd": "python -m tasks.clean",
    "deps": [{"path": "cbir/archive", "md5": "a"}, {"path": "data/raw", "md5": "b"}],
    "outs": [{"path": f"{name}", "md5": "c"} for name in ("data/manifest.parquet", "reports/clean.json")],
}


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace without git; nothing has run."""
    make_workspace(tmp_path / "archive", git=False)
    monkeypatch.chdir(tmp_path / "archive")
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    return tmp_path / "archive"


@pytest.fixture
def clone(archive: Path) -> Path:
    """A workspace as an archive was until 0.1: with the program's files, whose `clean` has run, and own presets."""
    shutil.copy(ROOT / "dvc.yaml", archive)
    for name in ("cbir/archive/cleaning.py", "tasks/harness/stage.py", "presets/mine.yaml", "Makefile"):
        (archive / name).parent.mkdir(parents=True, exist_ok=True)
        (archive / name).write_text(f"# {name}")
    outs = [
        {"path": name, "md5": "c"} for name in ("data/manifest.parquet", "reports/clean.json", "reports/cleaning.csv")
    ]
    params = YAML(typ="safe").load(archive / "params.yaml")
    entry = {**CLEAN, "params": {"params.yaml": {name: params[name] for name in ("images", "clean")}}, "outs": outs}
    _write_lock({"clean": entry, "match": {**CLEAN, "outs": []}})
    return archive


def _write_lock(entries: dict[str, Any]) -> None:
    with Path("dvc.lock").open("w") as file:
        YAML(typ="safe").dump({"schema": "2.0", "stages": entries}, file)


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and ".dvc" not in path.parts}


def test_a_workspace_of_this_program_has_nothing_to_upgrade(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = _files(archive)
    upgrade(yes=True)
    assert "nothing to upgrade: this workspace is as cbir " in capsys.readouterr().out
    assert _files(archive) == before


def test_what_would_change_is_said_and_nothing_changes_until_it_is_told_to(
    archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (archive / "params.yaml").read_text()
    lines = [line for line in text.splitlines(keepends=True) if "votes:" not in line]
    (archive / "params.yaml").write_text("".join(lines).replace("k: 30 # ", "k: 40 # ours, not "))
    before = _files(archive)
    upgrade(yes=False)
    said = capsys.readouterr().out
    assert "params.yaml: match.votes: new, 6" in said
    assert "clean                 it never ran here" in said
    assert "nothing was changed; `cbir upgrade --yes` does it" in said
    assert _files(archive) == before
    upgrade(as_json=True)
    planned = json.loads(capsys.readouterr().out)
    assert "params.yaml: match.votes: new, 6" in planned["changes"]
    assert planned["stages"][0] == {"name": "clean", "reason": "it never ran here", "seconds": None}
    assert _files(archive) == before
    upgrade(yes=True)
    assert (archive / "params.yaml").read_text() == text.replace("k: 30 # ", "k: 40 # ours, not ")


def test_a_clone_keeps_its_data_and_results_and_the_programs_files_go_aside(clone: Path) -> None:
    planned = plan_upgrade()
    assert "clean" not in planned.stale
    apply_upgrade(planned)
    assert (clone / "dvc.yaml").read_text() == archive_graph()
    entry = YAML(typ="safe").load(clone / "dvc.lock")["stages"]["clean"]
    assert entry["cmd"] == "python -m tasks.clean --stage-version=1"
    assert [dep["path"] for dep in entry["deps"]] == ["data/raw"]
    assert not [name for name in OF_THE_PROGRAM if (clone / name).exists() and name != "prefect.yaml"]
    assert (clone / ASIDE / "presets/mine.yaml").read_text() == "# presets/mine.yaml"
    assert (clone / "prefect.yaml").read_bytes() == (ROOT / "prefect.yaml").read_bytes()
    assert (clone / ".gitignore").read_text().endswith(f"/{ASIDE}/\n")
    assert plan_upgrade().changes == []


def test_the_repository_itself_keeps_its_graph_and_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    planned = plan_upgrade()
    assert (planned.changes, planned.aside, planned.stale) == ([], [], {})
    assert planned.graph == (ROOT / "dvc.yaml").read_text(encoding="utf-8")
