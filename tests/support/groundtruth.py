"""An archive of six images, and the stage groundtruth run on it."""

import csv
import inspect
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from cbir.archive.manifest import SCHEMA as MANIFEST
from cbir.base.files import write_parquet
from tasks.groundtruth import groundtruth
from tasks.harness.settings import Paths
from tests.support.manifests import manifest

FILES = ("one/a/Été 1.jpg", "one/a/b.jpg", "one/c.jpg", "two/d.jpg", "two/a/e.jpg", "two/unknown/f.jpg")
SETTINGS: dict[str, Any] = {
    "file": "",
    "layout": "auto",
    "unlabelled": ["unlabelled", "unknown"],
    "captions": "",
    "caption_prompt": "",
    "metadata": "",
    "dates": "",
    "tags": False,
    "split_by": "group",
    "translate": "none",
    "train": 0.6,
    "val": 0.2,
    "seed": 0,
    "accessions": [],
}


def workspace(tmp_path: Path) -> Paths:
    names = inspect.signature(Paths).parameters
    made = Paths(**{name: tmp_path / name for name in names})
    table = manifest(*FILES, copies={"two/copy.jpg": "one/c.jpg"}, rejected={"one/torn.jpg": "cut off"})
    write_parquet(made.manifest, pa.Table.from_pandas(table, schema=MANIFEST, preserve_index=False))
    made.reference.mkdir()
    return made


def run(paths: Paths, **settings: Any) -> tuple[pd.DataFrame, pd.DataFrame, list[dict[str, str]]]:
    groundtruth(paths, **{**SETTINGS, **settings})
    with (paths.reports / "groundtruth.csv").open(encoding="utf-8-sig", newline="") as file:
        report = list(csv.DictReader(file))
    return pd.read_parquet(paths.groundtruth), pd.read_parquet(paths.training), report
