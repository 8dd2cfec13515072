"""The sheet of an audit, drawn from groups of three images or more."""

from pathlib import Path

import pandas as pd

from cbir.audit.draw import draw_pairs
from cbir.audit.sheet import write_sheet


def draw_sheet(folder: Path, groups: pd.DataFrame, manifest: pd.DataFrame) -> Path:
    """Draws three pairs of groups, and writes them to audit.csv in a folder."""
    path = folder / "audit.csv"
    drawn = draw_pairs(groups, count=3, seed=0)
    write_sheet(path, drawn, groups=groups, manifest=manifest, archive=folder / "raw", seed=0)
    return path
