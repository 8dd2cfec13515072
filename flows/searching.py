"""Prints the result of `cbir search`: the images nearest to a picture or a text."""

import json
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cbir.archive.manifest import read_manifest
from cbir.base.display import visible
from cbir.base.errors import UserError
from cbir.encoders.devices import Precision
from cbir.groups.table import read_groups
from cbir.groups.threshold import Chosen, threshold_in_use
from cbir.images.reduced import LongestSide
from cbir.matching.table import read_matches
from cbir.serving.search import Searcher, locate, with_probability
from flows.commands.speaking import print_json
from tasks.harness.settings import PARAMS, Paths, load_value, read_yaml

GROUP_SHOWN = 8  # characters of a group's id; the report finds a group by them


def show_neighbours(image: Path | None, paths: Paths, *, text: str | None, k: int, as_json: bool = False) -> None:
    """Prints the k images of the archive nearest to a picture or a text, one row a file, or the same as JSON.

    The probability is that of the pair, for pairs that the stage ``match`` looked at: of a picture that is not in the
    archive, or a text, there is none.

    Raises:
        UserError: both are given or neither, no picture is there, the encoder reads no texts, or nothing is indexed.
    """
    if (image is None) == (text is None):
        raise UserError('give an image, or --text "words"' + ("" if image is None else ", not both"))
    if image is not None and not image.is_file():
        raise UserError(f"{image}: no such file")
    manifest, groups = read_manifest(paths.manifest), read_groups(paths.groups)
    params = read_yaml(PARAMS)
    chosen = load_value("group.threshold", Chosen, params)
    side = load_value("images.longest_side", LongestSide, params)
    precision = load_value("embed.precision", Precision, params)
    files = (paths.encoder, paths.index, paths.embeddings)
    searcher = Searcher.open(*files, longest_side=side, precision=precision, text=text is not None)
    hits = searcher.search(image, k=k) if image is not None else searcher.search_text(text or "", k=k)
    located = locate(hits, manifest, groups).assign(probability=float("nan"))
    threshold = None
    if located["same_file"].any():
        located = with_probability(located, read_matches(paths.matches))
        threshold, _ = threshold_in_use(paths.reports / "threshold.json", chosen)
    if as_json:  # to_json makes null of what is missing
        print_json({"threshold": threshold, "files": json.loads(located.to_json(orient="records"))})
    else:
        Console().print(_table(located, threshold))


def _table(files: pd.DataFrame, threshold: float | None) -> Table:
    """Lays out the files, near-duplicates in bold; without a threshold there are none."""
    caption = None if threshold is None else f"bold: near-duplicates (probability >= {threshold:.3f})"
    table = Table(box=None, caption=caption, caption_justify="left")
    table.add_column("rank", justify="right")
    table.add_column("similarity", justify="right")
    table.add_column("probability", justify="right")
    table.add_column("group")
    table.add_column("file", overflow="fold")
    for row in files.itertuples():
        note = " (the same file)" if row.same_file else ""
        page = f", page {row.page + 1}" if row.page else ""
        group = "" if pd.isna(row.group_id) else row.group_id[:GROUP_SHOWN]
        probability = "" if pd.isna(row.probability) else f"{row.probability:.3f}"
        near = row.same_file or (threshold is not None and row.probability >= threshold)
        style = "" if threshold is None else "bold" if near else "dim"
        file = escape(f"{visible(row.path)}{page}{note}")
        table.add_row(str(row.rank), f"{row.similarity:.3f}", probability, group, file, style=style)
    return table
