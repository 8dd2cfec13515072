"""Starts stages as forks of a process that has the libraries loaded; the arguments are a descriptor and stages.

PyTorch takes seconds to load, more than most stages have to do when little is new. It is loaded once here, while the
first stages work, which do without: of two processes one is always there to start those, and the other loads PyTorch.
Of this project nothing is loaded: each stage reads its code as it is when it starts.

A request comes over the socket with that descriptor: a JSON object with ``module``, ``arguments``, ``folder`` and
``environment``, and with it two descriptors, one for the log of the stage and one on which a line is written with the
stage's process id and, when that has ended, one with its exit code as :mod:`subprocess` gives it. Both processes end
when nobody is left who could ask, and with them, by :func:`tasks.harness.stage.die_with_parent`, what they have
started.
"""

import ast
import atexit
import gc
import importlib
import json
import os
import runpy
import selectors
import socket
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cbir.errors import UserError
from tasks.harness.settings import GRAPH, PARAMS, read_yaml

if TYPE_CHECKING:
    from multiprocessing.context import ForkProcess

OWN = ("cbir", "tasks", "flows")
SLOW = "torch"
LONGEST = 1 << 20  # bytes of a request

fork = get_context("fork")


def libraries(but: Iterable[str]) -> dict[str, list[str]]:
    """By the module that runs a stage of dvc.yaml, what is imported from others when it begins.

    dvc.yaml names the code of each stage. What that imports inside its functions may not be needed and is left out, but
    for the library of the encoder.

    Args:
        but: stages to leave out.
    """
    encoder = str(read_yaml(PARAMS).get("train", {}).get("backbone", "")).partition("/")[0]
    found = {}
    for name, stage in read_yaml(GRAPH)["stages"].items():
        files = [file for path in stage.get("deps", []) for file in _modules(Path(path))]
        imported = dict.fromkeys(library for file in files for library in _imported(file))
        if name not in but:
            module = stage["cmd"].partition(" -m ")[2].partition(" ")[0]
            found[module] = [*imported, *([encoder] if SLOW in imported else [])]
    return found


def _modules(path: Path) -> Iterable[Path]:
    """The modules at or below a dependency; none where it is data."""
    if path.parts[0] not in OWN or path.suffix == ".py":
        return [path] if path.suffix == ".py" else []
    return path.rglob("*.py")


def _imported(file: Path) -> Iterator[str]:
    for node in ast.parse(file.read_bytes()).body:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
        yield from (name for name in names if name.partition(".")[0] not in OWN)


class Starter:
    """Loads, and between two libraries starts what it was asked for.

    Args:
        channel: on which requests come.
        wanted: modules to load, by the module that needs them.
        second: forks a process like this one for those that need PyTorch, and leaves them to it.
    """

    def __init__(self, channel: socket.socket, wanted: Mapping[str, list[str]], *, second: bool = False) -> None:
        self._channel = channel
        self._slow = {name: needed for name, needed in wanted.items() if second and SLOW in needed}
        self._second: socket.socket | None = None
        quick = dict.fromkeys(name for module, needed in wanted.items() if module not in self._slow for name in needed)
        first = next(iter(self._slow.values()), [])  # what that needs too is loaded before the second is forked
        self._names = deque(sorted(quick, key=lambda name: name not in first))
        self._alone = sum(name not in first for name in quick)  # how many of them are loaded after that
        self._running: dict[int, tuple[ForkProcess, int]] = {}  # by what shows that one has ended; and where to tell
        self._selector = selectors.DefaultSelector()
        self._selector.register(channel, selectors.EVENT_READ)

    def serve(self) -> None:
        """Start what is asked for, until nobody can ask any more: then this process ends."""
        loading = True
        while True:
            for key, _ in self._selector.select(0 if loading else None):
                if key.fd in self._running:
                    self._tell_end(key.fd)
                    continue
                words, descriptors, *_ = socket.recv_fds(self._channel, LONGEST, 2)
                if not words:
                    os._exit(0)
                self._answer(words, *descriptors)
            loading = self._load()

    def _load(self) -> bool:
        """Load one library, or fork the second process when it is time; False when there is nothing more to do."""
        if self._slow and not self._second and len(self._names) == self._alone:
            self._fork_second()
        elif self._names:
            with suppress(Exception):  # whatever is wrong with a library, the stage that needs it will say
                importlib.import_module(self._names.popleft())
        else:
            return False
        return True

    def _fork_second(self) -> None:
        self._second, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        fork.Process(target=self._be_second, args=(theirs,)).start()
        theirs.close()

    def _be_second(self, channel: socket.socket) -> None:
        self._close()
        Starter(channel, self._slow).serve()

    def _answer(self, words: bytes, log: int, status: int) -> None:
        request = json.loads(words)
        if self._second and request["module"] in self._slow:
            with suppress(OSError):
                socket.send_fds(self._second, [words], [log, status])
                os.close(log)
                os.close(status)
                return
        request["environment"] |= {"CBIR_LOG_FD": str(log), "CBIR_PARENT": str(os.getpid())}
        gc.freeze()  # what is there stays shared between the processes
        process = fork.Process(target=self._become, args=(request, status), name=request["module"])
        process.start()
        os.close(log)
        _write(status, process.pid)
        self._running[process.sentinel] = process, status
        self._selector.register(process.sentinel, selectors.EVENT_READ)

    def _tell_end(self, sentinel: int) -> None:
        process, status = self._running.pop(sentinel)
        self._selector.unregister(sentinel)
        process.join()
        _write(status, process.exitcode)
        os.close(status)
        process.close()

    def _become(self, request: dict[str, Any], status: int) -> None:
        self._close()
        os.close(status)
        become(**request)

    def _close(self) -> None:
        """In a new process, close what is not its own."""
        self._selector.close()
        self._channel.close()
        if self._second:
            self._second.close()
        for sentinel, (_, status) in self._running.items():
            os.close(sentinel)
            os.close(status)


def _write(descriptor: int, number: int | None) -> None:
    with suppress(BrokenPipeError):  # the process that asked has ended, and this one is about to
        os.write(descriptor, f"{number}\n".encode())


def become(module: str, arguments: list[str], folder: str, environment: dict[str, str]) -> None:
    """Be the process that a shell in a folder would have started with ``python -m``."""
    for name in [name for name in sys.modules if name.partition(".")[0] in OWN]:
        del sys.modules[name]
    importlib.invalidate_caches()
    os.setpgid(0, 0)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    if not sys.flags.safe_path:
        sys.path[0] = folder
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()  # at the end of a fork Python does not


def main() -> None:
    """Serve, until nobody can ask any more."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    try:
        wanted = libraries(but=sys.argv[2:])
    except (UserError, OSError, SyntaxError, LookupError):
        wanted = {}  # the run is about to say what is wrong with these files
    Starter(channel, wanted, second=True).serve()


if __name__ == "__main__":
    main()
