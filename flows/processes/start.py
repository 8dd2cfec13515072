"""The processes of stages: forks of one that has the libraries loaded, where there is one, or started by themselves."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

KILLED = -signal.SIGKILL  # what is taken for the end of a process of which nobody could tell


class Process(Protocol):
    """What can be done with one of either kind, beside sending it signals."""

    @property
    def pid(self) -> int: ...

    def wait(self) -> int:
        """Its exit code when it has ended; that of a signal is negative."""


class _Fork:
    """A process of which the one that forked it tells when it has ended."""

    def __init__(self, pid: int, status: int) -> None:
        self.pid, self._status = pid, status

    def wait(self) -> int:
        with os.fdopen(self._status) as status:
            return int(status.readline() or KILLED)


class Starter:
    """The process that has the libraries loaded: :mod:`flows.processes.starter`. It ends when this process does.

    Args:
        root: the workspace.
        but: stages whose libraries it does not load.
    """

    def __init__(self, root: Path, but: Iterable[str]) -> None:
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-m", "flows.processes.starter", str(theirs.fileno()), *but]
        with theirs as channel:
            descriptors = [channel.fileno()]
            self._process = subprocess.Popen(command, cwd=root, env=_variables(), pass_fds=descriptors, process_group=0)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def end(self) -> None:
        """End it, and with it all that it has started."""
        self._channel.close()
        self._process.kill()
        self._process.wait()

    def start(self, words: Sequence[str], folder: str, log: int) -> Process | None:
        """As :func:`start`, of ``python -m`` with these words; None where it could not be asked or has died."""
        module, *arguments = words
        request = {"module": module, "arguments": arguments, "folder": folder, "environment": _variables()}
        read, write = os.pipe()
        try:
            socket.send_fds(self._channel, [json.dumps(request).encode()], [log, write])
        except OSError:  # also where the environment is too large for a message
            os.close(read)
            return None
        finally:
            os.close(write)
        pid = b""
        while byte := os.read(read, 1).strip():  # not a byte more: the rest is for wait()
            pid += byte
        if pid:
            return _Fork(int(pid), read)
        os.close(read)
        return None


_starters: list[Starter] = []
_starting = threading.Lock()


def load_ahead(root: Path, *, but: Iterable[str]) -> None:
    """Have the libraries of stages loaded in the background, where that has not begun; for all runs of this process.

    Elsewhere than on Linux nothing is: libraries of other systems do not stand a fork.

    Args:
        root: the workspace.
        but: stages that are not going to run.
    """
    with _starting:
        if sys.platform == "linux" and not (_starters and _starters[-1].alive):
            end_starter()
            _starters[:] = [Starter(root, but)]


def start(command: Sequence[str], folder: str, log: int) -> Process:
    """Start a stage's process, in a process group of its own.

    Args:
        command: a program and its arguments; that of Python is the interpreter of this process.
        folder: its working directory.
        log: a descriptor to hand on for its log.
    """
    own = command[:2] == [sys.executable, "-m"]
    if own and _starters and (process := _starters[-1].start(command[2:], folder, log)):
        return process
    variables = {**_variables(), "CBIR_LOG_FD": str(log), "CBIR_PARENT": str(os.getpid())}
    return subprocess.Popen(command, cwd=folder, env=variables, pass_fds=[log], process_group=0)


def _variables() -> dict[str, str]:
    """Of a stage's process: the run records it in MLflow, and shows no bars where nobody sees them move."""
    bars = {} if sys.stderr.isatty() else {"TQDM_DISABLE": "1"}
    return {**os.environ, **bars, "CBIR_TRACKING": "later"}


def end_starter() -> None:
    """End the process that has the libraries loaded, where there is one."""
    for starter in _starters:
        starter.end()
