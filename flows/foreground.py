"""Runs flows in the foreground of a command: what they need is made ready, and Ctrl-C ends them in one line."""

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cbir.base.errors import UserError
from tasks.harness.settings import HERE, PARAMS, Paths, read_yaml

INTERRUPTED = 130  # as a shell reports a program that Ctrl-C ended


def workspace(*, sound: bool = False) -> Paths:
    """Returns the paths of the workspace, whose code is this command's; ``sound`` looks at all that a run needs."""
    from flows.workspace.settings import require_workspace  # and with it the writers of tables, which no help needs
    from flows.workspace.surroundings import require_no_namesakes, require_own_code, require_surroundings

    paths = require_workspace()
    require_own_code(Path())
    require_no_namesakes(Path())
    if sound:
        from flows.workspace.checks import require_settings

        require_settings(read_yaml(PARAMS))
        require_surroundings(paths)
    return paths


def make_ready(paths: Paths) -> None:
    """Makes the workspace ready for a flow: it has images, DVC knows of all data, and Prefect's API answers."""
    from flows.repository.accessions import adopt
    from flows.workspace.graph import follow_program
    from flows.workspace.settings import is_empty

    if is_empty(paths.raw):
        raise UserError(f"{paths.raw} holds no accession: bring images in with `cbir import DIR`, or try `cbir sample`")
    follow_program(logging.getLogger("flows").log)
    adopt(paths.raw, paths.weights)
    provide_api(paths)


def provide_api(paths: Paths, *, port: int = 0) -> None:
    """Sees to Prefect's API, at this port where it is free; 0: any."""
    from flows.processes.servers import provide_prefect_api

    provide_prefect_api(paths.store / "logs/prefect.log", preferred=port)


def state_of(flow: Callable[..., Any], *arguments: Any) -> Any:
    """Runs a flow and returns the state in which it ended."""
    from prefect import tags
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    from flows.pipeline.naming import labels

    try:
        # Prefect waits for the thread that sends each flow's heartbeats to end, half a second on average. See
        # docs/upstream.md, Prefect: end of the heartbeats.
        with temporary_settings(set_defaults={PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}), tags(*labels(HERE)):
            return flow(*arguments, return_state=True)
    except KeyboardInterrupt:
        print("interrupted; run it again to go on where it stopped", file=sys.stderr)
        sys.exit(INTERRUPTED)


def run_flow(flow: Callable[..., Any], *arguments: Any) -> tuple[list[Any], str | None]:
    """Runs a flow and returns its result, and the reason if it failed."""
    from flows.pipeline.results import result_of

    state = state_of(flow, *arguments)
    return result_of(state, failed=True), None if state.is_completed() else state.message
