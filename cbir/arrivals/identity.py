"""Tells which files of an archive have the same content, reading only those that have the length of another one."""

from collections import Counter
from collections.abc import Sequence

from cbir.archive.listing import Entry
from cbir.images.ids import image_ids


def content_keys(entries: Sequence[Entry]) -> dict[str, str]:
    """Returns a key for the content of each file, by path: equal for exact copies, and different for all others."""
    lengths = Counter(entry.size for entry in entries)
    return {
        entry.path: image_ids(entry.file)[0] if entry.readable and lengths[entry.size] > 1 else entry.path
        for entry in entries
    }
