"""What the run's page in Prefect shows: metrics, the cleaning summary, contact sheets, a link to the MLflow run."""

import base64
import csv
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from cbir.spreadsheet import as_markdown
from flows.pipeline.stages import Outcome
from tasks.harness.settings import PARAMS, load_paths, read_yaml

SHOWN = 40  # rejected files in the summary; reports/cleaning.csv has all


def publish(outcomes: Sequence[Outcome], root: Path, *, mlflow_run: str | None = None) -> None:
    """Put what the stages that ran in a workspace have to show on the page of the present flow run."""
    params = read_yaml(root / PARAMS)
    reports = root / load_paths(params).reports
    ran = {outcome.name for outcome in outcomes if outcome.ran}
    _stages_table(outcomes)
    if "clean" in ran:
        create_markdown_artifact(cleaning_summary(reports / "cleaning.csv"), key="cleaning")
    if "evaluate" in ran:
        create_table_artifact(
            metrics_table(reports / "metrics.json"), key="metrics", description="Metrics, with 95 % intervals"
        )
        for sheet in sorted((reports / "plots").glob("contact_*.png")):
            create_markdown_artifact(_picture(sheet), key=sheet.stem.replace("_", "-"))
    if "robustness" in ran:
        create_table_artifact(
            metrics_table(reports / "robustness.json"),
            key="robustness",
            description="How well altered copies were found, with 95 % intervals",
        )
        create_markdown_artifact(_picture(reports / "robustness.png"), key="robustness-sheet")
    if mlflow_run:
        from tasks.tracking.connection import run_url

        create_link_artifact(run_url(mlflow_run, params), link_text="MLflow run", key="mlflow-run")


def _stages_table(outcomes: Sequence[Outcome]) -> None:
    rows = [{"stage": one.name, "result": one.reason, "seconds": round(one.seconds, 1)} for one in outcomes]
    create_table_artifact(rows, key="stages", description="How each stage came to be up to date")


def metrics_table(path: Path) -> list[dict[str, str | float]]:
    """Rows of metric, value and interval from metrics.json or robustness.json; metrics without a value are left out."""
    metrics = json.loads(path.read_text(encoding="utf-8"))
    rows: list[dict[str, str | float]] = []
    for name, value in metrics.items():
        if isinstance(value, int | float):
            interval = (metrics.get("ci95") or {}).get(name) or {}
            low, high = interval.get("low"), interval.get("high")
            between = "" if low is None or high is None else f"{low:.3f} to {high:.3f}"
            rows.append({"metric": name, "value": round(value, 4), "95 % interval": between})
    return rows


def cleaning_summary(path: Path) -> str:
    """Markdown: how many files of each finding the cleaning report lists, and the first of them with their reasons."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    counts = Counter(row["finding"] for row in rows)
    lines = ["# Cleaning", ""]
    lines += [f"- {count} {finding.replace('_', ' ')}" for finding, count in sorted(counts.items())] or [
        "Nothing was rejected."
    ]
    lines += ["", "| file | finding | reason |", "|---|---|---|"] if rows else []
    for row in rows[:SHOWN]:
        lines.append(f"| {as_markdown(row['path'])} | {row['finding']} | {as_markdown(row['reason'])} |")
    if len(rows) > SHOWN:
        lines.append(f"\n{len(rows) - SHOWN} more in {path}.")
    return "\n".join(lines)


def _picture(path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return f"# {path.stem.replace('_', ' ').capitalize()}\n\n![{path.stem}](data:image/png;base64,{data})"
