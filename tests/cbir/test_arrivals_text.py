"""Tests of cbir.arrivals_text."""

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cbir.arrivals import Arrivals
from cbir.arrivals_text import COLUMNS, count, markdown, printable, summary, write_arrivals_csv
from tests.cbir.archives import arrivals, eventful
from tests.cbir.findings import EVIL
from tests.cbir.manifests import identity, manifest


@dataclass(frozen=True)
class Stays:
    path: str
    reason: str


def table(path: Path, found: Arrivals, **options: object) -> pd.DataFrame:
    write_arrivals_csv(path, found, **{"captions": {}, **options})  # type: ignore[arg-type]
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def test_the_table_has_a_row_a_new_file_and_file_that_it_is_related_to(tmp_path: Path) -> None:
    rows = table(tmp_path / "x.csv", eventful())
    assert rows.columns.tolist() == COLUMNS
    assert rows[["file", "relation", "similarity", "look", "other_file"]].to_numpy().tolist() == [
        ["b/1", "near-duplicate", "0.9700", "", "a/1"],
        ["b/1", "near-duplicate", "0.9700", "", "b/c"],
        ["b/1", "near-duplicate", "0.9100", "yes", "b/2"],
        ["b/2", "near-duplicate", "0.9100", "yes", "b/1"],
        ["b/2", "near-duplicate", "0.9000", "yes", "a/2"],
        ["b/2", "near-duplicate", "0.8800", "yes", "a/1"],
        ["b/2", "near-duplicate", "0.8800", "yes", "b/c"],
        ["b/3", "near-duplicate", "", "", "a/3"],
        ["b/3", "near-duplicate", "", "", "a/4"],
        ["b/3", "near the threshold", "0.8900", "yes", "a/5"],
        ["b/4", "", "", "", ""],
        ["b/c", "exact copy", "1.0000", "", "a/1"],
        ["b/c", "near-duplicate", "0.9700", "", "b/1"],
        ["b/c", "near-duplicate", "0.8800", "yes", "b/2"],
        ["b/5", "", "", "", ""],
    ]
    last = rows.set_index("file").loc[["b/4", "b/5"]]
    assert last["what"].tolist() == ["new image", "rejected"]
    assert rows["other_page"].unique().tolist() == ["1", ""]
    assert (tmp_path / "x.csv").read_bytes().startswith(b"\xef\xbb\xbf")


def test_the_table_names_what_stays_in_the_landing_folder_and_the_captions(tmp_path: Path) -> None:
    captions = {identity("b/1"): "Médine", identity("a/1"): "Médine, vue générale"}
    left, waiting = [Stays("Thumbs.db", "no image")], [Stays("z.tif", "still growing")]
    rows = table(tmp_path / "x.csv", eventful(), captions=captions, left=left, waiting=waiting)
    assert rows.iloc[0][["caption", "other_caption"]].tolist() == ["Médine", "Médine, vue générale"]
    assert rows.iloc[-2:][["file", "what", "reason"]].to_numpy().tolist() == [
        ["Thumbs.db", "left", "no image"],
        ["z.tif", "waiting", "still growing"],
    ]


def test_no_cell_of_the_table_runs_as_a_formula(tmp_path: Path) -> None:
    evil = manifest("=cmd|x/1", rejected={"+1/x": "@SUM(1)"})
    captions = {identity("=cmd|x/1"): "-1+1"}
    rows = table(tmp_path / "x.csv", arrivals(manifest(), evil), captions=captions, left=[Stays("=x", "-y")])
    assert not rows.map(lambda cell: cell.startswith(("=", "+", "-", "@"))).to_numpy().any()
    assert rows["file"].tolist() == ["'=cmd|x/1", "'+1/x", "'=x"]


def test_an_arrival_of_nothing_but_changed_groups_has_an_empty_table(tmp_path: Path) -> None:
    here = manifest("a/1", "a/2")
    found = arrivals(here, here, after=[("a/1", "a/2")])
    assert table(tmp_path / "x.csv", found).empty
    assert summary(found, name="x")["groups"] == {"new": 1}


def test_the_counts_are_of_files_images_and_pairs() -> None:
    counts = count(eventful(), left=[Stays("a", "b")])
    assert (counts.new_files, counts.new_images, counts.rejected, counts.exact_copies) == (6, 4, 1, 1)
    assert (counts.near_duplicate_pairs, counts.images_with_near_duplicates, counts.needs_a_look) == (6, 3, 4)
    assert (counts.left, counts.waiting, counts.groups_changed, counts.gone) == (1, 0, 2, 0)


def test_the_summary_is_json_and_names_the_near_duplicates() -> None:
    told = json.loads(json.dumps(summary(eventful(), name="x", left=[Stays("a", "b")]), allow_nan=False))
    pairs = [(pair["file"], pair["other_file"], pair["similarity"]) for pair in told["near_duplicates"]]
    assert pairs[:2] == [("b/1", "a/1", 0.97), ("b/1", "b/2", 0.91)]
    assert {pair[2] for pair in pairs if pair[0] == "b/3"} == {None}
    assert told["rejected_files"] == [{"file": "b/5", "reason": "x "}]
    assert told["left_files"] == [{"file": "a", "reason": "b"}]
    assert told["groups"] == {"changed": 1, "grew": 1}


def test_the_summary_names_some_hundred_pairs_and_counts_all() -> None:
    new = [f"b/{place:03}" for place in range(30)]
    told = summary(arrivals(manifest(), manifest(*new), after=[tuple(new)]), name="x")
    assert (len(told["near_duplicates"]), told["near_duplicate_pairs"]) == (300, 30 * 29 // 2)


def test_the_markdown_holds_the_counts_and_the_first_pairs() -> None:
    text = markdown(eventful(), name="20261125T063000Z")
    assert "# Arrivals 20261125T063000Z" in text
    assert "| New images | 4 |" in text
    assert "| b/1 | 0.970 | a/1 |" in text
    assert "Groups: 1 grew, 1 changed." in text


def test_no_name_breaks_out_of_the_markdown() -> None:
    plain = markdown(eventful("x"), name="x").count("\n")
    for text in EVIL:
        found = markdown(eventful(text), name=text)
        assert "<" not in found
        assert found.count("\n") == plain


def test_a_name_that_is_no_text_can_be_written() -> None:
    assert printable("caf\udce9.jpg") == "caf\ufffd.jpg"
