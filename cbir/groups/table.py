"""Reads and writes the table of groups: one row an image that has near-duplicates."""

from pathlib import Path

import pandas as pd
import pyarrow as pa

from cbir.base.files import read_table, write_frame

SCHEMA = pa.schema(
    [
        ("group_id", pa.string()),  # the image_id of the group's first member by accession, path and page
        ("image_id", pa.string()),
        ("representative", pa.bool_()),  # the best copy
        ("similarity", pa.float64()),  # mean probability over its pairs with other members
        ("evidence", pa.string()),  # match, decision, or exact copy
    ]
)


def read_groups(path: Path) -> pd.DataFrame:
    """Reads the columns of ``SCHEMA``, in the order in which :func:`cbir.groups.grouping.group_images` gives the rows.

    Raises:
        UserError: there is no such table.
    """
    return read_table(path, name="the table of groups", stage="group", schema=SCHEMA).to_pandas()


def best_first(members: pd.DataFrame) -> list[str]:
    """Returns the images of a group's rows, the best copy first, then the likeliest."""
    order = members.sort_values(["representative", "similarity", "image_id"], ascending=[False, False, True])
    images: list[str] = order["image_id"].tolist()
    return images


def write_groups(path: Path, groups: pd.DataFrame) -> None:
    """Writes the rows of :func:`cbir.groups.grouping.group_images`."""
    write_frame(path, groups, schema=SCHEMA)
