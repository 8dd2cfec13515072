"""Tests of cbir.figures.reliability."""

from pathlib import Path

import numpy as np
from PIL import Image

from cbir.evaluation.retrieval.calibration import Calibration
from cbir.figures.reliability import reliability


def made(right: int) -> Calibration:
    empty = np.full(10, np.nan)
    probability, share, count, bars = empty.copy(), empty.copy(), np.zeros(10), np.full((10, 2), np.nan)
    probability[[0, 9]], share[[0, 9]], count[[0, 9]] = (0.02, 0.97), (0.01, 0.95), (300, 40)
    bars[9] = (0.9, 0.99)
    values = {"slope": 1.1, "intercept": 0.0, "error": 0.02}
    return Calibration(340, right, values, dict.fromkeys(values), probability, share, count, bars)


def test_the_bins_are_drawn_also_where_one_has_no_interval(tmp_path: Path) -> None:
    reliability(tmp_path, made(40))
    with Image.open(tmp_path / "reliability.png") as picture:
        assert picture.width > 800


def test_without_a_right_or_a_wrong_pair_there_is_no_figure(tmp_path: Path) -> None:
    for right in (0, 340):
        reliability(tmp_path, made(right))
    assert not list(tmp_path.iterdir())


def test_the_same_figures_give_the_same_bytes(tmp_path: Path) -> None:
    pictures = []
    for _ in range(2):
        reliability(tmp_path, made(40))
        pictures.append((tmp_path / "reliability.png").read_bytes())
    assert pictures[0] == pictures[1]
