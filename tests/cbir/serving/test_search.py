from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cbir.base.errors import UserError
from cbir.embedding.files import Embeddings, read_embeddings, write_embeddings
from cbir.encoders.encoder import build_encoder
from cbir.encoders.files import encoder_digest
from cbir.images.ids import image_ids
from cbir.images.reading import UnreadableImage, read_image
from cbir.index.faiss_index import build_index, save_index, write_index
from cbir.index.kinds import Kind
from cbir.serving.search import Hit, Searcher, locate
from tests.support.clip import TINY

COUNT = 300


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders ``raw``, ``encoder``, ``embeddings``: three files, and vectors of others that are in no file."""
    folder = tmp_path_factory.mktemp("archive")
    (folder / "raw").mkdir()
    encoder = build_encoder(backbone="timm/test_resnet", image_size=32)
    encoder.save(folder / "encoder")
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((COUNT, encoder.dimension)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = {f"{row:032x}": vector for row, vector in enumerate(vectors[3:])}
    for number in range(3):
        file = folder / f"raw/{number}.png"
        Image.fromarray(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8)).resize((90, 60)).save(file)
        ids[image_ids(file)[0]] = encoder.embed([read_image(file, longest_side=64)], precision="float32")[0]
    batch = sorted(ids), np.array([ids[image_id] for image_id in sorted(ids)])
    digest = encoder_digest(folder / "encoder")
    facts = {"dimension": encoder.dimension, "encoder_digest": digest, "precision": "float32"}
    write_embeddings(folder / "embeddings", [batch], **facts)
    return folder


def searcher(archive: Path, work: Path, *, kind: Kind = "flat") -> Searcher:
    save_index(build_index(read_embeddings(archive / "embeddings"), kind=kind), work / "index")
    return Searcher.open(
        archive / "encoder", work / "index", archive / "embeddings", longest_side=64, precision="float32"
    )


@pytest.mark.parametrize("kind", ["flat", "ivf", "ivfpq", "hnsw"])
def test_a_file_of_the_archive_finds_itself_first_and_then_what_is_nearest(
    archive: Path, tmp_path: Path, kind: Kind
) -> None:
    file = archive / "raw/1.png"
    hits = searcher(archive, tmp_path, kind=kind).search(file, k=3)
    every = read_embeddings(archive / "embeddings")
    own = every.vectors[every.ids.tolist().index(image_ids(file)[0])]
    cosines = np.sort(every.vectors @ own)[::-1][:3]
    assert [hit.rank for hit in hits] == [1, 2, 3]
    assert [hit.same_file for hit in hits] == [True, False, False]
    assert hits[0].image_id == image_ids(file)[0]
    assert np.allclose([hit.similarity for hit in hits], cosines, atol=1e-6)


def test_a_file_that_is_not_of_the_archive_finds_its_like(archive: Path, tmp_path: Path) -> None:
    Image.open(archive / "raw/1.png").save(tmp_path / "copy.bmp")
    hits = searcher(archive, tmp_path).search(tmp_path / "copy.bmp", k=1)
    assert hits[0].image_id == image_ids(archive / "raw/1.png")[0]
    assert hits[0].similarity > 0.999
    assert not hits[0].same_file


def test_more_neighbours_than_images_gives_all_images(archive: Path, tmp_path: Path) -> None:
    hits = searcher(archive, tmp_path).search(archive / "raw/0.png", k=1000)
    assert len({hit.image_id for hit in hits}) == COUNT
    assert [hit.similarity for hit in hits] == sorted((hit.similarity for hit in hits), reverse=True)


def test_an_index_of_another_encoder_is_refused(archive: Path, tmp_path: Path) -> None:
    searcher(archive, tmp_path)
    build_encoder(backbone="timm/test_resnet", image_size=32, seed=1).save(tmp_path / "other")
    with pytest.raises(UserError, match="made with another encoder"):
        Searcher.open(tmp_path / "other", tmp_path / "index", archive / "embeddings", longest_side=64)


def test_what_is_no_image_is_refused_by_its_name(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(UnreadableImage, match=r"notes\.txt"):
        searcher(archive, tmp_path).search(tmp_path / "notes.txt")


def test_a_text_finds_the_images_whose_vectors_are_nearest(tmp_path: Path) -> None:
    encoder = build_encoder(backbone="open_clip/ViT-B-32", backbone_options=TINY, image_size=0, pooling="native")
    encoder.save(tmp_path / "encoder")
    wanted = encoder.embed_texts(["cavalry crossing a river"])[0]
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((COUNT, encoder.dimension)).astype(np.float32)
    vectors[7] = wanted
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = [f"{row:032x}" for row in range(COUNT)]
    facts = {"dimension": encoder.dimension, "encoder_digest": encoder_digest(tmp_path / "encoder")}
    write_embeddings(tmp_path / "embeddings", [(ids, vectors)], precision="float32", **facts)
    save_index(build_index(read_embeddings(tmp_path / "embeddings")), tmp_path / "index")
    folders = [tmp_path / name for name in ("encoder", "index", "embeddings")]
    hits = Searcher.open(*folders, longest_side=64, text=True).search_text("cavalry crossing a river", k=3)
    assert (hits[0].image_id, hits[0].same_file) == (ids[7], False)
    assert np.allclose([hit.similarity for hit in hits], np.sort(vectors @ wanted)[::-1][:3], atol=1e-6)


def test_a_text_for_an_encoder_that_reads_none_is_refused(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="backbone timm/test_resnet with pooling gem reads no texts; train one with"):
        searcher(archive, tmp_path).search_text("cavalry crossing a river")


def test_k_below_one_is_refused(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="k must be at least 1, is 0"):
        searcher(archive, tmp_path).search(archive / "raw/0.png", k=0)


def test_equal_similarities_are_ranked_by_image_id(archive: Path, tmp_path: Path) -> None:
    every = read_embeddings(archive / "embeddings")
    vectors = every.vectors.copy()
    vectors[100:130] = vectors[100]
    save_index(build_index(Embeddings(every.ids, vectors, every.encoder_digest)), tmp_path / "index")
    made = Searcher.open(archive / "encoder", tmp_path / "index", archive / "embeddings", longest_side=64)
    hits = made.search(archive / "raw/0.png", k=COUNT)
    alike = [hit.image_id for hit in hits if hit.image_id in every.ids[100:130]]
    assert alike == sorted(alike)


def test_every_file_of_an_image_found_is_listed_with_its_group() -> None:
    hits = [Hit(1, "a", 0.9, True), Hit(2, "b", 0.8, False)]
    manifest = pd.DataFrame(
        {
            "image_id": ["a", "b", "a", "c", "b"],
            "path": ["x/2.jpg", "x/b.tif", "x/1.jpg", "x/c.jpg", "x/broken.jpg"],
            "page": [0, 1, 0, 0, 0],
            "status": ["ok", "ok", "ok", "ok", "corrupt"],
        }
    )
    groups = pd.DataFrame({"image_id": ["a", "c"], "group_id": ["g", "g"]})
    rows = locate(hits, manifest, groups)
    assert rows[["rank", "path", "page", "same_file"]].to_numpy().tolist() == [
        [1, "x/1.jpg", 0, True],
        [1, "x/2.jpg", 0, True],
        [2, "x/b.tif", 1, False],
    ]
    assert rows["group_id"].tolist()[:2] == ["g", "g"]
    assert rows["group_id"].isna().tolist() == [False, False, True]


def test_an_index_on_disk_is_searched(archive: Path, tmp_path: Path) -> None:
    embeddings, options = read_embeddings(archive / "embeddings"), {"k": 5, "seed": 0, "shards": 2}
    hits = []
    for on_disk in (False, True):
        write_index(tmp_path / "index", embeddings, kind="ivfpq", on_disk=on_disk, **options)
        searcher = Searcher.open(archive / "encoder", tmp_path / "index", archive / "embeddings", longest_side=64)
        hits.append(searcher.search(archive / "raw/1.png", k=5))
    assert hits[0] == hits[1]
    assert hits[0][0].same_file
