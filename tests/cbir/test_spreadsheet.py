import csv
from pathlib import Path

import pandas as pd
import pytest
from markdown_it import MarkdownIt

from cbir.base.display import visible
from cbir.spreadsheet import as_markdown, as_text, write_csv


@pytest.mark.parametrize("value", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", "＝1+1", "＋1", "－1", "＠x"])
def test_what_a_spreadsheet_would_compute_becomes_text(value: str) -> None:
    assert as_text(value, prose=True) == "'" + value
    assert as_text(value) == "'" + visible(value)


@pytest.mark.parametrize("value", ["", "a=1", "library/é.jpg", "'quoted", "1-2"])
def test_what_it_would_not_compute_stays_as_it_is(value: str) -> None:
    assert as_text(value) == value


HOSTILE = [
    "[x](javascript:alert(1)).jpg",
    "![x](javascript:alert(1))",
    "<javascript:alert(1)>",
    "<img src=x onerror=alert(1)>",
    "a|b\\|c|`d|e`\\",
    "``*a* _b_ **c** ~~d~~``",
    "&lt;b&gt; &#106;",
    "www.example.org http://example.org a@example.org",
    "[x]: javascript:alert(1)",
    "# heading",
    "- item",
    "1. item",
    "$x^2$ {{7*7}}",
    "$(touch x); `touch x`",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_the_text_of_one_cell_and_nothing_else_whatever_renders_the_markdown(name: str) -> None:
    table = f"| file | why |\n|---|---|\n| {as_markdown(name)} | broken |"
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(table)
    cells = [token for token in tokens if token.type == "inline"]
    assert [cell.content for cell in cells[:2] + cells[3:]] == ["file", "why", "broken"]
    assert {child.type for child in cells[2].children} <= {"text", "text_special"}
    assert "".join(child.content for child in cells[2].children) == name


def test_a_line_of_markdown_that_begins_with_a_name_is_a_paragraph() -> None:
    for name in HOSTILE:
        tokens = MarkdownIt("commonmark").parse(as_markdown(name))
        assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]


def test_control_and_directional_characters_are_shown_in_every_kind_of_cell() -> None:
    assert as_text("a\x1b\n\u202eb") == as_markdown("a\x1b\n\u202eb") == "a\ufffd\ufffd\ufffdb"


def test_a_caption_keeps_its_lines() -> None:
    assert as_text("=a\nb\u200f\x1b", prose=True) == "'=a\nb\u200f\ufffd"


def rows_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


@pytest.mark.parametrize("dtype", ["str", "object", "category"])
def test_no_text_of_a_csv_runs_as_a_formula_whatever_its_column(tmp_path: Path, dtype: str) -> None:
    evil = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "plain"]
    table = pd.DataFrame({"file": pd.Series(evil, dtype=dtype), "=note": pd.Series(evil, dtype=dtype)})
    write_csv(tmp_path / "t.csv", table)
    heading, *rows = rows_of(tmp_path / "t.csv")
    assert heading == ["file", "'=note"]
    assert rows == [[as_text(text)] * 2 for text in evil]


def test_numbers_stay_numbers_also_below_zero_and_missing_ones_are_empty(tmp_path: Path) -> None:
    columns = {
        "whole": pd.Series([-1, None, 3], dtype="Int64"),
        "part": pd.Series([-0.25, 1 / 3, None]),
        "counts": pd.Series([2, None, 3], dtype=object),
        "mixed": pd.Series([-2, None, "-2"], dtype=object),
    }
    write_csv(tmp_path / "t.csv", pd.DataFrame(columns))
    assert rows_of(tmp_path / "t.csv")[1:] == [
        ["-1", "-0.2500", "2", "-2"],
        ["", "0.3333", "", ""],
        ["3", "", "3", "'-2"],
    ]


def test_a_csv_opens_with_the_right_accents_and_its_lines_end_in_one_way(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", pd.DataFrame({"name": ["é", "b"]}))
    assert (tmp_path / "t.csv").read_bytes() == b"\xef\xbb\xbfname\n\xc3\xa9\nb\n"


@pytest.mark.parametrize("text", ["one\ntwo", "one\rtwo", "one\r\ntwo", 'a "b", c'])
def test_no_text_breaks_out_of_its_cell(tmp_path: Path, text: str) -> None:
    table = pd.DataFrame({"name": [text, "next"], "caption": [text, "y"]})
    write_csv(tmp_path / "t.csv", table, prose=["caption"])
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    assert rows_of(tmp_path / "t.csv")[1:] == [[visible(text), plain], ["next", "y"]]
