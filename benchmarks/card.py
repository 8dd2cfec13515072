"""Writes the model card of the weights that ship: what they came from, what they learned from, and what they find."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks import reprints
from benchmarks.figures import Figure

_GOVERNMENT = "none stated in the repository; work of the US government (FSA-OWI, Documerica)"
_TEMPLATE = Path(__file__).with_name("card.md")


def write_card(
    folder: Path,
    *,
    photos: pd.DataFrame,
    left_out: pd.DataFrame,
    values: dict[str, Any],
    best: int,
    epochs: int,
    split: str = "test",
) -> None:
    """Writes README.md beside the weights in a folder: how they were made, and what they find on a split."""
    figures = list(reprints.run(split, [reprints.SHIPPED_ROW]))
    names = ("augmentation", "clean_views", "temperature", "koleo", "image_size", "batch_size", "learning_rate")
    text = _TEMPLATE.read_text(encoding="utf-8").format(
        photographs=int(photos["split"].isna().sum()),
        validated=int(photos["split"].notna().sum()),
        left_out=len(left_out),
        sources="\n".join(_sources(photos)),
        seed=values["seed"],
        settings=", ".join(f"{name} {values[name]}" for name in names),
        epochs=epochs,
        best=best,
        split=split,
        gallery=figures[0].detail.rpartition(", ")[2],
        figures="\n".join(_rows(figures)),
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def _sources(photos: pd.DataFrame) -> Iterable[str]:
    for (repository, split), part in photos.groupby(["repository", photos["split"].fillna("")]):
        licence = "public domain in the USA" if repository.startswith("GITenberg/") else _GOVERNMENT
        use = "chooses the epoch" if split else "trains"
        yield f"| github.com/{repository} | {licence} | {len(part)} | {use} |"


def _rows(figures: Iterable[Figure]) -> Iterable[str]:
    values: dict[str, dict[str, float]] = {}
    for figure in figures:
        kind, measure = figure.name.removeprefix("reprints, ").split(f", {reprints.SHIPPED_ROW}: ")
        values.setdefault(kind, {})[measure] = figure.value
    for kind, row in values.items():
        yield (
            f"| {kind} | " + " | ".join(f"{row[name]:.2f}" if name in row else "" for name in reprints.MEASURES) + " |"
        )
