"""What the flow runs of this process came to, kept beside their states.

Where the answer to a run's last state is lost on its way, Prefect's client sends that state again; the server, which
has it, refuses the second one and hands the first one back as it keeps it: without data. See docs/upstream.md,
Prefect: result lost with the answer.
"""

from typing import Any

from prefect.runtime import flow_run
from prefect.states import State

_kept: dict[str, Any] = {}


def keep(result: Any) -> None:
    """Called in a flow run with what it came to."""
    _kept[str(flow_run.id)] = result


def result_of(state: State[Any]) -> Any:
    """What a flow run that ended in this state came to, given out once; None where it broke off before that."""
    return _kept.pop(str(state.state_details.flow_run_id), None)
