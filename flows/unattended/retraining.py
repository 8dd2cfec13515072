"""The Prefect flow `retrain`: trains a challenger on all images, and promotes it only if it is measurably better."""

import json
import logging
from pathlib import Path
from typing import Any

import pandas as pd
from prefect import flow
from prefect.states import State

from cbir.archive.manifest import accessions_of, read_manifest
from cbir.comparison.gate import Gate, Measured, decide, require_metric
from cbir.encoders.files import encoder_digest
from flows.pipeline.naming import dated
from flows.pipeline.results import RunError
from flows.repository.accessions import adopt
from flows.studies.presets import Values
from flows.unattended.promotion import promoted, put_in_place, run_in
from flows.unattended.refresh import catch_up, pin_training, require_service
from flows.unattended.registry import note_decision
from flows.unattended.run import Done, tell, unattended
from flows.workspace.copies import make_workspace, writers_of
from tasks.harness.settings import HERE, PARAMS, Paths, load_paths, load_section, read_yaml

CHALLENGER = "challenger"


@flow(name="retrain", flow_run_name=dated, validate_parameters=False)
def retrain() -> State[Any]:
    """Trains on all accessions, in a workspace of its own; the encoder in service changes only if the gate holds."""
    return unattended("cbir retrain", _retrain, wait=True)


def _retrain() -> Done:
    params = read_yaml(PARAMS)
    paths, gate = load_paths(params), load_section("promotion", Gate, params)
    require_service(paths)
    adopt(paths.raw, paths.weights)
    pin_training(paths)
    _measure_champion()
    champion = _measured(HERE)
    require_metric(champion, gate)
    chosen = {"groundtruth.accessions": accessions_of(read_manifest(paths.manifest)["path"])}
    root = _train_challenger(paths, chosen)
    digest = encoder_digest(root / paths.encoder)
    if digest == encoder_digest(paths.encoder):
        return Done("nothing new to learn: the training gives the encoder that is in service", changed=True)
    decision = decide(_measured(root), champion, gate)
    version = note_decision(root, decision)
    name = "the challenger" if version is None else f"version {version}"
    if not decision.promoted:
        return Done(f"{name} is not promoted, {decision.reason}", changed=True)
    tell(logging.INFO, "%s is promoted, %s", name, decision.reason)
    put_in_place(name, digest, paths, chosen)
    return promoted(f"{name} is in service, {decision.reason}")


def _measure_champion() -> None:
    """Brings the workspace up to date, so that both encoders are measured on the same archive."""
    try:
        catch_up()
    except RunError as error:
        tell(logging.WARNING, "the encoder in service could not be measured on the present archive: %s", error)


def _train_challenger(paths: Paths, chosen: Values) -> Path:
    """Returns the workspace in which the challenger was trained and measured; a killed training goes on there."""
    root = paths.store.absolute() / CHALLENGER
    make_workspace(root, chosen, [], {}, paths)
    run_in(root, targets=writers_of(paths.reports / "metrics.json", root=root), name=CHALLENGER)
    return root


def _measured(root: Path) -> Measured:
    reports = root / load_paths(read_yaml(root / PARAMS)).reports
    return Measured(
        json.loads((reports / "metrics.json").read_text(encoding="utf-8")),
        pd.read_parquet(reports / "per_query.parquet"),
    )
