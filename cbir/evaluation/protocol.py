"""The protocol of an evaluation, whoever made the lists: its settings, the evaluation by them, and its files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from cbir.errors import UserError
from cbir.evaluation.relevance import Gallery, Relevance, retrieval_task
from cbir.evaluation.retrieval import Evaluation, evaluate_retrieval, metrics_document, query_table
from cbir.evaluation.threshold import Rule
from cbir.files import write_json, write_parquet


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """The settings of an evaluation; the names are those of the section ``evaluate`` of params.yaml.

    Raises:
        UserError: a value out of its range.
    """

    queries: Literal["test", "all"]
    gallery: Gallery
    relevance: Relevance
    threshold_rule: Rule
    target_precision: float
    default_threshold: float
    bootstrap: int
    seed: int

    def __post_init__(self) -> None:
        if not 0 < self.target_precision <= 1:
            raise UserError(
                f"evaluate.target_precision must be above 0 and at most 1, is {self.target_precision}: "
                "it is a part of the pairs"
            )
        if not -1 <= self.default_threshold <= 1:
            raise UserError(
                f"evaluate.default_threshold must lie between -1 and 1, is {self.default_threshold}: "
                "it is a cosine similarity"
            )
        if self.bootstrap < 0:
            raise UserError(
                f"evaluate.bootstrap must be 0 (no intervals) or more, is {self.bootstrap}: it is a number of resamples"
            )

    def evaluate(
        self,
        ids: NDArray[np.object_],
        vectors: NDArray[np.float32] | None,
        neighbours: pd.DataFrame,
        groundtruth: pd.DataFrame,
    ) -> Evaluation:
        """Measures lists of neighbours, with the vectors in the order of ``ids`` where they come from such."""
        return evaluate_retrieval(
            retrieval_task(ids, groundtruth, relevance=self.relevance, gallery=self.gallery),
            vectors,
            neighbours,
            queries=self.queries,
            rule=self.threshold_rule,
            target_precision=self.target_precision,
            default_threshold=self.default_threshold,
            resamples=self.bootstrap,
            seed=self.seed,
        )


def write_evaluation(folder: Path, evaluation: Evaluation, vectors: NDArray[np.float32] | None) -> dict[str, Any]:
    """Writes ``per_query.parquet`` and ``metrics.json``; returns the content of the latter."""
    table = pa.Table.from_pandas(query_table(evaluation, vectors), preserve_index=False)
    write_parquet(folder / "per_query.parquet", table.replace_schema_metadata())
    document = metrics_document(evaluation)
    write_json(folder / "metrics.json", document)
    return document
