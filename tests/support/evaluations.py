"""A workspace with all that the stages evaluate and plots read, and settings of both."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cbir.archive.manifest import SCHEMA
from cbir.base.files import write_parquet
from cbir.embedding.files import write_embeddings
from cbir.images.reduced import ReducedImages
from cbir.matching.table import MATCHES, write_matches
from cbir.training.objective import PREDICTIONS
from tasks.harness.settings import Paths
from tests.support.retrievals import Archive, scattered

PROTOCOL: dict[str, Any] = {
    "queries": "test",
    "gallery": "all",
    "relevance": "auto",
    "threshold_rule": "f1",
    "target_precision": 0.95,
    "default_threshold": 0.9,
    "bootstrap": 50,
    "seed": 0,
}
HARD = scattered(groups=30, distractors=60, noise=1.1, seed=1)


def workspace(made: Archive, *, history: bool = True) -> Paths:
    """All that the stage reads, in the working directory; the image at position 0 is neither stored nor on disk."""
    files = {field.name: Path("work") / field.name for field in fields(Paths)}
    paths = Paths(**files | {"reports": Path("reports"), "raw": Path("data/raw")})
    batch = [(list(made.ids), made.vectors)]
    write_embeddings(paths.embeddings, batch, dimension=made.vectors.shape[1], encoder_digest="d", precision="float32")
    made.neighbours.to_parquet(paths.neighbours)
    write_matches(paths.matches, matched(made))
    made.groundtruth.assign(caption=None).to_parquet(paths.groundtruth)
    rows = [{"image_id": image_id, "path": f"old/été {n}.jpg"} for n, image_id in enumerate(made.ids)]
    known = {"page": 0, "accession": "old", "bytes": 1, "width": 9, "height": 9, "status": "ok"}
    pd.DataFrame(rows).assign(**known).reindex(columns=SCHEMA.names).to_parquet(paths.manifest)
    paths.encoder.mkdir()
    losses = [(1, "train", 3.0), (1, "val", 3.1), (2, "train", 2.0), (2, "val", 2.2)] if history else []
    table = pd.DataFrame(losses, columns=["epoch", "split", "loss"]).astype({"loss": float})
    table.to_parquet(paths.encoder / "history.parquet")
    write_parquet(paths.encoder / "predictions.parquet", PREDICTIONS.empty_table())
    images = ReducedImages(paths.store, paths.raw, longest_side=64)
    for position, image_id in enumerate(made.ids[1:], 1):
        images.put(image_id, np.full((48, 64), position % 256, np.uint8))
    return paths


def matched(made: Archive) -> pd.DataFrame:
    """The neighbours as matches, whose probabilities come from the similarity."""
    rows = made.neighbours.assign(relation="unrelated", mirrored=False, inliers=0, map=None, tone=0.0, log_nfa=0.0)
    rows = rows.assign(probability=((rows["similarity"] + 1) / 2).clip(0, 1) ** 4)
    return rows.assign(overlap_query=0.0, overlap_neighbour=0.0)[MATCHES.names]


def written(folder: str) -> set[str]:
    """The names in a folder of reports."""
    return {path.name for path in Path("reports", folder).iterdir()}
