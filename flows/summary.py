"""Writes the words at the end of `cbir run`: the counts, how good it is, how long it took, and where to look."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from cbir.comparison.study import Figure, Row, figures_of
from cbir.groups.rows import in_words
from flows.pipeline.stages import Outcome
from tasks.harness.settings import Paths

METRICS = ("map@10", "recall@10", "hit_rate@1", "micro_ap", "threshold_precision", "threshold_recall")
NO_QUERY = "no ground truth with a group in the test split"

FIRST_COMMIT = (
    'keep      git add --all && git commit -m "first run"\n'
    "          with it `dvc metrics diff` and `dvc exp show --only-changed` compare later runs"
)


def summary(outcomes: Sequence[Outcome], paths: Paths) -> str:
    """Renders lines of text for a person."""
    lines: list[str] = []
    for name, lines_of in LINES.items():
        if (paths.reports / name).exists():
            lines += lines_of(json.loads((paths.reports / name).read_text(encoding="utf-8")))
    lines.append(f"stages    {_stages(outcomes)}")
    if (paths.reports / "index.html").exists():
        lines.append(
            f"look at   {paths.reports}/index.html (the groups), {paths.reports}/doubts.html (pairs that need your "
            f"look), {paths.reports}/robustness.html, {paths.reports}/cleaning.csv, {paths.reports}/plots/"
        )
        lines.append("          cbir ui (MLflow and Prefect), cbir search IMAGE")
    return "\n".join(lines)


def failure_summary(outcomes: Sequence[Outcome], paths: Paths) -> str:
    """Renders how far a run came that failed, and of when the reports are that are there; no figure of an earlier run
    is shown as if it were of this one.
    """
    lines = [f"stages    {_stages(outcomes)}"]
    page = paths.reports / "index.html"
    if page.exists():
        written = datetime.fromtimestamp(page.stat().st_mtime).astimezone()
        lines.append(f"look at   {page}, as the run of {written:%d %b %Y, %H:%M} left it")
    return "\n".join(lines)


def study_summary(rows: Sequence[Row], paths: Paths) -> str:
    """Renders a line a preset, with its figure or why it has none, and where the table is."""
    width = max(len(row.preset) for row in rows)
    lines = [f"{row.preset:{width}}  {row.failure or _figure(row)}" for row in rows]
    return "\n".join([*lines, f"look at   {paths.reports}/study.html (also study.md and study.csv)"])


def _figure(row: Row) -> str:
    figure = row.figures.get(METRICS[0])
    return f"{METRICS[0]} {_figure_in_words(figure)}" if figure else f"no {METRICS[0]}: {NO_QUERY}"


def _figure_in_words(figure: Figure) -> str:
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
    lines = [f"{name:20}{_figure_in_words(figures[name])}" for name in METRICS if name in figures]
    return [f"{'' if number else 'metrics':10}{line}" for number, line in enumerate(lines)]


def _robustness(numbers: dict[str, Any]) -> list[str]:
    kinds = {name.removeprefix("recall@1_"): value for name, value in numbers.items() if name.startswith("recall@1_")}
    shares = ", ".join(f"{kind} {100 * share:.0f} %" for kind, share in kinds.items())
    return [f"robust    altered copies found at rank 1: {shares}"]


def _promise(standing: dict[str, Any]) -> list[str]:
    return [f"promise   {standing['sentence']}"]


LINES = {
    "clean.json": _archive,
    "group.json": _groups,
    "promise.json": _promise,
    "metrics.json": _metrics,
    "robustness.json": _robustness,
}


def _stages(outcomes: Sequence[Outcome]) -> str:
    ran = [f"{outcome.name} {outcome.seconds:.0f} s" for outcome in outcomes if outcome.ran]
    rest = len(outcomes) - len(ran)
    words = ", ".join(ran) or "nothing had to run"
    return words + (f"; {rest} up to date" if ran and rest else "")
