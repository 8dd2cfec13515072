"""The Prefect flow `refresh`: makes an accession of what has landed and finds its near-duplicates; nothing trains."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge
from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.runtime import flow_run
from prefect.states import State

from cbir.archive.manifest import accessions_of, read_manifest
from cbir.arrivals.intake import Intake, take_in
from cbir.arrivals.landing import Look, look
from cbir.base.errors import UserError
from cbir.base.files import writing
from cbir.encoders.files import CONFIG_FILE
from cbir.groups.threshold import Chosen
from cbir.images.reduced import LongestSide
from cbir.reports.thumbnails import ThumbnailSide
from flows.pipeline.flow import pipeline
from flows.pipeline.naming import dated
from flows.pipeline.results import result_of
from flows.pipeline.stages import KEPT, Outcome, plan_stages
from flows.repository.accessions import adopt
from flows.repository.opening import undisturbed
from flows.unattended.run import Done, tell, unattended
from flows.workspace.copies import writers_of
from flows.workspace.settings import HELD, set_params
from tasks.arrivals import is_reported, mark_reported, prepare_baseline, report_arrivals
from tasks.harness.settings import HERE, PARAMS, Paths, load_paths, load_section, load_value, read_yaml

LOCK = Path("dvc.lock")


@dataclass(frozen=True)
class Landing:
    """The section ``landing`` of params.yaml."""

    settle: Annotated[float, Ge(0)]


@dataclass(frozen=True)
class Arrivals:
    """The section ``arrivals`` of params.yaml."""

    margin: float


@flow(name="refresh", flow_run_name=dated, validate_parameters=False)
def refresh(wait: bool = True) -> State[Any]:
    """Brings in what has landed, and finds and reports its near-duplicates; it waits for another run, or is skipped."""
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
    seen = look(paths.landing, settle=load_section("landing", Landing, params).settle)
    landed = _take_in(seen, paths)
    adopt(paths.raw, paths.weights)
    if not landed.arrivals and _is_up_to_date() and is_reported(paths):
        return Done(_nothing_landed(seen))
    catch_up()
    return _report(paths, landed)


def require_service(paths: Paths) -> None:
    """Sees that there is an encoder in service, with all that the stages have made of the archive with it.

    DVC removes what a stage wrote before it runs again: a run that was killed may have left gaps, which are filled.

    Raises:
        UserError: no encoder is in service yet.
    """
    done = read_yaml(LOCK).get("stages", {}) if LOCK.exists() else {}
    missing = [name for name in writers_of(paths.manifest, paths.encoder, paths.groups) if name not in done]
    if missing:
        raise UserError(f"the stage {missing[0]} never ran, so no encoder is in service yet: `cbir run` makes one")
    if all(path.exists() for path in (paths.manifest, paths.encoder / CONFIG_FILE, paths.groups)):
        return
    tell(logging.INFO, "an earlier run was cut off; it is brought to its end first")
    if not paths.manifest.exists():
        catch_up(writers_of(paths.manifest))
    pin_training(paths)
    catch_up()


def _take_in(seen: Look, paths: Paths) -> Intake:
    prepare_baseline(paths)
    pin_training(paths)
    landed = take_in(seen, paths.landing, paths.raw, now=datetime.now(UTC), guard=lambda: undisturbed(paths.raw, HERE))
    for arrival in landed.arrivals:
        tell(logging.INFO, "landed as %s: %d files, %.1f MB", arrival.name, arrival.files, arrival.bytes / 1e6)
    return landed


def pin_training(paths: Paths) -> None:
    """Names the accessions that the encoder in service was trained on, so that what lands changes nothing for it.

    They are those of the manifest: where none is named, that was all. One that has no image of its own is named too,
    for the ground truth may call an image by the name of a copy.
    """
    if load_value("groundtruth.accessions", list[str], read_yaml(PARAMS)):
        return
    names = accessions_of(read_manifest(paths.manifest)["path"])
    for change in set_params([], preset={"groundtruth.accessions": names}):
        tell(logging.INFO, "params.yaml: %s", change)


def _is_up_to_date() -> bool:
    plan = plan_stages((), tell, keep=HELD)
    return plan.unchanged.keys() == plan.needs.keys()


def catch_up(targets: Sequence[str] = ()) -> None:
    """Brings all stages up to date, or some, with the encoder in service whatever the version of its training.

    Raises:
        RunError: a stage fails, or the settings of the encoder's training were edited.
    """
    state = pipeline(targets=targets, hold=HELD, lenient=True, key=str(flow_run.id), return_state=True)
    for outcome in result_of(state):
        if outcome.reason == KEPT:
            _say_once(outcome)


def _say_once(kept: Outcome) -> None:
    """Says that a retraining is due, once for each state of the program and the training data."""
    mark = load_paths(read_yaml(PARAMS)).store / "retraining-due.txt"
    if not mark.exists() or mark.read_text(encoding="ascii") != kept.key:
        tell(logging.WARNING, "%s would give another encoder by now: `cbir retrain` makes and compares it", kept.name)
        with writing(mark) as temporary:
            temporary.write_text(kept.key, encoding="ascii")


def _nothing_landed(seen: Look) -> str:
    parts = [f"still on their way: {len(seen.waiting)}"] if seen.waiting else []
    reasons = Counter(skipped.reason for skipped in seen.left)
    left = ", ".join(f"{count} ({reason})" for reason, count in sorted(reasons.items()))
    parts += [f"left in the landing folder: {left}"] if left else []
    return "; ".join(["nothing landed", *parts])


def _report(paths: Paths, landed: Intake) -> Done:
    params = read_yaml(PARAMS)
    arrived = report_arrivals(
        paths,
        chosen_threshold=load_value("group.threshold", Chosen, params),
        margin=load_section("arrivals", Arrivals, params).margin,
        longest_side=load_value("images.longest_side", LongestSide, params),
        thumbnail_side=load_value("group.thumbnail_side", ThumbnailSide, params),
        left=landed.left,
        waiting=landed.waiting,
    )
    if arrived is None:
        return Done("nothing new", [arrival.name for arrival in landed.arrivals], changed=True)
    create_markdown_artifact(arrived.markdown, key="arrivals")
    message = f"{arrived.sentence}; {arrived.files[0]}"
    news = arrived.summary if arrived.news else None
    return Done(message, (arrived.summary["accession"],), news, tuple(map(str, arrived.files)), changed=True)
