"""Tests of flows.deciding: what `cbir decide` keeps and prints."""

from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from cbir.archive.manifest import SCHEMA
from cbir.base.errors import UserError
from cbir.groups.decisions.journal import read_decisions
from flows.cli import app
from tasks.harness.settings import Paths, load_paths, read_yaml
from tests.support.workspace import take_settings

FILES = {"old/a.jpg": "1" * 32, "old/é.tif": "2" * 32, "new/a copy.jpg": "1" * 32, "new/c.jpg": "3" * 32}


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A workspace with three images in four files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOGNAME", "zoe")
    (tmp_path / ".dvc").mkdir()
    take_settings()
    paths = load_paths(read_yaml(Path("params.yaml")))
    paths.manifest.parent.mkdir(parents=True)
    rows = [(image, name, 0, name.split("/")[0], "ok") for name, image in FILES.items()]
    table = pd.DataFrame(rows, columns=["image_id", "path", "page", "accession", "status"])
    table.reindex(columns=SCHEMA.names).to_parquet(paths.manifest)
    return paths


def decide(*words: str) -> str:
    done = CliRunner().invoke(app, ["decide", *words], catch_exceptions=False, standalone_mode=False)
    return done.output


def test_a_decision_is_kept_with_its_images_its_files_who_and_why(paths: Paths) -> None:
    shown = decide("old/a.jpg", "data/raw/old/é.tif", "same", "--note", "the same crease", "--person", "Anne")
    assert shown == "kept in data/decisions.csv; next: `cbir run` obeys it\n"
    decide("new/c.jpg", "old/a.jpg", "scene")
    first, second = read_decisions(paths.decisions)
    assert (first.first, first.second, first.relation) == ("1" * 32, "2" * 32, "same photograph")
    assert (first.first_file, first.second_file) == ("old/a.jpg", "old/é.tif")
    assert (first.person, first.note) == ("Anne", "the same crease")
    assert (second.first, second.second, second.relation, second.person) == ("3" * 32, "1" * 32, "same scene", "zoe")


def test_a_page_of_a_file_is_named_behind_it(paths: Paths) -> None:
    table = pd.read_parquet(paths.manifest)
    second = table[table["path"] == "old/é.tif"].assign(page=1, image_id="4" * 32)
    pd.concat([table, second]).to_parquet(paths.manifest)
    decide("old/é.tif, page 2", "data/raw/old/é.tif, page 1", "different")
    (only,) = read_decisions(paths.decisions)
    assert (only.first, only.first_file) == ("4" * 32, "old/é.tif, page 2")
    assert (only.second, only.second_file) == ("2" * 32, "old/é.tif")
    with pytest.raises(UserError, match=r"^old/é\.tif, page 3: no such file in data/raw"):
        decide("old/é.tif, page 3", "old/é.tif", "same")


def test_a_contradiction_is_told_when_it_is_made(paths: Paths) -> None:
    decide("old/a.jpg", "old/é.tif", "same", "--person", "Anne")
    decide("old/é.tif", "new/c.jpg", "same", "--person", "Ben")
    shown = decide("old/a.jpg", "new/c.jpg", "different", "--person", "Zoé")
    assert "this contradicts what was decided: old/a.jpg and old/é.tif are the same photograph (Anne, " in shown
    assert "old/é.tif and new/c.jpg are the same photograph (Ben, " in shown
    assert "old/a.jpg and new/c.jpg are different (Zoé, " in shown
    assert "contradicts" not in decide("old/a.jpg", "new/c.jpg", "unsure", "--person", "Zoé")


def test_files_with_the_same_bytes_are_nothing_to_decide(paths: Paths) -> None:
    with pytest.raises(UserError, match=r"^old/a\.jpg and new/a copy\.jpg hold the same bytes: they are one image"):
        decide("old/a.jpg", "new/a copy.jpg", "different")
    assert not paths.decisions.exists()


def test_another_word_than_the_four_is_refused(paths: Paths) -> None:
    done = CliRunner().invoke(app, ["decide", "old/a.jpg", "new/c.jpg", "perhaps"])
    assert done.exit_code == 2
    assert not paths.decisions.exists()


def test_a_file_with_a_bad_row_takes_no_more(paths: Paths) -> None:
    paths.decisions.write_text("date,who\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"line 1: the header must be "):
        decide("old/a.jpg", "new/c.jpg", "same")
    assert paths.decisions.read_text(encoding="utf-8") == "date,who\n"
