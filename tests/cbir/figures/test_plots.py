"""Tests of cbir.figures.plots."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cbir.evaluation.retrieval.evaluation import Evaluation, evaluate_retrieval
from cbir.figures.plots import loss_curves, precision_recall
from tests.support.retrievals import Archive, archive, scattered

HARD = scattered(groups=30, distractors=60, noise=1.1, seed=1)
UNKNOWN = archive(np.random.default_rng(0).normal(size=(20, 4)), groups=[None] * 20)


def evaluate(made: Archive) -> Evaluation:
    options = {"target_precision": 0.95, "default_threshold": 0.9, "resamples": 20, "seed": 0}
    return evaluate_retrieval(made.task(), made.vectors, made.neighbours, queries="all", rule="f1", **options)


def history(**losses: list[float]) -> pd.DataFrame:
    rows = [(epoch, split, loss) for split, many in losses.items() for epoch, loss in enumerate(many, 1)]
    return pd.DataFrame(rows, columns=["epoch", "split", "loss"])


def test_the_loss_of_each_epoch_is_drawn_and_written(tmp_path: Path) -> None:
    loss_curves(tmp_path, tmp_path, history(train=[3, 2, 1], val=[3, 2.5, 2.75]))
    table = pd.read_csv(tmp_path / "loss.csv")
    assert table.to_dict("list") == {"epoch": [1, 2, 3], "train": [3, 2, 1], "val": [3, 2.5, 2.75]}
    with Image.open(tmp_path / "loss.png") as picture:
        assert picture.width > 1000


def test_an_encoder_that_was_not_trained_has_an_empty_table_and_no_figure(tmp_path: Path) -> None:
    loss_curves(tmp_path, tmp_path, history())
    assert (tmp_path / "loss.csv").read_text() == "epoch,train,val\n"
    assert not (tmp_path / "loss.png").exists()


def test_a_training_without_validation_is_drawn(tmp_path: Path) -> None:
    loss_curves(tmp_path, tmp_path, history(train=[3, 2]))
    assert (tmp_path / "loss.png").exists()


def test_the_precision_recall_table_is_the_curve(tmp_path: Path) -> None:
    evaluation = evaluate(HARD)
    precision_recall(tmp_path, tmp_path, evaluation)
    table = pd.read_csv(tmp_path / "precision_recall.csv")
    assert len(table) == 500
    row = table.iloc[100]
    accepted = evaluation.pairs.similarity >= row["threshold"] - 1e-6
    assert row["precision"] == pytest.approx(evaluation.pairs.true[accepted].mean(), abs=1e-5)
    assert row["recall"] == pytest.approx(evaluation.pairs.true[accepted].sum() / 90, abs=1e-5)
    assert (tmp_path / "precision_recall.png").exists()


def test_without_ground_truth_the_curve_is_empty_and_has_no_figure(tmp_path: Path) -> None:
    precision_recall(tmp_path, tmp_path, evaluate(UNKNOWN))
    assert (tmp_path / "precision_recall.csv").read_text() == "threshold,precision,recall,f1\n"
    assert not (tmp_path / "precision_recall.png").exists()


def test_the_same_evaluation_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        loss_curves(tmp_path / name, tmp_path / name, history(train=[3, 2, 1], val=[3, 2.5, 2.75]))
        precision_recall(tmp_path / name, tmp_path / name, evaluate(HARD))
    first, second = (sorted((tmp_path / name).iterdir()) for name in ("one", "two"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert len(first) == 4


def test_pictures_carry_no_software_and_no_date(tmp_path: Path) -> None:
    loss_curves(tmp_path, tmp_path, history(train=[3, 2]))
    with Image.open(tmp_path / "loss.png") as picture:
        assert set(picture.info) <= {"dpi"}
