"""Wraps every unattended run: takes the workspace lock, records it in MLflow, commits and pushes, and notifies."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from annotated_types import Gt
from prefect import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Completed, Failed, State

from cbir.base.display import visible, visible_lines
from cbir.base.errors import UserError, disk_trouble
from flows.pipeline.living import announced
from flows.pipeline.recorder import begun_by, recorder
from flows.pipeline.results import REFUSED, RunError
from flows.repository.versioning import OWN, commit, edited, push
from flows.unattended.notification import notify
from flows.unattended.registry import reconcile
from flows.workspace.exclusive import BusyError, hold_workspace
from flows.workspace.graph import follow_program
from tasks.harness.settings import PARAMS, is_tracked, load_section, read_yaml

PROMOTED = ("images", "groundtruth.accessions", "train")  # the sections that a promotion sets in params.yaml

terminal = logging.getLogger("flows")


@dataclass(frozen=True)
class Version:
    """The section ``version`` of params.yaml."""

    commit: bool
    push: bool


@dataclass(frozen=True)
class Notify:
    """The section ``notify`` of params.yaml."""

    command: str
    webhook: str
    timeout: Annotated[float, Gt(0)]


@dataclass(frozen=True)
class Done:
    """The result of a run: one sentence for people, and the accessions that it brought in.

    ``news`` is for the notification (None: none is due), and ``reports`` are files to keep with the MLflow run.
    ``changed`` says whether anything in the workspace may have changed.
    """

    message: str
    landed: Sequence[str] = ()
    news: Mapping[str, Any] | None = None
    reports: Sequence[str] = ()
    changed: bool = False


def tell(level: int, text: str, *words: Any) -> None:
    """Logs a line to the run's page in Prefect and to the terminal."""
    line = visible_lines(text % words if words else text)
    get_run_logger().log(level, "%s", line)
    terminal.log(level, "%s", line)


def unattended(
    what: str, work: Callable[[], Done], *, wait: bool, settled: Callable[[], None] = lambda: None
) -> State[Any]:
    """Does the work of the present flow run, alone in this workspace, and all that follows from it.

    Unless it is to wait for another run, it ends at once then, as skipped. ``settled`` is called when all is recorded
    and notified.
    """
    begun_by.set((what, ""))
    try:
        with hold_workspace(what, wait=wait), announced():
            if is_tracked():
                recorder()  # MLflow may begin to load
            version = load_section("version", Version, read_yaml(PARAMS))
            before = edited() if version.commit else []
            follow_program(tell)
            done = work()
            reconcile(tell, run=str(flow_run.id), reports=done.reports)
            _keep_version(what, done, version, before)
            if done.news is not None:
                _notify({"run": what, "message": done.message, **done.news})
            settled()
    except BusyError as error:
        tell(logging.INFO, "skipped: %s", error)
        return Completed(name="Skipped", message=str(error))
    except RunError as error:
        return _failed(what, str(error))
    except UserError as error:
        return _failed(what, str(error), state=REFUSED)
    except Exception as error:
        _failed(what, disk_trouble(error) or f"{type(error).__name__}: {error}")
        raise
    return Completed(message=done.message)


def _failed(what: str, sentence: str, *, state: str = "Failed") -> State[Any]:
    _notify({"run": what, "failed": sentence})
    return Failed(name=state, message=visible(sentence))


def _keep_version(what: str, done: Done, version: Version, before: Sequence[str]) -> None:
    if version.commit:
        landed = f": {', '.join(done.landed)}" if done.landed else ""
        own = PROMOTED if "promoted" in (done.news or {}) else OWN
        made = commit(f"{what}{landed}\n\n{done.message}", edits=before, own=own)
        if made.hash:
            tell(logging.INFO, "committed as %s", made.hash[:10])
        elif made.reason:
            tell(logging.WARNING, "%s", made.reason)
    if version.push and done.changed and (failed := push()):
        tell(logging.WARNING, "%s", failed)


def _notify(summary: Mapping[str, Any]) -> None:
    settings = load_section("notify", Notify, read_yaml(PARAMS))
    for warning in notify(summary, **asdict(settings)):
        tell(logging.WARNING, "%s", warning)
