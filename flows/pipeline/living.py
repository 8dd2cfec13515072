"""Tells which flow runs are alive: each holds a lock of its own, and a lock that is free tells of a death."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import filelock
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas import filters
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run
from prefect.states import Crashed

RUNS = Path(".dvc/tmp/cbir-runs")
DEAD = "its process died"

log = logging.getLogger("flows")


@contextmanager
def announced() -> Iterator[None]:
    """Counts the present flow run as alive within its block, unless it is part of another one; marks dead runs."""
    if flow_run.parent_flow_run_id:
        yield
        return
    mark_dead_runs()
    RUNS.mkdir(parents=True, exist_ok=True)
    path = RUNS / f"{flow_run.id}.lock"
    try:
        with filelock.FileLock(path):
            yield
    finally:
        path.unlink(missing_ok=True)


def mark_dead_runs() -> None:
    """Tells Prefect of the flow runs of this workspace whose process died: they would stay Running for ever.

    Waits for https://github.com/PrefectHQ/prefect/issues/16746.
    """
    dead = [path for path in sorted(RUNS.glob("*.lock")) if _is_free(path)]
    if dead:
        with get_client(sync_client=True) as client:
            for path in dead:
                _mark(client, UUID(path.stem))
                path.unlink(missing_ok=True)


def _is_free(path: Path) -> bool:
    try:
        with filelock.FileLock(path, timeout=0):
            return True
    except filelock.Timeout:
        return False


def _mark(client: SyncPrefectClient, run_id: UUID) -> None:
    """Marks a flow run, its tasks and the flow runs that are part of it, unless they have ended."""
    try:
        run = client.read_flow_run(run_id)
    except ObjectNotFound:  # of another server
        return
    tasks = filters.TaskRunFilter(flow_run_id=filters.TaskRunFilterFlowRunId(any_=[run_id]))
    for task in client.read_task_runs(task_run_filter=tasks):
        if task.state is None or not task.state.is_final():
            client.set_task_run_state(task.id, Crashed(message=DEAD), force=True)
    parts = filters.FlowRunFilter(parent_flow_run_id=filters.FlowRunFilterParentFlowRunId(any_=[run_id]))
    for part in client.read_flow_runs(flow_run_filter=parts):
        _mark(client, part.id)
    if run.state is None or not run.state.is_final():
        client.set_flow_run_state(run_id, Crashed(message=DEAD), force=True)
        log.info("the run %s is marked as crashed: %s", run.name, DEAD)
