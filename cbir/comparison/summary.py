"""Words what a workspace's reports say of archive, groups, quality and robustness, a few lines for a person."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from cbir.comparison.study import Figure, figures_of
from cbir.groups.rows import in_words

METRICS = ("map@10", "recall@10", "hit_rate@1", "micro_ap", "threshold_precision", "threshold_recall")
NO_QUERY = "no ground truth with a group in the test split"


def account_of(reports: Path, *, of: Collection[str] | None = None) -> list[str]:
    """Returns the lines of the reports that are there, or of those among them that ``of`` names."""
    lines: list[str] = []
    for name, lines_of in _LINES.items():
        if (of is None or name in of) and (reports / name).exists():
            lines += lines_of(json.loads((reports / name).read_text(encoding="utf-8")))
    return lines


def figure_in_words(figure: Figure) -> str:
    """Returns a value, and its interval where it has one."""
    return f"{figure.value:.3f}" + (f"  ({figure.interval})" if figure.interval else "")


def _archive(counts: dict[str, Any]) -> list[str]:
    usable, copies, rejected = counts["usable"], counts["exact_copies"], counts["rejected"]
    return [f"archive   {usable} images, {copies} of them exact copies; {rejected} rejected"]


def _groups(counts: dict[str, Any]) -> list[str]:
    return [f"groups    {in_words(counts)}"]


def _metrics(metrics: dict[str, Any]) -> list[str]:
    figures = figures_of(metrics)
    if METRICS[0] not in figures:
        return [f"metrics   none: {NO_QUERY}"]
    lines = [f"{name:20}{figure_in_words(figures[name])}" for name in METRICS if name in figures]
    return [f"{'' if number else 'metrics':10}{line}" for number, line in enumerate(lines)]


def _robustness(numbers: dict[str, Any]) -> list[str]:
    kinds = {name.removeprefix("recall@1_"): value for name, value in numbers.items() if name.startswith("recall@1_")}
    shares = ", ".join(f"{kind} {100 * share:.0f} %" for kind, share in kinds.items())
    return [f"robust    altered copies found at rank 1: {shares}"]


def _promise(standing: dict[str, Any]) -> list[str]:
    return [f"promise   {standing['sentence']}"]


_LINES = {
    "clean.json": _archive,
    "group.json": _groups,
    "promise.json": _promise,
    "metrics.json": _metrics,
    "robustness.json": _robustness,
}
