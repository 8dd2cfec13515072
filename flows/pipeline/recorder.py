"""Asks the process that records in MLflow: one for all that a command does, started when it is first needed."""

import json
import logging
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

from cbir.errors import UserError
from flows.pipeline.stages import Outcome, StageError, Tell
from tasks.harness.settings import is_tracked
from tasks.tracking.facts import Ran


class RecorderError(Exception):
    """MLflow could not do what it was asked for; the message says why."""


class Recorder:
    """The process, and the answers that it owes."""

    def __init__(self) -> None:
        self._owed: deque[Future[str]] = deque()
        self._ended: str | None = None
        self._lock = threading.Lock()  # of the two above and of the process's input
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tasks.tracking.recorder"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            process_group=0,  # Ctrl-C is for the run, which may have something to record of it
        )
        threading.Thread(target=self._listen, name="recorder", daemon=True).start()

    @property
    def alive(self) -> bool:
        return self._ended is None

    def ask(self, request: Mapping[str, Any]) -> "Future[str]":
        """Ask; the answer comes in a while, or a UserError or RecorderError."""
        answer: Future[str] = Future()
        with self._lock:
            if self._ended is not None:
                answer.set_exception(RecorderError(self._ended))
                return answer
            self._owed.append(answer)
            assert self._process.stdin
            with suppress(BrokenPipeError):  # it is the listener's to say why
                self._process.stdin.write(f"{json.dumps(request)}\n")
                self._process.stdin.flush()
        return answer

    def _listen(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        for line in self._process.stdout:
            answer, said = self._owed.popleft(), json.loads(line)
            if "error" in said:
                answer.set_exception((UserError if said["user"] else RecorderError)(said["error"]))
            else:
                answer.set_result(said["answer"])
        self._process.wait()
        with self._errors:
            self._errors.seek(0)
            words = self._errors.read().decode(errors="replace").strip().splitlines()
        with self._lock:
            self._process.stdout.close()
            with suppress(BrokenPipeError):
                self._process.stdin.close()
            self._ended = words[-1] if words else "the process that records was killed"
            while self._owed:
                self._owed.popleft().set_exception(RecorderError(self._ended))


_recorders: list[Recorder] = []
_starting = threading.Lock()


def recorder() -> Recorder:
    """The one of this process, started anew where it has ended."""
    with _starting:
        if not _recorders or not _recorders[-1].alive:
            _recorders[:] = [Recorder()]
        return _recorders[-1]


class Recording:
    """What a pipeline run has recorded of its stages, while the next ones run.

    Args:
        root: the workspace.
        pipeline: the key of the pipeline run; empty: nothing is recorded.
    """

    def __init__(self, root: Path, pipeline: str) -> None:
        self._root, self._pipeline = root, pipeline
        self._answers: dict[str, Future[str]] = {}

    def prepare(self) -> None:
        """A stage is about to run: MLflow may begin to load."""
        if self._wanted:
            recorder()

    def ran(self, outcome: Outcome) -> None:
        """Have a stage that ran recorded."""
        self._record(outcome.name, Ran(outcome.name, *self._where, outcome.seconds, tuple(outcome.data)))

    def failed(self, name: str, error: StageError) -> None:
        """Have a stage that failed while it ran recorded."""
        if error.seconds is not None:
            sentence = str(error).removeprefix(f"{name}: ")
            self._record(name, Ran(name, *self._where, error.seconds, failed=sentence))

    @cached_property
    def _wanted(self) -> bool:
        """Looked up when a stage runs: most runs have nothing to do."""
        return bool(self._pipeline) and is_tracked(self._root)

    @property
    def _where(self) -> tuple[str, str]:
        return str(self._root.absolute()), self._pipeline

    def _record(self, name: str, ran: Ran) -> None:
        if self._wanted:
            self._answers[name] = recorder().ask({"stage": asdict(ran)})

    def finish(self, tell: Tell) -> str | None:
        """Wait until all is recorded; the id of the MLflow run, None where there is none."""
        run = None
        for name, answer in self._answers.items():
            try:
                run = answer.result()
            except (RecorderError, UserError) as error:
                tell(logging.WARNING, f"MLflow did not record the stage {name}: {error}")
        if run:
            tell(logging.INFO, f"MLflow run: {run}")
        return run
