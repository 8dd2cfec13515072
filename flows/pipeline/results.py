"""Keeps the results of this process's flow runs beside their states.

If the response to the final state is lost, Prefect's client retries and gets back the stored state, which has no data.
See docs/upstream.md, Prefect: result lost with the answer.
"""

from typing import Any

from prefect.runtime import flow_run
from prefect.states import State

from cbir.base.errors import UserError

REFUSED = "Refused"  # the state of a run that a user has to mend: nothing broke

_kept: dict[str, Any] = {}


class RunError(UserError):
    """A flow run failed; the message is the sentence that says why."""


def keep(result: Any) -> None:
    """Keeps the result of the present flow run."""
    _kept[str(flow_run.id)] = result


def result_of(state: State[Any], *, failed: bool = False) -> Any:
    """Returns the result of the flow run that ended in this state, once; if ``failed`` also that of a failed one.

    Raises:
        UserError: the run could not begin.
        RunError: it failed, or broke off before it had a result.
    """
    result = _kept.pop(str(state.state_details.flow_run_id), None)
    if isinstance(result, UserError):
        raise result
    if result is None:
        raise RunError(f"the run broke off: {state.message}")
    if not (failed or state.is_completed()):
        raise RunError(str(state.message))
    return result
