"""Prefect's page is filled from the reports, and untrusted text in them stays text."""

import json
import shutil
from functools import partial
from pathlib import Path

import pytest

from flows.pipeline import artifacts
from flows.pipeline.artifacts import SHOWN, metrics_table, rejected_files
from flows.pipeline.stages import Outcome

REPOSITORY = Path(__file__).parents[3]
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


def test_the_rejected_files_are_shown_with_their_reasons_as_far_as_they_fit(tmp_path: Path) -> None:
    path = tmp_path / "cleaning.csv"
    rows = "".join(f"corrupt,a/{number}.jpg,cut off\n" for number in range(SHOWN + 2))
    path.write_text(HEADER + "too_small,b.jpg,8 px\n" + rows, encoding="utf-8-sig")
    shown = rejected_files(path)
    assert r"| b\.jpg | too_small | 8 px |" in shown
    assert shown.count("| corrupt |") == SHOWN - 1
    assert "3 more in" in shown


def test_a_file_name_cannot_break_out_of_the_table(tmp_path: Path) -> None:
    path = tmp_path / "cleaning.csv"
    path.write_text(HEADER + 'corrupt,"<img src=x>|a`b",x\n', encoding="utf-8-sig")
    assert r"| \<img src\=x\>\|a\`b | corrupt | x |" in rejected_files(path)


def test_an_archive_without_faults_says_so(tmp_path: Path) -> None:
    path = tmp_path / "cleaning.csv"
    path.write_text(HEADER, encoding="utf-8-sig")
    assert "Nothing was rejected." in rejected_files(path)


GRAPH = """
stages:
  tidy_up: {cmd: x, outs: ["${paths.reports}/cleaning.csv"], metrics: ["${paths.reports}/tidy_up.json"]}
  rate: {cmd: x, metrics: ["${paths.reports}/metrics.json"], plots: ["${paths.reports}/plots"]}
  bend: {cmd: x, outs: ["${paths.reports}/bent.png", "${paths.reports}/bent.csv"]}
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace with what three stages of any names wrote."""
    shutil.copy(REPOSITORY / "params.yaml", tmp_path)
    (tmp_path / "dvc.yaml").write_text(GRAPH)
    (tmp_path / "reports/plots").mkdir(parents=True)
    (tmp_path / "reports/cleaning.csv").write_text(HEADER, encoding="utf-8-sig")
    for name in ("tidy_up.json", "metrics.json"):
        (tmp_path / "reports" / name).write_text('{"value": 1}')
    for name in ("plots/contact_best.png", "plots/umap.png", "bent.png"):
        (tmp_path / "reports" / name).write_bytes(b"pixels")
    return tmp_path


def _published(workspace: Path, monkeypatch: pytest.MonkeyPatch, *ran: str) -> set[str]:
    """The keys of what is published when these stages ran and the others did not have to."""
    keys: list[str] = []
    for kind in ("table", "markdown"):
        monkeypatch.setattr(artifacts, f"create_{kind}_artifact", lambda *_, key, **__: keys.append(key))
    outcomes = [Outcome(name, name in ran, "ran", 1.0, key="") for name in ("tidy_up", "rate", "bend")]
    artifacts.publish(outcomes, workspace)
    assert len(keys) == len(set(keys))
    return set(keys)


def test_a_stage_that_ran_shows_its_metrics_and_pictures_whatever_its_name(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = partial(_published, workspace, monkeypatch)
    assert shown("tidy_up") == {"stages", "tidy-up", "rejected"}
    assert shown("rate") == {"stages", "metrics", "contact-best-sheet"}
    assert shown("bend") == {"stages", "bent-sheet"}
    assert shown() == {"stages"}
