"""Checks the settings of an index against each other, without loading FAISS."""

from cbir.base.errors import UserError


def require_lists(kind: str, *, on_disk: bool) -> None:
    """Raises UserError where an index is to have its inverted lists in a file, and its kind has none."""
    if on_disk and kind in ("flat", "hnsw"):
        raise UserError(f"index.on_disk must be false with index.kind {kind}, which has no lists; choose ivf or ivfpq")
