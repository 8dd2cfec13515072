"""Lays out what an archive holds as tables that people of other tools know."""

from pathlib import Path
from typing import Any

import pandas as pd

from cbir.base.errors import UserError
from cbir.spreadsheet import write_csv

IMAGES = ["file", "page", "accession", "image_id", "width", "height", "format", "status", "reason"]
HITS = ["rank", "file", "page", "similarity", "probability", "group_id", "same_file"]


def duplicates(groups: pd.DataFrame, images: pd.DataFrame) -> dict[str, list[str]]:
    """Returns by each file that can be used the other files of its groups, both sorted.

    Args:
        groups: group_id and file, a row a file and page.
        images: file and status, a row a file and page.
    """
    files: dict[str, set[str]] = {file: set() for file in sorted(images.loc[images["status"] == "ok", "file"])}
    for _, members in groups.groupby("group_id")["file"]:
        for file in members:
            files[file].update(members)
    return {file: sorted(others - {file}) for file, others in files.items()}


def write_duplicates(path: Path, others: dict[str, list[str]]) -> None:
    """Writes what :func:`duplicates` returns as a CSV: file and duplicate, a row a pair, in both directions."""
    rows = [(file, duplicate) for file, duplicates in others.items() for duplicate in duplicates]
    write_csv(path, pd.DataFrame(rows, columns=["file", "duplicate"], dtype="str"))


def to_fiftyone(folder: Path, images: pd.DataFrame, groups: pd.DataFrame, *, name: str | None = None) -> Any:
    """Makes a FiftyOne dataset: a sample a file that can be used, with its group where it is in one.

    Raises:
        UserError: FiftyOne is not installed.
    """
    try:
        import fiftyone
    except ImportError as error:
        raise UserError("FiftyOne is not installed; `pip install fiftyone` brings it") from error
    grouped = groups.drop_duplicates("file").set_index("file")
    samples = []
    for row in images[images["status"] == "ok"].drop_duplicates("file").itertuples():
        sample = fiftyone.Sample(filepath=str(folder / row.file))
        sample["accession"] = row.accession
        sample["group_id"] = grouped["group_id"].get(row.file)
        sample["representative"] = bool(grouped["representative"].get(row.file, False))
        samples.append(sample)
    dataset = fiftyone.Dataset(name)
    dataset.add_samples(samples)
    return dataset
