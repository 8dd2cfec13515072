"""Defines the Prefect flow: the stages of dvc.yaml as tasks, in their order, independent ones side by side."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture, wait
from prefect.runtime import flow_run
from prefect.states import Completed, Failed, State

from cbir.display import visible_lines
from cbir.errors import UserError, is_full_disk
from flows.pipeline.artifacts import publish
from flows.pipeline.durations import remember
from flows.pipeline.embed_workers import embed_in_shards
from flows.pipeline.living import announced
from flows.pipeline.recorder import Recording
from flows.pipeline.results import keep
from flows.pipeline.stages import (
    Outcome,
    StageError,
    StageInterruptedError,
    Tell,
    bring_up_to_date,
    plan_stages,
)
from flows.processes.running import Running
from tasks.harness.settings import HERE
from tasks.harness.stage import no_space

PREPARATIONS: dict[str, Callable[[Path, Tell, Running], None]] = {
    "embed": embed_in_shards
}  # before a stage that has to run
terminal = logging.getLogger("flows")


def _can_be_retried(_task: object, _run: object, state: State) -> bool:
    return isinstance(state.result(raise_on_failure=False), StageInterruptedError)


@contextmanager
def _telling_full_disk(name: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if is_full_disk(error):
            raise StageError(f"{name}: {no_space()}") from error
        raise


@task(cache_policy=NO_CACHE, retries=2, retry_delay_seconds=10, retry_condition_fn=_can_be_retried)
def stage(
    name: str,
    root: Path,
    recording: Recording,
    running: Running,
    *,
    prefix: str,
    force: bool,
    hold: bool,
    unchanged: Outcome | None,
) -> State[Any]:
    """Brings one stage up to date; ends Cached, with the reason, if it did not have to run."""
    run_log = get_run_logger()

    def tell(level: int, text: str) -> None:
        run_log.log(level, "%s", visible_lines(text))
        terminal.log(level, "%s%s: %s", prefix, name, text)

    def prepare() -> None:
        recording.prepare()
        if name in PREPARATIONS:
            PREPARATIONS[name](root, tell, running)

    try:
        with _telling_full_disk(name):
            outcome = unchanged or bring_up_to_date(
                name, root=root, force=force, hold=hold, tell=tell, running=running, prepare=prepare
            )
            remember(root, outcome)
    except StageError as error:
        recording.failed(name, error)
        if isinstance(error, StageInterruptedError):
            tell(logging.WARNING, str(error).removeprefix(f"{name}: "))  # or nobody would know why it starts again
            raise
        return Failed(message=str(error))
    if outcome.ran:
        recording.ran(outcome)
        tell(logging.INFO, f"ran, {outcome.seconds:.1f} s")
        return Completed(message=f"ran in {outcome.seconds:.1f} s", data=outcome)
    tell(logging.INFO, outcome.reason)
    return Completed(name="Cached", message=outcome.reason, data=outcome)


@flow(name="cbir", validate_parameters=False)
def pipeline(
    force: Sequence[str] = (),
    *,
    root: Path = HERE,
    targets: Sequence[str] = (),
    hold: Sequence[str] = (),
    prefix: str = "",
    key: str = "",
    recorded: bool = True,
) -> State[Any]:
    """Brings every stage up to date; those named in ``force`` run whether they have to or not.

    Its result (:func:`flows.pipeline.results.result_of`) is a list of Outcome, or a UserError if it could not begin.

    Args:
        root: the workspace.
        targets: only these stages and what they need; none: all.
        hold: stages that must not run: the flow fails if one would have to.
        prefix: begins each line on the terminal.
        key: identifies this run in MLflow; runs with the same key share an MLflow run. Empty: the flow run's id.
        recorded: whether to record it in MLflow, if the workspace is tracked.
    """
    with announced():
        recording = Recording(root, (key or str(flow_run.id)) if recorded else "")
        return _pipeline(force, root, targets, hold, prefix, recording)


def _pipeline(
    force: Sequence[str],
    root: Path,
    targets: Sequence[str],
    hold: Sequence[str],
    prefix: str,
    recording: Recording,
) -> State[Any]:
    try:
        plan = plan_stages(force, terminal.log, root=root, targets=targets)
    except UserError as error:
        keep(error)
        return Failed(message=str(error))
    running = Running()
    runs: dict[str, PrefectFuture[Any]] = {}
    for name, needed in plan.needs.items():
        runs[name] = stage.with_options(name=name, task_run_name=name).submit(
            name,
            root,
            recording,
            running,
            prefix=prefix,
            force=name in force,
            hold=name in hold,
            unchanged=plan.unchanged.get(name),
            wait_for=[runs[other] for other in needed],
            return_state=False,
        )
    return _finish(runs, root, recording, running)


def _finish(runs: dict[str, PrefectFuture[Any]], root: Path, recording: Recording, running: Running) -> State[Any]:
    """Waits for the stages, publishes and keeps their outcomes, and returns the state of the flow."""
    try:
        wait(list(runs.values()))
    except BaseException:  # Ctrl-C or a termination signal: the threads that wait for the stages cannot be interrupted
        running.stop()
        raise
    states = {name: run.state for name, run in runs.items()}
    outcomes = [state.result() for state in states.values() if state.is_completed()]
    publish(outcomes, root, mlflow_run=recording.finish(terminal.log))
    failed = [state for state in states.values() if state.is_failed() or state.is_crashed()]
    keep(outcomes)
    if failed:
        return Failed(message=failed[0].message)
    return Completed(message=_in_words(outcomes))


def _in_words(outcomes: list[Outcome]) -> str:
    ran = [outcome.name for outcome in outcomes if outcome.ran]
    return f"ran {', '.join(ran)}" if ran else "nothing had to run"
