"""Computes image_ids: they follow from what a file contains, wherever it lies."""

import hashlib
from pathlib import Path

_CHUNK = 1 << 20


def image_ids(path: Path, *, pages: int = 1) -> list[str]:
    """Computes the image_ids of a file, one a page: 32 hex characters each.

    The first page's is the start of the SHA-256 of the file's bytes, so exact copies share it; for the pages after the
    first, the page's number (from 1, decimal ASCII) is hashed behind the bytes.

    Raises:
        OSError: the file cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    ids = [digest.hexdigest()[:32]]
    for page in range(1, pages):
        of_page = digest.copy()
        of_page.update(str(page).encode("ascii"))
        ids.append(of_page.hexdigest()[:32])
    return ids
