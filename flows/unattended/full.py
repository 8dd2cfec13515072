"""The Prefect flow `run`: brings everything up to date, with a preset and settings from Prefect's page or its API."""

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

from prefect import flow
from prefect.runtime import flow_run
from prefect.states import State

from cbir.base.errors import UserError
from flows.pipeline.flow import pipeline
from flows.pipeline.naming import dated
from flows.pipeline.recorder import begun_by
from flows.pipeline.results import result_of
from flows.repository.accessions import adopt
from flows.studies.presets import encoder_values
from flows.unattended.keeping import as_before, in_service, loss
from flows.unattended.run import Done, tell, unattended
from flows.workspace.checks import require_run
from flows.workspace.settings import set_params, write_settings
from tasks.harness.settings import PARAMS, load_paths, read_yaml


@flow(name="run", flow_run_name=dated, validate_parameters=False)
def run(
    preset: str = "", settings: Sequence[str] = (), force: Sequence[str] = (), keep_worse: bool = False
) -> State[Any]:
    """Brings everything up to date, as `cbir run` does.

    Args:
        preset: written to params.yaml first; empty: the settings as they are.
        settings: changes of params.yaml, such as index.k=50.
        force: stages to run even when they are up to date.
        keep_worse: whether a new encoder goes into service even if it measures worse.
    """
    return unattended("cbir run", partial(_run, preset, settings, force, keep_worse), wait=True)


def _run(preset: str, settings: Sequence[str], force: Sequence[str], keep_worse: bool) -> Done:
    begun_by.set(("cbir run", preset))
    written = PARAMS.read_text(encoding="utf-8")
    values = encoder_values(preset) if preset else None
    changes = set_params(settings, preset=values, check=partial(require_run, force=force))
    for change in changes:
        tell(logging.INFO, "params.yaml: %s", change)
    paths = load_paths(read_yaml(PARAMS))
    adopt(paths.raw, paths.weights)
    before = in_service(paths)
    message = _bring_up_to_date(force)
    worse = loss(before, paths)
    if worse and changes and not keep_worse:
        write_settings(written)
        _bring_up_to_date()
        raise UserError(as_before(worse))
    return Done(message, changed=True)


def _bring_up_to_date(force: Sequence[str] = ()) -> str:
    state = pipeline(force, key=str(flow_run.id), return_state=True)
    result_of(state)
    return str(state.message)
