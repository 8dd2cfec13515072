from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from cbir.base.errors import UserError
from cbir.embedding.files import Batch, DType, Embeddings, read_embeddings, read_vectors, write_embeddings


def some_vectors(count: int, dimension: int = 6) -> tuple[list[str], np.ndarray]:
    vectors = np.random.default_rng(0).standard_normal((count, dimension)).astype(np.float32)
    return [f"{row:032x}" for row in range(count)], vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def write(folder: Path, count: int, *, size: int = 7, dtype: DType = "float32", part_rows: int = 10) -> Embeddings:
    """Write vectors that come in batches of ``size``."""
    ids, vectors = some_vectors(count)

    def batches() -> Iterator[Batch]:
        for start in range(0, count, size):
            yield ids[start : start + size], vectors[start : start + size]

    write_embeddings(
        folder, batches(), dimension=6, encoder_digest="abc", precision="float32", dtype=dtype, part_rows=part_rows
    )
    return Embeddings(np.array(ids, object), vectors, "abc")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("count", [1, 9, 10, 11, 20, 25])
def test_what_is_written_is_read_back(tmp_path: Path, count: int) -> None:
    written = write(tmp_path / "e", count)
    loaded = read_embeddings(tmp_path / "e")
    assert loaded.ids.tolist() == written.ids.tolist()
    assert np.array_equal(loaded.vectors, written.vectors)
    assert loaded.vectors.dtype == np.float32
    assert loaded.encoder_digest == "abc"


def test_parts_are_filled_to_part_rows(tmp_path: Path) -> None:
    write(tmp_path / "e", 25)
    parts = sorted((tmp_path / "e").iterdir())
    assert [path.name for path in parts] == ["part-00000.parquet", "part-00001.parquet", "part-00002.parquet"]
    assert [pq.read_metadata(path).num_rows for path in parts] == [10, 10, 5]


def test_parts_larger_than_a_row_group_are_filled_too(tmp_path: Path) -> None:
    written = write(tmp_path / "e", 12_000, size=999, part_rows=5000)
    rows = [pq.read_metadata(path).num_rows for path in sorted((tmp_path / "e").iterdir())]
    assert rows == [5000, 5000, 2000]
    assert np.array_equal(read_embeddings(tmp_path / "e").vectors, written.vectors)


def test_how_rows_come_in_batches_leaves_no_trace(tmp_path: Path) -> None:
    for size in (1, 7, 10, 100):
        write(tmp_path / str(size), 25, size=size)
    first = contents(tmp_path / "1")
    assert all(contents(tmp_path / str(size)) == first for size in (7, 10, 100))


def test_the_schema_is_the_documented_one(tmp_path: Path) -> None:
    write(tmp_path / "e", 3)
    schema = pq.read_schema(tmp_path / "e/part-00000.parquet")
    assert [str(field.type) for field in schema] == ["string", "fixed_size_list<element: float>[6]"]
    assert schema.metadata == {b"encoder_digest": b"abc", b"precision": b"float32"}


def test_float16_halves_the_vectors_and_they_are_read_with_length_one(tmp_path: Path) -> None:
    written = write(tmp_path / "e", 25, dtype="float16")
    schema = pq.read_schema(tmp_path / "e/part-00000.parquet")
    assert str(schema.field("vector").type) == "fixed_size_list<element: halffloat>[6]"
    loaded = read_embeddings(tmp_path / "e").vectors
    assert loaded.dtype == np.float32
    assert np.abs(loaded - written.vectors).max() < 1e-3
    assert np.abs(np.linalg.norm(loaded, axis=1) - 1).max() < 1e-6


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_few_vectors_are_found_by_their_ids_in_the_order_asked(tmp_path: Path, dtype: DType) -> None:
    write(tmp_path / "e", 25, dtype=dtype)
    every = read_embeddings(tmp_path / "e")
    rows = [23, 4, 11]
    assert np.array_equal(read_vectors(tmp_path / "e", every.ids[rows].tolist()), every.vectors[rows])


def test_an_image_without_embedding_is_a_key_error(tmp_path: Path) -> None:
    write(tmp_path / "e", 25)
    with pytest.raises(KeyError):
        read_vectors(tmp_path / "e", ["f" * 32])


def test_a_folder_without_embeddings_is_said_to_be_empty(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no embeddings"):
        read_embeddings(tmp_path / "e")


def test_an_archive_without_rows_is_written_with_its_schema_and_refused_on_reading(tmp_path: Path) -> None:
    write(tmp_path / "e", 0)
    assert pq.read_metadata(tmp_path / "e/part-00000.parquet").num_rows == 0
    with pytest.raises(UserError, match=r"reports/cleaning\.csv"):
        read_embeddings(tmp_path / "e")


def test_a_batch_that_fails_leaves_the_earlier_embeddings(tmp_path: Path) -> None:
    write(tmp_path / "e", 5)
    before = contents(tmp_path / "e")

    def failing() -> Iterator[Batch]:
        yield some_vectors(3)
        raise RuntimeError("the disk is gone")

    with pytest.raises(RuntimeError, match="disk is gone"):
        write_embeddings(tmp_path / "e", failing(), dimension=6, encoder_digest="abc", precision="float32")
    assert contents(tmp_path / "e") == before
    assert [path.name for path in tmp_path.iterdir()] == ["e"]


def test_vectors_on_disk_are_the_same_and_leave_no_file(tmp_path: Path) -> None:
    written = write(tmp_path / "e", 25)
    loaded = read_embeddings(tmp_path / "e", on_disk=tmp_path / "store")
    assert isinstance(loaded.vectors, np.memmap)
    assert np.array_equal(loaded.vectors, written.vectors)
    assert list((tmp_path / "store").iterdir()) == []
