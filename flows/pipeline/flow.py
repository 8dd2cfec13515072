"""Defines the Prefect flow: the stages of dvc.yaml as tasks, in their order, independent ones side by side."""

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture, wait
from prefect.runtime import flow_run
from prefect.states import Completed, Failed, State

from cbir.base.display import visible_lines
from cbir.base.errors import UserError, disk_trouble
from flows.pipeline import embed_workers
from flows.pipeline.artifacts import publish
from flows.pipeline.durations import last_seconds, remember
from flows.pipeline.living import announced
from flows.pipeline.naming import by_command
from flows.pipeline.pace import Pace, watched
from flows.pipeline.recorder import Recording
from flows.pipeline.results import REFUSED, keep
from flows.pipeline.stages import Outcome, Plan, StageError, StageInterruptedError, Tell, bring_up_to_date, plan_stages
from flows.processes.running import Running
from tasks.harness.settings import HERE

terminal = logging.getLogger("flows")


class Run:
    """Holds what the stages of a flow run share; no data class, which Prefect would take apart and pickle."""

    def __init__(
        self,
        root: Path,
        plan: Plan,
        force: Sequence[str],
        hold: Sequence[str],
        lenient: bool,
        prefix: str,
        recording: Recording,
    ) -> None:
        self.root, self.plan, self.force, self.hold, self.lenient = root, plan, force, hold, lenient
        self.prefix, self.recording, self.running = prefix, recording, Running()
        order = list(plan.before())
        self.pace = Pace(order, [name for name in order if name not in plan.unchanged], last_seconds(root))

    def __reduce__(self) -> tuple[type, tuple[()]]:
        """Pickles as nothing: Prefect sends a task's arguments along to the workers that the task starts."""
        return object, ()


def _can_be_retried(_task: object, _run: object, state: State) -> bool:
    return isinstance(state.result(raise_on_failure=False), StageInterruptedError)


@task(cache_policy=NO_CACHE, retries=2, retry_delay_seconds=10, retry_condition_fn=_can_be_retried)
def stage(name: str, run: Run) -> State[Any]:
    """Brings one stage up to date; ends Cached, with the reason, if it did not have to run."""
    run_log, spoken = get_run_logger(), [0.0]

    def tell(level: int, text: str) -> None:
        spoken[0] = time.monotonic()
        run_log.log(level, "%s", visible_lines(text))
        terminal.log(level, "%s%s: %s", run.prefix, name, text)

    try:
        with watched(lambda text: tell(logging.INFO, text), lambda: spoken[0]):
            outcome = run.plan.unchanged.get(name) or _bring_up_to_date(name, run, tell)
    except StageError as error:
        run.recording.failed(name, error)
        if isinstance(error, StageInterruptedError):
            tell(logging.WARNING, str(error).removeprefix(f"{name}: "))  # or nobody would know why it starts again
            raise
        return Failed(message=str(error))
    if outcome.ran:
        run.recording.ran(outcome)
        tell(logging.INFO, f"ran, {outcome.seconds:.1f} s")
        return Completed(message=f"ran in {outcome.seconds:.1f} s", data=outcome)
    tell(logging.INFO, outcome.reason)
    return Completed(name="Cached", message=outcome.reason, data=outcome)


def _bring_up_to_date(name: str, run: Run, tell: Tell) -> Outcome:
    def prepare() -> None:
        terminal.info("%s%s", run.prefix, run.pace.begin(name))
        run.recording.prepare()
        if name == embed_workers.STAGE:
            embed_workers.embed_in_shards(run.root, tell, run.running)

    force, hold = name in run.force, name in run.hold
    try:
        outcome = bring_up_to_date(
            name,
            root=run.root,
            force=force,
            hold=hold,
            keep=run.lenient,
            tell=tell,
            running=run.running,
            prepare=prepare,
        )
        remember(run.root, outcome)
        run.pace.end(name)
    except Exception as error:
        if trouble := disk_trouble(error):
            raise StageError(f"{name}: {trouble}") from error
        raise
    return outcome


@flow(name="cbir", flow_run_name=by_command, validate_parameters=False)
def pipeline(
    force: Sequence[str] = (),
    *,
    root: Path = HERE,
    targets: Sequence[str] = (),
    hold: Sequence[str] = (),
    lenient: bool = False,
    prefix: str = "",
    key: str = "",
    recorded: bool = True,
) -> State[Any]:
    """Brings every stage up to date; those named in ``force`` run whether they have to or not.

    Its result (:func:`flows.pipeline.results.result_of`) is a list of Outcome.

    Args:
        targets: only these stages and what they need; none: all.
        hold: stages that must not run: the flow fails if one would have to.
        lenient: whether those stay as they are where only their version, or what was made before them, is another.
        prefix: begins each line on the terminal.
        key: of the MLflow run, which runs with the same key share; empty: the flow run's id.
        recorded: whether to record it in MLflow, if the workspace is tracked.
    """
    with announced():
        try:
            plan = plan_stages(force, terminal.log, root=root, targets=targets, keep=hold if lenient else ())
        except UserError as error:
            keep(error)
            return Failed(name=REFUSED, message=str(error))
        recording = Recording(root, (key or str(flow_run.id)) if recorded else "")
        run = Run(root, plan, force, hold, lenient, prefix, recording)
        tasks: dict[str, PrefectFuture[Any]] = {}
        for name, awaited in plan.before().items():
            named = stage.with_options(name=name, task_run_name=name)
            before = [tasks[other] for other in awaited]
            tasks[name] = named.submit(name, run, wait_for=before, return_state=False)
        return _finish(tasks, run)


def _finish(tasks: dict[str, PrefectFuture[Any]], run: Run) -> State[Any]:
    """Waits for the stages, publishes and keeps their outcomes, and returns the state of the flow."""
    try:
        wait(list(tasks.values()))
    except BaseException:  # Ctrl-C or a termination signal: the threads that wait for the stages cannot be interrupted
        run.running.stop()
        raise
    states = [task.state for task in tasks.values()]
    outcomes = [state.result() for state in states if state.is_completed()]
    publish(outcomes, run.root, mlflow_run=run.recording.finish(terminal.log))
    failed = [state for state in states if state.is_failed() or state.is_crashed()]
    keep(outcomes)
    if failed:
        return Failed(message=failed[0].message)
    ran = [outcome.name for outcome in outcomes if outcome.ran]
    return Completed(message=f"ran {', '.join(ran)}" if ran else "nothing had to run")
