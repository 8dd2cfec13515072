"""Stage evaluate: measures retrieval of the archive's groups, and learns the threshold."""

import pandas as pd

from cbir.base.files import write_json
from cbir.embedding.files import read_embeddings
from cbir.evaluation.account import log_evaluation
from cbir.evaluation.classification import with_classification
from cbir.evaluation.quality import QUALITY
from cbir.evaluation.retrieval.calibration import calibration_of_matches, with_calibration
from cbir.evaluation.retrieval.protocol import Protocol, write_evaluation
from cbir.evaluation.retrieval.threshold import threshold_document
from cbir.index.neighbours import read_neighbours
from cbir.labels.files import read_groundtruth
from cbir.matching.table import judged, read_matches
from tasks.harness.settings import Paths
from tasks.harness.stage import main


def evaluate(paths: Paths, *, protocol: Protocol) -> None:
    """Measures the matches and the neighbours behind them against the ground truth; learns the threshold."""
    embeddings, neighbours = read_embeddings(paths.embeddings), read_neighbours(paths.neighbours)
    known, seed = read_groundtruth(paths.groundtruth), protocol.seed
    matches = read_matches(paths.matches)
    evaluation = protocol.evaluate(embeddings.ids, embeddings.vectors, neighbours, known, matches=matches)
    predictions = pd.read_parquet(paths.encoder / "predictions.parquet")
    evaluation = with_classification(evaluation, predictions, resamples=protocol.bootstrap, seed=seed)
    measured = calibration_of_matches(evaluation, judged(matches), resamples=protocol.bootstrap, seed=seed)
    evaluation = with_calibration(evaluation, measured)
    document = write_evaluation(paths.reports, evaluation, embeddings.vectors)
    log_evaluation(document, evaluation)
    write_json(paths.reports / "quality.json", {name: document[name] for name in QUALITY})
    learned = threshold_document(evaluation.threshold, target_precision=protocol.target_precision)
    write_json(paths.reports / "threshold.json", learned)


if __name__ == "__main__":
    main(evaluate)
