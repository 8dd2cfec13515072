import itertools
import json
import logging
from pathlib import Path
from types import SimpleNamespace

import faiss
import numpy as np
import pyarrow.parquet as pq
import pytest

from cbir.base.errors import UserError
from cbir.embedding.files import Embeddings
from cbir.index import faiss_index as module
from cbir.index import nearest as nearest_module
from cbir.index.faiss_index import Index, build_index, load_index, nearest, save_index, write_index, write_neighbours
from cbir.index.kinds import Kind
from cbir.index.neighbours import read_neighbours

KINDS: tuple[Kind, ...] = ("flat", "ivf", "ivfpq", "hnsw")


def embeddings_of(vectors: np.ndarray) -> Embeddings:
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return Embeddings(np.array([f"{row:032x}" for row in range(len(vectors))], object), vectors, "abc")


def archive(count: int = 1200, *, size: int = 6, dimension: int = 32, seed: int = 0) -> Embeddings:
    """Clusters of ``size`` similar vectors, shuffled."""
    rng = np.random.default_rng(seed)
    centres = np.repeat(rng.standard_normal((count // size, dimension)), size, axis=0)
    return embeddings_of(rng.permutation(centres + 0.3 * rng.standard_normal((count, dimension))))


def naive(vectors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and cosines of the k nearest others, equal ones by row."""
    similarity = np.array([[np.dot(a, b) for b in vectors] for a in vectors]).clip(-1, 1)
    np.fill_diagonal(similarity, -np.inf)
    order = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(similarity, order, axis=1)


def found(embeddings: Embeddings, *, kind: Kind = "flat", k: int = 10) -> tuple[np.ndarray, np.ndarray]:
    blocks = list(nearest(build_index(embeddings, kind=kind, k=k), embeddings.vectors, k=k))
    return np.concatenate([b.neighbours for b in blocks]), np.concatenate([b.similarity for b in blocks])


def test_flat_finds_what_comparing_all_pairs_finds() -> None:
    embeddings = archive(600)
    rows, similarity = found(embeddings)
    expected_rows, expected = naive(embeddings.vectors, 10)
    assert np.array_equal(rows, expected_rows)
    assert np.array_equal(similarity, expected)


@pytest.mark.parametrize(("kind", "least"), [("ivf", 0.95), ("ivfpq", 0.95), ("hnsw", 0.99)])
def test_approximate_kinds_find_the_near_ones_with_true_cosines(kind: Kind, least: float) -> None:
    embeddings = archive()
    expected_rows, _ = naive(embeddings.vectors, 5)
    rows, similarity = found(embeddings, kind=kind, k=5)
    hits = [len(set(row) & set(other)) / 5 for row, other in zip(rows, expected_rows, strict=True)]
    assert np.mean(hits) >= least
    true = np.vecdot(embeddings.vectors[:, None], embeddings.vectors[rows])
    assert np.array_equal(similarity, true)


@pytest.mark.parametrize("kind", KINDS)
def test_no_image_is_its_own_neighbour_and_none_comes_twice(kind: Kind) -> None:
    rows, _ = found(archive(), kind=kind)
    assert not (rows == np.arange(len(rows))[:, None]).any()
    assert all(len(set(row)) == 10 for row in rows)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("copies", [2, 12, 300])
def test_equal_vectors_neither_hide_each_other_nor_put_an_image_beside_itself(kind: Kind, copies: int) -> None:
    vectors = archive().vectors.copy()
    alike = np.sort(np.random.default_rng(1).permutation(len(vectors))[:copies])
    vectors[alike] = vectors[alike[0]]
    embeddings = embeddings_of(vectors)
    rows, similarity = found(embeddings, kind=kind)
    for own in alike:
        others = [row for row in alike if row != own][:10]
        assert rows[own, : len(others)].tolist() == others
        assert np.ptp(similarity[own, : len(others)]) == 0


def test_equal_vectors_far_from_the_query_are_ranked_by_image_id() -> None:
    vectors = archive(240).vectors.copy()
    vectors[20:220] = vectors[20]  # any ten of these are as near to the others as any
    embeddings = embeddings_of(vectors)
    rows, similarity = found(embeddings)
    expected_rows, expected = naive(embeddings.vectors, 10)
    assert np.array_equal(rows, expected_rows)
    assert np.array_equal(similarity, expected)


def test_an_archive_of_one_picture_many_times_is_searched_in_bounded_steps() -> None:
    embeddings = embeddings_of(np.ones((3000, 8)))
    rows, similarity = found(embeddings)
    assert not (rows == np.arange(3000)[:, None]).any()
    assert (similarity == similarity[0, 0]).all()


@pytest.mark.parametrize("kind", ["flat", "ivf", "hnsw"])
@pytest.mark.parametrize("count", [2, 5, 40])
def test_a_small_archive_gives_all_other_images(kind: Kind, count: int) -> None:
    embeddings = archive(count, size=1)
    rows, _ = found(embeddings, kind=kind, k=100)
    assert np.array_equal(rows, naive(embeddings.vectors, count - 1)[0])


def test_fewer_vectors_than_lists_make_fewer_lists() -> None:
    assert build_index(archive(30), kind="ivf").parameters == {"lists": 1, "probes": 1}


def test_ivfpq_of_too_few_images_names_the_way_out() -> None:
    with pytest.raises(UserError, match="at least 256 images, there are 240; choose auto or flat"):
        build_index(archive(240), kind="ivfpq")


def test_lists_that_hold_too_few_are_made_good_by_comparing_all() -> None:
    embeddings = archive(600)
    built = build_index(embeddings, kind="ivf", k=200)
    built.faiss.nprobe = 1
    rows = np.concatenate([block.neighbours for block in nearest(built, embeddings.vectors, k=200)])
    assert np.array_equal(rows, naive(embeddings.vectors, 200)[0])


@pytest.mark.parametrize(("count", "kind"), [(2000, "flat"), (200_001, "ivf"), (4_000_001, "ivfpq")])
def test_auto_takes_the_kind_by_the_size(count: int, kind: str) -> None:
    assert module.choose_kind("auto", count=count) == kind


def test_an_unknown_kind_is_refused_by_name() -> None:
    with pytest.raises(UserError, match=r"index\.kind must be one of auto, flat, ivf, ivfpq, hnsw, is 'lsh'"):
        build_index(archive(30), kind="lsh")  # type: ignore[arg-type]


def test_k_below_one_is_refused() -> None:
    with pytest.raises(UserError, match=r"index\.k must be at least 1, is 0"):
        build_index(archive(30), k=0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_embeddings_give_the_same_bytes(tmp_path: Path, kind: Kind) -> None:
    embeddings = archive()
    for name in ("a", "b"):
        built = build_index(embeddings, kind=kind, seed=3)
        save_index(built, tmp_path / name)
        write_neighbours(tmp_path / f"{name}.parquet", built, embeddings, k=5)
    for file in ("faiss.index", "ids.parquet", "index.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_index_searches_as_before(tmp_path: Path, kind: Kind) -> None:
    embeddings = archive()
    built = build_index(embeddings, kind=kind)
    save_index(built, tmp_path / "index")
    loaded = load_index(tmp_path / "index")
    assert loaded.ids.tolist() == built.ids.tolist()
    assert (loaded.kind, loaded.encoder_digest, loaded.parameters) == (kind, "abc", built.parameters)
    before, after = (searched.faiss.search(embeddings.vectors[:50], 10) for searched in (built, loaded))
    assert np.array_equal(before[1], after[1])


@pytest.mark.parametrize("kind", ["ivf", "ivfpq"])
@pytest.mark.parametrize("shards", [1, 7, 1500])
def test_a_merged_index_has_the_bytes_of_one_that_was_filled_at_once(tmp_path: Path, kind: Kind, shards: int) -> None:
    embeddings = archive()
    save_index(build_index(embeddings, kind=kind), tmp_path / "whole")
    save_index(build_index(embeddings, kind=kind, shards=shards), tmp_path / "merged")
    for file in ("faiss.index", "index.json"):
        assert (tmp_path / "merged" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()


@pytest.mark.parametrize("kind", ["ivf", "ivfpq"])
@pytest.mark.parametrize("shards", [1, 5, 7])  # of 7 the last is smaller
def test_an_index_on_disk_gives_the_neighbours_of_one_in_memory_wherever_its_folder_lies(
    tmp_path: Path, kind: Kind, shards: int
) -> None:
    embeddings, options = archive(), {"kind": kind, "k": 5, "seed": 0, "shards": shards, "on_disk": True}
    written = write_index(tmp_path / "index", embeddings, **options)
    assert {path.name for path in (tmp_path / "index").iterdir()} == {
        *("faiss.index", "ids.parquet", "index.json", "lists.ivfdata")
    }
    (tmp_path / "index").rename(tmp_path / "elsewhere")
    for file in (tmp_path / "elsewhere").iterdir():
        file.chmod(0o444)  # as DVC leaves it where it links to its cache
    inside = build_index(embeddings, kind=kind, k=5)
    for index in (written, load_index(tmp_path / "elsewhere")):
        expected, actual = (searched.faiss.search(embeddings.vectors, 20) for searched in (inside, index))
        assert np.array_equal(actual[1], expected[1])
        assert np.array_equal(actual[0], expected[0])
    for name, index in (("memory", inside), ("disk", written)):
        write_neighbours(tmp_path / f"{name}.parquet", index, embeddings, k=5)
    assert (tmp_path / "disk.parquet").read_bytes() == (tmp_path / "memory.parquet").read_bytes()


def test_an_index_on_disk_has_the_same_bytes_again(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_index(tmp_path / name, archive(), kind="ivfpq", k=5, seed=0, shards=3, on_disk=True)
    for file in ("faiss.index", "lists.ivfdata"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


@pytest.mark.parametrize("kind", ["flat", "hnsw"])
def test_a_kind_without_lists_cannot_have_them_on_disk(tmp_path: Path, kind: Kind) -> None:
    with pytest.raises(UserError, match=rf"index\.on_disk must be false with index\.kind {kind}.*choose ivf or ivfpq"):
        write_index(tmp_path / "index", archive(), kind=kind, k=5, seed=0, shards=1, on_disk=True)
    assert not (tmp_path / "index").exists()


def test_shards_below_one_are_refused() -> None:
    with pytest.raises(UserError, match=r"index\.shards must be at least 1, is 0"):
        build_index(archive(30), shards=0)


def test_the_index_says_what_it_is(tmp_path: Path) -> None:
    save_index(build_index(archive()), tmp_path / "index")
    assert json.loads((tmp_path / "index/index.json").read_text()) == {
        "kind": "flat",
        "metric": "cosine",
        "count": 1200,
        "dimension": 32,
        "encoder_digest": "abc",
        "parameters": {},
    }


def test_neighbours_are_a_sorted_table_with_ranks_from_one(tmp_path: Path) -> None:
    embeddings = archive(600)
    write_neighbours(tmp_path / "n.parquet", build_index(embeddings), embeddings, k=4)
    table = read_neighbours(tmp_path / "n.parquet")
    types = [str(field.type) for field in pq.read_schema(tmp_path / "n.parquet")]
    assert table.columns.tolist() == ["query_id", "rank", "neighbour_id", "similarity"]
    assert types == ["string", "int32", "string", "float"]
    assert table["query_id"].tolist() == np.repeat(embeddings.ids, 4).tolist()
    assert table["rank"].tolist() == [1, 2, 3, 4] * 600
    assert (table.groupby("query_id")["similarity"].diff().dropna() <= 0).all()
    assert table["neighbour_id"].tolist() == embeddings.ids[naive(embeddings.vectors, 4)[0].ravel()].tolist()


def test_neighbours_do_not_depend_on_the_blocks_they_are_found_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embeddings = archive(600)
    one_block = found(embeddings)
    monkeypatch.setattr(module, "_QUERIES", 64)
    monkeypatch.setattr(nearest_module, "_GATHERED", 100)
    blocks = found(embeddings)
    assert all(np.array_equal(first, other) for first, other in zip(one_block, blocks, strict=True))


def test_similarity_is_the_same_in_both_directions() -> None:
    rows, similarity = found(archive(600))
    pairs = {(a, b): s for a, line in enumerate(rows) for b, s in zip(line, similarity[a], strict=True)}
    both = [(pairs[a, b], pairs[b, a]) for a, b in itertools.islice(pairs, 2000) if (b, a) in pairs]
    assert len(both) > 500
    assert all(first == other for first, other in both)


def test_the_only_image_of_an_archive_has_no_neighbours(tmp_path: Path) -> None:
    embeddings = archive(1, size=1)
    built = build_index(embeddings)
    save_index(built, tmp_path / "index")
    write_neighbours(tmp_path / "n.parquet", built, embeddings)
    assert read_neighbours(tmp_path / "n.parquet").empty


def test_what_is_not_there_yet_names_the_stage_to_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"`cbir run` makes it \(stage index\)"):
        load_index(tmp_path)
    with pytest.raises(UserError, match=r"`cbir run` makes it \(stage index\)"):
        read_neighbours(tmp_path / "n.parquet")


def test_where_there_is_a_gpu_it_searches(monkeypatch: pytest.MonkeyPatch) -> None:
    embeddings, asked = archive(600), []
    built = build_index(embeddings)

    def to_gpu(resources: object, device: int, index: faiss.Index) -> SimpleNamespace:
        asked.append(device)
        return SimpleNamespace(search=index.search)

    _pretend_gpu(monkeypatch, to_gpu)
    rows = np.concatenate([block.neighbours for block in nearest(built, embeddings.vectors, k=10)])
    assert asked == [0]
    assert np.array_equal(rows, naive(embeddings.vectors, 10)[0])


def test_a_gpu_without_room_leaves_the_search_to_the_processor(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    embeddings = archive(600)
    built: Index = build_index(embeddings)

    def to_gpu(*_: object) -> None:
        raise RuntimeError("Error in alloc: out of memory\nand more")

    _pretend_gpu(monkeypatch, to_gpu)
    with caplog.at_level(logging.WARNING):
        rows = np.concatenate([block.neighbours for block in nearest(built, embeddings.vectors, k=10)])
    assert np.array_equal(rows, naive(embeddings.vectors, 10)[0])
    assert caplog.messages == [
        "the processor searches, for the GPU cannot hold the index: Error in alloc: out of memory"
    ]


def _pretend_gpu(monkeypatch: pytest.MonkeyPatch, to_gpu: object) -> None:
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 1)
    monkeypatch.setattr(faiss, "StandardGpuResources", object, raising=False)
    monkeypatch.setattr(faiss, "index_cpu_to_gpu", to_gpu, raising=False)
