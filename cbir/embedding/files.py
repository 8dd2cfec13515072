"""The embeddings of an archive as files: Parquet parts of image_id and vector, written batch by batch and read
whole.
"""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count, cycle, islice
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cbir.base.errors import UserError
from cbir.base.files import writing_folder

DType = Literal["float32", "float16"]
Batch = tuple[Sequence[str], np.ndarray]  # image ids and their vectors, (rows, d) float32

_ROW_GROUP = 4096  # rows, the least that is read when a few vectors are looked up by their image_id


@dataclass(frozen=True)
class Embeddings:
    """The vectors of images.

    Attributes:
        ids: (n,) array of image_id (str objects), sorted, each once.
        vectors: (n, d) float32, L2-normalised: an inner product is a cosine similarity.
        encoder_digest: of the encoder that made them.
    """

    ids: np.ndarray
    vectors: np.ndarray
    encoder_digest: str


def write_embeddings(
    folder: Path,
    batches: Iterable[Batch],
    *,
    dimension: int,
    encoder_digest: str,
    precision: str,
    dtype: DType = "float32",
    part_rows: int = 65536,
) -> None:
    """Writes ``part-00000.parquet``, … of ``part_rows`` rows each; only a few thousand rows are in memory at a time.

    Args:
        batches: rows sorted by image_id over all batches; how they are cut into batches leaves no trace in the files.
        precision: in which the encoder computed; it goes to the schema's metadata, beside the encoder's digest.
        dtype: of the stored vectors.
    """
    kind = pa.float16() if dtype == "float16" else pa.float32()
    schema = pa.schema(
        [("image_id", pa.string()), ("vector", pa.list_(kind, dimension))],
        metadata={"encoder_digest": encoder_digest, "precision": precision},
    )
    sizes = [_ROW_GROUP] * (part_rows // _ROW_GROUP) + [part_rows % _ROW_GROUP] * (part_rows % _ROW_GROUP > 0)
    groups = _recut(batches, sizes=cycle(sizes))
    with writing_folder(folder) as temporary:
        for part in count():
            of_part = islice(groups, len(sizes))
            first = next(of_part, None)
            if first is None and part > 0:
                break
            with pq.ParquetWriter(temporary / f"part-{part:05d}.parquet", schema, **_LAYOUT) as writer:
                for group in chain([first] if first else [], of_part):
                    writer.write_table(_table(group, schema))


# Vectors hold nothing that a dictionary or a compressor would find; the ids are hexadecimal.
_LAYOUT = {
    "compression": {"image_id": "zstd", "vector.list.element": "none"},
    "use_dictionary": False,
    "write_statistics": ["image_id"],
}


def _table(batch: Batch, schema: pa.Schema) -> pa.Table:
    ids, vectors = batch
    kind = schema.field("vector").type
    values = pa.array(vectors.astype(kind.value_type.to_pandas_dtype(), copy=False).ravel())
    return pa.table([pa.array(ids, pa.string()), pa.FixedSizeListArray.from_arrays(values, type=kind)], schema=schema)


def _recut(batches: Iterable[Batch], *, sizes: Iterator[int]) -> Iterator[Batch]:
    """Yields the same rows in batches of these sizes; the last may be smaller."""
    size = next(sizes)
    ids: list[str] = []
    vectors: list[np.ndarray] = []
    for more_ids, more_vectors in batches:
        ids.extend(more_ids)
        vectors.append(more_vectors)
        while len(ids) >= size:
            rows = np.concatenate(vectors)
            yield ids[:size], rows[:size]
            ids, vectors, size = ids[size:], [rows[size:]], next(sizes)
    if ids:
        yield ids, np.concatenate(vectors)


def read_embeddings(folder: Path, *, on_disk: Path | None = None) -> Embeddings:
    """Returns all embeddings in a folder.

    Args:
        on_disk: a folder where the vectors are laid out in a file without a name, which is read as it is needed and is
            gone with the process; None: in memory.

    Raises:
        UserError: there are none.
    """
    files = [pq.ParquetFile(path) for path in sorted(folder.glob("part-*.parquet"))]
    rows = sum(file.metadata.num_rows for file in files)
    if rows == 0:
        raise UserError(
            f"{folder} holds no embeddings: run the stage embed, and read reports/cleaning.csv for rejected files"
        )
    schema = files[0].schema_arrow
    ids = np.empty(rows, object)
    vectors = _room((rows, schema.field("vector").type.list_size), on_disk)
    start = 0
    for file in files:
        for batch in file.iter_batches(batch_size=_ROW_GROUP):
            end = start + len(batch)
            ids[start:end] = batch["image_id"].to_numpy(zero_copy_only=False)
            vectors[start:end] = _vectors(batch["vector"])
            start = end
    return Embeddings(ids=ids, vectors=vectors, encoder_digest=schema.metadata[b"encoder_digest"].decode())


def _room(shape: tuple[int, int], folder: Path | None) -> np.ndarray:
    if folder is None:
        return np.empty(shape, np.float32)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:  # a mapping outlives the file that it is of
        return np.memmap(file, np.float32, "w+", shape=shape)


def read_vectors(folder: Path, ids: Sequence[str]) -> np.ndarray:
    """Returns the vectors of a few images, (len(ids), d) float32 in the order of ``ids``; only the row groups needed
    are read.

    Raises:
        KeyError: an image that has no embedding.
    """
    table = pq.read_table(folder, filters=[("image_id", "in", list(ids))]).combine_chunks()
    place = {image_id: row for row, image_id in enumerate(table["image_id"].to_pylist())}
    return _vectors(table["vector"].chunk(0))[[place[image_id] for image_id in ids]]


def _vectors(column: pa.FixedSizeListArray) -> np.ndarray:
    """Returns (rows, d) float32 of length 1; makes good what float16 rounds off the length."""
    values = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, column.type.list_size)
    if values.dtype == np.float32:
        return values
    vectors = values.astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
