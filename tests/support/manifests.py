"""Manifests for the tests of what is known of the images: paths in, a table as `clean` writes it out."""

import hashlib

import pandas as pd

from cbir.archive.manifest import SCHEMA


def image_id_of(path: str, page: int = 0) -> str:
    """The image_id that `manifest` gives a file with content of its own."""
    return hashlib.sha256(f"{path}#{page}".encode()).hexdigest()[:32]


def manifest(
    *paths: str,
    pages: dict[str, int] | None = None,
    copies: dict[str, str] | None = None,
    rejected: dict[str, str] | None = None,
) -> pd.DataFrame:
    """A manifest of files.

    Args:
        pages: of the files that have several.
        copies: files that are exact copies of another.
        rejected: files that were found corrupt, with the reason.
    """
    pages, copies, rejected = pages or {}, copies or {}, rejected or {}
    rows = []
    for path in sorted({*paths, *pages, *copies, *rejected}):
        for page in range(pages.get(path, 1)):
            ok = path not in rejected
            rows.append(
                {
                    **dict.fromkeys(SCHEMA.names),
                    "image_id": image_id_of(copies.get(path, path), page),
                    "path": path,
                    "page": page,
                    "accession": path.split("/")[0],
                    "bytes": 1,
                    "width": 1 if ok else None,
                    "height": 1 if ok else None,
                    "status": "ok" if ok else "corrupt",
                    "reason": rejected.get(path),
                }
            )
    table = pd.DataFrame(rows, columns=SCHEMA.names)
    whole = {"page": "Int32", "bytes": "Int64", "width": "Int32", "height": "Int32"}
    text = {name: "str" for name in SCHEMA.names if name not in whole}
    return table.astype({**whole, **text})
