"""Keeps the results of this process's flow runs beside their states.

If the response to the final state is lost, Prefect's client retries and gets back the stored state, which has no data.
See docs/upstream.md, Prefect: result lost with the answer.
"""

from typing import Any

from prefect.runtime import flow_run
from prefect.states import State

_kept: dict[str, Any] = {}


def keep(result: Any) -> None:
    """Keeps the result of the present flow run."""
    _kept[str(flow_run.id)] = result


def result_of(state: State[Any]) -> Any:
    """Returns the result of the flow run that ended in this state, once; None if it broke off before that."""
    return _kept.pop(str(state.state_details.flow_run_id), None)
