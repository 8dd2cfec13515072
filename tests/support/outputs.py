"""A small workspace with everything that the stages leave, for the tests of what is tracked."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from ruamel.yaml import YAML

from cbir.base.files import write_parquet
from cbir.embedding.files import write_embeddings
from cbir.encoders.encoder import build_encoder
from cbir.encoders.files import encoder_digest
from tasks.harness.settings import read_yaml

REPOSITORY = Path(__file__).parents[2]
METRICS = {
    "map@10": 0.81,
    "map@10_by_relevant": 0.5,
    "embedding_map@10": 0.7,
    "mrr": None,
    "ci95": {"map@10": {"low": 0.7, "high": 0.9}, "mrr": {"low": None, "high": None}},
    "counts": {"queries": 12},
    "published_thresholds": {"mean": 0.4},
}
ROBUSTNESS = {
    "mrr": 0.75,
    "recall@1": 0.65,
    "recall@1_flip": 0.6,
    "ci95": {"recall@1_flip": {"low": 0.5, "high": None}},
    "counts": {"images": 64},
}
COUNTS = {
    "clean": {"files": 4, "usable": 3, "exact_copies": 0, "rejected": 1, "corrupt": 1},
    "groundtruth": {"groups": 2},
    "group": {"groups": 3, "images_in_groups": 7},
}
LOCK = """
schema: '2.0'
stages:
  clean:
    cmd: python -m tasks.clean
    outs:
    - {path: data/manifest.parquet, hash: md5, md5: '11111111111111111111111111111111', size: 10}
  groundtruth:
    cmd: python -m tasks.groundtruth
    outs:
    - {path: data/training.parquet, hash: md5, md5: '22222222222222222222222222222222', size: 20}
"""
ACCESSION = "outs:\n- {md5: '33333333333333333333333333333333.dir', size: 30, nfiles: 3, hash: md5, path: first}\n"


def settings(folder: Path) -> dict[str, Any]:
    params = read_yaml(REPOSITORY / "params.yaml")
    params["tracking"]["uri"] = f"sqlite:///{folder.as_posix()}/mlflow.db"
    params["groundtruth"]["file"] = "http://reader:secret@example.org/truth.xlsx"
    params["train"] |= {"method": "simclr", "backbone_options": {"drop": "x" * 7000}}
    return params


def make_outputs(folder: Path) -> None:
    """Writes what the stages of the pipeline leave in a workspace, small."""
    shutil.copy(REPOSITORY / "dvc.yaml", folder)
    YAML().dump(settings(folder), folder / "params.yaml")
    (folder / "data/raw/first").mkdir(parents=True)
    (folder / "data/raw/first.dvc").write_text(ACCESSION)
    (folder / "dvc.lock").write_text(LOCK)
    names = [f"first/{name}.jpg" for name in "abcd"]
    write_parquet(folder / "data/manifest.parquet", pa.table({"path": names}))
    encoder = build_encoder(backbone="timm/test_resnet", image_size=64, greyscale=True)
    encoder.save(folder / "models/encoder")
    rows = {"epoch": [0, 0, 1, 1], "split": ["train", "val"] * 2, "loss": [3.0, 4.0, 2.0, None], "seconds": [1.0] * 4}
    write_parquet(folder / "models/encoder/history.parquet", pa.table(rows))
    write_embeddings(
        folder / "data/embeddings",
        [(["0" * 32], np.ones((1, encoder.dimension), np.float32))],
        dimension=encoder.dimension,
        encoder_digest=encoder_digest(folder / "models/encoder"),
        precision="float32",
    )
    for name in ("plots", "groups", "thumbnails", "overlays"):
        (folder / "reports" / name).mkdir(parents=True)
    (folder / "reports/metrics.json").write_text(json.dumps(METRICS))
    (folder / "reports/robustness.json").write_text(json.dumps(ROBUSTNESS))
    for name, counts in COUNTS.items():
        (folder / f"reports/{name}.json").write_text(json.dumps(counts))
    for name in (
        "cleaning.csv",
        "groundtruth.csv",
        "groups.csv",
        "groups/a.html",
        "groups.xlsx",
        "index.html",
        "overlays/a-b.webp",
        "plots/contact_best.png",
        "robustness.csv",
        "robustness.html",
        "robustness.png",
        "thumbnails/a.webp",
    ):
        (folder / "reports" / name).write_bytes(name.encode())
