"""Tables of an archive before and after new images, written in a line, and what is found in them."""

import pandas as pd

from cbir.archive.manifest import SCHEMA
from cbir.arrivals.changes import Arrivals, baseline_of, find_arrivals


def manifest(*files: str, rejected: tuple[str, ...] = ()) -> pd.DataFrame:
    """Rows of ``accession/file=image_id``; the image_id is the path where none is given."""
    rows = []
    for text in (*files, *rejected):
        path, _, image = text.partition("=")
        row = dict.fromkeys(SCHEMA.names)
        row |= {"path": path, "page": 0, "accession": path.partition("/")[0], "image_id": image or path}
        row |= {"status": "corrupt" if text in rejected else "ok", "reason": "cut off" if text in rejected else None}
        rows.append(row)
    return pd.DataFrame(rows, columns=SCHEMA.names)


def groups(**members: list[str]) -> pd.DataFrame:
    """The table of groups, each by its name and the image_ids of its members."""
    rows = [(group, image) for group, images in members.items() for image in images]
    return pd.DataFrame(rows, columns=["group_id", "image_id"], dtype="str")


def matches(*pairs: tuple[str, str, float]) -> pd.DataFrame:
    """The table of matches of pairs and their probability, each in both directions."""
    rows = [pair for image, other, likely in pairs for pair in ((image, other, likely), (other, image, likely))]
    return pd.DataFrame(rows, columns=["query_id", "neighbour_id", "probability"])


BEFORE = manifest("a/1", "a/2", "a/3")


def arrivals(
    after: pd.DataFrame, now: pd.DataFrame, near: pd.DataFrame, before: pd.DataFrame | None = None
) -> Arrivals:
    """Makes the archive of three images and its growth since: manifest, groups and matches after, and the groups
    before.
    """
    baseline = baseline_of(BEFORE, groups() if before is None else before)
    return find_arrivals(baseline, after, now, near, threshold=0.9, margin=0.03)
