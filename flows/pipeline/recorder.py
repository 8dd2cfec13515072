"""Asks the process that records in MLflow: one for all that a command does, started when it is first needed."""

import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from functools import cached_property, partial
from multiprocessing import Pipe
from pathlib import Path
from typing import Any, TypeVar

from cbir.base.errors import UserError
from flows.pipeline.stages import Outcome, StageError, Tell
from tasks.harness.settings import is_tracked
from tasks.tracking.connection import Pipeline, RecorderError
from tasks.tracking.facts import Ran
from tasks.tracking.load import end_watch
from tasks.tracking.recorder import record_stage

T = TypeVar("T")

begun_by: ContextVar[tuple[str, str]] = ContextVar("begun_by", default=("cbir run", ""))  # the command, and its preset


class Recorder:
    """A process that calls functions in the order in which they were asked for, also when nobody is left to answer.

    A pool of one worker would lose the requests that it has not handed out when this process is killed.
    """

    def __init__(self) -> None:
        self._channel, its = Pipe()
        with its:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tasks.tracking.recorder", str(its.fileno())],
                pass_fds=[its.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the run, which may have something to record of it
            )
        self._asked = 0
        self._answers: list[tuple[Any, Exception | None]] = []
        self._lock = threading.Lock()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, function: Callable[..., T], *arguments: Any) -> Callable[[], T]:
        """Asks for a call; what is returned waits for its result, and raises UserError or RecorderError for a failure.

        The function belongs to a module, as do the classes of its arguments and its result.
        """
        with self._lock:
            number, self._asked = self._asked, self._asked + 1
            with suppress(OSError):  # that it has ended shows where its answer is waited for
                self._channel.send((function, arguments))
        return partial(self._answer, number)

    def _answer(self, number: int) -> Any:
        with self._lock:
            while len(self._answers) <= number:
                self._answers.append(self._receive())
        value, error = self._answers[number]
        if error:
            raise error
        return value

    def _receive(self) -> tuple[Any, Exception | None]:
        try:
            return self._channel.recv()
        except (EOFError, OSError):
            return None, RecorderError("the process that records in MLflow was killed")


_recorders: list[Recorder] = []
_starting = threading.Lock()


def recorder() -> Recorder:
    """Returns this process's recorder, started again if it has ended."""
    with _starting:
        if not _recorders or not _recorders[-1].alive:
            _recorders[:] = [Recorder()]
        return _recorders[-1]


class Recording:
    """Records the stages of the pipeline run with this key while the next ones run; without a key, nothing."""

    def __init__(self, root: Path, key: str) -> None:
        command, preset = begun_by.get()
        self._root, self._pipeline = root, Pipeline(key, 0.0, command, preset=preset)
        self._answers: dict[str, Callable[[], str]] = {}

    def prepare(self) -> None:
        """Starts the recorder before a stage runs, so that MLflow loads meanwhile."""
        if self._wanted:
            recorder()

    def ran(self, outcome: Outcome) -> None:
        """Has a stage that ran recorded."""
        self._record(Ran(outcome.name, outcome.seconds, tuple(outcome.data)))

    def failed(self, name: str, error: StageError) -> None:
        """Has a stage that failed while it ran recorded."""
        if error.seconds is not None:
            self._record(Ran(name, error.seconds, failed=str(error).removeprefix(f"{name}: ")))

    @cached_property
    def _wanted(self) -> bool:
        """Looked up when a stage runs: most runs have nothing to do."""
        return bool(self._pipeline.key) and is_tracked(self._root)

    def _record(self, ran: Ran) -> None:
        if self._wanted:
            where = str(self._root.absolute()), self._pipeline
            self._answers[ran.name] = recorder().ask(record_stage, *where, ran)

    def finish(self, tell: Tell) -> str | None:
        """Waits until all is recorded; the id of the MLflow run, None where there is none."""
        run = None
        failed: dict[str, list[str]] = {}
        for name, answer in self._answers.items():
            try:
                run = answer()
            except (RecorderError, UserError) as error:
                failed.setdefault(str(error), []).append(name)
        for reason, names in failed.items():
            tell(logging.WARNING, f"MLflow did not record {', '.join(names)}: {reason}")
        if run:
            with suppress(RecorderError, UserError):  # before the command ends, so that nobody writes after it
                recorder().ask(end_watch)()
            tell(logging.INFO, f"MLflow run: {run}")
        return run
