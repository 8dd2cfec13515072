"""The Prefect flow `study_all`: a study of all presets, as a schedule starts it."""

from typing import Any

from prefect import flow
from prefect.states import State

from cbir.errors import UserError
from flows.accessions import adopt
from flows.plans import make_plan, one_study
from flows.presets import DEFAULT, preset_names
from flows.results import result_of
from flows.study import study
from flows.unattended import Done, RunError, unattended
from tasks.settings import PARAMS, load_paths, read_yaml


@flow(name="study-all", validate_parameters=False)
def study_all() -> State[Any]:
    """Run all presets and compare them in one table."""
    return unattended("cbir study", _study_all, wait=True)


def _study_all() -> Done:
    paths = load_paths(read_yaml(PARAMS))
    plans = [make_plan(name) for name in preset_names() if name != DEFAULT]
    with one_study(paths.store):
        adopt(paths.raw, paths.weights)
        state = study(plans, return_state=True)
    rows = result_of(state)
    if isinstance(rows, UserError):
        raise rows
    if not state.is_completed():
        raise RunError(str(state.message))
    return Done(f"{state.message}: {paths.reports}/study.html", news={"report": str(paths.reports / "study.html")})
