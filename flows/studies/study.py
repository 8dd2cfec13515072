"""Defines the Prefect flow of a study: the pipeline once a preset, each in its own workspace, and one table of all."""

import json
import logging
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from prefect import flow
from prefect.runtime import flow_run
from prefect.states import Completed, Failed, State

from cbir.base.errors import UserError
from cbir.comparison.report import write_study
from cbir.comparison.study import Row
from cbir.comparison.study import study as compare
from flows.pipeline.durations import recall
from flows.pipeline.flow import pipeline
from flows.pipeline.recorder import recorder
from flows.pipeline.results import keep, result_of
from flows.pipeline.stages import Outcome
from flows.studies.plans import Plan
from flows.workspace.copies import archive_stages, make_workspace, writers_of
from tasks.harness.settings import PARAMS, Paths, is_tracked, load_paths, read_yaml
from tasks.tracking.connection import RecorderError
from tasks.tracking.facts import Ran
from tasks.tracking.study import Member, record_study

QUICK = (
    "Made with --quick: small networks without pretrained weights, few epochs. "
    "The figures show the workings, not how good the systems are."
)
log = logging.getLogger("flows")


@flow(name="study", validate_parameters=False)
def study(plans: Sequence[Plan]) -> State[Any]:
    """Runs every plan, compares the results and writes the table; a plan that fails becomes a row that says why."""
    began, paths = time.time(), load_paths(read_yaml(PARAMS))
    shared = pipeline.with_options(flow_run_name="archive")(targets=archive_stages(paths), return_state=True)
    if not shared.is_completed():
        keep(UserError(str(shared.message)))
        return Failed(message=shared.message)
    finished = [_finish(plan, paths) for plan in plans]
    done = compare([row for row, _ in finished], note=_note(plans))
    write_study(paths.reports, done)
    files = [str(path) for path in sorted(paths.reports.glob("study.*"))]
    _record(str(flow_run.id), began, [member for _, member in finished], files)
    failed = [row.preset for row in done.rows if row.failure]
    keep(list(done.rows))
    return Completed(message=f"{len(done.rows)} presets" + (f", failed: {', '.join(failed)}" if failed else ""))


def _record(*study: Any) -> None:
    try:
        if is_tracked():
            log.info("MLflow run: %s", recorder().ask(record_study, *study)())
    except (UserError, RecorderError) as error:
        log.warning("MLflow did not record the study: %s", error)


def _note(plans: Sequence[Plan]) -> str:
    """Names the settings that all rows share, for readers not to take their effect for that of a preset."""
    words = [QUICK] if plans[0].quick else []
    if plans[0].assignments:
        words.append(f"Set on top of every preset: {', '.join(plans[0].assignments)}.")
    return " ".join(words)


def _finish(plan: Plan, paths: Paths) -> tuple[Row, Member]:
    """Brings the workspace of a plan up to date; returns its row of the table and its record in MLflow."""
    root = plan.root(paths)
    outcomes: list[Outcome] = []
    try:
        make_workspace(root, plan.values, plan.assignments, plan.preset.graph, paths)
        state = pipeline.with_options(flow_run_name=plan.name)(
            root=root,
            targets=writers_of(*compared_files(paths), root=root),
            prefix=f"{plan.name}/",
            recorded=False,
            return_state=True,
        )
        outcomes = result_of(state, failed=True)
        failure = None if state.is_completed() else str(state.message)
    except UserError as error:
        failure = str(error)
    if failure:
        log.error("%s: %s", plan.name, failure)
    recalled = {outcome.name: recall(root, outcome) for outcome in outcomes}
    seconds = {name: value for name, value in recalled.items() if value is not None}
    return _row(plan, root, paths, seconds, failure), _member(plan, root, seconds, failure)


def compared_files(paths: Paths) -> tuple[Path, Path]:
    """Names the metrics files that a study compares; it runs the stages that write them and what these need."""
    return paths.reports / "metrics.json", paths.reports / "robustness.json"


def _row(plan: Plan, root: Path, paths: Paths, seconds: dict[str, float], failure: str | None) -> Row:
    row = partial(
        Row,
        preset=plan.name,
        description=plan.preset.description,
        command=plan.command,
        published=plan.preset.published,
        training_seconds=_first(seconds, writers_of(paths.encoder)),
        embedding_seconds=_first(seconds, [*writers_of(paths.embeddings), *plan.preset.graph]),
    )
    if failure:
        return row(failure=failure)
    metrics, robustness = (
        json.loads((root / path).read_text(encoding="utf-8")) if (root / path).exists() else None
        for path in compared_files(paths)
    )
    queries = root / paths.reports / "per_query.parquet"
    per_query = pd.read_parquet(queries) if queries.exists() else None
    return row(metrics=metrics, robustness=robustness, per_query=per_query)


def _first(seconds: dict[str, float], stages: Sequence[str]) -> float | None:
    """Returns the seconds of the first of these stages that ran, here or elsewhere."""
    return next((seconds[name] for name in stages if name in seconds), None)


def _member(plan: Plan, root: Path, seconds: dict[str, float], failure: str | None) -> Member:
    stages = [Ran(name, value) for name, value in seconds.items()]
    if failure:
        stage, _, sentence = failure.partition(": ")
        stages.append(Ran(stage, 0.0, (), sentence))
    return Member(plan.name, str(root), stages)
