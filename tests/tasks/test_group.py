"""Tests of tasks.group."""

import json
import re
from itertools import combinations
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pyarrow.parquet as pq
import pytest

from cbir.archive.manifest import SCHEMA
from cbir.audit.record import Audit, digest_of, write_audit
from cbir.base.errors import UserError
from cbir.groups.decisions.journal import append_decision
from cbir.groups.table import read_groups
from cbir.images.reduced import ReducedImages
from cbir.labels.appearances.files import METADATA, write_appearances
from cbir.matching.table import both_directions, write_matches
from tasks.group import group
from tasks.harness.settings import Paths
from tests.support.decisions import decision

OPTIONS = {"longest_side": 64, "threshold": 0.0, "report_groups": 100, "thumbnail_side": 48}
DEGREES = {"old/1.jpg": 0, "old/2.jpg": 5, "new/1.jpg": 8, "new/9.jpg": 90, "old/5.jpg": 180}
IDS = {path: f"{place:032x}" for place, path in enumerate(DEGREES)}
COPIES = {"new/10.jpg": "new/9.jpg"}
LATER = {"cleaning.csv", "groundtruth.csv", "metrics.json", "robustness.html"}  # what other stages write
OUTPUTS = (
    "data/groups.parquet",
    "reports/groups.csv",
    "reports/groups.xlsx",
    "reports/index.html",
    "reports/group.json",
    "reports/promise.json",
    "reports/doubts.html",
    "reports/circulation.csv",
)


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A workspace with all that the stage reads: five images in six files."""
    monkeypatch.chdir(tmp_path)
    where = Paths(
        raw=Path("data/raw"),
        reference=Path("data/reference"),
        landing=Path("data/landing"),
        translations=Path("data/translations.jsonl"),
        weights=Path("models/weights"),
        manifest=Path("data/manifest.parquet"),
        groundtruth=Path("data/groundtruth.parquet"),
        training=Path("data/training.parquet"),
        metadata=Path("data/metadata.parquet"),
        encoder=Path("models/encoder"),
        embeddings=Path("data/embeddings"),
        index=Path("data/index"),
        neighbours=Path("data/neighbours.parquet"),
        matches=Path("data/matches.parquet"),
        groups=Path("data/groups.parquet"),
        audits=Path("data/audits"),
        decisions=Path("data/decisions.csv"),
        reports=Path("reports"),
        store=Path(".store"),
    )
    where.manifest.parent.mkdir(parents=True)
    where.reports.mkdir()
    _manifest().to_parquet(where.manifest)
    write_matches(where.matches, _matches())
    columns = {"group_id": None, "split": None, "caption": "Médine <vue>", "caption_en": None}
    pd.DataFrame({"image_id": list(IDS.values()), **columns}).to_parquet(where.groundtruth)
    appeared(where)
    _learned(where, 0.98)
    images = ReducedImages(where.store, where.raw, longest_side=64)
    for place, image_id in enumerate(IDS.values()):
        images.put(image_id, np.full((48, 64), 40 * place, np.uint8))
    return where


def appeared(paths: Paths, *rows: dict[str, str]) -> None:
    """Writes where and when images appeared."""
    write_appearances(paths.metadata, pd.DataFrame(rows).reindex(columns=METADATA.names))


def _manifest() -> pd.DataFrame:
    files = {**IDS, **{copy: IDS[path] for copy, path in COPIES.items()}}
    columns = ["image_id", "path", "page", "accession", "bytes", "width", "height", "format", "status"]
    rows = [[files[p], p, 0, p.split("/")[0], 1, 600, 400, "JPEG", "ok"] for p in sorted(files)]
    return pd.DataFrame(rows, columns=columns).reindex(columns=SCHEMA.names)


def _matches(affine: tuple[int, ...] | None = None) -> pd.DataFrame:
    """All pairs; the smaller the angle between two images, the more likely."""
    facts = {"similarity": 0.5, "relation": "same photograph", "mirrored": False, "inliers": 9, "map": affine}
    facts |= {"overlap_query": 1.0, "overlap_neighbour": 1.0, "tone": 1.0, "log_nfa": -9.0}
    pairs = [
        {"query_id": IDS[a], "neighbour_id": IDS[b], "probability": max(np.cos(np.radians(DEGREES[a] - DEGREES[b])), 0)}
        for a, b in combinations(DEGREES, 2)
    ]
    return both_directions(pd.DataFrame([pair | facts for pair in pairs]))


def test_a_groups_page_follows_the_photograph_through_time_and_a_table_says_who_shares_with_whom(paths: Paths) -> None:
    group(paths, **OPTIONS)
    page = paths.reports / "groups" / f"{IDS['new/1.jpg']}.html"
    assert (
        "Where it appeared" not in page.read_text()
        and "circulation.csv" not in (paths.reports / "index.html").read_text()
    )
    appeared(
        paths,
        {"image_id": IDS["new/1.jpg"], "title": "=Excelsior<", "date": "1916-05-04", "written": "4 mai 1916"},
        {"image_id": IDS["old/2.jpg"], "title": "Miroir", "date": "1916-05-01", "link": "javascript:alert(1)"},
    )
    group(paths, **OPTIONS)
    text = page.read_text(encoding="utf-8")
    assert text.index("1916-05-01") < text.index("4 mai 1916") and text.count('class="earliest"') == 1
    assert "<bdi>=Excelsior&lt;</bdi>" in text and "javascript:" not in text
    assert f'src="../thumbnails/{IDS["old/2.jpg"]}.webp"' in text
    table = (paths.reports / "circulation.csv").read_text(encoding="utf-8-sig").splitlines()
    assert table[1] == "Miroir,'=Excelsior<,1,1,3,3,3"
    assert "circulation.csv" in (paths.reports / "index.html").read_text()


def _learned(paths: Paths, threshold: float) -> None:
    learned = {"threshold": threshold, "rule": "f1", "target_kept": None, "precision": 0.97, "recall": 0.9}
    (paths.reports / "threshold.json").write_text(json.dumps(learned))


def test_the_stage_writes_groups_and_reports_at_the_learned_threshold(paths: Paths) -> None:
    group(paths, **OPTIONS)
    groups = pq.read_table(paths.groups)
    assert groups.schema.names == ["group_id", "image_id", "representative", "similarity", "evidence"]
    table = groups.to_pandas().groupby("group_id")["image_id"].agg(set).to_dict()
    near = {IDS["old/1.jpg"], IDS["old/2.jpg"], IDS["new/1.jpg"]}
    assert table == {IDS["new/1.jpg"]: near, IDS["new/9.jpg"]: {IDS["new/9.jpg"]}}
    csv = pd.read_csv(paths.reports / "groups.csv")
    assert set(csv["file"]) == {"old/1.jpg", "old/2.jpg", "new/1.jpg", "new/9.jpg", "new/10.jpg"}
    assert len(openpyxl.load_workbook(paths.reports / "groups.xlsx")["Groups"]._images) == 5
    page = (paths.reports / "index.html").read_text(encoding="utf-8")
    assert "Learned: the best balance" in page
    assert '"archive":"../data/raw"' in page


def test_the_pages_find_their_pictures_and_each_other_beside_them(paths: Paths) -> None:
    write_matches(paths.matches, _matches(affine=(1, 0, 0, 0, 1, 0)))
    group(paths, **OPTIONS)
    near = [IDS[name] for name in ("new/1.jpg", "old/1.jpg", "old/2.jpg")]
    listed = {name: {path.name for path in (paths.reports / name).iterdir()} for name in ("groups", "thumbnails")}
    assert listed["thumbnails"] == {f"{image_id}.webp" for image_id in [*near, IDS["new/9.jpg"]]}
    assert listed["groups"] == {f"{image_id}.html" for image_id in (near[0], IDS["new/9.jpg"])}
    for page in [*(paths.reports / "groups").iterdir(), paths.reports / "doubts.html", paths.reports / "index.html"]:
        for address in re.findall(r'(?:src|href)="(?!data:)([^"#]+)', page.read_text(encoding="utf-8")):
            assert (page.parent / address).resolve().exists() or address in LATER, (page, address)
    assert len(list((paths.reports / "overlays").iterdir())) == 2


def test_the_stage_writes_its_counts_as_metrics(paths: Paths) -> None:
    group(paths, **OPTIONS)
    assert json.loads((paths.reports / "group.json").read_text()) == {
        "groups": 2,
        "images_in_groups": 4,
        "files_in_groups": 5,
        "groups_across_accessions": 1,
        "threshold": 0.98,
        "expected_precision": 0.995031,
        "pairs_in_doubt": 0,
    }


def test_a_threshold_by_hand_is_taken_in_place_of_the_learned_one(paths: Paths) -> None:
    group(paths, **{**OPTIONS, "threshold": 0.999})
    assert pq.read_table(paths.groups, columns=["evidence"]).to_pandas()["evidence"].tolist() == ["exact copy"]
    assert "Chosen by hand" in (paths.reports / "index.html").read_text(encoding="utf-8")


def test_the_page_is_limited_and_the_tables_are_not(paths: Paths) -> None:
    group(paths, **{**OPTIONS, "report_groups": 1})
    assert "This page shows 1 of the 2 groups" in (paths.reports / "index.html").read_text(encoding="utf-8")
    assert pd.read_csv(paths.reports / "groups.csv")["group"].max() == 2
    sheet = openpyxl.load_workbook(paths.reports / "groups.xlsx")["Groups"]
    assert (sheet.max_row, len(sheet._images)) == (6, 3)


def test_the_same_inputs_give_the_same_bytes(paths: Paths) -> None:
    group(paths, **OPTIONS)
    first = {name: Path(name).read_bytes() for name in OUTPUTS}
    group(paths, **OPTIONS)
    assert first == {name: Path(name).read_bytes() for name in OUTPUTS}


def test_an_archive_without_groups_gets_its_reports(paths: Paths) -> None:
    _learned(paths, 0.9999)
    _manifest().query("path != 'new/10.jpg'").to_parquet(paths.manifest)
    group(paths, **OPTIONS)
    assert pq.read_metadata(paths.groups).num_rows == 0
    assert "There are no groups to show" in (paths.reports / "index.html").read_text(encoding="utf-8")


def test_thumbnails_are_no_larger_than_the_reduced_images(paths: Paths) -> None:
    with pytest.raises(UserError, match=r"group.thumbnail_side must be at most images.longest_side \(64\), is 65"):
        group(paths, **OPTIONS | {"thumbnail_side": 65})


def test_what_people_decide_is_obeyed_and_stands_in_the_table(paths: Paths, caplog: pytest.LogCaptureFixture) -> None:
    near, far = IDS["old/1.jpg"], IDS["old/5.jpg"]
    append_decision(paths.decisions, decision(near, "!", IDS["old/2.jpg"], files=("old/1.jpg", "old/2.jpg")))
    append_decision(paths.decisions, decision(far, "=", IDS["new/9.jpg"], files=("old/5.jpg", "new/9.jpg")))
    group(paths, **OPTIONS)
    group_of = read_groups(paths.groups).set_index("image_id")["group_id"]
    assert group_of[far] == group_of[IDS["new/9.jpg"]]
    assert group_of.get(near) != group_of.get(IDS["old/2.jpg"])
    csv = pd.read_csv(paths.reports / "groups.csv").set_index("file")
    assert csv.loc["old/5.jpg", "decided"] == "same as new/9.jpg (Anne)"
    assert csv.loc["old/5.jpg", "evidence"] == "decision"
    assert pd.isna(csv.loc["new/1.jpg", "decided"])
    append_decision(paths.decisions, decision(far, "!", IDS["new/9.jpg"], by="Ben", minute=1))
    with caplog.at_level("WARNING"):
        group(paths, **OPTIONS)
    assert "decisions contradict each other: old/5.jpg and new/9.jpg are the same photograph (Anne," in caplog.text


def test_what_an_audit_promises_stands_on_the_page_until_the_groups_change(paths: Paths) -> None:
    group(paths, **OPTIONS)
    page = paths.reports / "index.html"
    assert "Nothing is promised for these groups" in page.read_text(encoding="utf-8")
    digest = digest_of(read_groups(paths.groups))
    write_audit(paths.audits, Audit("2026-11-28", digest, pairs=3, judged=3, wrong=0, precision=1.0), sheet="s")
    group(paths, **OPTIONS)
    assert "An audit of 2026-11-28 promises that at least 100.0 %" in page.read_text(encoding="utf-8")
    assert json.loads((paths.reports / "promise.json").read_text())["from"] == "audit"
    group(paths, **{**OPTIONS, "threshold": 0.999})
    assert "An audit of" not in page.read_text(encoding="utf-8")
