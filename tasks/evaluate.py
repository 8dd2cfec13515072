"""Stage evaluate: measures retrieval of the archive's groups, learns the threshold, and draws the figures that
show it.
"""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cbir.archive.manifest import read_manifest, unique_images
from cbir.embedding.files import read_embeddings
from cbir.evaluation.calibration import Calibration, calibration_of_matches, with_calibration
from cbir.evaluation.classification import with_classification
from cbir.evaluation.protocol import Protocol, write_evaluation
from cbir.evaluation.relevance import RetrievalTask
from cbir.evaluation.retrieval import Evaluation
from cbir.evaluation.threshold import Threshold, threshold_document
from cbir.figures.contact_sheets import draw_sheet
from cbir.figures.plots import loss_curves, precision_recall, similarity_histogram
from cbir.figures.projections import projections
from cbir.figures.query_sheets import nearest_sheet, query_sheets
from cbir.figures.reliability import reliability
from cbir.files import write_json, writing_folder
from cbir.images.reading import UnreadableImage
from cbir.images.reduced import ReducedImages
from cbir.index.neighbours import read_neighbours
from cbir.labels.files import read_groundtruth
from cbir.matching.table import SAME_FILE, read_matches
from cbir.store import Store
from tasks.harness.settings import Paths
from tasks.harness.stage import main

PLURAL = {"group": "groups", "class": "classes"}

log = logging.getLogger(__name__)


def evaluate(
    paths: Paths,
    *,
    longest_side: int,
    protocol: Protocol,
    projection_images: int,
) -> None:
    """Measures the neighbour lists against the ground truth; learn the threshold; draw."""
    embeddings, neighbours = read_embeddings(paths.embeddings), read_neighbours(paths.neighbours)
    known, seed = read_groundtruth(paths.groundtruth), protocol.seed
    evaluation = protocol.evaluate(embeddings.ids, embeddings.vectors, neighbours, known)
    predictions = pd.read_parquet(paths.encoder / "predictions.parquet")
    evaluation = with_classification(evaluation, predictions, resamples=protocol.bootstrap, seed=seed)
    measured = _calibration(paths, evaluation, resamples=protocol.bootstrap, seed=seed)
    evaluation = with_calibration(evaluation, measured)
    _tell(write_evaluation(paths.reports, evaluation, embeddings.vectors), evaluation)
    with writing_folder(paths.reports / "plots") as folder, writing_folder(paths.reports / "curves") as curves:
        loss_curves(folder, curves, pd.read_parquet(paths.encoder / "history.parquet"))
        precision_recall(folder, curves, evaluation)
        reliability(folder, measured)
        similarity_histogram(folder, curves, evaluation, embeddings.vectors, neighbours, seed=seed)
        files = unique_images(read_manifest(paths.manifest)).set_index("image_id").loc[evaluation.task.ids]
        projections(
            folder,
            evaluation.task,
            embeddings.vectors,
            images=projection_images,
            seed=seed,
            background=_beside_labelled(evaluation.task, files),
            store=Store(paths.store / "projections.sqlite"),
        )
        images = ReducedImages(paths.store, paths.raw, longest_side=longest_side)
        _contact_sheets(folder, evaluation, embeddings.vectors, neighbours, images, files)
    learned = threshold_document(evaluation.threshold, target_precision=protocol.target_precision)
    write_json(paths.reports / "threshold.json", learned)


def _calibration(paths: Paths, evaluation: Evaluation, *, resamples: int, seed: int) -> Calibration:
    """Measures the probabilities of matches; pages of one file are neither right nor wrong."""
    matches = read_matches(paths.matches)
    return calibration_of_matches(evaluation, matches[matches["relation"] != SAME_FILE], resamples=resamples, seed=seed)


def _beside_labelled(task: RetrievalTask, files: pd.DataFrame) -> NDArray[np.bool_]:
    """Marks images that came with labelled ones; distractors of other accessions would only crowd a plot, more each
    week.
    """
    labelled = files.loc[task.label >= 0, "accession"].unique()
    return files["accession"].isin(labelled).to_numpy() if len(labelled) else np.ones(len(files), bool)


def _contact_sheets(
    folder: Path,
    evaluation: Evaluation,
    vectors: NDArray[np.float32],
    neighbours: pd.DataFrame,
    images: ReducedImages,
    files: pd.DataFrame,
) -> None:
    def read(position: int) -> NDArray[np.uint8] | None:
        file = files.iloc[position]
        try:
            return images.read(file.name, file["path"], int(file["page"]))
        except UnreadableImage as error:
            log.warning("a contact sheet lacks %s: %s", file["path"], error)
            return None

    names = [Path(path).name for path in files["path"]]
    sheets = query_sheets(evaluation, vectors) or nearest_sheet(evaluation.task, neighbours)
    for sheet in sheets:
        draw_sheet(sheet, folder / f"{sheet.name}.png", read=read, names=names)


def _tell(document: dict[str, Any], evaluation: Evaluation) -> None:
    _tell_ranking(document)
    if document["class_f1"] is not None:
        names = ("class_precision", "class_recall", "class_f1")
        log.info("scenes of the test images: %s", ", ".join(_with_interval(document, name) for name in names))
    if document["calibration_slope"] is not None:
        names = ("calibration_slope", "calibration_intercept", "calibration_error")
        log.info("probabilities of test pairs: %s", ", ".join(_with_interval(document, name) for name in names))
    _tell_threshold(document, evaluation)


def _tell_ranking(document: dict[str, Any]) -> None:
    counts = document["counts"]
    if not counts["queries"]:
        log.warning(
            "no query: no %s with two images among those to be asked, so there are no metrics", document["relevance"]
        )
    else:
        log.info(
            "%d queries of %d %s among %d images: %s",
            *(counts["queries"], counts["query_groups"], PLURAL[document["relevance"]], counts["gallery"]),
            ", ".join(_with_interval(document, name) for name in ("map@10", "recall@10", "hit_rate@1", "micro_ap")),
        )


def _tell_threshold(document: dict[str, Any], evaluation: Evaluation) -> None:
    learned = evaluation.threshold
    if learned.rule == "default":
        log.warning("threshold %.3f is evaluate.default_threshold: no validation pair to learn it from", learned.value)
        return
    if learned.rule == "promise":
        log.log(logging.INFO if learned.kept else logging.WARNING, "%s", _promise(learned))
    elif learned.kept is False:
        message = "no threshold reaches evaluate.target_precision on the validation pairs; using the best one, %.2f"
        log.warning(message, learned.reading.precision)
    figures = ", ".join(_with_interval(document, f"threshold_{name}") for name in ("precision", "recall", "f1"))
    log.info("threshold %.3f, learned on %d validation pairs; on test: %s", learned.value, learned.pairs, figures)


def _promise(learned: Threshold) -> str:
    if learned.kept:
        return f"the precision is promised with 95 % confidence, by {learned.groups} validation groups"
    return f"nothing can be promised: {learned.reason}; using a careful threshold"


def _with_interval(document: dict[str, Any], name: str) -> str:
    value, between = document[name], document["ci95"][name]
    if value is None:
        return f"{name} unknown"
    around = "" if between["low"] is None else f" ({between['low']:.3f} to {between['high']:.3f})"
    return f"{name} {value:.3f}{around}"


if __name__ == "__main__":
    main(evaluate)
