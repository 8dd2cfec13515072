"""Compares the encoder that a run made with the one that was in service, before it takes its place."""

import json
from dataclasses import dataclass

import pandas as pd

from cbir.comparison.gate import Gate, Measured, loss_in_words
from cbir.encoders.files import encoder_digest
from tasks.harness.settings import PARAMS, Paths, load_section, read_yaml


@dataclass(frozen=True)
class InService:
    """An encoder on disk, and how it was measured."""

    digest: str
    measured: Measured


def in_service(paths: Paths) -> InService | None:
    """Returns the encoder of the workspace; None where there is none, or it was not measured."""
    try:
        digest = encoder_digest(paths.encoder)
        metrics = json.loads((paths.reports / "metrics.json").read_text(encoding="utf-8"))
        return InService(digest, Measured(metrics, pd.read_parquet(paths.reports / "per_query.parquet")))
    except (OSError, ValueError):
        return None


def loss(before: InService | None, paths: Paths) -> str:
    """Words how much worse the encoder of the workspace is now than before; empty where it is not, or nobody knows."""
    now = in_service(paths)
    if before is None or now is None or now.digest == before.digest:
        return ""
    metric = load_section("promotion", Gate, read_yaml(PARAMS)).metric
    return loss_in_words(now.measured, before.measured, metric=metric)


def as_before(worse: str) -> str:
    """Says that an encoder was not put into service, in which :func:`loss` words how much it lost."""
    return f"the new encoder is worse: {worse}; params.yaml and the encoder are as before"
