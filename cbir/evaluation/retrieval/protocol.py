"""The protocol of an evaluation, whoever made the lists: its settings, the evaluation by them, and its files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
from annotated_types import Ge, Gt, Le
from numpy.typing import NDArray

from cbir.base.files import write_json, write_parquet
from cbir.evaluation.retrieval.evaluation import Evaluation, evaluate_retrieval, metrics_document, query_table
from cbir.evaluation.retrieval.relevance import Gallery, Relevance, retrieval_task
from cbir.evaluation.retrieval.threshold import Rule

TargetPrecision = Annotated[float, Gt(0), Le(1), "it is a part of the pairs"]


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """The settings of an evaluation; the names are those of the section ``evaluate`` of params.yaml."""

    queries: Literal["test", "all"]
    gallery: Gallery
    relevance: Relevance
    threshold_rule: Rule
    target_precision: TargetPrecision
    default_threshold: Annotated[float, Ge(0), Le(1), "it is a probability"]
    bootstrap: Annotated[int, Ge(0), "it is a number of resamples, 0 for no intervals"]
    seed: int

    def evaluate(
        self,
        ids: NDArray[np.object_],
        vectors: NDArray[np.float32] | None,
        neighbours: pd.DataFrame,
        groundtruth: pd.DataFrame,
        *,
        matches: pd.DataFrame | None = None,
    ) -> Evaluation:
        """Measures lists of neighbours, with the vectors in the order of ``ids`` where they come from such, and the
        pairs that were looked at, where some were.
        """
        return evaluate_retrieval(
            retrieval_task(ids, groundtruth, relevance=self.relevance, gallery=self.gallery),
            vectors,
            neighbours,
            matches=matches,
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
