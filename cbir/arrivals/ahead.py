"""Reads reference files before any image was looked at: how many of their names are files of the archive."""

from pathlib import Path

import pandas as pd

from cbir.archive.listing import list_archive
from cbir.arrivals.identity import content_keys
from cbir.labels.reference import Known, Reference, read_reference, require_believable


def read_ahead(reference: Reference, manifest: pd.DataFrame) -> Known:
    """Reads what is known of the files of :func:`manifest_ahead`.

    Raises:
        UserError: a file cannot be read, or its groups are not believed.
    """
    known = read_reference(reference, manifest)
    require_believable(known)
    return known


def manifest_ahead(archive: Path) -> pd.DataFrame:
    """Lists the files of an archive as a manifest does, each taken for a sound image; copies have one image_id."""
    entries = list_archive(archive).entries
    keys = content_keys(entries)
    rows = [(keys[entry.path], entry.path, 0, entry.accession) for entry in entries]
    columns = ["image_id", "path", "page", "accession"]
    return pd.DataFrame(rows, columns=columns).assign(status="ok", reason=None)
