"""Stage ``evaluate``: how well the archive's groups are found, the learned threshold, and the figures that show it."""

import json
import logging
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from cbir.classification import with_classification
from cbir.contact_sheets import draw_sheet
from cbir.embedding import read_embeddings
from cbir.errors import UserError
from cbir.evaluation import Evaluation, evaluate_retrieval, metrics_document, query_table, threshold_document
from cbir.files import write_parquet, writing, writing_folder
from cbir.images import UnreadableImage
from cbir.index import read_neighbours
from cbir.manifest import read_manifest, unique_images
from cbir.plots import loss_curves, precision_recall, similarity_histogram
from cbir.projections import projections
from cbir.reduced import ReducedImages
from cbir.relevance import Gallery, Relevance, retrieval_task
from cbir.sheet_rows import nearest_sheet, query_sheets
from cbir.threshold import Rule
from tasks.stage import Paths, main

PLURAL = {"group": "groups", "class": "classes"}

log = logging.getLogger(__name__)


def evaluate(
    paths: Paths,
    *,
    longest_side: int,
    queries: Literal["test", "all"],
    gallery: Gallery,
    relevance: Relevance,
    threshold: Rule,
    target_precision: float,
    default_threshold: float,
    bootstrap: int,
    projection_images: int,
    seed: int,
) -> None:
    """Measure the neighbour lists against the ground truth; learn the threshold; draw."""
    _check(target_precision=target_precision, default_threshold=default_threshold, bootstrap=bootstrap)
    embeddings, neighbours = read_embeddings(paths.embeddings), read_neighbours(paths.neighbours)
    task = retrieval_task(embeddings.ids, pd.read_parquet(paths.groundtruth), relevance=relevance, gallery=gallery)
    evaluation = evaluate_retrieval(
        task,
        embeddings.vectors,
        neighbours,
        queries=queries,
        rule=threshold,
        target_precision=target_precision,
        default_threshold=default_threshold,
        resamples=bootstrap,
        seed=seed,
    )
    predictions = pd.read_parquet(paths.encoder / "predictions.parquet")
    evaluation = with_classification(evaluation, predictions, resamples=bootstrap, seed=seed)
    document = metrics_document(evaluation)
    _tell(document, evaluation)
    with writing_folder(paths.reports / "plots") as folder, writing_folder(paths.reports / "curves") as curves:
        loss_curves(folder, curves, pd.read_parquet(paths.encoder / "history.parquet"))
        precision_recall(folder, curves, evaluation)
        similarity_histogram(folder, curves, evaluation, embeddings.vectors, neighbours, seed=seed)
        projections(folder, task, embeddings.vectors, images=projection_images, seed=seed)
        images = ReducedImages(paths.store, paths.raw, longest_side=longest_side)
        _contact_sheets(folder, evaluation, embeddings.vectors, neighbours, images, read_manifest(paths.manifest))
    table = pa.Table.from_pandas(query_table(evaluation, embeddings.vectors), preserve_index=False)
    write_parquet(paths.reports / "per_query.parquet", table.replace_schema_metadata())
    _write_json(
        paths.reports / "threshold.json", threshold_document(evaluation.threshold, target_precision=target_precision)
    )
    _write_json(paths.reports / "metrics.json", document)


def _check(*, target_precision: float, default_threshold: float, bootstrap: int) -> None:
    if not 0 < target_precision <= 1:
        raise UserError(
            f"evaluate.target_precision must be above 0 and at most 1, is {target_precision}: it is a part of the pairs"
        )
    if not -1 <= default_threshold <= 1:
        raise UserError(
            f"evaluate.default_threshold must lie between -1 and 1, is {default_threshold}: it is a cosine similarity"
        )
    if bootstrap < 0:
        raise UserError(
            f"evaluate.bootstrap must be 0 (no intervals) or more, is {bootstrap}: it is a number of resamples"
        )


def _contact_sheets(
    folder: Path,
    evaluation: Evaluation,
    vectors: NDArray[np.float32],
    neighbours: pd.DataFrame,
    images: ReducedImages,
    manifest: pd.DataFrame,
) -> None:
    files = unique_images(manifest).set_index("image_id").loc[evaluation.task.ids]

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
    counts, learned = document["counts"], evaluation.threshold
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
    if document["class_f1"] is not None:
        names = ("class_precision", "class_recall", "class_f1")
        log.info("scenes of the test images: %s", ", ".join(_with_interval(document, name) for name in names))
    if learned.rule == "default":
        log.warning("threshold %.3f is evaluate.default_threshold: no validation pair to learn it from", learned.value)
        return
    if learned.kept is False:
        log.warning(
            "no threshold keeps the precision that was asked for on the validation pairs; the most precise is taken"
        )
    figures = ", ".join(_with_interval(document, f"threshold_{name}") for name in ("precision", "recall", "f1"))
    log.info("threshold %.3f, learned on %d validation pairs; on test: %s", learned.value, learned.pairs, figures)


def _with_interval(document: dict[str, Any], name: str) -> str:
    value, between = document[name], document["ci95"][name]
    if value is None:
        return f"{name} unknown"
    around = "" if between["low"] is None else f" ({between['low']:.3f} to {between['high']:.3f})"
    return f"{name} {value:.3f}{around}"


def _write_json(path: Path, document: dict[str, Any]) -> None:
    with writing(path) as temporary:
        temporary.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(evaluate)
