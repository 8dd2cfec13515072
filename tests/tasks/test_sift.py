"""The baseline of local features as a stage: the same reports as of an encoder, and copies found."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from cbir.archive.manifest import SCHEMA
from cbir.images.reduced import ReducedImages
from cbir.robustness.alterations import KINDS
from cbir.sample.archive import make_scene
from tasks.harness.settings import Paths, grouped
from tasks.sift import sift

OPTIONS: dict[str, Any] = {
    "longest_side": 256,
    "k": 5,
    "queries": "test",
    "gallery": "all",
    "relevance": "auto",
    "threshold_rule": "f1",
    "target_precision": 0.95,
    "default_threshold": 0.9,
    "bootstrap": 20,
    "images": 2,
    "chosen": [],
    "seed": 0,
}
SCENES = 5  # each twice: as it is, and turned and cropped
SPLITS = ["test", "test", "val", "train", None]


def _copy(pixels: np.ndarray) -> np.ndarray:
    height, width = pixels.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 12.0, 1.0)
    turned = cv2.warpAffine(pixels, turn, (width, height), borderMode=cv2.BORDER_REFLECT)
    return np.ascontiguousarray(turned[height // 10 :, width // 10 :])


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.chdir(tmp_path)
    files = {field.name: Path("work") / field.name for field in fields(Paths)}
    where = Paths(**files | {"reports": Path("reports")})
    images = ReducedImages(where.store, where.raw, longest_side=256)
    ids = [f"{number:032x}" for number in range(2 * SCENES)]
    for number, name in enumerate(ids):
        pixels = np.array(make_scene(number // 2, seed=0, longest_side=256).picture)
        images.put(name, _copy(pixels) if number % 2 else pixels)
    rows = pd.DataFrame({"image_id": ids, "path": [f"old/{name}.jpg" for name in ids]})
    known = {"page": 0, "accession": "old", "bytes": 1, "width": 9, "height": 9, "status": "ok"}
    rows.assign(**known).reindex(columns=SCHEMA.names).to_parquet(where.manifest)
    splits = [SPLITS[number // 2] for number in range(len(ids))]
    groups = [f"{number // 2:032x}" if split else None for number, split in enumerate(splits)]
    truth = {"image_id": ids, "group_id": groups, "split": splits, "class": [None] * len(ids)}
    pd.DataFrame(truth).astype("str", errors="ignore").to_parquet(where.groundtruth)
    return where


def test_copies_are_found_and_the_reports_are_those_of_an_encoder(paths: Paths) -> None:
    sift(paths, **grouped(sift, OPTIONS))
    metrics = json.loads((paths.reports / "metrics.json").read_text())
    assert metrics["counts"]["queries"] == 4
    assert metrics["hit_rate@1"] == 1.0
    per_query = pd.read_parquet(paths.reports / "per_query.parquet")
    assert len(per_query) == 4
    assert per_query["map@10"].tolist() == [1.0] * 4
    robustness = json.loads((paths.reports / "robustness.json").read_text())
    assert {f"recall@1_{kind}" for kind in KINDS} <= set(robustness)
    assert robustness["recall@1_flip"] == 1.0


def test_the_same_inputs_give_the_same_bytes(paths: Paths) -> None:
    contents = []
    for _ in range(2):
        sift(paths, **grouped(sift, OPTIONS))
        contents.append([path.read_bytes() for path in sorted(paths.reports.iterdir())])
    assert len(contents[0]) == 3
    assert contents[0] == contents[1]
