"""Made-up rows of a study for the tests of its table and its files."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from cbir.comparison.study import Row


def per_query(values: Sequence[float] | np.ndarray) -> pd.DataFrame:
    """Two queries a group."""
    count = len(values)
    names = {"query_id": [f"q{n:03}" for n in range(count)], "group_id": [f"g{n // 2:03}" for n in range(count)]}
    return pd.DataFrame({**names, "map@10": np.asarray(values, dtype=float)})


def measured(preset: str, values: Sequence[float] | np.ndarray, **changes: Any) -> Row:
    """A row of queries with these values of map@10."""
    mean = float(np.mean(values))
    metrics = {
        "map@10": mean,
        "mrr": None,
        "ci95": {"map@10": {"low": mean - 0.1, "high": mean + 0.1}, "mrr": {"low": None, "high": None}},
        "counts": {"queries": len(values)},
        "relevance": "group",
    }
    given: dict[str, Any] = {
        "description": f"what {preset} is",
        "command": f"cbir run --preset {preset}",
        "metrics": metrics,
        "per_query": per_query(values),
        "embedding_seconds": 3.0,
    }
    return Row(preset=preset, **(given | changes))


def failed(preset: str, sentence: str = "there are no captions; set groundtruth.captions") -> Row:
    return Row(preset=preset, description="", command=f"cbir run --preset {preset}", failure=sentence)


ROBUSTNESS = {
    "recall@1": 0.75,
    "recall@1_flip": 1.0,
    "recall@1_press": 0.5,
    "mrr": 0.8,
    "ci95": {"recall@1": {"low": 0.6, "high": 0.9}},
    "counts": {"images": 4},
}
