"""Serves the flows as deployments on a Prefect server, which starts them by their schedules (`cbir serve`)."""

import asyncio
import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from prefect import Flow, flow
from prefect.deployments.runner import RunnerDeployment
from prefect.runner import Runner
from prefect.schedules import Cron, Interval, Schedule
from prefect.states import State
from prefect.types.entrypoint import EntrypointType

from cbir.base.errors import UserError
from flows.pipeline.living import mark_dead_runs
from flows.pipeline.naming import dated, labels
from flows.pipeline.results import result_of
from flows.repository.accessions import adopt
from flows.studies.plans import make_plan, one_study
from flows.studies.presets import DEFAULT, preset_names
from flows.studies.study import study
from flows.unattended.full import run
from flows.unattended.refresh import refresh
from flows.unattended.retraining import retrain
from flows.unattended.run import Done, unattended
from tasks.harness.settings import HERE, PARAMS, load_paths, load_section, read_yaml

SECONDS = re.compile(r"\d+(\.\d+)?")


@flow(name="study-all", flow_run_name=dated, validate_parameters=False)
def study_all() -> State[Any]:
    """Runs all presets and compare them in one table."""
    return unattended("cbir study", _study_all, wait=True)


def _study_all() -> Done:
    paths = load_paths(read_yaml(PARAMS))
    plans = [make_plan(name) for name in preset_names() if name != DEFAULT]
    with one_study(paths.store):
        adopt(paths.raw, paths.weights)
        state = study(plans, return_state=True)
    result_of(state)
    return Done(f"{state.message}: {paths.reports}/study.html", news={"report": str(paths.reports / "study.html")})


FLOWS: dict[str, tuple[Flow[Any, Any], dict[str, Any]]] = {  # with the parameters of a run that a schedule starts
    "refresh": (refresh, {"wait": False}),  # what a skipped one would have found, the next one finds
    "retrain": (retrain, {}),
    "study": (study_all, {}),
    "run": (run, {}),  # from Prefect's page, where its form asks for preset and settings
}


@dataclass(frozen=True)
class Schedules:
    """The section ``schedule`` of params.yaml: a time zone, and for each flow a cron line or a number of seconds."""

    timezone: str
    refresh: str
    retrain: str
    study: str


def serve_schedules() -> None:
    """Serves the deployments until TERM or Ctrl-C; raises UserError if a schedule or the time zone is none."""
    settings = load_section("schedule", Schedules, read_yaml(PARAMS))
    schedules = {name: schedule_of(name, settings) for name in FLOWS}
    mark_dead_runs()
    server = _Server(pause_on_shutdown=False)
    for name, (served, parameters) in FLOWS.items():
        made = served.to_deployment(
            "cbir",
            schedules=[schedule] if (schedule := schedules[name]) else [],
            parameters=parameters,
            description=served.description,
            tags=labels(HERE),
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
        assert isinstance(made, RunnerDeployment)  # outside of an event loop it is
        server.add_deployment(made)
    print(f"Prefect  {os.environ['PREFECT_API_URL'].removesuffix('/api')}", flush=True)
    for name in FLOWS:
        print(f"{name:8} {_in_words(getattr(settings, name, ''), settings.timezone)}", flush=True)
    print("Ctrl-C stops it.", flush=True)
    with suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(server.start())


class _Server(Runner):
    """Prefect's runner, which TERM ends as Ctrl-C does: its task is cancelled.

    Prefect's own handler raises SystemExit at whatever line the process is; one in some twenty was lost. See
    docs/upstream.md, Prefect: SIGTERM of a runner.
    """

    _serving: "asyncio.Task[Any] | None" = None

    async def start(self, run_once: bool = False, webserver: bool | None = None) -> None:
        self._serving = asyncio.current_task()
        await super().start(run_once, webserver)

    def handle_sigterm(self, *_: Any, **__: Any) -> None:
        if self._serving:
            self._serving.get_loop().call_soon_threadsafe(self._serving.cancel)


def schedule_of(name: str, settings: Schedules) -> Schedule | None:
    """Returns the schedule of a flow; None: never by itself.

    Raises:
        UserError: it is neither a cron line nor a number of seconds, or the time zone is none.
    """
    text = getattr(settings, name, "").strip()
    if not text:
        return None
    if SECONDS.fullmatch(text) and float(text) > 0:
        return Interval(timedelta(seconds=float(text)))
    _check(settings.timezone, ZoneInfo, "timezone", "a time zone, such as Europe/Paris")
    rule = 'a cron line such as "0 3 * * 0" (Sundays at three), a number of seconds, or empty for never'
    return _check(text, lambda line: Cron(line, timezone=settings.timezone), name, rule)


def _check(text: str, make: Callable[[str], Any], name: str, rule: str) -> Any:
    try:
        return make(text)
    except (ValueError, KeyError, OSError) as error:  # ZoneInfo raises all of them
        raise UserError(f"params.yaml: schedule.{name} must be {rule}, is {text!r}") from error


def _in_words(text: str, timezone: str) -> str:
    if not text.strip():
        return "by hand alone"
    return f"every {text} s" if SECONDS.fullmatch(text.strip()) else f"{text} ({timezone})"
