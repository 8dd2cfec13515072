"""Tests of tasks.plots."""

from pathlib import Path

import numpy as np
import pytest

from tasks.harness.settings import grouped
from tasks.plots import plots
from tests.support.evaluations import HARD, PROTOCOL, workspace, written
from tests.support.retrievals import archive

OPTIONS = PROTOCOL | {"longest_side": 64, "projection_images": 0}
CURVES = {"loss.csv", "precision_recall.csv", "probabilities.csv", "similarities.csv"}


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_stage_draws_curves_and_figures() -> None:
    plots(workspace(HARD), **grouped(plots, OPTIONS))
    assert written("curves") == CURVES
    figures = {f"{name}.png" for name in ("loss", "precision_recall", "probabilities", "similarities", "reliability")}
    assert written("plots") == figures | {f"contact_{name}.png" for name in ("best", "worst", "missed")}
    assert written(".") == {"curves", "plots"}


@pytest.mark.heavy
def test_the_same_inputs_give_the_same_bytes() -> None:
    paths = workspace(HARD)
    seen = []
    for _ in range(2):
        plots(paths, **grouped(plots, OPTIONS))
        seen.append({path: path.read_bytes() for path in sorted(Path("reports").rglob("*")) if path.is_file()})
    assert seen[0] == seen[1]


def test_without_ground_truth_and_training_the_nearest_neighbours_are_shown() -> None:
    made = archive(np.random.default_rng(0).normal(size=(12, 4)), groups=[None] * 12, splits=[None] * 12)
    plots(workspace(made, history=False), **grouped(plots, OPTIONS))
    assert written("curves") == CURVES
    assert written("plots") == {"similarities.png", "contact_nearest.png"}


def test_an_archive_of_one_image_is_no_error() -> None:
    plots(workspace(archive(np.eye(1), groups=[None], splits=[None]), history=False), **grouped(plots, OPTIONS))
    assert written("curves") == CURVES


def test_an_image_that_is_gone_from_store_and_archive_costs_one_picture_and_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = archive(np.eye(4) + 0.1, groups=["a", "a", "b", "b"], splits=["test"] * 4)
    plots(workspace(made), **grouped(plots, OPTIONS))
    assert "a contact sheet lacks old/été 0.jpg" in caplog.text
    assert "contact_best.png" in written("plots")
