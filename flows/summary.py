"""Writes the words at the end of `cbir run`: the counts, how good it is, how long it took, and where to look."""

from collections.abc import Sequence
from datetime import datetime

from cbir.comparison.study import Row
from cbir.comparison.summary import METRICS, NO_QUERY, account_of, figure_in_words
from flows.pipeline.stages import Outcome
from tasks.harness.settings import Paths

FIRST_COMMIT = (
    'keep      git add --all && git commit -m "first run"\n'
    "          with it `dvc metrics diff` and `dvc exp show --only-changed` compare later runs"
)


def summary(outcomes: Sequence[Outcome], paths: Paths) -> str:
    """Renders lines of text for a person."""
    lines = [*account_of(paths.reports), f"stages    {_stages(outcomes)}"]
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
    return f"{METRICS[0]} {figure_in_words(figure)}" if figure else f"no {METRICS[0]}: {NO_QUERY}"


def _stages(outcomes: Sequence[Outcome]) -> str:
    ran = [f"{outcome.name} {outcome.seconds:.0f} s" for outcome in outcomes if outcome.ran]
    rest = len(outcomes) - len(ran)
    words = ", ".join(ran) or "nothing had to run"
    return words + (f"; {rest} up to date" if ran and rest else "")
