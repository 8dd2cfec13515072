"""Reads reference files before any image was looked at: how many of their names are files of the archive."""

from pathlib import Path

import pandas as pd

from cbir.archive.listing import list_archive
from cbir.arrivals.identity import content_keys
from cbir.labels.appearances.metadata import Metadata
from cbir.labels.reference import Known, Reference, read_reference, read_tables, require_believable


def read_ahead(reference: Reference, archive: Path) -> Known:
    """Reads what is known of the files of an archive, each taken for a sound image.

    Raises:
        UserError: a file cannot be read, or its groups are not believed.
    """
    known = read_reference(reference, _manifest(archive))
    require_believable(known)
    return known


def read_tables_ahead(reference: Reference, archive: Path) -> Metadata:
    """Reads where and when the files of an archive appeared; raises UserError as :func:`read_ahead`."""
    return read_tables(reference, _manifest(archive))


def _manifest(archive: Path) -> pd.DataFrame:
    entries = list_archive(archive).entries
    keys = content_keys(entries)
    rows = [(keys[entry.path], entry.path, 0, entry.accession) for entry in entries]
    columns = ["image_id", "path", "page", "accession"]
    return pd.DataFrame(rows, columns=columns).assign(status="ok", reason=None)
