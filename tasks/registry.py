"""The model registry and the encoder on disk: ``python -m tasks.registry COMMAND``, in a process of its own.

In service is the encoder on disk. The alias ``champion`` of the registered model follows it: where the two differ, by
a run that was killed or by somebody's hand, `sync` moves the alias.
"""

import argparse
import json
import sys
import tempfile
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cbir.encoder_files import CONFIG_FILE, encoder_digest
from cbir.errors import UserError
from tasks.findings import without_credentials
from tasks.settings import PARAMS, Paths, load_paths, read_yaml
from tasks.tracking import (
    CONFIG_ARTIFACT,
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
PREVIOUS = "previous"  # the tag with the version that this one took the place of
SERVED = "served"  # the tag of versions that have been in service
GATE = "gate."  # and the name of a number: the tags that say what decided


def sync(client: "MlflowClient", experiment: str, tracking: Tracking, paths: Paths, *, expected: bool) -> str:
    """Have the alias name the encoder on disk, which is registered where it is not; one sentence, or nothing.

    Args:
        expected: the alias is to move; else a version that was in service before, and is not named, was moved by hand.
    """
    digest = encoder_digest(paths.encoder)
    version = _version_of(client, tracking, digest)
    if version is None:
        run = find_or_create(
            client, experiment, Pipeline(f"service:{digest}", 0.0, "cbir", "in service"), began=time.time()
        )
        register_encoder(client, run.info.run_id, paths, tracking)
        client.set_terminated(run.info.run_id)
        version = _version_of(client, tracking, digest)
        assert version is not None
    before = _champion(client, tracking)
    if before == str(version.version):
        return ""
    client.set_registered_model_alias(tracking.model, CHAMPION, version.version)
    by_hand = SERVED in version.tags and not expected
    if before and not by_hand and SERVED not in version.tags:
        client.set_model_version_tag(tracking.model, version.version, PREVIOUS, before)
    client.set_model_version_tag(tracking.model, version.version, SERVED, "yes")
    if by_hand and before:
        return (
            f"the alias {CHAMPION} was moved to version {before}, but version {version.version} is in service: moved "
            f"back; `cbir promote {before}` puts the other one into service"
        )
    return f"in service: version {version.version} of {tracking.model}"


def describe(client: "MlflowClient", tracking: Tracking, number: str) -> dict[str, Any]:
    """A version: number, digest of its encoder, what it was trained on, and the sections of params.yaml that made it.

    Args:
        number: of the version, or ``previous``: the one that the champion took the place of.

    Raises:
        UserError: there is none, or nothing is known of how it was made.
    """
    versions = {str(one.version): one for one in client.search_model_versions(f"name = '{tracking.model}'")}
    if number == PREVIOUS:
        champion = versions.get(_champion(client, tracking) or "")
        if champion is None or PREVIOUS not in champion.tags:
            raise UserError("there is nothing to go back to: no encoder was in service before this one")
        number = champion.tags[PREVIOUS]
    if number not in versions:
        there = ", ".join(sorted(versions, key=int)) or "none"
        raise UserError(f"{tracking.model} has no version {number}; there are {there}")
    params, config = _how_made(client, str(versions[number].run_id), number)
    return {
        "version": int(number),
        "digest": versions[number].tags[ENCODER],
        "accessions": config["training"].get("accessions"),
        **{section: params[section] for section in ("images", "train")},
    }


def _how_made(client: "MlflowClient", run_id: str, number: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The params.yaml and the configuration of the encoder that a run logged."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            params, config = (
                client.download_artifacts(run_id, name, folder) for name in (PARAMS_ARTIFACT, CONFIG_ARTIFACT)
            )
        except Exception as error:
            raise UserError(
                f"version {number} was registered without its settings, so it cannot be made again"
            ) from error
        return read_yaml(Path(params)), json.loads(Path(config).read_text(encoding="utf-8"))


def note_decision(client: "MlflowClient", tracking: Tracking, digest: str, decision: dict[str, Any]) -> int:
    """Put what was decided of an encoder, and the numbers that decided, on its version as tags; returns the version."""
    version = _version_of(client, tracking, digest)
    if version is None:
        raise UserError("the challenger is not registered; see the warnings of its training")
    tags = {f"{GATE}promoted": str(decision["promoted"]).lower(), f"{GATE}reason": decision["reason"]}
    tags |= {f"{GATE}{name}": f"{value:.6g}" for name, value in decision["numbers"].items()}
    for name, text in tags.items():
        client.set_model_version_tag(tracking.model, version.version, name, text)
    return int(version.version)


def _version_of(client: "MlflowClient", tracking: Tracking, digest: str) -> Any:
    found = client.search_model_versions(f"name = '{tracking.model}' AND tags.{ENCODER} = '{digest}'", max_results=1)
    return found[0] if found else None


def _champion(client: "MlflowClient", tracking: Tracking) -> str | None:
    models = client.search_registered_models(f"name = '{tracking.model}'")
    return str(models[0].aliases[CHAMPION]) if models and CHAMPION in models[0].aliases else None


def _answer(arguments: argparse.Namespace) -> str:
    params = read_yaml(PARAMS)
    tracking, paths = load_tracking(params), load_paths(params)
    if not tracking.uri:
        raise UserError("tracking.uri is empty in params.yaml, so there is no registry: set it")
    with connection(tracking, paths) as (client, experiment):
        match arguments.command:
            case "describe":
                return json.dumps(describe(client, tracking, arguments.version))
            case "decide":
                return str(note_decision(client, tracking, arguments.digest, json.loads(arguments.decision)))
        for file in arguments.reports:
            run = find_or_create(client, experiment, Pipeline(arguments.run, 0.0, "cbir"), began=time.time())
            client.log_artifact(run.info.run_id, file, Path(file).parent.as_posix())
            client.set_terminated(run.info.run_id, run.info.status if run.info.status == "FAILED" else "FINISHED")
        if not (paths.encoder / CONFIG_FILE).exists():
            return ""
        return sync(client, experiment, tracking, paths, expected=arguments.expected)


def main() -> None:
    """The command: its one line on stdout is the answer; where it fails, its last line on stderr says why."""
    parser = argparse.ArgumentParser(prog="python -m tasks.registry", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    syncing = commands.add_parser("sync", help="have the alias name the encoder on disk")
    syncing.add_argument("--expected", action="store_true", help="the alias is to move")
    syncing.add_argument("--run", default="", help="the pipeline run that the reports belong to")
    syncing.add_argument("--reports", nargs="*", default=[], help="files to keep with that run")
    commands.add_parser("describe", help="how a version was made").add_argument("version")
    deciding = commands.add_parser("decide", help="tag the version of an encoder with a decision")
    deciding.add_argument("digest")
    deciding.add_argument("decision", help="JSON")
    try:
        with redirect_stdout(sys.stderr):
            answer = _answer(parser.parse_args())
    except Exception as error:
        sys.exit(without_credentials(" ".join(str(error).split()) or type(error).__name__))
    if answer:
        print(answer)  # noqa: T201 - the answer to the flow


if __name__ == "__main__":
    main()
