"""The Prefect flow `refresh`: what has landed becomes an accession whose near-duplicates are found; nothing trains."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.runtime import flow_run
from prefect.states import State

from cbir.encoder_files import CONFIG_FILE
from cbir.errors import UserError
from cbir.landing import Landed, Look, look, take_in
from cbir.manifest import accessions_of, read_manifest
from flows.accessions import adopt
from flows.pipeline import pipeline
from flows.repository import undisturbed
from flows.stages import Outcome, plan_stages
from flows.unattended import Done, RunError, tell, unattended
from flows.workspace import set_params
from tasks.arrivals import is_reported, mark_reported, prepare_baseline, report_arrivals
from tasks.settings import HERE, PARAMS, Paths, load_paths, load_section, read_yaml

HELD = ("train",)


@dataclass(frozen=True)
class Landing:
    """The section ``landing`` of params.yaml."""

    settle: float


@dataclass(frozen=True)
class Arrivals:
    """The section ``arrivals`` of params.yaml."""

    margin: float


@flow(name="refresh", validate_parameters=False)
def refresh(wait: bool = True) -> State[Any]:
    """Bring in what has landed, find its near-duplicates with the encoder in service, and tell of them.

    Args:
        wait: for another run of this workspace to end; else this one is skipped.
    """
    return unattended("cbir refresh", _refresh, wait=wait, settled=_mark_reported)


def _mark_reported() -> None:
    paths = load_paths(read_yaml(PARAMS))
    if paths.groups.exists():
        mark_reported(paths)


def _refresh() -> Done:
    params = read_yaml(PARAMS)
    paths = load_paths(params)
    require_service(paths)
    paths.landing.mkdir(parents=True, exist_ok=True)
    found = look(paths.landing, paths.raw, settle=load_section("landing", Landing, params).settle)
    landed = _take_in(found, paths)
    adopt(paths.raw, paths.weights)
    if not landed.accessions and _is_up_to_date() and is_reported(paths):
        return Done(_nothing_landed(found))
    outcomes = catch_up(paths)
    return _report(paths, found, landed, outcomes)


def require_service(paths: Paths) -> None:
    """Raise UserError where no encoder is in service yet."""
    missing = [path for path in (paths.manifest, paths.encoder / CONFIG_FILE, paths.groups) if not path.exists()]
    if missing:
        raise UserError(f"{missing[0]} is not there, so no encoder is in service yet: `cbir run` makes the first one")


def _take_in(found: Look, paths: Paths) -> Landed:
    prepare_baseline(paths)
    pin_training(paths)
    landed = take_in(found, paths.landing, paths.raw, now=datetime.now(UTC), guard=lambda: undisturbed(paths.raw, HERE))
    for name in landed.accessions:
        tell(logging.INFO, "landed as %s", name)
    return landed


def pin_training(paths: Paths) -> None:
    """Name the accessions that the encoder in service was trained on, so that what lands changes nothing for it.

    They are those of the manifest: where none is named, that was all. One that has no image of its own is named too,
    for the ground truth may call an image by the name of a copy.
    """
    if read_yaml(PARAMS)["train"]["accessions"]:
        return
    names = accessions_of(read_manifest(paths.manifest)["path"])
    for change in set_params([f"train.accessions={json.dumps(names, ensure_ascii=False)}"]):
        tell(logging.INFO, "params.yaml: %s", change)


def _is_up_to_date() -> bool:
    plan = plan_stages((), tell)
    return plan.unchanged.keys() == plan.needs.keys()


def catch_up(paths: Paths) -> list[Outcome]:
    """Bring all stages up to date without training.

    Raises:
        RunError: a stage failed, or the encoder would have to be trained.
    """
    environment = {"CBIR_PIPELINE_RUN": str(flow_run.id)}
    state = pipeline(hold=HELD, environment=environment, return_state=True)
    outcomes = state.result(raise_on_failure=False)
    if isinstance(outcomes, UserError):
        raise outcomes
    if not state.is_completed() or not isinstance(outcomes, list):
        raise RunError(str(state.message))
    return outcomes


def _nothing_landed(found: Look) -> str:
    parts = [f"still on their way: {len(found.waiting)}"] if found.waiting else []
    parts += [f"left in the landing folder, for they are no images: {len(found.left)}"] if found.left else []
    return "; ".join(["nothing landed", *parts])


def _report(paths: Paths, found: Look, landed: Landed, outcomes: Sequence[Outcome]) -> Done:
    params = read_yaml(PARAMS)
    arrived = report_arrivals(
        paths,
        chosen_threshold=params["group"]["threshold"],
        margin=load_section("arrivals", Arrivals, params).margin,
        longest_side=params["images"]["longest_side"],
        thumbnail_side=params["group"]["thumbnail_side"],
        left=found.left,
        waiting=(*found.waiting, *landed.waiting),
    )
    if arrived is None:
        return Done("nothing new", outcomes, landed.accessions, changed=True)
    create_markdown_artifact(arrived.markdown, key="arrivals")
    message = f"{arrived.sentence}; {arrived.files[0]}"
    news = arrived.summary if arrived.news else None
    return Done(message, outcomes, (arrived.summary["accession"],), news, tuple(map(str, arrived.files)), changed=True)
