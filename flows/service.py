"""The Prefect flow that puts a registered encoder into service: an earlier version, or one that was not promoted."""

from typing import Any

from prefect import flow
from prefect.states import State

from cbir.encoder_files import encoder_digest
from cbir.errors import UserError
from flows.accessions import adopt
from flows.refresh import require_service
from flows.registry import describe
from flows.retraining import put_in_place, run_in
from flows.study_workspace import make_workspace
from flows.unattended import Done, RunError, unattended
from tasks.settings import PARAMS, load_paths, read_yaml

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
    root = paths.store.absolute() / TRIAL
    make_workspace(root, version.values, [], {}, paths)
    try:
        run_in(root, targets=["train"], name=TRIAL, hold=["train"])
    except RunError as error:
        raise UserError(
            f"version {version.number} cannot be restored: {error}; check out the commit that it was trained at "
            "(its MLflow run names it), or train with its settings"
        ) from error
    if encoder_digest(root / paths.encoder) != version.digest:
        raise UserError(f"the settings of version {version.number} now give another encoder; check out its commit")
    return put_in_place(version.values, [], message=f"version {version.number} is in service")
