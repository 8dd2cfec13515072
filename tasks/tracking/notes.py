"""Describes a run and the version of its encoder in MLflow: tables of figures, a summary with contact sheets."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.harness.settings import Paths
from tasks.tracking.facts import metric_name

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

TABLES = "figures"  # the folder of the tables
GATE = "gate."  # and the name of a number: the tags of a version that say how it was measured and what decided
_DESCRIPTION, _LOGGED = "mlflow.note.content", "mlflow.loggedArtifacts"
_SHEETS = "contact_*.png"


def log_tables(client: "MlflowClient", run: "Run", files: Sequence[Path]) -> None:
    """Logs all figures of metrics files, a table a file with value and 95 % interval, those that the run lacks."""
    from cbir.comparison.study import figures_of

    tables = _tables(run)
    for file in [file for file in files if f"{TABLES}/{file.name}" not in tables]:
        figures = figures_of(json.loads(file.read_text(encoding="utf-8")))
        rows = [(figure, it.value, it.low, it.high) for figure, it in figures.items()]
        table = {"columns": ["figure", "value", "low", "high"], "data": rows}
        client.log_dict(run.info.run_id, table, f"{TABLES}/{file.name}")
        tables.append(f"{TABLES}/{file.name}")
    client.set_tag(run.info.run_id, _LOGGED, json.dumps([{"path": path, "type": "table"} for path in tables]))


def describe(client: "MlflowClient", run_id: str, reports: Path, version: Any) -> None:
    """Puts the summary of what the run has recorded, with its contact sheets, on the run and the encoder's version.

    Args:
        version: of the registered model; None where there is none.
    """
    from cbir.comparison.summary import account_of

    names = {Path(name).name for name in _tables(client.get_run(run_id))}
    if not (lines := account_of(reports, of=names)):
        return
    text = "\n".join(["```", *lines, "```", *_sheets(client, run_id, reports)])
    client.set_tag(run_id, _DESCRIPTION, text)
    if version is not None:
        client.update_model_version(version.name, version.version, text)


def note_figures(client: "MlflowClient", version: Any, paths: Paths, metric: str) -> None:
    """Puts the figures that a promotion compares, as they were last measured, on a version as tags."""
    from cbir.comparison.gate import GUARDED

    metrics = json.loads((paths.reports / "metrics.json").read_text(encoding="utf-8"))
    for name in (metric, GUARDED):
        if (value := metrics.get(name)) is not None:
            client.set_model_version_tag(version.name, version.version, f"{GATE}{metric_name(name)}", f"{value:.6g}")


def _tables(run: "Run") -> list[str]:
    return [entry["path"] for entry in json.loads(run.data.tags.get(_LOGGED, "[]"))]


def _sheets(client: "MlflowClient", run_id: str, reports: Path) -> list[str]:
    """Returns Markdown that shows the contact sheets which the run has, on MLflow's pages."""
    folders = [item.path for item in client.list_artifacts(run_id, reports.name) if item.is_dir]
    files = [item.path for folder in folders for item in client.list_artifacts(run_id, folder)]
    sheets = [path for path in files if Path(path).match(_SHEETS)]
    return [f"![{Path(path).stem}](get-artifact?path={path}&run_uuid={run_id})" for path in sheets]
