"""Tests of cbir.groups.rows."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cbir.groups.rows import COLUMNS, in_words, summarise, write_groups_csv
from tests.support.findings import grouped, rows_of
from tests.support.manifests import image_id_of, manifest


def test_every_file_of_a_group_has_a_row_with_its_copies_behind_it() -> None:
    table = manifest("a/1", "a/2", "a/3", copies={"b/1": "a/1", "b/2": "a/2"})
    rows = rows_of(grouped(g=("a/2", "a/1")), table)
    assert rows["file"].tolist() == ["a/2", "b/2", "a/1", "b/1"]
    assert rows["evidence"].tolist() == ["match", "exact copy", "match", "exact copy"]
    assert rows["representative"].tolist() == [True, True, False, False]


def test_the_largest_group_is_the_first_and_ties_go_by_group_id() -> None:
    table = manifest("a/1", "a/2", "a/3", "a/4", "a/5", "a/6", "a/7")
    rows = rows_of(grouped(x=("a/1", "a/2"), y=("a/3", "a/4"), z=("a/5", "a/6", "a/7")), table)
    first = rows.drop_duplicates("group")["group_id"].tolist()
    assert first == [image_id_of("a/5"), *sorted([image_id_of("a/1"), image_id_of("a/3")])]
    assert rows["group"].tolist() == [1, 1, 1, 2, 2, 3, 3]


def test_pages_count_from_one() -> None:
    table = manifest(pages={"a/1": 2})
    groups = grouped(g=("a/1",)).assign(image_id=image_id_of("a/1", 1))
    assert rows_of(groups, table)["page"].tolist() == [2]


def test_what_is_known_stands_beside_each_file() -> None:
    rows = rows_of(grouped(g=("a/1", "a/2")), manifest("a/1", "a/2"), {"a/1": "Médine"}, {"a/2": "k"})
    assert rows["caption"].fillna("").tolist() == ["Médine", ""]
    assert rows["known_group"].fillna("").tolist() == ["", "k"]
    assert rows["split"].fillna("").tolist() == ["", "test"]


def test_the_summary_counts_files_and_images_apart() -> None:
    table = manifest("a/1", "b/2", "b/3", copies={"b/1": "a/1"}, rejected={"b/x": "cut off"})
    rows = rows_of(grouped(g=("a/1", "b/2")), table)
    summary = summarise(table, rows, threshold=0.9, rule="by hand", promise="None.", expected_precision=0.97, doubts=3)
    assert (summary.files, summary.rejected, summary.images) == (5, 1, 3)
    assert (summary.groups, summary.images_in_groups, summary.files_in_groups) == (1, 2, 3)
    assert summary.groups_across_accessions == 1


def test_the_csv_holds_all_columns_and_reads_back(tmp_path: Path) -> None:
    rows = rows_of(grouped(g=("a/1", "a/é 2")), manifest("a/1", "a/é 2"), {"a/1": "« Médine », de près\nverso"})
    write_groups_csv(tmp_path / "groups.csv", rows)
    table = pd.read_csv(tmp_path / "groups.csv")
    assert table.columns.tolist() == COLUMNS
    assert table["file"].tolist() == ["a/1", "a/é 2"]
    assert table["caption"].tolist()[0] == "« Médine », de près\nverso"
    assert table["representative"].fillna("").tolist() == ["yes", ""]
    assert (tmp_path / "groups.csv").read_bytes().startswith(b"\xef\xbb\xbf")


def test_no_cell_of_the_csv_runs_as_a_formula(tmp_path: Path) -> None:
    names = ["=a/1", "+a/2", "-a/3", "@a/4", "\ta/5"]
    captions = dict.fromkeys(names, '=HYPERLINK("http://example.org")')
    write_groups_csv(tmp_path / "groups.csv", rows_of(grouped(g=tuple(names)), manifest(*names), captions))
    table = pd.read_csv(tmp_path / "groups.csv")
    for column in ("file", "accession", "caption"):
        assert table[column].str.startswith("'").all()


def test_control_and_directional_characters_are_shown_in_names_of_the_csv_and_captions_keep_their_lines(
    tmp_path: Path,
) -> None:
    rows = rows_of(grouped(g=("a/\x1b[31m\n.jpg", "a/\u202egpj.exe")), manifest("a/\x1b[31m\n.jpg", "a/\u202egpj.exe"))
    write_groups_csv(tmp_path / "groups.csv", rows.assign(caption="line\nbreak \u200f\x1b"))
    table = pd.read_csv(tmp_path / "groups.csv")
    assert set(table["file"]) == {"a/\ufffd[31m\ufffd.jpg", "a/\ufffdgpj.exe"}
    assert set(table["caption"]) == {"line\nbreak \u200f\ufffd"}


def test_without_groups_the_csv_is_its_header(tmp_path: Path) -> None:
    write_groups_csv(tmp_path / "groups.csv", rows_of(grouped(), manifest("a/1")))
    assert (tmp_path / "groups.csv").read_text(encoding="utf-8-sig") == ",".join(COLUMNS) + "\n"


@pytest.mark.parametrize(
    ("numbers", "sentence"),
    [
        (
            {"groups": 54, "images_in_groups": 1302, "expected_precision": 0.9799, "pairs_in_doubt": 4},
            "54 groups of 1,302 images; by their probabilities about 97 of 100 pairs are right; 4 pairs need your look",
        ),
        (
            {"groups": 1, "images_in_groups": 2, "expected_precision": 1.0, "pairs_in_doubt": 1},
            "1 group of 2 images; by their probabilities about 99 of 100 pairs are right; 1 pair needs your look",
        ),
        (
            {"groups": 0, "images_in_groups": 0, "expected_precision": None, "pairs_in_doubt": 0},
            "0 groups of 0 images; 0 pairs need your look",
        ),
    ],
)
def test_the_numbers_are_said_in_words_and_no_share_is_rounded_up(numbers: dict[str, Any], sentence: str) -> None:
    assert in_words(numbers) == sentence
