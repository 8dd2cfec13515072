"""Measures how well a classifier knows the scenes of the test images: precision, recall and F1, each the mean over
scenes.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from cbir.evaluation.retrieval.bootstrap import intervals
from cbir.evaluation.retrieval.evaluation import Evaluation
from cbir.evaluation.retrieval.metrics import Floats

NAMES = ("class_precision", "class_recall", "class_f1")


def with_classification(evaluation: Evaluation, predictions: pd.DataFrame, *, resamples: int, seed: int) -> Evaluation:
    """Returns the evaluation with the metrics of the predictions for test images; None where there are none.

    Their intervals resample the images, for the scenes are those that were trained on.

    Args:
        predictions: columns split, label and predicted, a row an image.
    """
    test = predictions[predictions["split"] == "test"]
    if test.empty:
        return replace(evaluation, metrics={**evaluation.metrics, **dict.fromkeys(NAMES)})
    names = pd.Index(pd.unique(pd.concat([test["label"], test["predicted"]])))
    label, predicted = (names.get_indexer(test[column]) for column in ("label", "predicted"))

    def statistics(weight: Floats) -> dict[str, Floats]:
        return macro_averages(label, predicted, weight=weight)

    every = statistics(np.ones((1, len(test))))
    between = intervals(
        statistics, np.arange(len(test)), resamples=resamples, seed=seed, width=max(len(test), 3 * len(names))
    )
    return replace(
        evaluation,
        metrics={**evaluation.metrics, **{name: float(value[0]) for name, value in every.items()}},
        intervals={**evaluation.intervals, **between},
    )


def macro_averages(label: np.ndarray, predicted: np.ndarray, *, weight: Floats) -> dict[str, Floats]:
    """Computes macro precision, recall and F1: the mean over scenes, whatever their number of images.

    A scene with t images, p predictions and h that are both has precision h / p, recall h / t and F1 2·h / (p + t);
    0 where the divisor is 0. Scenes without an image and without a prediction do not count.

    Args:
        label, predicted: (n,), numbers of scenes.
        weight: (B, n), how often an image counts in each of B resamples.

    Returns:
        (B,) by the names of :data:`NAMES`.
    """
    scenes = np.eye(max(label.max(), predicted.max()) + 1)
    true, taken = weight @ scenes[label], weight @ scenes[predicted]
    right = weight @ (scenes[label] * (label == predicted)[:, None])
    present = np.maximum((true + taken > 0).sum(axis=1), 1)
    ratios = zip(NAMES, (taken, true, (true + taken) / 2), strict=True)
    return {name: _divided(right, below).sum(axis=1) / present for name, below in ratios}


def _divided(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)
