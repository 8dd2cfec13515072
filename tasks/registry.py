"""The model registry and the encoder on disk: ``python -m tasks.registry COMMAND``, in a process of its own.

In service is the encoder on disk. The alias ``champion`` of the registered model follows it: where the two differ, by
a run that was killed or by somebody's hand, `sync` moves the alias.
"""

import argparse
import json
import sys
import tempfile
import time
from contextlib import chdir, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cbir.encoder_files import CONFIG_FILE, encoder_digest
from cbir.errors import UserError
from tasks.findings import metric_name, without_credentials
from tasks.settings import PARAMS, Paths, load_paths, read_yaml
from tasks.stage import USER_ERROR
from tasks.tracking import (
    ACCESSIONS_ARTIFACT,
    ENCODER,
    PARAMS_ARTIFACT,
    Pipeline,
    Tracking,
    connection,
    find_or_create,
    load_tracking,
    register_encoder,
)

if TYPE_CHECKING:
    from tasks.tracking import MlflowClient

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
        "train": {**params["train"], "accessions": accessions},
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


def _answer(arguments: argparse.Namespace) -> str:
    params = read_yaml(PARAMS)
    tracking, paths = load_tracking(params), load_paths(params)
    if not tracking.uri:
        raise UserError("tracking.uri is empty in params.yaml, so there is no registry: set it")
    with connection(tracking, paths) as (client, experiment):
        match arguments.command:
            case "describe":
                return json.dumps(describe(client, tracking, arguments.version, paths))
            case "decide":
                decision = json.loads(arguments.decision)
                return str(note_decision(client, experiment, tracking, arguments.root, decision))
        for file in arguments.reports:
            run = find_or_create(client, experiment, Pipeline(arguments.run, 0.0, "cbir"), began=time.time())
            client.log_artifact(run.info.run_id, file, Path(file).parent.as_posix())
            client.set_terminated(run.info.run_id, run.info.status if run.info.status == "FAILED" else "FINISHED")
        if not (paths.encoder / CONFIG_FILE).exists():
            return ""
        return sync(client, experiment, tracking, paths)


def main() -> None:
    """The command: its one line on stdout is the answer; where it fails, its last line on stderr says why."""
    parser = argparse.ArgumentParser(prog="python -m tasks.registry", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    syncing = commands.add_parser("sync", help="have the alias name the encoder on disk")
    syncing.add_argument("--run", default="", help="the pipeline run that the reports belong to")
    syncing.add_argument("--reports", nargs="*", default=[], help="files to keep with that run")
    commands.add_parser("describe", help="how a version was made").add_argument("version")
    deciding = commands.add_parser("decide", help="tag the version of a workspace's encoder with a decision")
    deciding.add_argument("root", type=Path, help="the workspace")
    deciding.add_argument("decision", help="JSON")
    try:
        with redirect_stdout(sys.stderr):
            answer = _answer(parser.parse_args())
    except Exception as error:
        print(without_credentials(" ".join(str(error).split()) or type(error).__name__), file=sys.stderr)  # noqa: T201
        sys.exit(USER_ERROR if isinstance(error, UserError) else 1)
    if answer:
        print(answer)  # noqa: T201 - the answer to the flow


if __name__ == "__main__":
    main()
