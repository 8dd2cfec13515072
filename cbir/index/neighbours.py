"""The table of neighbours: for each image of an archive its nearest others, with their cosine similarities."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cbir.base.files import read_table, writing

NEIGHBOURS = pa.schema(
    [("query_id", pa.string()), ("rank", pa.int32()), ("neighbour_id", pa.string()), ("similarity", pa.float32())]
)


@dataclass(frozen=True)
class Block:
    """The nearest neighbours of a block of images.

    Attributes:
        queries: (q,) rows of the images.
        neighbours: (q, k) rows of their neighbours, nearest first.
        similarity: (q, k) float32 cosines.
    """

    queries: np.ndarray
    neighbours: np.ndarray
    similarity: np.ndarray


def write_blocks(path: Path, blocks: Iterable[Block], ids: np.ndarray) -> None:
    """Writes blocks as they come; the table is never in memory.

    Args:
        ids: (n,) image_ids; row i of the blocks is ``ids[i]``.
    """
    names = pa.array(ids, pa.string())
    with writing(path) as temporary, pq.ParquetWriter(temporary, NEIGHBOURS, compression="zstd") as writer:
        for block in blocks:
            writer.write_table(_table(block, names))


def read_neighbours(path: Path) -> pd.DataFrame:
    """Columns query_id, rank (from 1), neighbour_id, similarity, sorted by query_id and rank.

    Raises:
        UserError: there are none.
    """
    return read_table(path, name="the table of neighbours", stage="index", schema=NEIGHBOURS).to_pandas()


def _table(block: Block, ids: pa.Array) -> pa.Table:
    rows, k = block.neighbours.shape
    columns = [
        ids.take(pa.array(np.repeat(block.queries, k))),
        pa.array(np.tile(np.arange(1, k + 1, dtype=np.int32), rows)),
        ids.take(pa.array(block.neighbours.ravel())),
        pa.array(block.similarity.ravel()),
    ]
    return pa.table(columns, schema=NEIGHBOURS)
