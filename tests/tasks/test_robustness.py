"""Tests of tasks.robustness."""

import json
import logging
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cbir.archive.manifest import SCHEMA
from cbir.embedding.files import write_embeddings
from cbir.encoders.encoder import build_encoder
from cbir.encoders.files import encoder_digest
from cbir.images.reading import UnreadableImage
from cbir.images.reduced import ReducedImages
from cbir.robustness.alterations import KINDS
from tasks.harness.settings import Paths
from tasks.robustness import robustness

OPTIONS: dict[str, Any] = {
    "longest_side": 64,
    "batch_size": 8,
    "precision": "float32",
    "images": 6,
    "chosen": [],
    "seed": 0,
}
IDS = [f"{n:032x}" for n in range(10)]
OUTPUTS = [f"reports/robustness.{kind}" for kind in ("csv", "html", "json", "png")]


def picture(number: int) -> np.ndarray:
    coarse = np.random.default_rng(number).integers(0, 256, (4, 5) + (3,) * (number % 2), dtype=np.uint8)
    return np.kron(coarse, np.ones((12, 12) + (1,) * (number % 2), np.uint8))


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A workspace with all that the stage reads: ten images, the first two one group."""
    monkeypatch.chdir(tmp_path)
    files = {field.name: Path("work") / field.name for field in fields(Paths)}
    where = Paths(**files | {"reports": Path("reports"), "raw": Path("data/raw")})
    rows = [{"image_id": name, "path": f"old/été {n}.jpg"} for n, name in enumerate(IDS)]
    known = {"page": 0, "accession": "old", "bytes": 1, "width": 9, "height": 9, "status": "ok"}
    where.manifest.parent.mkdir()
    pd.DataFrame(rows).assign(**known).reindex(columns=SCHEMA.names).to_parquet(where.manifest)
    truth = pd.DataFrame({"image_id": IDS, "group_id": ["g", "g"] + [None] * 8})
    truth.to_parquet(where.groundtruth)
    encoder = build_encoder(backbone="timm/test_resnet", image_size=32, seed=0)
    encoder.save(where.encoder)
    vectors = encoder.embed([picture(n) for n in range(10)], batch_size=8, precision="float32")
    digest = encoder_digest(where.encoder)
    write_embeddings(
        where.embeddings, [(IDS, vectors)], dimension=encoder.dimension, encoder_digest=digest, precision="float32"
    )
    images = ReducedImages(where.store, where.raw, longest_side=64)
    for number, name in enumerate(IDS):
        images.put(name, picture(number))
    return where


def test_the_stage_writes_figures_a_table_a_page_and_a_picture(paths: Paths, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        robustness(paths, **OPTIONS)
    numbers = json.loads((paths.reports / "robustness.json").read_text())
    table = pd.read_csv(paths.reports / "robustness.csv")
    assert list(table.columns) == ["path", "page", "kind", "rank", "similarity"]
    assert len(table) == 6 * len(KINDS)
    assert numbers["counts"] == {"images": 6, "groups": numbers["counts"]["groups"], "gallery": 10}
    for kind in KINDS:
        assert numbers[f"recall@1_{kind}"] == pytest.approx(
            (table[table["kind"] == kind]["rank"] == 1).mean(), abs=1e-5
        )
    assert (paths.reports / "robustness.html").read_text(encoding="utf-8").count("<article") == 6
    assert {path.name for path in paths.reports.iterdir()} == {Path(name).name for name in OUTPUTS}
    assert f"30 copies of 6 images: recall@1 {numbers['recall@1']:.3f} (flip" in caplog.text


def test_chosen_files_ask_in_place_of_drawn_ones(paths: Paths) -> None:
    robustness(paths, **OPTIONS | {"chosen": ["old/été 7.jpg", "old/été 3.jpg"]})
    table = pd.read_csv(paths.reports / "robustness.csv")
    assert table["path"].drop_duplicates().tolist() == ["old/été 3.jpg", "old/été 7.jpg"]


def test_the_same_inputs_give_the_same_bytes(paths: Paths) -> None:
    robustness(paths, **OPTIONS)
    first = {name: Path(name).read_bytes() for name in OUTPUTS}
    robustness(paths, **OPTIONS)
    assert first == {name: Path(name).read_bytes() for name in OUTPUTS}


def test_another_seed_alters_otherwise(paths: Paths) -> None:
    tables = []
    for seed in (0, 1):
        robustness(paths, **OPTIONS | {"images": 10, "seed": seed})
        tables.append(pd.read_csv(paths.reports / "robustness.csv"))
    assert (tables[0]["path"] == tables[1]["path"]).all()
    assert (tables[0]["similarity"] != tables[1]["similarity"]).any()


def test_an_image_that_is_gone_from_store_and_archive_is_named(paths: Paths) -> None:
    with pytest.raises(UnreadableImage, match=r"été 4\.jpg"):
        robustness(paths, **OPTIONS | {"longest_side": 63, "chosen": ["old/été 4.jpg"]})
