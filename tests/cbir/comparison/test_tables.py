"""Tests of cbir.comparison.tables."""

import pytest

from cbir.comparison.study import Row, Study, study
from cbir.comparison.tables import Table, tables
from tests.support.study_rows import ROBUSTNESS, failed, measured

STRONG, WEAK = [0.9, 0.8, 0.9, 0.7, 0.9, 0.8, 0.8, 0.9], [0.1, 0.2, 0.1, 0.1, 0.3, 0.1, 0.2, 0.0]


def found(*rows: Row) -> dict[str, Table]:
    done: Study = study(rows, resamples=200)
    return {table.title: table for table in tables(done)}


def texts(table: Table) -> list[list[str]]:
    return [[cell.text for cell in row] for row in table.rows]


def test_a_row_of_the_first_table_has_value_interval_difference_and_p() -> None:
    table = found(measured("weak", WEAK), measured("strong", STRONG))["Retrieval"]
    assert list(table.columns) == ["preset", "map@10", "to the best", "p"]
    assert texts(table)[0] == ["strong", "0.838", "best", "–"]
    assert texts(table)[1][:3] == ["weak", "0.138", "-0.700"]
    assert table.rows[1][1].detail == "0.038 to 0.238"
    assert table.rows[1][2].detail.startswith("-0.")


@pytest.mark.parametrize(("values", "look"), [([0.9, 0.8, 0.9, 0.7, 0.9, 0.8, 0.8, 0.7], "doubt"), (WEAK, "")])
def test_a_difference_that_may_be_chance_is_marked(values: list[float], look: str) -> None:
    table = found(measured("strong", STRONG), measured("other", values))["Retrieval"]
    assert table.rows[1][3].look == look


def test_a_preset_that_failed_is_a_row_that_says_why() -> None:
    every = found(measured("strong", STRONG), failed("broken", "no captions"))
    for title in ("Retrieval", "All metrics"):
        assert [cell.text for cell in every[title].rows[1]] == ["broken", "no captions"]
    assert texts(every["Time and commands"])[1] == ["broken", "–", "–", "cbir run --preset broken", ""]


def test_one_preset_alone_is_tested_against_nothing() -> None:
    assert list(found(measured("strong", STRONG))["Retrieval"].columns) == ["preset", "map@10"]


def test_presets_that_share_no_query_say_so() -> None:
    strong, other = measured("strong", STRONG), measured("other", WEAK)
    assert other.per_query is not None
    other.per_query["query_id"] += "x"
    assert found(strong, other)["Retrieval"].rows[1][2].detail == "no shared queries"


def test_published_figures_stand_above_what_was_measured_here() -> None:
    table = found(measured("strong", STRONG, published={"map@10": 0.3789, "top-1": 0.6}), measured("weak", WEAK))
    published = table["Published figures"]
    assert list(published.columns) == ["preset", "map@10", "top-1"]
    assert [(cell.text, cell.detail) for cell in published.rows[0][1:]] == [("0.379", "here 0.838"), ("0.600", "")]
    assert "other protocols" in published.note
    assert len(published.rows) == 1


def test_robustness_is_a_table_by_kind_with_the_mean_first() -> None:
    table = found(measured("strong", STRONG, robustness=ROBUSTNESS), measured("weak", WEAK))["Robustness"]
    assert list(table.columns) == ["preset", "mean", "flip", "press", "mrr"]
    assert texts(table) == [["strong", "0.750", "1.000", "0.500", "0.800"]]


def test_tables_with_nothing_to_say_are_left_out() -> None:
    assert list(found(failed("broken"))) == ["Retrieval", "All metrics", "Time and commands"]
    assert found() == {}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (3.456, "3.46 s"), (119.0, "119 s"), (600.0, "10 min"), (9000.0, "2.5 h")],
)
def test_times_are_said_in_the_unit_that_suits_them(seconds: float | None, text: str) -> None:
    cell = found(measured("strong", STRONG, training_seconds=seconds))["Time and commands"].rows[0][1]
    assert cell.text == text
