"""The model registry and the encoder on disk.

In service is the encoder on disk. The alias ``champion`` of the registered model follows it: where the two differ, by
a run that was killed or by somebody's hand, `sync` moves the alias.
"""

import json
import tempfile
import time
from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cbir.encoders.files import CONFIG_FILE, encoder_digest
from cbir.errors import UserError
from tasks.harness.settings import PARAMS, Paths, load_paths, read_yaml
from tasks.tracking.connection import ENCODER, Pipeline, Tracking, connection, find_or_create, load_tracking
from tasks.tracking.facts import metric_name
from tasks.tracking.models import ACCESSIONS_ARTIFACT, PARAMS_ARTIFACT, register_encoder

if TYPE_CHECKING:
    from tasks.tracking.runs import MlflowClient

CHAMPION = "champion"
IN_SERVICE = "in_service"  # the tag of the registered model with the version that was in service at the last look
PREVIOUS = "previous"  # the tag of a version, with the one that it took the place of
GATE = "gate."  # and the name of a number: the tags that say what decided


def sync(client: "MlflowClient", experiment: str, tracking: Tracking, paths: Paths) -> str:
    """Have the alias name the encoder on disk, which is registered where it is not; one sentence, or nothing.

    An encoder that comes back by a rollback keeps its own way back. What the last look found in service is written down
    last, so that a look that was killed is taken again.
    """
    number = str(ensure_version(client, experiment, tracking, paths).version)
    model = client.get_registered_model(tracking.model)
    champion = str(model.aliases[CHAMPION]) if CHAMPION in model.aliases else None
    before = model.tags.get(IN_SERVICE, champion)
    if champion == number == model.tags.get(IN_SERVICE):
        return ""
    versions = _versions(client, tracking)
    if before != number and before in versions and versions[before].tags.get(PREVIOUS) != number:
        client.set_model_version_tag(tracking.model, number, PREVIOUS, before)
    client.set_registered_model_alias(tracking.model, CHAMPION, number)
    client.set_registered_model_tag(tracking.model, IN_SERVICE, number)
    if before == number and champion not in (None, number):
        return (
            f"the alias {CHAMPION} was moved to version {champion}, but version {number} is in service: moved back; "
            f"`cbir promote {champion}` puts the other one into service"
        )
    return f"in service: version {number} of {tracking.model}"


def ensure_version(client: "MlflowClient", experiment: str, tracking: Tracking, paths: Paths) -> Any:
    """The version of the encoder of the workspace that is the working directory; registered where it is not."""
    digest = encoder_digest(paths.encoder)
    if found := _version_of(client, tracking, digest):
        return found
    whole = Pipeline(f"encoder:{digest}", 0.0, "cbir", "encoder")
    run = find_or_create(client, experiment, whole, began=time.time())
    register_encoder(client, run.info.run_id, paths, tracking)
    client.set_terminated(run.info.run_id)
    return _version_of(client, tracking, digest)


def describe(client: "MlflowClient", tracking: Tracking, number: str, paths: Paths) -> dict[str, Any]:
    """A version: number, digest of its encoder, and the sections of params.yaml that made it, accessions by name.

    Args:
        number: of the version, or ``previous``: the one that the encoder on disk took the place of.

    Raises:
        UserError: there is none, or nothing is known of how it was made.
    """
    if number == PREVIOUS:
        served = _version_of(client, tracking, encoder_digest(paths.encoder))
        if served is None or PREVIOUS not in served.tags:
            raise UserError("there is nothing to go back to: no encoder is known to have been in service before")
        number = served.tags[PREVIOUS]
    versions = _versions(client, tracking)
    if number not in versions:
        there = ", ".join(sorted(versions, key=int)) or "none"
        raise UserError(f"{tracking.model} has no version {number}; there are {there}")
    if ENCODER not in versions[number].tags:
        raise UserError(f"version {number} of {tracking.model} was not registered by this program; choose another one")
    params, accessions = _how_made(client, str(versions[number].run_id), number)
    return {
        "version": int(number),
        "digest": versions[number].tags[ENCODER],
        "previous": versions[number].tags.get(PREVIOUS),
        "images": params["images"],
        "train": {name: value for name, value in params["train"].items() if name != "accessions"},  # as of 0.1
        "groundtruth": {"accessions": accessions},
    }


def _how_made(client: "MlflowClient", run_id: str, number: str) -> tuple[dict[str, Any], list[str]]:
    """The params.yaml and the accessions that the run of a version logged."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            params, accessions = (
                client.download_artifacts(run_id, name, folder) for name in (PARAMS_ARTIFACT, ACCESSIONS_ARTIFACT)
            )
        except Exception as error:
            raise UserError(
                f"version {number} has no settings in its MLflow run {run_id}, so it cannot be made again"
            ) from error
        return read_yaml(Path(params)), json.loads(Path(accessions).read_text(encoding="utf-8"))


def note_decision(
    client: "MlflowClient", experiment: str, tracking: Tracking, root: Path, decision: dict[str, Any]
) -> int:
    """Put what was decided of the encoder of a workspace, and the numbers that decided, on its version as tags.

    Returns:
        The version, registered where its training could not do it.
    """
    with chdir(root):
        version = ensure_version(client, experiment, tracking, load_paths(read_yaml(PARAMS)))
    tags = {"promoted": str(decision["promoted"]).lower(), "reason": decision["reason"]}
    tags |= {metric_name(name): f"{value:.6g}" for name, value in decision["numbers"].items()}
    for name, text in tags.items():
        client.set_model_version_tag(tracking.model, str(version.version), f"{GATE}{name}", text)
    return int(version.version)


def _version_of(client: "MlflowClient", tracking: Tracking, digest: str) -> Any:
    found = client.search_model_versions(f"name = '{tracking.model}' AND tags.{ENCODER} = '{digest}'", max_results=1)
    return found[0] if found else None


def _versions(client: "MlflowClient", tracking: Tracking) -> dict[str, Any]:
    """All versions by their numbers."""
    return {str(one.version): one for one in client.search_model_versions(f"name = '{tracking.model}'")}


def answer(command: str, **arguments: Any) -> str:
    """Do what a command says: one line, or nothing.

    Args:
        command: ``sync``, ``describe`` or ``decide``.
        arguments: of it, as JSON has them. ``sync``: ``run``, the pipeline run that the files ``reports`` belong to;
            ``describe``: ``number``; ``decide``: ``root``, the workspace of the encoder, and ``decision``.

    Raises:
        UserError: nothing is tracked, or there is no such version.
    """
    params = read_yaml(PARAMS)
    tracking, paths = load_tracking(params), load_paths(params)
    if not tracking.uri:
        raise UserError("tracking.uri is empty in params.yaml, so there is no registry: set it")
    with connection(tracking, paths) as (client, experiment):
        match command:
            case "describe":
                return json.dumps(describe(client, tracking, arguments["number"], paths))
            case "decide":
                root, decision = Path(arguments["root"]), arguments["decision"]
                return str(note_decision(client, experiment, tracking, root, decision))
            case "sync":
                _keep_reports(client, experiment, **arguments)
                return sync(client, experiment, tracking, paths) if (paths.encoder / CONFIG_FILE).exists() else ""
        raise ValueError(command)


def _keep_reports(client: "MlflowClient", experiment: str, *, run: str, reports: Sequence[str]) -> None:
    for file in reports:
        found = find_or_create(client, experiment, Pipeline(run, 0.0, "cbir"), began=time.time())
        client.log_artifact(found.info.run_id, file, Path(file).parent.as_posix())
        client.set_terminated(found.info.run_id, found.info.status if found.info.status == "FAILED" else "FINISHED")
