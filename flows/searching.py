"""`cbir search`: the images nearest to a picture or a text as a table, with similarity and group."""

from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cbir.archive.manifest import read_manifest
from cbir.display import visible
from cbir.encoders.devices import Precision
from cbir.errors import UserError
from cbir.groups.table import read_groups
from cbir.groups.threshold import Chosen, threshold_in_use
from cbir.images.reduced import LongestSide
from cbir.serving.search import Searcher, locate
from tasks.harness.settings import PARAMS, Paths, load_value, read_yaml

GROUP_SHOWN = 8  # characters of a group's id; the report finds a group by them


def show_neighbours(image: Path | None, paths: Paths, *, text: str | None, k: int) -> None:
    """Print the k images of the archive that are nearest to a picture or to a text, one row a file.

    Raises:
        UserError: both are given or neither, there is no such picture, the encoder reads no texts, or nothing has been
            indexed yet.
    """
    if (image is None) == (text is None):
        raise UserError(f"a search is for an image or for a --text, there are {'neither' if image is None else 'both'}")
    if image is not None and not image.is_file():
        raise UserError(f"{image} is no file: give the path of an image")
    manifest, groups = read_manifest(paths.manifest), read_groups(paths.groups)
    params = read_yaml(PARAMS)
    chosen = load_value("group.threshold", Chosen, params)
    searcher = Searcher.open(
        paths.encoder,
        paths.index,
        paths.embeddings,
        longest_side=load_value("images.longest_side", LongestSide, params),
        precision=load_value("embed.precision", Precision, params),
        text=text is not None,
    )
    hits = searcher.search(image, k=k) if image is not None else searcher.search_text(text or "", k=k)
    found = locate(hits, manifest, groups)
    threshold = None if image is None else threshold_in_use(paths.reports / "threshold.json", chosen)[0]
    Console().print(_table(found, threshold))


def _table(found: pd.DataFrame, threshold: float | None) -> Table:
    """Rows from ``threshold`` on stand out; of a text's neighbours none are duplicates, and there is none."""
    caption = None if threshold is None else f"near-duplicates from {threshold:.3f} on"
    table = Table(box=None, caption=caption, caption_justify="left")
    table.add_column("rank", justify="right")
    table.add_column("similarity", justify="right")
    table.add_column("group")
    table.add_column("file", overflow="fold")
    for row in found.itertuples():
        note = " (the same file)" if row.same_file else ""
        page = f", page {row.page + 1}" if row.page else ""
        group = "" if pd.isna(row.group_id) else row.group_id[:GROUP_SHOWN]
        style = "" if threshold is None else "bold" if row.similarity >= threshold else "dim"
        table.add_row(
            str(row.rank), f"{row.similarity:.3f}", group, escape(f"{visible(row.path)}{page}{note}"), style=style
        )
    return table
