"""Tests of tasks.arrivals."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cbir.errors import UserError
from cbir.reduced import ReducedImages
from tasks import arrivals as module
from tasks.arrivals import Arrived, prepare_baseline, report_arrivals
from tasks.settings import Paths, load_paths, read_yaml
from tests.cbir.archives import Groups, groups_of, neighbours_of
from tests.cbir.manifests import identity, manifest

ROOT = Path(__file__).parents[2]
OPTIONS = {"margin": 0.03, "threshold": 0.0, "longest_side": 64, "thumbnail_side": 48}
BASELINE = Path("reports/arrivals/baseline.parquet")


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A workspace after a run over two images of one group."""
    where = load_paths(read_yaml(ROOT / "params.yaml"))
    monkeypatch.chdir(tmp_path)
    where.reports.mkdir()
    (where.reports / "threshold.json").write_text(json.dumps({"threshold": 0.9, "rule": "default"}))
    run(where, ["a/1", "a/2"], groups=[("a/1", "a/2")])
    prepare_baseline(where)
    return where


def run(
    paths: Paths, images: list[str], *, groups: Groups, similar: dict[tuple[str, str], float] | None = None
) -> None:
    """Write what a run of the pipeline would leave."""
    paths.manifest.parent.mkdir(exist_ok=True)
    manifest(*images).to_parquet(paths.manifest)
    groups_of(groups).to_parquet(paths.groups)
    neighbours_of(similar or {}).to_parquet(paths.neighbours)
    captions = {"caption": [None, "Médine"], "caption_en": ["The harbour", None]}
    pd.DataFrame({"image_id": [identity("a/1"), identity("a/2")], **captions}).to_parquet(paths.groundtruth)
    store = ReducedImages(paths.store, paths.raw, longest_side=64)
    for place, path in enumerate(images):
        store.put(identity(path), np.full((48, 64), 40 * place, np.uint8))


def land(paths: Paths) -> None:
    run(paths, ["a/1", "a/2", "b/1"], groups=[("a/1", "a/2", "b/1")], similar={("b/1", "a/2"): 0.95})


def report(paths: Paths, name: str = "one") -> Arrived | None:
    return report_arrivals(paths, name=name, **OPTIONS)


def test_what_arrived_is_reported_once(paths: Paths) -> None:
    land(paths)
    arrived = report(paths)
    assert arrived is not None
    assert arrived.page == Path("reports/arrivals/one.html")
    page = arrived.page.read_text(encoding="utf-8")
    assert page.count("data:image/webp") == 3
    assert 'href="../../data/raw/b/1"' in page
    assert "Médine" in page
    assert "The harbour" in page
    assert pd.read_csv(arrived.table)["other_file"].tolist() == ["a/2", "a/1"]
    assert arrived.summary["near_duplicate_pairs"] == 2
    assert "| b/1 | 0.950 | a/2 |" in arrived.markdown
    assert report(paths, "other") is None
    assert not Path("reports/arrivals/other.html").exists()


def test_where_nothing_arrived_nothing_is_written(paths: Paths) -> None:
    before = BASELINE.read_bytes()
    assert report(paths) is None
    assert [path.name for path in Path("reports/arrivals").iterdir()] == ["baseline.parquet"]
    assert BASELINE.read_bytes() == before


def test_a_baseline_that_is_there_is_left_alone(paths: Paths) -> None:
    before = BASELINE.read_bytes()
    land(paths)
    prepare_baseline(paths)
    assert BASELINE.read_bytes() == before


def test_before_the_first_run_everything_is_still_to_arrive(paths: Paths) -> None:
    BASELINE.unlink()
    for path in (paths.manifest, paths.groups):
        path.unlink()
    prepare_baseline(paths)
    land(paths)
    arrived = report(paths)
    assert arrived is not None
    assert arrived.summary["new_images"] == 3


def test_a_kill_before_the_baseline_is_replaced_makes_the_next_run_write_the_same_report(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(paths)
    before = BASELINE.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(module.Snapshot, "write", _killed)
        with pytest.raises(KeyboardInterrupt):
            report(paths)
    assert BASELINE.read_bytes() == before
    first = [Path(f"reports/arrivals/one.{kind}").read_bytes() for kind in ("html", "csv")]
    assert report(paths) is not None
    assert first == [Path(f"reports/arrivals/one.{kind}").read_bytes() for kind in ("html", "csv")]
    assert report(paths) is None


@pytest.mark.parametrize("writer", ["write_page", "write_arrivals_csv"])
def test_a_report_that_was_not_written_whole_leaves_the_baseline(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, writer: str
) -> None:
    land(paths)
    with monkeypatch.context() as patch:
        patch.setattr(module, writer, _killed)
        with pytest.raises(KeyboardInterrupt):
            report(paths)
    assert report(paths) is not None


def test_sigkill_at_the_last_moment_leaves_the_baseline_whole(paths: Paths) -> None:
    land(paths)
    before = BASELINE.read_bytes()
    script = f"""
import os, signal
from pathlib import Path
from tasks import arrivals
from tasks.settings import load_paths, read_yaml
def replace(self, target):
    if "baseline" in str(target):
        os.kill(os.getpid(), signal.SIGKILL)
    os.replace(self, target)
Path.replace = replace
arrivals.report_arrivals(load_paths(read_yaml(Path({str(ROOT / "params.yaml")!r}))), name="one", **{OPTIONS!r})
"""
    done = subprocess.run([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)
    assert done.returncode == -signal.SIGKILL
    assert Path("reports/arrivals/one.html").exists()
    assert BASELINE.read_bytes() == before
    assert report(paths) is not None
    assert sorted(path.name for path in BASELINE.parent.iterdir()) == ["baseline.parquet", "one.csv", "one.html"]


def _killed(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_a_threshold_by_hand_is_taken_in_place_of_the_learned_one(paths: Paths) -> None:
    land(paths)
    arrived = report_arrivals(paths, name="one", **{**OPTIONS, "threshold": 0.94})
    assert arrived is not None
    assert (arrived.summary["threshold"], arrived.summary["needs_a_look"]) == (0.94, 1)


def test_a_margin_out_of_its_range_is_named(paths: Paths) -> None:
    with pytest.raises(UserError, match=r"arrivals.margin must be .* is 1.5"):
        report_arrivals(paths, name="one", **{**OPTIONS, "margin": 1.5})


def test_the_report_loads_none_of_the_heavy_libraries() -> None:
    heavy = ["torch", "faiss", "mlflow", "prefect", "dvc"]
    script = f"import sys, tasks.arrivals; sys.exit(' '.join(set({heavy}) & set(sys.modules)) or None)"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)
