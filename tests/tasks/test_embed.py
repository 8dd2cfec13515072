"""Tests of tasks.embed and, on its output, of tasks.index."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cbir.archive.manifest import SCHEMA, Row, write_manifest
from cbir.base.errors import UserError
from cbir.embedding.files import read_embeddings
from cbir.encoders.encoder import build_encoder
from cbir.images.reduced import ReducedImages
from cbir.index.faiss_index import load_index
from cbir.index.neighbours import read_neighbours
from tasks.embed import embed
from tasks.harness.settings import Paths
from tasks.index import index

EMBED: dict[str, Any] = {
    "longest_side": 64,
    "batch_size": 4,
    "precision": "float32",
    "device": "auto",
    "dtype": "float32",
    "part_rows": 8,
}
INDEX: dict[str, Any] = {"kind": "auto", "k": 3, "seed": 0, "shards": 1, "on_disk": False}
IDS = [f"{number:032x}" for number in range(10)]


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A workspace with all that the stage embed reads: ten images in the store, one of them in two files."""
    monkeypatch.chdir(tmp_path)
    where = Paths(
        **{name: Path(name) for name in Paths.__dataclass_fields__ if name != "store"},
        store=Path(".store"),
    )
    reduced = ReducedImages(where.store, where.raw, longest_side=64)
    chance = np.random.default_rng(0)
    for image_id in IDS:
        reduced.put(image_id, chance.integers(0, 256, (48, 64), np.uint8))
    write_manifest(
        where.manifest, [row("a/0.jpg", IDS[0]), *(row(f"b/{i}.jpg", digest) for i, digest in enumerate(IDS))]
    )
    build_encoder(backbone="timm/test_resnet", image_size=32).save(where.encoder)
    return where


def row(path: str, image_id: str, *, status: str = "ok") -> Row:
    """A row of the manifest."""
    columns = dict.fromkeys(SCHEMA.names)
    known = {"image_id": image_id, "path": path, "page": 0, "accession": path[0], "bytes": 1, "status": status}
    return Row(**{**columns, **known, "width": 64, "height": 48})


def outputs(paths: Paths) -> dict[str, bytes]:
    files = [*paths.embeddings.iterdir(), *paths.index.iterdir(), paths.neighbours]
    return {str(file): file.read_bytes() for file in files}


def test_every_image_is_embedded_once_and_has_its_neighbours(paths: Paths, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        embed(paths, **EMBED)
        index(paths, **INDEX)
    embeddings, built = read_embeddings(paths.embeddings), load_index(paths.index)
    neighbours = read_neighbours(paths.neighbours)
    assert embeddings.ids.tolist() == IDS
    assert len(list(paths.embeddings.iterdir())) == 2
    assert built.encoder_digest == embeddings.encoder_digest
    assert neighbours.groupby("query_id").size().tolist() == [3] * 10
    assert "10 images computed, 0 taken from the store" in caplog.text


def test_a_second_run_from_the_store_and_one_without_it_give_the_same_bytes(
    paths: Paths, caplog: pytest.LogCaptureFixture
) -> None:
    written = []
    with caplog.at_level(logging.INFO):
        for run in range(3):
            if run == 2:
                (paths.store / "embeddings.sqlite").unlink()
            embed(paths, **EMBED)
            index(paths, **INDEX)
            written.append(outputs(paths))
    computed = [message.split()[1] for message in caplog.messages if "computed" in message]
    assert computed == ["10", "0", "10"]
    assert written[0] == written[1] == written[2]


def test_an_archive_without_a_usable_image_ends_in_a_sentence(paths: Paths) -> None:
    write_manifest(paths.manifest, [row("a/0.jpg", IDS[0], status="corrupt")])
    with pytest.raises(UserError, match=r"reports/cleaning\.csv"):
        embed(paths, **EMBED)


def test_the_stage_index_without_embeddings_ends_in_a_sentence(paths: Paths) -> None:
    with pytest.raises(UserError, match="run the stage embed"):
        index(paths, **INDEX)


def test_an_index_on_disk_and_in_shards_gives_the_same_neighbours(paths: Paths) -> None:
    embed(paths, **EMBED)
    written = []
    for on_disk in (False, True):
        index(paths, **INDEX | {"kind": "ivf", "shards": 3, "on_disk": on_disk})
        written.append(paths.neighbours.read_bytes())
    assert written[0] == written[1]
    assert (paths.index / "lists.ivfdata").is_file()
