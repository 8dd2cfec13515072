"""What Prefect's page shows is taken from the reports, and what is untrusted in them stays text."""

import json
from pathlib import Path

from flows.pipeline.artifacts import SHOWN, cleaning_summary, metrics_table

HEADER = "finding,path,reason\n"


def test_the_metrics_table_has_values_with_their_intervals(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    metrics = {
        "map@10": 0.81234,
        "mrr": None,
        "top1": 1,
        "ci95": {"map@10": {"low": 0.7, "high": 0.9}},
        "counts": {"a": 1},
    }
    path.write_text(json.dumps(metrics))
    assert metrics_table(path) == [
        {"metric": "map@10", "value": 0.8123, "95 % interval": "0.700 to 0.900"},
        {"metric": "top1", "value": 1, "95 % interval": ""},
    ]


def test_the_cleaning_summary_counts_by_status_and_shows_the_first_files(tmp_path: Path) -> None:
    path = tmp_path / "cleaning.csv"
    rows = "".join(f"corrupt,a/{number}.jpg,cut off\n" for number in range(SHOWN + 2))
    path.write_text(HEADER + rows + "too_small,b.jpg,8 px\n", encoding="utf-8-sig")
    summary = cleaning_summary(path)
    assert f"- {SHOWN + 2} corrupt" in summary
    assert "- 1 too small" in summary
    assert summary.count("| corrupt |") == SHOWN
    assert "3 more in" in summary


def test_a_file_name_cannot_break_out_of_the_table(tmp_path: Path) -> None:
    path = tmp_path / "cleaning.csv"
    path.write_text(HEADER + 'corrupt,"<img src=x>|a`b",x\n', encoding="utf-8-sig")
    assert "| &lt;img src=x>\\|a'b | corrupt | x |" in cleaning_summary(path)


def test_an_archive_without_faults_says_so(tmp_path: Path) -> None:
    path = tmp_path / "cleaning.csv"
    path.write_text(HEADER, encoding="utf-8-sig")
    assert "Nothing was rejected." in cleaning_summary(path)
