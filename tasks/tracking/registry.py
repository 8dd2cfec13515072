"""Compares the model registry with the encoder on disk.

In service is the encoder on disk. The alias ``champion`` of the registered model follows it: where the two differ, by
a run that was killed or by somebody's hand, `sync` moves the alias.
"""

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import chdir
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from cbir.base.errors import UserError
from cbir.encoders.files import CONFIG_FILE, encoder_digest
from tasks.harness.settings import PARAMS, Paths, load_paths, read_yaml
from tasks.tracking.connection import ENCODER, Pipeline, Tracking, connection, find_or_create, load_tracking
from tasks.tracking.facts import metric_name
from tasks.tracking.models import ACCESSIONS_ARTIFACT, PARAMS_ARTIFACT, find_version, register_encoder
from tasks.tracking.notes import GATE

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION = "champion"
IN_SERVICE = "in_service"  # the tag of the registered model with the version that was in service at the last look
PREVIOUS = "previous"  # the tag of a version, with the one that it took the place of

T = TypeVar("T")


@dataclass(frozen=True)
class Version:
    """A registered encoder: its number, its digest, and the values of params.yaml that made it, by name.

    ``previous`` is the number of the version that it took the place of, if it is known.
    """

    number: int
    digest: str
    previous: str | None
    values: dict[str, Any]


@dataclass(frozen=True)
class Registry:
    """A connection to the model registry, and the paths of the workspace whose encoder is asked about."""

    client: "MlflowClient"
    experiment: str
    tracking: Tracking
    paths: Paths


def answer(function: Callable[..., T], *arguments: Any) -> T:
    """Calls a function of this module on the registry of the workspace that is the working directory, and arguments.

    Raises:
        UserError: nothing is tracked, or the function says so.
    """
    params = read_yaml(PARAMS)
    tracking, paths = load_tracking(params), load_paths(params)
    if not tracking.uri:
        raise UserError("tracking.uri is empty in params.yaml, so there is no registry: set it")
    with connection(tracking, paths) as (client, experiment):
        return function(Registry(client, experiment, tracking, paths), *arguments)


def keep_reports(registry: Registry, run: str, reports: Sequence[str]) -> str:
    """Puts files on the MLflow run of the pipeline run with this key, then does as `sync`, if there is an encoder."""
    client = registry.client
    for file in reports:
        kept = find_or_create(client, registry.experiment, Pipeline(run, 0.0, "cbir"), began=time.time())
        client.log_artifact(kept.info.run_id, file, Path(file).parent.as_posix())
        client.set_terminated(kept.info.run_id, kept.info.status if kept.info.status == "FAILED" else "FINISHED")
    return sync(registry) if (registry.paths.encoder / CONFIG_FILE).exists() else ""


def sync(registry: Registry) -> str:
    """Has the alias name the encoder on disk, which is registered where it is not; one sentence, or nothing.

    An encoder that comes back by a rollback keeps its own way back. The version in service is written down last, so
    that a killed look is taken again.
    """
    client, name = registry.client, registry.tracking.model
    number = str(ensure_version(registry).version)
    model = client.get_registered_model(name)
    champion = str(model.aliases[CHAMPION]) if CHAMPION in model.aliases else None
    before = model.tags.get(IN_SERVICE, champion)
    if champion == number == model.tags.get(IN_SERVICE):
        return ""
    versions = _versions(registry)
    if before != number and before in versions and versions[before].tags.get(PREVIOUS) != number:
        client.set_model_version_tag(name, number, PREVIOUS, before)
    client.set_registered_model_alias(name, CHAMPION, number)
    client.set_registered_model_tag(name, IN_SERVICE, number)
    if before == number and champion not in (None, number):
        return (
            f"the alias {CHAMPION} was moved to version {champion}, but version {number} is in service: moved back; "
            f"`cbir promote {champion}` puts the other one into service"
        )
    return f"in service: version {number} of {name}"


def ensure_version(registry: Registry) -> Any:
    """Returns the version of the encoder of the workspace that is the working directory; registered where it is not."""
    client, tracking, digest = registry.client, registry.tracking, encoder_digest(registry.paths.encoder)
    if version := find_version(client, tracking, digest):
        return version
    whole = Pipeline(f"encoder:{digest}", 0.0, "cbir", "encoder")
    run = find_or_create(client, registry.experiment, whole, began=time.time())
    register_encoder(client, run.info.run_id, registry.paths, tracking)
    client.set_terminated(run.info.run_id)
    return find_version(client, tracking, digest)


def describe(registry: Registry, number: str) -> Version:
    """Returns the version of this number, or with ``previous`` the one that the encoder on disk took the place of.

    Raises:
        UserError: there is none, or nothing is known of how it was made.
    """
    if number == PREVIOUS:
        served = find_version(registry.client, registry.tracking, encoder_digest(registry.paths.encoder))
        if served is None or PREVIOUS not in served.tags:
            raise UserError("there is nothing to go back to: no encoder is known to have been in service before")
        number = served.tags[PREVIOUS]
    versions, name = _versions(registry), registry.tracking.model
    if number not in versions:
        known = ", ".join(sorted(versions, key=int)) or "none"
        raise UserError(f"{name} has no version {number}; there are {known}")
    if ENCODER not in versions[number].tags:
        raise UserError(f"version {number} of {name} was not registered by this program; choose another one")
    tags = versions[number].tags
    values = _how_made(registry.client, str(versions[number].run_id), number)
    return Version(int(number), tags[ENCODER], tags.get(PREVIOUS), values)


def _how_made(client: "MlflowClient", run_id: str, number: str) -> dict[str, Any]:
    """Returns the values of params.yaml that made a version, as its run logged them."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            params, accessions = (
                client.download_artifacts(run_id, name, folder) for name in (PARAMS_ARTIFACT, ACCESSIONS_ARTIFACT)
            )
        except Exception as error:
            raise UserError(
                f"version {number} has no settings in its MLflow run {run_id}, so it cannot be made again"
            ) from error
        sections, names = read_yaml(Path(params)), json.loads(Path(accessions).read_text(encoding="utf-8"))
    values = {
        f"{section}.{name}": value for section in ("images", "train") for name, value in sections[section].items()
    }
    values.pop("train.accessions", None)  # as of 0.1
    return {**values, "groundtruth.accessions": names}


def note_decision(registry: Registry, root: Path, decision: dict[str, Any]) -> int:
    """Puts what was decided of the encoder of a workspace, and the numbers that decided, on its version as tags.

    Returns the version's number; it is registered where its training could not do it.
    """
    with chdir(root):
        version = ensure_version(replace(registry, paths=load_paths(read_yaml(PARAMS))))
    tags = {"promoted": str(decision["promoted"]).lower(), "reason": decision["reason"]}
    tags |= {metric_name(name): f"{value:.6g}" for name, value in decision["numbers"].items()}
    for name, text in tags.items():
        registry.client.set_model_version_tag(registry.tracking.model, str(version.version), f"{GATE}{name}", text)
    return int(version.version)


def _versions(registry: Registry) -> dict[str, Any]:
    """Returns all versions by their numbers."""
    query = f"name = '{registry.tracking.model}'"
    return {str(version.version): version for version in registry.client.search_model_versions(query)}
