"""Stage evaluate: measures retrieval of the archive's groups, learns the threshold, and draws the figures that
show it.
"""

import pandas as pd

from cbir.archive.manifest import read_manifest, unique_images
from cbir.embedding.files import read_embeddings
from cbir.evaluation.account import log_evaluation
from cbir.evaluation.calibration import calibration_of_matches, with_calibration
from cbir.evaluation.classification import with_classification
from cbir.evaluation.protocol import Protocol, write_evaluation
from cbir.evaluation.threshold import threshold_document
from cbir.figures.histograms import probability_histogram, similarity_histogram
from cbir.figures.plots import loss_curves, precision_recall
from cbir.figures.projections import beside_labelled, projections
from cbir.figures.query_sheets import write_query_sheets
from cbir.figures.reliability import reliability
from cbir.files import write_json, writing_folder
from cbir.images.reduced import ReducedImages
from cbir.index.neighbours import read_neighbours
from cbir.labels.files import read_groundtruth
from cbir.matching.table import SAME_FILE, read_matches
from cbir.store import Store
from tasks.harness.settings import Paths
from tasks.harness.stage import main


def evaluate(paths: Paths, *, longest_side: int, protocol: Protocol, projection_images: int) -> None:
    """Measures the matches and the neighbours behind them against the ground truth; learns the threshold; draws."""
    embeddings, neighbours = read_embeddings(paths.embeddings), read_neighbours(paths.neighbours)
    known, seed = read_groundtruth(paths.groundtruth), protocol.seed
    matches = read_matches(paths.matches)
    evaluation = protocol.evaluate(embeddings.ids, embeddings.vectors, neighbours, known, matches=matches)
    predictions = pd.read_parquet(paths.encoder / "predictions.parquet")
    evaluation = with_classification(evaluation, predictions, resamples=protocol.bootstrap, seed=seed)
    judged = matches[matches["relation"] != SAME_FILE]  # pages of one file are neither right nor wrong
    measured = calibration_of_matches(evaluation, judged, resamples=protocol.bootstrap, seed=seed)
    evaluation = with_calibration(evaluation, measured)
    log_evaluation(write_evaluation(paths.reports, evaluation, embeddings.vectors), evaluation)
    with writing_folder(paths.reports / "plots") as folder, writing_folder(paths.reports / "curves") as curves:
        loss_curves(folder, curves, pd.read_parquet(paths.encoder / "history.parquet"))
        precision_recall(folder, curves, evaluation)
        reliability(folder, measured)
        probability_histogram(folder, curves, evaluation)
        similarity_histogram(folder, curves, evaluation, embeddings.vectors, neighbours, seed=seed)
        files = unique_images(read_manifest(paths.manifest)).set_index("image_id").loc[evaluation.task.ids]
        projections(
            folder,
            evaluation.task,
            embeddings.vectors,
            images=projection_images,
            seed=seed,
            background=beside_labelled(evaluation.task, files),
            store=Store(paths.store / "projections.sqlite"),
        )
        images = ReducedImages(paths.store, paths.raw, longest_side=longest_side)
        write_query_sheets(folder, evaluation, embeddings.vectors, neighbours, images, files)
    learned = threshold_document(evaluation.threshold, target_precision=protocol.target_precision)
    write_json(paths.reports / "threshold.json", learned)


if __name__ == "__main__":
    main(evaluate)
