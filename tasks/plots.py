"""Stage plots: draws the figures of an evaluation and writes their numbers, after the groups, which do not wait for
them.
"""

from typing import Annotated

import pandas as pd
from annotated_types import Ge

from cbir.archive.manifest import read_manifest, unique_images
from cbir.base.files import writing_folder
from cbir.embedding.files import read_embeddings
from cbir.evaluation.retrieval.calibration import calibration_of_matches
from cbir.evaluation.retrieval.protocol import Protocol
from cbir.figures.histograms import probability_histogram, similarity_histogram
from cbir.figures.plots import loss_curves, precision_recall
from cbir.figures.projections import beside_labelled, projections
from cbir.figures.query_sheets import write_query_sheets
from cbir.figures.reliability import reliability
from cbir.images.reduced import ReducedImages
from cbir.index.neighbours import read_neighbours
from cbir.labels.files import read_groundtruth
from cbir.matching.table import judged, read_matches
from cbir.store import Store
from tasks.harness.settings import Paths
from tasks.harness.stage import main


def plots(
    paths: Paths,
    *,
    longest_side: int,
    protocol: Protocol,
    projection_images: Annotated[int, Ge(0), "it is a number of images, 0 for no such plots"],
) -> None:
    """Draws what the evaluation by the same protocol measures: curves, histograms, projections and contact sheets."""
    embeddings, neighbours = read_embeddings(paths.embeddings), read_neighbours(paths.neighbours)
    known, seed = read_groundtruth(paths.groundtruth), protocol.seed
    matches = read_matches(paths.matches)
    evaluation = protocol.evaluate(embeddings.ids, embeddings.vectors, neighbours, known, matches=matches)
    with writing_folder(paths.reports / "plots") as folder, writing_folder(paths.reports / "curves") as curves:
        loss_curves(folder, curves, pd.read_parquet(paths.encoder / "history.parquet"))
        precision_recall(folder, curves, evaluation)
        reliability(
            folder, calibration_of_matches(evaluation, judged(matches), resamples=protocol.bootstrap, seed=seed)
        )
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


if __name__ == "__main__":
    main(plots)
