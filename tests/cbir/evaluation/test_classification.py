"""cbir.evaluation.classification: the averages over scenes are scikit-learn's."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import precision_recall_fscore_support

from cbir.evaluation.classification import NAMES, macro_averages, with_classification
from cbir.evaluation.retrieval.evaluation import Evaluation, evaluate_retrieval, metrics_document
from tests.support.retrievals import scattered


def evaluation() -> Evaluation:
    made = scattered(groups=6, distractors=6, noise=1.0, seed=1)
    options = {"queries": "test", "rule": "f1", "target_precision": 0.95, "default_threshold": 0.9}
    return evaluate_retrieval(made.task(), made.vectors, made.neighbours, **options, resamples=10, seed=0)


def predictions(count: int, *, scenes: int, right: float) -> pd.DataFrame:
    """Makes predictions for count test images, as many right as said, and as many wrong ones of val."""
    chance = np.random.default_rng(0)
    label = chance.integers(0, scenes, count) ** 2 % scenes  # scenes of different sizes
    predicted = np.where(chance.random(count) < right, label, chance.integers(0, scenes + 1, count))
    test = pd.DataFrame({"split": "test", "label": label.astype(str), "predicted": predicted.astype(str)})
    return pd.concat([test, test.assign(split="val", predicted="nothing")])


@pytest.mark.parametrize("right", [0.0, 0.6, 1.0])
def test_precision_recall_and_f1_are_those_of_sklearn_on_the_test_images(right: float) -> None:
    table = predictions(60, scenes=7, right=right)
    measured = with_classification(evaluation(), table, resamples=100, seed=0)
    test = table[table["split"] == "test"]
    expected = precision_recall_fscore_support(test["label"], test["predicted"], average="macro", zero_division=0)
    assert [measured.metrics[name] for name in NAMES] == pytest.approx(expected[:3])


def test_a_weight_counts_an_image_as_often_as_it_says() -> None:
    label, predicted = np.array([0, 0, 1, 2]), np.array([0, 1, 1, 1])
    measured = macro_averages(label, predicted, weight=np.array([[1, 1, 1, 1], [0, 2, 3, 0]], float))
    for row, repeated in enumerate([[0, 1, 2, 3], [1, 1, 2, 2, 2]]):
        expected = precision_recall_fscore_support(
            label[repeated], predicted[repeated], average="macro", zero_division=0
        )
        assert [measured[name][row] for name in NAMES] == pytest.approx(expected[:3])


def test_each_has_an_interval_around_it() -> None:
    measured = with_classification(evaluation(), predictions(60, scenes=3, right=0.7), resamples=200, seed=0)
    for name in NAMES:
        low, high = measured.intervals[name]
        assert low < (measured.metrics[name] or 0) < high


def test_without_predictions_they_are_null() -> None:
    table = predictions(10, scenes=3, right=1.0)
    document = metrics_document(with_classification(evaluation(), table[table["split"] == "val"], resamples=9, seed=0))
    assert [document[name] for name in NAMES] == [None] * 3
    assert document["ci95"]["class_f1"] == {"low": None, "high": None}
    assert document["map@10"] is not None
