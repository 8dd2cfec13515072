"""Reads and writes the table of appearances: where and when images were printed."""

from pathlib import Path

import pandas as pd
import pyarrow as pa

from cbir.base.files import read_table, write_frame

METADATA = pa.schema(
    [
        ("image_id", pa.string()),
        ("title", pa.string()),  # of the newspaper, book or collection
        ("date", pa.string()),  # ISO 8601, as exactly as it is known: year, month or day
        ("written", pa.string()),  # the date as the table has it
        ("page", pa.string()),
        ("place", pa.string()),
        ("shelfmark", pa.string()),
        ("link", pa.string()),
    ]
)


def read_appearances(path: Path) -> pd.DataFrame:
    """Reads the columns of ``METADATA``, one row an image of which something is known, sorted by image_id.

    Raises:
        UserError: there is no such table.
    """
    return read_table(path, name="the table of metadata", stage="groundtruth", schema=METADATA).to_pandas()


def write_appearances(path: Path, metadata: pd.DataFrame) -> None:
    """Writes the table of :func:`cbir.labels.appearances.metadata.find_metadata`."""
    write_frame(path, metadata, schema=METADATA)
