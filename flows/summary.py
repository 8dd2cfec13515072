"""What `cbir run` says at its end: what was found, how good it is, what took how long, and where to look."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from flows.pipeline.stages import Outcome
from tasks.harness.settings import Paths

if TYPE_CHECKING:
    from cbir.comparison.study import Row

METRICS = ("map@10", "recall@10", "hit_rate@1", "micro_ap", "threshold_precision", "threshold_recall")


def summary(outcomes: Sequence[Outcome], paths: Paths) -> str:
    """Lines of text for a person; of a run that failed, what there is."""
    lines = []
    if paths.manifest.exists():
        lines.append(f"archive   {_archive(paths.manifest)}")
    if paths.groups.exists():
        lines.append(f"groups    {_groups(paths.groups)}")
    if (paths.reports / "metrics.json").exists():
        lines += _metrics(json.loads((paths.reports / "metrics.json").read_text(encoding="utf-8")))
    if (paths.reports / "robustness.json").exists():
        lines.append(f"robust    {_robustness(json.loads((paths.reports / 'robustness.json').read_text('utf-8')))}")
    lines.append(f"stages    {_stages(outcomes)}")
    if (paths.reports / "index.html").exists():
        lines.append(
            f"look at   {paths.reports}/index.html (the groups), {paths.reports}/robustness.html, "
            f"{paths.reports}/cleaning.csv, {paths.reports}/plots/"
        )
        lines.append("          make ui (MLflow and Prefect), cbir search IMAGE")
    return "\n".join(lines)


def study_summary(rows: "Sequence[Row]", paths: Paths) -> str:
    """A line a preset, with its figure or why it has none, and where the table is."""
    width = max(len(row.preset) for row in rows)
    lines = [f"{row.preset:{width}}  {row.failure or _figure(row)}" for row in rows]
    return "\n".join([*lines, f"look at   {paths.reports}/study.html (also study.md and study.csv)"])


def _figure(row: "Row") -> str:
    figure = row.figures.get(METRICS[0])
    if figure is None:
        return f"no {METRICS[0]}: no ground truth with a group in the test split"
    between = "" if figure.low is None or figure.high is None else f"  ({figure.low:.3f} to {figure.high:.3f})"
    return f"{METRICS[0]} {figure.value:.3f}{between}"


def _archive(path: Path) -> str:
    table = pq.read_table(path, columns=["status", "duplicate_of"])
    images = table.filter(pc.equal(table["status"], "ok"))
    copies = len(images) - images["duplicate_of"].null_count
    return f"{len(images)} images, {copies} of them exact copies; {len(table) - len(images)} rejected"


def _groups(path: Path) -> str:
    table = pq.read_table(path, columns=["group_id"])
    return f"{pc.count_distinct(table['group_id']).as_py()} near-duplicate groups of {len(table)} images"


def _metrics(metrics: dict[str, Any]) -> list[str]:
    if metrics.get("map@10") is None:
        return ["metrics   none: no ground truth with a group in the test split"]
    lines: list[str] = []
    for name in METRICS:
        value, interval = metrics.get(name), (metrics.get("ci95") or {}).get(name) or {}
        if value is None:
            continue
        low, high = interval.get("low"), interval.get("high")
        between = "" if low is None or high is None else f"  ({low:.3f} to {high:.3f})"
        lines.append(f"{'' if lines else 'metrics':10}{name:20}{value:.3f}{between}")
    return lines


def _robustness(numbers: dict[str, Any]) -> str:
    kinds = {name.removeprefix("recall@1_"): value for name, value in numbers.items() if name.startswith("recall@1_")}
    found = ", ".join(f"{kind} {100 * share:.0f} %" for kind, share in kinds.items())
    return f"altered copies found at rank 1: {found}"


def _stages(outcomes: Sequence[Outcome]) -> str:
    ran = [f"{outcome.name} {outcome.seconds:.0f} s" for outcome in outcomes if outcome.ran]
    rest = len(outcomes) - len(ran)
    words = ", ".join(ran) or "nothing had to run"
    return words + (f"; {rest} up to date" if ran and rest else "")
