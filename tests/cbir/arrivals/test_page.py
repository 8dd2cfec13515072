"""The arrival report as people, spreadsheets and programs get it."""

import csv
import json
import re
from pathlib import Path

import pytest

from cbir.arrivals.changes import Arrivals, baseline_of, find_arrivals
from cbir.arrivals.page import (
    MOST_BESIDE,
    MOST_SHOWN,
    THUMBNAILS,
    Occasion,
    as_markdown_summary,
    as_summary,
    in_a_sentence,
    read_arrivals_csv,
    shown_images,
    write_arrivals_csv,
    write_arrivals_page,
)
from cbir.arrivals.survey import Skipped
from tests.support.arrivals import arrivals, groups, manifest, matches

OCCASION = Occasion(
    "20261125T051000Z", 0.9, left=(Skipped("=notes.txt", "no image"),), waiting=(Skipped("h.jpg", "new"),)
)


@pytest.fixture
def arrived() -> Arrivals:
    after = manifest("a/1", "a/2", "a/3", "b/=x", "b/4", "b/alone", "b/c=a/2", rejected=("b/torn",))
    after.loc[after["path"] == "b/", ["path", "image_id"]] = "b/=x"
    near = matches(("b/4", "a/1", 0.98), ("b/=x", "a/2", 0.89))
    return arrivals(after, groups(**{"a/1": ["a/1", "b/4"]}), near)


def page(arrived: Arrivals, path: Path) -> str:
    write_arrivals_page(path, arrived, OCCASION, captions={"a/1": "<b>a bridge</b>"})
    return path.read_text(encoding="utf-8")


def test_the_page_has_a_section_for_each_finding_and_escapes_what_people_wrote(
    arrived: Arrivals, tmp_path: Path
) -> None:
    text = page(arrived, tmp_path / "page.html")
    titles = ["Near-duplicates", "To look at", "Exact copies", "Groups", "Without relatives", "Rejected"]
    titles += ["Left in the landing folder", "Still on their way"]
    places = [text.index(f"<h2>{title}</h2>") for title in titles]
    assert places == sorted(places)
    assert "&lt;b&gt;a bridge&lt;/b&gt;" in text
    assert "<b>a bridge" not in text
    assert "0.890" in text
    assert "starts the group <code>a/1</code>" in text
    assert "http" not in text.replace("http-equiv", "")


def test_sections_without_anything_are_left_out(tmp_path: Path) -> None:
    nothing = arrivals(manifest("a/1", "a/2", "a/3", "b/4"), groups(), matches())
    write_arrivals_page(tmp_path / "page.html", nothing, Occasion("x", 0.9), captions={})
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if "<h2>" in line] == ["<section><h2>Without relatives</h2>"]


def test_a_new_image_with_very_many_relatives_shows_the_nearest_and_no_other_is_asked_for(tmp_path: Path) -> None:
    old = [f"a/{number}" for number in range(9)]
    near = matches(*(("b/new", name, 0.99 - number / 1000) for number, name in enumerate(old)))
    before, now = groups(**{"a/0": old}), groups(**{"a/0": [*old, "b/new"]})
    arrived = find_arrivals(
        baseline_of(manifest(*old), before), manifest(*old, "b/new"), now, near, threshold=0.9, margin=0.03
    )
    assert shown_images(arrived) == ["b/new", *old[:MOST_BESIDE]]
    pictures = re.findall('<img src="(.*?)"', page(arrived, tmp_path / "page.html"))
    assert pictures == [f"{THUMBNAILS}/{image}.webp" for image in shown_images(arrived)]


def test_the_best_match_stands_first_however_many_doubtful_ones_there_are(tmp_path: Path) -> None:
    old = [f"a/{number}" for number in range(9)]
    near = matches(("b/new", "a/8", 0.99), *(("b/new", name, 0.9) for name in old[:8]), ("b/other", "a/1", 0.91))
    before, now = groups(**{"a/8": ["a/8"]}), groups(**{"a/8": ["a/8", "b/new"]})
    arrived = find_arrivals(
        baseline_of(manifest(*old), before), manifest(*old, "b/new", "b/other"), now, near, threshold=0.9, margin=0.03
    )
    assert shown_images(arrived)[:3] == ["b/new", "b/other", "a/8"]
    text = page(arrived, tmp_path / "page.html")
    assert text.index("<h2>Near-duplicates</h2>") < text.index(">0.990<") < text.index(">0.900<")
    assert text.index("8 pairs to look at; 4 more in the table") < text.index("<h2>To look at</h2>")


def test_a_page_of_very_many_shows_some_and_says_how_many_more(tmp_path: Path) -> None:
    files = [f"b/{number:04d}" for number in range(MOST_SHOWN + 50)]
    near = matches(*((name, "a/1", 0.98) for name in files))
    many = arrivals(manifest("a/1", "a/2", "a/3", *files), groups(), near)
    text = page(many, tmp_path / "page.html")
    assert text.count("<article") == MOST_SHOWN
    assert "50 more new images with near-duplicates" in text


def test_the_table_has_all_pairs_and_no_cell_that_runs(arrived: Arrivals, tmp_path: Path) -> None:
    write_arrivals_csv(tmp_path / "table.csv", arrived)
    with (tmp_path / "table.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(arrived.pairs)
    assert {row["file"]: row["other_file"] for row in rows if row["look"]} == {"b/=x": "a/2"}
    assert [row["page"] for row in rows] == ["1"] * len(rows)
    read = read_arrivals_csv(tmp_path / "table.csv")
    assert read["look"].sum() == 1 and read["image_id"].tolist() == arrived.pairs["image_id"].tolist()
    assert not [value for row in rows for value in row.values() if value.startswith(("=", "+", "@"))]


def test_the_summary_is_json_and_counts(arrived: Arrivals) -> None:
    summary = json.loads(json.dumps(as_summary(arrived, OCCASION, Path("reports/a.html"))))
    assert (summary["new_images"], summary["near_duplicates"], summary["exact_copies"], summary["rejected"]) == (
        5,
        1,
        1,
        1,
    )
    assert summary["pairs"][1] == {
        "file": "b/=x", "other_file": "a/2", "probability": 0.89, "look": True, "together": False
    }  # fmt: skip
    assert summary["pairs"][0]["probability"] == 0.98
    assert summary["left"] == [{"path": "=notes.txt", "reason": "no image"}]
    sentence = "5 new images: 1 with near-duplicates, 1 exact copy, 1 rejected; 1 pair to look at"
    assert in_a_sentence(arrived) == sentence
    assert sentence in as_markdown_summary(arrived, OCCASION, Path("reports/a.html"))
