"""The Prefect flow `retrain`: a challenger is trained on all that is there, and promoted only if measurably better."""

import json
import logging
from pathlib import Path
from typing import Any

import pandas as pd
from prefect import flow
from prefect.runtime import flow_run
from prefect.states import State

from cbir.encoder_files import encoder_digest
from cbir.errors import UserError
from cbir.manifest import accessions_of, read_manifest
from cbir.promotion import Gate, Measured, decide
from flows.accessions import adopt
from flows.pipeline import pipeline
from flows.refresh import catch_up, pin_training, require_service
from flows.registry import note_decision
from flows.study_workspace import make_workspace
from flows.unattended import Done, RunError, tell, unattended
from flows.workspace import set_params
from tasks.settings import HERE, PARAMS, Paths, load_paths, load_section, read_yaml

CHALLENGER = "challenger"


@flow(name="retrain", validate_parameters=False)
def retrain() -> State[Any]:
    """Train on all accessions, in a workspace of its own; the encoder in service changes only if the gate holds."""
    return unattended("cbir retrain", _retrain, wait=True)


def _retrain() -> Done:
    params = read_yaml(PARAMS)
    paths, gate = load_paths(params), load_section("promotion", Gate, params)
    require_service(paths)
    adopt(paths.raw, paths.weights)
    pin_training(paths)
    _measure_champion(paths)
    chosen = f"train.accessions={json.dumps(accessions_of(read_manifest(paths.manifest)['path']), ensure_ascii=False)}"
    root = _train_challenger(paths, chosen)
    challenger = root / load_paths(read_yaml(root / PARAMS)).encoder
    if encoder_digest(challenger) == encoder_digest(paths.encoder):
        return Done("nothing new to learn: the training gives the encoder that is in service", changed=True)
    decision = decide(_measured(root), _measured(HERE), gate)
    version = note_decision(encoder_digest(challenger), decision)
    if not decision.promoted:
        return Done(f"version {version} is not promoted, {decision.reason}", changed=True)
    tell(logging.INFO, "version %s is promoted, %s", version, decision.reason)
    return put_in_place({}, [chosen], message=f"version {version} is in service, {decision.reason}")


def _measure_champion(paths: Paths) -> None:
    """Bring the workspace up to date, so that both encoders are measured on the same archive."""
    try:
        catch_up(paths)
    except RunError as error:
        tell(logging.WARNING, "the encoder in service could not be measured on the present archive: %s", error)


def _train_challenger(paths: Paths, chosen: str) -> Path:
    """The workspace in which the challenger was trained and measured; a training that was killed goes on there."""
    root = paths.store.absolute() / CHALLENGER
    make_workspace(root, {}, [chosen], {}, paths)
    run_in(root, targets=["evaluate"], name=CHALLENGER)
    return root


def run_in(root: Path, *, targets: list[str], name: str, hold: list[str] | None = None) -> None:
    """Bring stages of another workspace up to date.

    Raises:
        RunError: one failed, or is held and would have to run.
    """
    state = pipeline.with_options(flow_run_name=name)(
        root=root,
        targets=targets,
        hold=hold or [],
        prefix=f"{name}/",
        environment={"CBIR_PIPELINE_RUN": f"{flow_run.id}:{name}"},
        return_state=True,
    )
    if not state.is_completed():
        raise RunError(f"{name}: {state.message}")


def put_in_place(values: dict[str, Any], assignments: list[str], *, message: str) -> Done:
    """Set params of a training that DVC knows, and bring the workspace up to date: its encoder is in service then.

    The one moment that decides is when params.yaml takes its new content. A run that is killed before has changed
    nothing; after it the next run of whatever kind goes on to the new encoder.
    """
    for change in set_params(assignments, preset=values):
        tell(logging.INFO, "params.yaml: %s", change)
    state = pipeline(environment={"CBIR_PIPELINE_RUN": str(flow_run.id)}, return_state=True)
    outcomes = state.result(raise_on_failure=False)
    if isinstance(outcomes, UserError):
        raise outcomes
    if not state.is_completed() or not isinstance(outcomes, list):
        raise RunError(str(state.message))
    return Done(message, outcomes, news={"promoted": True}, changed=True, promoted=True)


def _measured(root: Path) -> Measured:
    reports = root / load_paths(read_yaml(root / PARAMS)).reports
    return Measured(
        json.loads((reports / "metrics.json").read_text(encoding="utf-8")),
        pd.read_parquet(reports / "per_query.parquet"),
    )
