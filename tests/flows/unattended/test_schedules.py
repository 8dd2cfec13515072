"""Schedules as params.yaml gives them, in a time zone with daylight saving, and the deployments of a work pool."""

import asyncio
import itertools
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from prefect.events.schemas.automations import AutomationCore
from prefect.flows import load_flow_from_entrypoint
from prefect.server.schemas.schedules import CronSchedule as ServerCronSchedule
from prefect.server.schemas.schedules import IntervalSchedule as ServerIntervalSchedule
from prefect.utilities.callables import parameter_schema
from ruamel.yaml import YAML

from cbir.base.errors import UserError
from flows.pipeline.results import REFUSED
from flows.unattended.full import run
from flows.unattended.schedules import FLOWS, Schedules, schedule_of
from tasks.harness.settings import load_section, read_yaml

ROOT = Path(__file__).parents[3]
SETTINGS = Schedules(timezone="Europe/Paris", refresh="20", retrain="30 2 * * *", study="")


def test_a_number_is_an_interval_a_line_is_cron_in_the_time_zone_and_nothing_is_never() -> None:
    interval, cron = schedule_of("refresh", SETTINGS), schedule_of("retrain", SETTINGS)
    assert interval is not None
    assert interval.interval == timedelta(seconds=20)
    assert cron is not None
    assert (cron.cron, cron.timezone) == ("30 2 * * *", "Europe/Paris")
    assert schedule_of("study", SETTINGS) is None


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("refresh", "every minute", r"schedule\.refresh must be a cron line such as .* is \'every minute\'"),
        ("refresh", "61 * * * *", r"schedule\.refresh must be a cron line"),
        ("timezone", "Europe/Pari", r"schedule\.timezone must be a time zone, such as Europe/Paris, is 'Europe/Pari'"),
        ("timezone", "", r"schedule\.timezone must be a time zone"),
    ],
)
def test_a_schedule_that_is_none_is_named_with_its_rule(name: str, value: str, rule: str) -> None:
    settings = Schedules(**{**vars(SETTINGS), "refresh": "0 * * * *", name: value})
    with pytest.raises(UserError, match=rule):
        schedule_of("refresh", settings)


@pytest.mark.parametrize("month", [3, 10])
def test_where_the_clock_is_changed_a_nightly_run_comes_once_each_night(month: int) -> None:
    schedule = ServerCronSchedule(cron="30 2 * * *", timezone="Europe/Paris")
    start = datetime(2026, month, 20, tzinfo=UTC)
    dates = asyncio.run(schedule.get_dates(n=14, start=start))
    local = [date.astimezone(ZoneInfo("Europe/Paris")) for date in dates]
    gaps = [(after - before).total_seconds() / 3600 for before, after in itertools.pairwise(local)]
    assert len({date.date() for date in local}) == len(local)
    assert all(22 <= gap <= 26 for gap in gaps)


@pytest.mark.parametrize(
    ("schedule", "minutes"),
    [
        (ServerCronSchedule(cron="*/15 * * * *", timezone="UTC"), {15}),
        (ServerIntervalSchedule(interval=timedelta(minutes=15)), {15}),
        (
            ServerCronSchedule(cron="*/15 * * * *", timezone="Europe/Paris"),
            {15, 75},
        ),  # one of the two hours from 2 to 3
    ],
)
def test_when_an_hour_comes_twice_utc_and_seconds_go_on_and_a_cron_line_leaves_one_of_them_out(
    schedule: ServerCronSchedule | ServerIntervalSchedule, minutes: set[int]
) -> None:
    dates = asyncio.run(schedule.get_dates(n=96, start=datetime(2026, 10, 24, 22, tzinfo=UTC)))
    utc = [date.astimezone(UTC) for date in dates]
    assert {(after - before).total_seconds() / 60 for before, after in itertools.pairwise(utc)} == minutes


def test_the_form_of_run_asks_for_what_a_person_means() -> None:
    schema = parameter_schema(run)
    assert set(schema.properties) == {"preset", "settings", "force", "keep_worse"}
    assert schema.required == []
    assert all(described["description"] for described in schema.properties.values())


def test_the_automation_of_the_documentation_is_valid_for_prefect() -> None:
    (text,) = re.findall(r"```yaml\n(name: .*?)```", (ROOT / "docs/unattended.md").read_text(), re.DOTALL)
    automation = AutomationCore.model_validate(YAML(typ="safe").load(text))
    assert automation.trigger.expect >= {f"prefect.flow-run.{REFUSED}"}


def test_prefect_yaml_has_the_flows_and_the_schedules_of_params_yaml() -> None:
    given = load_section("schedule", Schedules, read_yaml(ROOT / "params.yaml"))
    document = YAML(typ="safe").load(ROOT / "prefect.yaml")
    described = {deployment["entrypoint"].rpartition(".")[2]: deployment for deployment in document["deployments"]}
    assert set(described) == {flow.fn.__name__ for flow, _ in FLOWS.values()}
    for name, (flow, parameters) in FLOWS.items():
        made, deployment = schedule_of(name, given), described[flow.fn.__name__]
        lines = [(schedule["cron"], schedule["timezone"]) for schedule in deployment.get("schedules", [])]
        assert lines == ([(made.cron, made.timezone)] if made else [])
        assert deployment.get("parameters", {}) == parameters
        assert load_flow_from_entrypoint(deployment["entrypoint"], use_placeholder_flow=False).name == flow.name
