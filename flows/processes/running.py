"""Starts the processes of a run's stages, and ends all that runs when the run is stopped."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TextIO

GRACE = 2  # seconds that a stage has to end by itself


class Running:
    """Holds what a run has under way; the threads that wait for it cannot be interrupted, so `stop` ends it."""

    def __init__(self) -> None:
        self.stopped = False
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._stops: set[Callable[[], None]] = set()

    @contextmanager
    def started(
        self, command: Sequence[str], folder: str, variables: Mapping[str, str] | None = None
    ) -> Iterator[tuple[subprocess.Popen[bytes], TextIO]]:
        """Yields a stage's process and the lines of its log; Ctrl-C reaches the flow alone, not its process group.

        Args:
            variables: of its environment, beside those of this process.
        """
        read, write = os.pipe()
        bars = {} if sys.stderr.isatty() else {"TQDM_DISABLE": "1"}  # nobody would see them move
        own = {"CBIR_LOG_FD": str(write), "CBIR_PARENT": str(os.getpid()), "CBIR_TRACKING": "later"}
        with os.fdopen(read) as log:
            try:
                environment = {**os.environ, **bars, **own, **(variables or {})}
                process = subprocess.Popen(command, cwd=folder, env=environment, pass_fds=[write], process_group=0)
            finally:
                os.close(write)
            self._processes.add(process)
            try:
                yield process, log
            finally:
                self._processes.discard(process)

    @contextmanager
    def stopped_by(self, stop: Callable[[], None]) -> Iterator[None]:
        """Calls this function when `stop` is called within the block."""
        self._stops.add(stop)
        try:
            yield
        finally:
            self._stops.discard(stop)

    def stop(self) -> None:
        """Ends all that runs; what the stages had written to stores stays."""
        self.stopped = True
        for stop in list(self._stops):
            stop()
        self._send(signal.SIGTERM)
        end = time.monotonic() + GRACE
        while self._processes and time.monotonic() < end:
            time.sleep(0.05)
        self._send(signal.SIGKILL)  # a stage survives it at any moment; Lightning would train on until its epoch ends

    def _send(self, number: signal.Signals) -> None:
        for process in list(self._processes):
            process.send_signal(number)
