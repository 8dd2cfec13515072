"""The graph of an archive: the program's own, with the versions of its stages in place of their code."""

import logging
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from cbir.base.errors import UserError
from flows.workspace import graph
from flows.workspace.graph import archive_graph, follow_program, is_archive
from tasks.harness.versions import stage_versions
from tests.support.code import LAYERS, ROOT

OURS = YAML(typ="safe").load(ROOT / "dvc.yaml")


def _archive() -> dict[str, Any]:
    return YAML(typ="safe").load(archive_graph())


def test_a_stage_of_an_archive_depends_on_its_version_where_ours_depends_on_its_code() -> None:
    archive = _archive()
    for name, stage in archive["stages"].items():
        ours = OURS["stages"][name]
        assert stage["cmd"] == f"{ours['cmd']} --stage-version={stage_versions()[name]}"
        assert stage["deps"] == [path for path in ours["deps"] if not path.startswith(LAYERS)]
        assert all(path.startswith("${paths.") for path in stage["deps"])
        assert {key: stage[key] for key in stage if key not in ("cmd", "deps")} == {
            key: ours[key] for key in ours if key not in ("cmd", "deps")
        }
    assert {**archive, "stages": 0} == {**OURS, "stages": 0}


def test_each_stage_has_a_version_and_no_other_name_has() -> None:
    presets = YAML(typ="safe").load(ROOT / "presets/stages/sift.yaml")["stages"]
    assert stage_versions().keys() == {*OURS["stages"], *presets}


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The dvc.yaml of an archive in the working directory."""
    monkeypatch.chdir(tmp_path)
    Path("dvc.yaml").write_text(archive_graph(), encoding="utf-8")
    return tmp_path / "dvc.yaml"


def test_a_raised_version_is_written_to_the_graph_and_said(
    archive: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = archive.stat().st_mtime_ns
    follow_program(logging.getLogger().log)
    assert archive.stat().st_mtime_ns == before
    monkeypatch.setattr(graph, "stage_versions", lambda: stage_versions() | {"match": 7})
    with caplog.at_level(logging.INFO):
        follow_program(logging.getLogger().log)
    assert "version 7 of match; what depends on it runs again" in caplog.text
    assert archive.read_text() == archive_graph()
    assert archive.read_text().count("=7") == 1


def test_a_graph_of_a_newer_program_is_refused_and_stays(archive: Path) -> None:
    text = archive.read_text().replace("tasks.match --stage-version=1", "tasks.match --stage-version=2")
    archive.write_text(text)
    with pytest.raises(UserError, match=r"asks for version 2 of match, and this cbir has 1: install the newer cbir$"):
        follow_program(logging.log)
    assert archive.read_text() == text


def test_a_stage_that_the_program_does_not_have_is_not_lost(archive: Path) -> None:
    text = archive.read_text().replace("  match:", "  mine: {cmd: python mine.py}\n  match:")
    archive.write_text(text)
    with pytest.raises(
        UserError, match=r"^dvc.yaml has the stage mine, which cbir \S+ does not have: write a stage of"
    ):
        follow_program(logging.log)
    assert archive.read_text() == text


def test_the_graph_of_a_clone_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("dvc.yaml").write_text("stages: {clean: {cmd: python -m tasks.clean, deps: [cbir/archive]}}")
    assert not is_archive()
    follow_program(logging.log)
    assert Path("dvc.yaml").read_text().startswith("stages: {clean: {cmd: python -m tasks.clean,")
