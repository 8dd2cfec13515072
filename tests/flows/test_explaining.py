"""Tests of flows.explaining: what `cbir why` prints."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from cbir.archive.manifest import SCHEMA
from cbir.base.errors import UserError
from cbir.groups.decisions.journal import append_decision
from cbir.groups.table import write_groups
from cbir.matching.table import both_directions, write_matches
from flows.explaining import show_reasons
from tasks.harness.settings import Paths, load_paths, read_yaml
from tests.support.decisions import decision

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A workspace with two images that form a group, and a file that was rejected."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(PROJECT / "params.yaml", "params.yaml")
    paths = load_paths(read_yaml(Path("params.yaml")))
    paths.raw.mkdir(parents=True)
    paths.reports.mkdir()
    files = pd.DataFrame(
        [
            ("1" * 32, "old/a.jpg", "ok", None),
            ("2" * 32, "old/é.tif", "ok", None),
            (None, "old/x.jpg", "corrupt", "cut"),
        ],
        columns=["image_id", "path", "status", "reason"],
    )
    files.assign(page=0, accession="old").reindex(columns=SCHEMA.names).to_parquet(paths.manifest)
    pair = {"query_id": "1" * 32, "neighbour_id": "2" * 32, "similarity": 0.4, "probability": 0.75}
    pair |= {"relation": "same photograph", "mirrored": True, "inliers": 40, "overlap_query": 1.0}
    pair |= {"overlap_neighbour": 0.5, "map": [-1.0, 0, 99, 0, 1, 0], "tone": 0.9, "log_nfa": -30.0}
    write_matches(paths.matches, both_directions(pd.DataFrame([pair])))
    groups = pd.DataFrame({"image_id": ["1" * 32, "2" * 32], "group_id": "1" * 32, "representative": [True, False]})
    write_groups(paths.groups, groups.assign(similarity=0.75, evidence="match"))
    (paths.reports / "threshold.json").write_text(json.dumps({"threshold": 0.5, "rule": "default"}), encoding="utf-8")
    return paths


@pytest.mark.parametrize("first", ["old/a.jpg", "data/raw/old/a.jpg"])
def test_two_files_are_explained_by_their_names_or_their_paths(
    paths: Paths, first: str, capsys: pytest.CaptureFixture[str]
) -> None:
    show_reasons(first, "old/é.tif", paths)
    printed = capsys.readouterr().out
    assert "probability 0.750" in printed
    assert "if one is mirrored" in printed
    assert "their pair reaches the threshold of 0.500" in printed


def test_what_people_decided_is_told(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    files = ("old/a.jpg", "old/é.tif")
    append_decision(paths.decisions, decision("1" * 32, "=", "2" * 32, files=files))
    show_reasons("old/a.jpg", "old/é.tif", paths)
    printed = capsys.readouterr().out
    assert "Decided: old/a.jpg and old/é.tif are the same photograph (Anne, 2026-11-28)." in printed
    assert "They are in one group of 2 images, by decision." in printed
    append_decision(paths.decisions, decision("1" * 32, "!", "2" * 32, files=files, minute=1))
    show_reasons("old/a.jpg", "old/é.tif", paths)
    assert "The groups are older than the decision; `cbir run` obeys it." in capsys.readouterr().out


def test_a_file_that_is_not_in_the_archive_or_was_rejected_is_named(paths: Paths) -> None:
    with pytest.raises(UserError, match=r"^gone\.jpg: no such file in data/raw; name it as reports/groups\.csv does"):
        show_reasons("gone.jpg", "old/a.jpg", paths)
    with pytest.raises(UserError, match=r"^old/x\.jpg was rejected \(cut\), so nothing was found about it"):
        show_reasons("old/a.jpg", "old/x.jpg", paths)
