"""The table of matches: for each image of an archive those that may show the same photograph, with the evidence."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from cbir.base.files import read_table, write_frame

MATCHES = pa.schema(
    [
        ("query_id", pa.string()),
        ("rank", pa.int32()),
        ("neighbour_id", pa.string()),
        ("similarity", pa.float32()),
        ("probability", pa.float32()),
        ("relation", pa.string()),
        ("mirrored", pa.bool_()),
        ("inliers", pa.int32()),
        ("overlap_query", pa.float32()),
        ("overlap_neighbour", pa.float32()),
        ("map", pa.list_(pa.float32())),  # six, or null: PyArrow reads no null in a list of fixed size
        ("tone", pa.float32()),
        ("log_nfa", pa.float32()),
    ]
)
SAME_FILE, SAME_PHOTOGRAPH, SAME_SCENE, UNRELATED = "same file", "same photograph", "same scene", "unrelated"
RELATIONS = (SAME_FILE, SAME_PHOTOGRAPH, SAME_SCENE, UNRELATED)


def both_directions(pairs: pd.DataFrame) -> pd.DataFrame:
    """Returns the rows of :func:`write_matches` from pairs of images, each pair given once.

    Args:
        pairs: the columns of MATCHES in one direction of each pair, without rank.

    Returns:
        Both directions of each pair: the overlaps change sides, the map is inverted. Sorted by query_id and rank,
        ranked from 1 by probability, then similarity, both falling, then neighbour_id.
    """
    names = {"query_id": "neighbour_id", "overlap_query": "overlap_neighbour"}
    back = pairs.rename(columns=names | {new: old for old, new in names.items()})
    back = back.assign(map=[None if affine is None else inverse(affine) for affine in pairs["map"]])
    rows = pd.concat([pairs, back], ignore_index=True) if len(pairs) else pairs
    order = ["query_id", "probability", "similarity", "neighbour_id"]
    rows = rows.sort_values(order, ascending=[True, False, False, True], ignore_index=True)
    return rows.assign(rank=rows.groupby("query_id").cumcount() + 1)[MATCHES.names]


def judged(matches: pd.DataFrame) -> pd.DataFrame:
    """Leaves out the pages of one file, which are neither right nor wrong."""
    return matches[matches["relation"] != SAME_FILE]


def inverse(affine: NDArray[np.float32]) -> NDArray[np.float32]:
    """Inverts a map of the plane: the rows of a 2x3 matrix, one after the other (6,)."""
    whole = np.vstack([np.reshape(affine, (2, 3)).astype(np.float64), (0, 0, 1)])
    return np.linalg.inv(whole)[:2].ravel().astype(np.float32)


def write_matches(path: Path, matches: pd.DataFrame) -> None:
    """Writes the table of matches.

    Args:
        matches: sorted by query_id and rank, both directions of each pair. similarity: cosine of the embeddings.
            probability: that both images show the same photograph, 0..1. relation: one of RELATIONS. mirrored: whether
            one is the other's mirror image. inliers: local features that agree on the map. overlap_query,
            overlap_neighbour: the part of each picture that the other one covers, 0..1. map: (6,), from px of the
            query's reduced image to px of the neighbour's, None where there is none. tone: correlation of the grey
            values where the pictures cover one another, -1..1, NaN where they do not. log_nfa: log10 of the number of
            pairs of this archive that chance would let agree as well.
    """
    write_frame(path, matches, schema=MATCHES)


def read_matches(path: Path) -> pd.DataFrame:
    """Reads the table of matches, with the columns of :func:`write_matches`, sorted by query_id and rank (from 1).

    Raises:
        UserError: there is none.
    """
    return read_table(path, name="the table of matches", stage="match", schema=MATCHES).to_pandas()
