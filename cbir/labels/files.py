"""Reads and writes what is known of the images: the tables of the ground truth and of the images for training."""

from pathlib import Path

import pandas as pd
import pyarrow as pa

from cbir.base.files import read_table, write_frame

GROUNDTRUTH = pa.schema(
    [
        ("image_id", pa.string()),
        ("group_id", pa.string()),  # image_id of the group's first member by accession and path; null: unlabelled
        ("split", pa.string()),  # train, val or test; null: unlabelled
        ("class", pa.string()),
        ("caption", pa.string()),
        ("caption_language", pa.string()),  # ISO 639-1 code; null where it does not show
        ("caption_en", pa.string()),  # the caption where it is English; null where there is no translation
    ]
)
TRAINING = pa.schema([*GROUNDTRUTH, ("path", pa.string()), ("page", pa.int32())])


def read_groundtruth(path: Path) -> pd.DataFrame:
    """Reads the columns of ``GROUNDTRUTH``, one row an image of the archive, sorted by image_id.

    Raises:
        UserError: there is none.
    """
    return read_table(path, name="the ground truth", stage="groundtruth", schema=GROUNDTRUTH).to_pandas()


def read_training(path: Path) -> pd.DataFrame:
    """Reads the columns of ``TRAINING``, one row an image that training may see, sorted by image_id.

    Raises:
        UserError: there is none.
    """
    return read_table(path, name="the table of training images", stage="groundtruth", schema=TRAINING).to_pandas()


def write_groundtruth(path: Path, labelled: pd.DataFrame) -> None:
    """Writes the rows of :func:`cbir.labels.groundtruth.label_images` for the whole archive."""
    write_frame(path, labelled, schema=GROUNDTRUTH)


def write_training(path: Path, labelled: pd.DataFrame) -> None:
    """Writes the rows of :func:`cbir.labels.groundtruth.label_images` for the images that training may see."""
    write_frame(path, labelled, schema=TRAINING)
