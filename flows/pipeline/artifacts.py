"""Fills the run's page in Prefect: metrics, rejected files, contact sheets, a link to the MLflow run."""

import base64
import csv
import json
import re
from collections.abc import Sequence
from pathlib import Path

from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from cbir.comparison.study import figures_of
from cbir.spreadsheet import as_markdown
from flows.pipeline.stages import Outcome
from tasks.harness.settings import PARAMS, load_paths, metrics_of, outputs, read_yaml

SHOWN = 40  # rejected files in the summary; reports/cleaning.csv has all


def publish(outcomes: Sequence[Outcome], root: Path, *, mlflow_run: str | None = None) -> None:
    """Puts what the stages that ran in a workspace wrote on the page of the present flow run: numbers and pictures."""
    params = read_yaml(root / PARAMS)
    rejected = load_paths(params).reports / "cleaning.csv"
    rows = [{"stage": done.name, "result": done.reason, "seconds": round(done.seconds, 1)} for done in outcomes]
    create_table_artifact(rows, key="stages", description="How each stage came to be up to date")
    for name in [outcome.name for outcome in outcomes if outcome.ran]:
        for path in metrics_of(name, root):
            words = f"Numbers of the stage {name}, with 95 % intervals where there are any"
            create_table_artifact(metrics_table(root / path), key=_key(path), description=words)
        for path in outputs(name, root):
            for sheet in pictures(root / path):
                create_markdown_artifact(_picture(sheet), key=f"{_key(sheet)}-sheet")
        if rejected in outputs(name, root):
            create_markdown_artifact(rejected_files(root / rejected), key="rejected")
    if mlflow_run:
        from tasks.tracking.connection import run_url

        create_link_artifact(run_url(mlflow_run, params), link_text="MLflow run", key="mlflow-run")


def metrics_table(path: Path) -> list[dict[str, str | float]]:
    """Lists metric, value and interval of a metrics file; metrics without a value are left out."""
    figures = figures_of(json.loads(path.read_text(encoding="utf-8"))).items()
    return [{"metric": name, "value": round(it.value, 4), "95 % interval": it.interval} for name, it in figures]


def pictures(path: Path) -> list[Path]:
    """Finds the pictures for the page in an output: itself, if it is one, or the contact sheets in a folder."""
    if path.is_dir():
        return sorted(path.glob("contact_*.png"))
    return [path] if path.suffix == ".png" else []


def rejected_files(path: Path) -> str:
    """Renders the first lines of the cleaning report, rejected files and copies with their reasons, as Markdown."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    lines = ["# Rejected files and copies", ""]
    lines += ["| file | finding | reason |", "|---|---|---|"] if rows else ["Nothing was rejected."]
    for row in rows[:SHOWN]:
        lines.append(f"| {as_markdown(row['path'])} | {row['finding']} | {as_markdown(row['reason'])} |")
    if len(rows) > SHOWN:
        lines.append(f"\n{len(rows) - SHOWN} more in {path}.")
    return "\n".join(lines)


def _key(path: Path) -> str:
    """Turns the name of a file into what Prefect takes: lower-case letters, digits and dashes."""
    return re.sub("[^a-z0-9]+", "-", path.stem.lower())


def _picture(path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return f"# {path.stem.replace('_', ' ').capitalize()}\n\n![{path.stem}](data:image/png;base64,{data})"
