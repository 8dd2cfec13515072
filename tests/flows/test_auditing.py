"""`cbir audit`: a sheet is drawn, filled in and reported, and what it promises is kept."""

import csv
import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from cbir.archive.manifest import SCHEMA
from cbir.base.errors import UserError
from cbir.groups.table import write_groups
from flows.cli import app
from tasks.harness.settings import PARAMS, Paths, load_paths, read_yaml
from tests.support.workspace import take_settings


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A workspace with 200 groups of two images."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".dvc").mkdir()
    take_settings()
    paths = load_paths(read_yaml(PARAMS))
    paths.groups.parent.mkdir(parents=True)
    images = [f"{number:032x}" for number in range(400)]
    groups = pd.DataFrame({"image_id": images, "group_id": [images[n - n % 2] for n in range(400)]})
    write_groups(paths.groups, groups.assign(representative=True, similarity=1.0, evidence="match"))
    rows = [[image, f"old/{n}.jpg", 0, "old", 1, 9, 9, "ok"] for n, image in enumerate(images)]
    manifest = pd.DataFrame(
        rows, columns=["image_id", "path", "page", "accession", "bytes", "width", "height", "status"]
    )
    manifest.reindex(columns=SCHEMA.names).to_parquet(paths.manifest)
    return paths


def audit(*words: str) -> str:
    done = CliRunner().invoke(app, ["audit", *words], catch_exceptions=False, standalone_mode=False)
    return done.output


def fill(sheet: Path, *, wrong: int, empty: int = 0) -> None:
    header, *rows = csv.reader(sheet.read_text(encoding="utf-8-sig").splitlines())
    for number, row in enumerate(rows):
        row[1] = "wrong" if number < wrong else "right" if number < len(rows) - empty else ""
    with sheet.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def test_59_right_of_59_promise_95_in_100_and_are_kept(paths: Paths) -> None:
    shown = audit("draw")
    assert "reports/audit.csv: 59 of the 200 pairs in groups" in shown
    assert "to promise 0.95 takes 59 with 0 wrong, 93 with 1 wrong, 124 with 2 wrong" in shown
    fill(paths.reports / "audit.csv", wrong=0)
    shown = audit("report", "reports/audit.csv")
    assert "at least 95.0 % of the pairs in these groups are right" in shown
    assert "more than these" not in shown
    (record,) = paths.audits.glob("*.json")
    kept = json.loads(record.read_text(encoding="utf-8"))
    assert (kept["judged"], kept["wrong"], kept["pairs"]) == (59, 0, 200)


def test_a_sheet_that_is_not_filled_in_says_how_many_are_left_and_keeps_nothing(paths: Paths) -> None:
    audit("draw", "--pairs", "93")
    fill(paths.reports / "audit.csv", wrong=1, empty=20)
    shown = audit("report", "reports/audit.csv")
    assert "73 of 93 pairs have a verdict, 1 of them wrong or unsure" in shown
    assert "20 more have to be judged" in shown
    assert not paths.audits.exists()


def test_too_many_wrong_ones_promise_less_and_name_the_number_that_a_promise_takes(paths: Paths) -> None:
    audit("draw")
    fill(paths.reports / "audit.csv", wrong=1)
    shown = audit("report", "reports/audit.csv")
    assert "at least 92.2 %" in shown
    assert "to promise 0.95 with 1 wrong takes 93 pairs, 34 more than these" in shown


def test_a_sheet_of_other_groups_is_one_sentence(paths: Paths) -> None:
    audit("draw")
    fill(paths.reports / "audit.csv", wrong=0)
    groups = pd.read_parquet(paths.groups).iloc[2:]
    write_groups(paths.groups, groups)
    with pytest.raises(UserError, match=r"reports/audit\.csv was drawn from other groups than are published now"):
        audit("report", "reports/audit.csv")


def test_certainty_cannot_be_promised(paths: Paths) -> None:
    params = Path("params.yaml").read_text(encoding="utf-8").replace("target_precision: 0.95", "target_precision: 1.0")
    Path("params.yaml").write_text(params, encoding="utf-8")
    with pytest.raises(UserError, match=r"evaluate\.target_precision is 1, which no sample can promise"):
        audit("draw")
