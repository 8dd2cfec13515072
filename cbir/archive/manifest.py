"""Reads and writes the manifest: one row an image of the archive, what it is and whether it can be used."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import pandas as pd
import pyarrow as pa

from cbir.base.files import read_table, write_parquet


@dataclass(frozen=True)
class Row:
    """Describes one image of the archive; the manifest's columns are these attributes, in this order.

    Attributes:
        image_id: from the bytes (and the page), see :func:`cbir.images.ids.image_ids`; None where they could
            not be read.
        path: of the file, relative to the archive, POSIX, as it is on disk.
        page: from 0.
        accession: the first folder of the path.
        bytes: of the file.
        width, height: px of the full image, upright; None where no header could be read, or it claims 2³¹ px or more.
        format, mode: as :class:`cbir.images.headers.Header` says.
        status: ok, corrupt, too_small, blank or unsupported.
        reason: why it is not ok.
        duplicate_of: the first path (by accession and path) with that image_id, None for that one itself.
        phash: 64-bit perceptual hash of the reduced image, 16 hex characters; None where it is not ok.
    """

    image_id: str | None
    path: str
    page: int
    accession: str
    bytes: int
    width: int | None
    height: int | None
    format: str | None
    mode: str | None
    status: str
    reason: str | None
    duplicate_of: str | None
    phash: str | None


_TYPES = {"page": pa.int32(), "bytes": pa.int64(), "width": pa.int32(), "height": pa.int32()}
SCHEMA = pa.schema([(field.name, _TYPES.get(field.name, pa.string())) for field in fields(Row)])
LANDED = re.compile(r"\d{8}T\d{6}Z")  # an accession that came by the landing folder: the time at which it came, UTC
_WHOLE = {pa.int32(): pd.Int32Dtype(), pa.int64(): pd.Int64Dtype()}


def write_manifest(path: Path, rows: Sequence[Row]) -> None:
    """Writes rows that are sorted by accession, path and page; the same rows give the same bytes."""
    columns = {name: [getattr(row, name) for row in rows] for name in SCHEMA.names}
    write_parquet(path, pa.table(columns, schema=SCHEMA))


def read_manifest(path: Path) -> pd.DataFrame:
    """Reads the manifest as `clean` wrote it, sorted by accession, path and page; whole numbers are nullable.

    Raises:
        UserError: there is no manifest.
    """
    table = read_table(path, name="the manifest", stage="clean", schema=SCHEMA)
    return table.to_pandas(types_mapper=_WHOLE.get)


def arrival(accession: str) -> tuple[bool, str]:
    """Gives a key that sorts accessions in the order in which they came, as far as their names tell it.

    Those that are named by the time at which they landed come after all others, in the order of that time: so the first
    member of a group, which gives it its id, stays the first.
    """
    return LANDED.fullmatch(accession) is not None, accession


def accessions_of(paths: Iterable[str]) -> list[str]:
    """Lists the accessions that files of the archive are in, each once, in the order of :func:`arrival`."""
    return sorted({path.partition("/")[0] for path in paths}, key=arrival)


def in_order(images: pd.DataFrame) -> pd.DataFrame:
    """Sorts rows by accession, path and page: accessions in the order of :func:`arrival`."""
    ranks = {name: rank for rank, name in enumerate(sorted(images["accession"].unique(), key=arrival))}
    rows = images.assign(_arrival=images["accession"].map(ranks))
    return rows.sort_values(["_arrival", "path", "page"], kind="stable").drop(columns="_arrival")


def unique_images(manifest: pd.DataFrame) -> pd.DataFrame:
    """Keeps the images that can be used, one row an image_id (the first in order), sorted by image_id.

    Returns:
        The manifest's columns without status, reason and duplicate_of, which say nothing any more; index from 0.
    """
    usable = in_order(manifest[manifest["status"] == "ok"]).drop_duplicates("image_id")
    order = ["image_id", "path", "page", "accession", "width", "height", "bytes", "format", "mode", "phash"]
    whole = dict.fromkeys(("page", "width", "height", "bytes"), "int64")
    return usable.sort_values("image_id", ignore_index=True)[order].astype(whole)
