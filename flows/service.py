"""The Prefect flow that puts a registered encoder into service: an earlier version, or one that was not promoted."""

import logging
from typing import Any

from prefect import flow
from prefect.states import State

from cbir.encoder_files import encoder_digest
from cbir.errors import UserError
from flows.accessions import adopt
from flows.refresh import require_service
from flows.registry import Version, describe
from flows.retraining import put_in_place, run_in
from flows.study_workspace import make_workspace
from flows.unattended import Done, RunError, tell, unattended
from tasks.settings import PARAMS, Paths, load_paths, read_yaml

TRIAL = "promotion"


@flow(name="promote", validate_parameters=False)
def put_into_service(version: int | None) -> State[Any]:
    """Put a version of the registered model into service; None: the one that the present one took the place of."""
    what = "cbir rollback" if version is None else f"cbir promote {version}"
    return unattended(what, lambda: _put_into_service(version), wait=True)


def _put_into_service(number: int | None) -> Done:
    """Its settings go to params.yaml, and DVC restores what they gave; nothing trains.

    Whether DVC can is tried in a workspace of its own first, so that a version whose code or ground truth has changed
    since leaves this one as it is.
    """
    paths = load_paths(read_yaml(PARAMS))
    require_service(paths)
    adopt(paths.raw, paths.weights)
    version = describe("previous" if number is None else str(number))
    if version.digest == encoder_digest(paths.encoder):
        return Done(f"version {version.number} is in service already", changed=True)
    named = [{"train.accessions": version.accessions}] if version.accessions else []
    for accessions in ({}, *named):
        values: dict[str, Any] = {**version.values, **accessions}
        if _restores(version, values, paths):
            return put_in_place(values, [], message=f"version {version.number} is in service")
    raise UserError(
        f"version {version.number} cannot be restored: DVC has no training with its settings on the present code and "
        "ground truth; check out the commit that it was trained at (its MLflow run names it)"
    )


def _restores(version: Version, values: dict[str, Any], paths: Paths) -> bool:
    """Whether DVC has the encoder of a version for these settings; tried in a workspace of its own."""
    root = paths.store.absolute() / TRIAL
    make_workspace(root, values, [], {}, paths)
    try:
        run_in(root, targets=["train"], name=TRIAL, hold=["train"])
    except RunError as error:
        tell(logging.INFO, "%s", error)
        return False
    return encoder_digest(root / paths.encoder) == version.digest
