"""Puts an encoder into service: `promote` and `rollback`, and a retraining whose gate holds.

The settings of a training that DVC remembers go to params.yaml, and DVC restores what they gave: nothing trains. The
moment that decides is when params.yaml takes its new content: a run that is killed before has changed nothing, and
after it the next run goes on to the new encoder.
"""

import logging
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.runtime import flow_run
from prefect.states import State

from cbir.base.errors import UserError, in_short
from cbir.encoders.files import encoder_digest
from flows.pipeline.flow import pipeline
from flows.pipeline.naming import dated
from flows.pipeline.results import RunError
from flows.repository.accessions import adopt
from flows.repository.run_cache import differing_files
from flows.studies.presets import Values
from flows.unattended.refresh import catch_up, require_service
from flows.unattended.registry import describe
from flows.unattended.run import Done, tell, unattended
from flows.workspace.copies import make_workspace
from flows.workspace.settings import HELD, set_params, write_settings
from tasks.harness.settings import PARAMS, Paths, load_paths, read_yaml

TRIAL = "promotion"


@flow(name="promote", flow_run_name=dated, validate_parameters=False)
def put_into_service(version: int | None) -> State[Any]:
    """Puts a version of the registered model into service; None: the one that the present one took the place of."""
    what = "cbir rollback" if version is None else f"cbir promote {version}"
    return unattended(what, lambda: _put_into_service(version), wait=True)


def _put_into_service(number: int | None) -> Done:
    paths = load_paths(read_yaml(PARAMS))
    require_service(paths)
    adopt(paths.raw, paths.weights)
    version = describe("previous" if number is None else str(number))
    if version.digest == encoder_digest(paths.encoder):
        return Done(f"version {version.number} is in service already", changed=True)
    put_in_place(f"version {version.number}", version.digest, paths, version.values)
    return promoted(f"version {version.number} is in service")


def promoted(message: str) -> Done:
    """Returns the news of a run that put another encoder into service."""
    return Done(message, news={"promoted": True}, changed=True)


def put_in_place(what: str, digest: str, paths: Paths, values: Values) -> None:
    """Sets params of a training that DVC remembers, and brings the workspace up to date with its encoder.

    Args:
        what: the encoder, for people.
        values: of params.yaml by name.

    Raises:
        UserError: DVC does not remember it for the present code and ground truth; nothing has changed.
        RunError: a stage failed; params.yaml is as it was.
    """
    _try(what, digest, paths, values)
    before = PARAMS.read_text(encoding="utf-8")
    for change in set_params([], preset=values):
        tell(logging.INFO, "params.yaml: %s", change)
    try:
        catch_up()
    except UserError as error:
        write_settings(before)
        with suppress(UserError):  # what broke may still be broken
            catch_up()
        raise RunError(f"{error}; params.yaml is as it was, and with it the encoder in service") from error


def _try(what: str, digest: str, paths: Paths, values: Values) -> None:
    """Restores an encoder in a workspace of its own, so that the user's stays as it is where that is not possible."""
    root = paths.store.absolute() / TRIAL
    try:
        make_workspace(root, values, [], {}, paths)
        run_in(root, targets=HELD, name=TRIAL, hold=HELD)
    except UserError as error:
        raise UserError(f"{what} cannot be restored: {_why_not(root, str(error))}") from error
    if encoder_digest(root / paths.encoder) != digest:
        raise UserError(f"{what} cannot be restored: with its settings DVC remembers another encoder by now")


def _why_not(root: Path, failure: str) -> str:
    """Returns why the stage train of a workspace could not be restored."""
    train = HELD[0]
    if not failure.startswith(f"{TRIAL}: {train} is out of date"):
        return failure
    differing = differing_files(train, root=root)
    if differing is None:
        return "DVC remembers no training with its settings; `dvc pull --run-cache` may bring it"
    if not differing:
        return "its files are not in DVC's cache any more; `dvc pull --run-cache` may bring them"
    changed = in_short(differing, most=3)
    return f"{changed} changed since it was trained; check out the commit that its MLflow run names"


def run_in(root: Path, *, targets: Sequence[str], name: str, hold: Sequence[str] = ()) -> None:
    """Brings stages of another workspace up to date; raises RunError if one fails, or is held and has to run."""
    state = pipeline.with_options(flow_run_name=name)(
        root=root, targets=targets, hold=hold, prefix=f"{name}/", key=f"{flow_run.id}:{name}", return_state=True
    )
    if not state.is_completed():
        raise RunError(f"{name}: {state.message}")
