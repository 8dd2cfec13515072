"""Logs what an evaluation has measured, in sentences for a person."""

import logging
from collections.abc import Mapping
from typing import Any

from cbir.evaluation.classification import NAMES
from cbir.evaluation.retrieval.evaluation import Evaluation
from cbir.evaluation.retrieval.threshold import Threshold

_PLURAL = {"group": "groups", "class": "classes"}

log = logging.getLogger(__name__)


def log_evaluation(document: Mapping[str, Any], evaluation: Evaluation) -> None:
    """Logs the ranking, the classes, the calibration and the threshold that ``document``, metrics.json, holds."""
    _log_ranking(document)
    if document["class_f1"] is not None:
        log.info("scenes of the test images: %s", _figures(document, *NAMES))
    if document["calibration_slope"] is not None:
        names = ("calibration_slope", "calibration_intercept", "calibration_error")
        log.info("probabilities of test pairs: %s", _figures(document, *names))
    _log_threshold(document, evaluation)


def _log_ranking(document: Mapping[str, Any]) -> None:
    counts = document["counts"]
    if not counts["queries"]:
        log.warning(
            "no query: no %s with two images among those to be asked, so there are no metrics", document["relevance"]
        )
    else:
        log.info(
            "%d queries of %d %s among %d images: %s",
            *(counts["queries"], counts["query_groups"], _PLURAL[document["relevance"]], counts["gallery"]),
            _figures(document, "map@10", "recall@10", "hit_rate@1", "micro_ap"),
        )


def _log_threshold(document: Mapping[str, Any], evaluation: Evaluation) -> None:
    learned = evaluation.threshold
    if learned.rule == "default":
        log.warning("threshold %.3f is evaluate.default_threshold: no validation pair to learn it from", learned.value)
        return
    if learned.rule == "promise":
        log.log(logging.INFO if learned.kept else logging.WARNING, "%s", _promise(learned))
    elif learned.kept is False:
        message = "no threshold reaches evaluate.target_precision on the validation pairs; using the best one, %.2f"
        log.warning(message, learned.reading.precision)
    figures = _figures(document, "threshold_precision", "threshold_recall", "threshold_f1")
    log.info("threshold %.3f, learned on %d validation pairs; on test: %s", learned.value, learned.pairs, figures)


def _promise(learned: Threshold) -> str:
    if learned.kept:
        return f"the precision is promised with 95 % confidence, by {learned.groups} validation groups"
    return f"nothing can be promised: {learned.reason}; using a careful threshold"


def _figures(document: Mapping[str, Any], *names: str) -> str:
    return ", ".join(_with_interval(document, name) for name in names)


def _with_interval(document: Mapping[str, Any], name: str) -> str:
    value, between = document[name], document["ci95"][name]
    if value is None:
        return f"{name} unknown"
    around = "" if between["low"] is None else f" ({between['low']:.3f} to {between['high']:.3f})"
    return f"{name} {value:.3f}{around}"
