"""Tests of cbir.comparison.study."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cbir.comparison.paired import compare, holm
from cbir.comparison.study import Figure, Row, study, write_csv
from tests.support.study_rows import ROBUSTNESS, failed, measured, per_query

RNG = np.random.default_rng(0)
ROWS = [
    measured("weak", RNG.uniform(0.0, 0.4, 40)),
    failed("broken"),
    measured("strong", RNG.uniform(0.4, 0.9, 40), robustness=ROBUSTNESS),
    measured("near", RNG.uniform(0.35, 0.8, 40), published={"map@10": 0.3789}),
]


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path).set_index("preset")


def test_the_best_row_comes_first_and_a_failure_last() -> None:
    done = study(ROWS, resamples=100)
    assert [row.preset for row in done.rows] == ["strong", "near", "weak", "broken"]
    assert done.best is done.rows[0]


def test_each_other_row_is_tested_against_the_best_with_holms_correction() -> None:
    done = study(ROWS, resamples=300, seed=5)
    strong, weak, near = (next(row.per_query for row in ROWS if row.preset == n) for n in ("strong", "weak", "near"))
    assert strong is not None
    assert weak is not None
    assert near is not None
    expected = {
        name: compare(system, strong, resamples=300, seed=5) for name, system in (("near", near), ("weak", weak))
    }
    assert done.comparisons == expected
    assert list(done.p_values.values()) == holm([comparison.p_value or 0 for comparison in expected.values()])


def test_rows_that_failed_or_have_no_queries_leave_no_best_row() -> None:
    done = study([failed("a"), failed("b")])
    assert (done.best, done.comparisons, [row.preset for row in done.rows]) == (None, {}, ["a", "b"])
    nothing = Row(preset="c", description="", command="", metrics={"map@10": None}, per_query=per_query([]))
    assert study([failed("a"), nothing]).best is None
    assert study([]).best is None


def test_a_row_without_a_query_table_is_ranked_but_not_tested() -> None:
    done = study([*ROWS, measured("old", [0.5] * 4, per_query=None)], resamples=50)
    assert [row.preset for row in done.rows][2] == "old"
    assert "old" not in done.comparisons


def test_a_row_with_metrics_and_a_failure_or_with_neither_is_none() -> None:
    with pytest.raises(ValueError, match="either metrics or a failure"):
        Row(preset="x", description="", command="")
    with pytest.raises(ValueError, match="either metrics or a failure"):
        measured("x", [0.5], failure="no")


def test_figures_are_the_numbers_of_both_documents_with_their_intervals() -> None:
    figures = measured("x", [0.5, 0.5], robustness=ROBUSTNESS).figures
    assert figures == {
        "map@10": Figure(0.5, 0.4, 0.6),
        "robustness/recall@1": Figure(0.75, 0.6, 0.9),
        "robustness/recall@1_flip": Figure(1.0),
        "robustness/recall@1_press": Figure(0.5),
        "robustness/mrr": Figure(0.8),
    }


def test_the_csv_has_a_row_a_preset_with_every_metric_test_time_and_command(tmp_path: Path) -> None:
    done = study(ROWS, resamples=100)
    write_csv(tmp_path / "study.csv", done)
    table = read(tmp_path / "study.csv")
    assert list(table.index) == ["strong", "near", "weak", "broken"]
    assert table.loc["strong", ["map@10_low", "robustness/recall@1_flip"]].notna().all()
    assert table.loc["weak", "map@10_to_best"] == pytest.approx(done.comparisons["weak"].difference, rel=1e-5)
    assert table.loc["weak", "p_value_holm"] == pytest.approx(done.p_values["weak"], rel=1e-5)
    assert table.loc["near", "published_map@10"] == 0.3789
    assert table.loc["near", "embedding_seconds"] == 3.0
    assert table.loc["near", "training_seconds"] != table.loc["near", "training_seconds"]
    assert table.loc["broken", "failure"] == "there are no captions; set groundtruth.captions"
    assert pd.isna(table.loc["broken", "map@10"])
    assert table.loc["weak", "command"] == "cbir run --preset weak"


def test_no_cell_of_the_csv_runs_as_a_formula(tmp_path: Path) -> None:
    write_csv(tmp_path / "study.csv", study([failed("x", "=HYPERLINK(1)"), measured("y", [1], description="+1")]))
    text = (tmp_path / "study.csv").read_text()
    assert ",'=HYPERLINK(1)," in text
    assert ",'+1," in text


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "other"):
        write_csv(tmp_path / f"{name}.csv", study(ROWS, resamples=100))
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "other.csv").read_bytes()
