"""Runs a function on many items in worker processes; an item that crashes or hangs its worker costs only itself."""

import atexit
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, TimeoutError, wait
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar

import psutil
from pebble import ProcessExpired, ProcessPool

try:
    import resource
except ImportError:  # Windows has no limits of this kind
    resource = None  # type: ignore[assignment]

_limit = (signal.ITIMER_REAL, 0.0)  # a worker's clock, and seconds

T = TypeVar("T")
R = TypeVar("R")

_AHEAD = 4  # tasks waiting for each worker, so that none idles and memory stays flat
_START = 300  # seconds until a worker must have started; a busy network drive is slow to import from
_LEAST_MEMORY = 1 << 30
_CRASHES = {  # signals that a process meets by its own doing; all others come from outside
    -getattr(signal, name)
    for name in ("SIGSEGV", "SIGBUS", "SIGABRT", "SIGILL", "SIGFPE", "SIGTRAP", "SIGSYS")
    if hasattr(signal, name)
}


@dataclass(frozen=True)
class Lost:
    """Says what became of an item that gave no result.

    Attributes:
        reason: a sentence, for a person.
        killed: whether something outside ended the worker, so that nothing is known of the item.
    """

    reason: str
    killed: bool = False


@dataclass(frozen=True)
class Outcome(Generic[T, R]):
    """Holds an item, and what the function made of it."""

    item: T
    result: R | Lost


def run_isolated(
    function: Callable[[T], R],
    items: Iterable[T],
    *,
    timeout: float,
    workers: int = 0,
    prepare: Callable[[], None] | None = None,
) -> Iterator[Outcome[T, R]]:
    """Runs ``function`` on every item in processes of their own, as they finish (in no fixed order).

    Each worker may use its share of three quarters of the machine's memory; where more is asked for, the allocation
    fails there, so that the system does not have to end some other process.

    Args:
        function: of a module's top level; what it raises is a defect of the program and is raised here, but for
            MemoryError, which loses the item.
        items: any number; they are taken as workers become free.
        timeout: seconds for one item, or for each part of it that :func:`more_time` begins; a worker that takes longer
            is ended, and the item is lost.
        workers: processes; 0: one a core.
        prepare: called in every worker before its first item.

    Raises:
        RuntimeError: the workers do not start.
    """
    workers = workers or usable_cores()
    pool = _pool(workers, _memory_share(workers), (signal.ITIMER_REAL, timeout), prepare)
    try:
        _await_start(pool)
        yield from _outcomes(pool, function, iter(items), timeout, workers * _AHEAD)
    finally:
        pool.stop()
        pool.join()


class Isolated:
    """A worker process that stays, for calls one after the other; a call that is lost costs itself alone.

    Args:
        seconds: of processor time for one call, which a busy machine makes no shorter.
        memory: bytes that the process may use for data.
    """

    def __init__(self, *, seconds: float, memory: int) -> None:
        self._seconds, self._memory = seconds, memory

    @cached_property
    def _workers(self) -> ProcessPool:
        pool = _pool(1, self._memory, (signal.ITIMER_PROF, self._seconds), None)
        atexit.register(pool.stop)
        _await_start(pool)
        return pool

    def run(self, function: Callable[[T], R], item: T) -> R | Lost:
        """Returns what the function, of a module's top level, makes of the item; what it raises is raised here.

        A relative path means there what it means here, though the worker stays when this process changes its folder.
        """
        return _result(self._workers.schedule(_limited_in, args=[Path.cwd(), function, item]), self._seconds)


def _pool(workers: int, memory: int, limit: tuple[int, float], prepare: Callable[[], None] | None) -> ProcessPool:
    return ProcessPool(
        workers,
        initializer=_start_worker,
        initargs=(os.getpid(), memory, limit, prepare),
        context=_Spawn(),  # a fork would copy the threads' locks of libvips and Arrow
    )


class _Process(multiprocessing.context.SpawnProcess):
    """A process that does not run the module that the user runs: a script without a guard would start itself anew."""

    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: N802 - the name in multiprocessing
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            return multiprocessing.context.SpawnProcess._Popen(process_obj)
        finally:
            sys.modules["__main__"] = main


class _Spawn(multiprocessing.context.SpawnContext):
    Process = _Process


def _outcomes(
    pool: ProcessPool, function: Callable[[T], R], items: Iterator[T], timeout: float, ahead: int
) -> Iterator[Outcome[T, R]]:
    running: dict[Future[Any], T] = {}
    while True:
        for item in islice(items, ahead - len(running)):
            running[pool.schedule(_limited, args=[function, item])] = item
        if not running:
            return
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            yield Outcome(running.pop(future), _result(future, timeout))


def _result(future: Future[Any], timeout: float) -> Any:
    try:
        return future.result()
    except MemoryError:
        return Lost("it needs more memory than this machine gives to one process")
    except ProcessExpired as error:
        if error.exitcode in (-signal.SIGALRM, -signal.SIGPROF):
            return Lost(f"it took longer than {timeout:g} seconds and was given up")
        return _death(error.exitcode)
    except CancelledError as error:
        raise RuntimeError("the worker processes were stopped") from error


def _death(exitcode: int | None) -> Lost:
    if exitcode is None or exitcode >= 0:
        return Lost(f"it crashed the decoder (exit code {exitcode})")
    if exitcode in _CRASHES:
        return Lost(f"it crashed the decoder (signal {-exitcode})")
    return Lost("its worker process was killed from outside, perhaps for want of memory", killed=True)


def _await_start(pool: ProcessPool) -> None:
    try:
        pool.schedule(_ready, timeout=_START).result()
    except (TimeoutError, ProcessExpired, CancelledError, RuntimeError) as error:
        raise RuntimeError(f"the worker processes do not start: {error}") from error


def _ready() -> None:
    """Does nothing: a task that fails only when the worker itself does not work."""


def more_time() -> None:
    """Begins the time limit anew for the next part of an item, such as a page of many; nothing outside a worker.

    The alarm ends a process whatever it does, also within a decoder that lets no other thread run.
    """
    signal.setitimer(*_limit)


def _limited(function: Callable[[T], R], item: T) -> R:
    more_time()
    try:
        return function(item)
    finally:
        signal.setitimer(_limit[0], 0)


def _limited_in(folder: Path, function: Callable[[T], R], item: T) -> R:
    os.chdir(folder)
    return _limited(function, item)


def _start_worker(parent: int, memory: int, limit: tuple[int, float], prepare: Callable[[], None] | None) -> None:
    global _limit
    _limit = limit
    threading.Thread(target=_die_with, args=(parent,), name="die-with-parent", daemon=True).start()
    if resource is not None:
        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        allowed = memory if most == resource.RLIM_INFINITY else min(memory, most)
        resource.setrlimit(resource.RLIMIT_DATA, (allowed, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if prepare is not None:
        prepare()


def _die_with(parent: int) -> None:
    """Ends this process when its parent has died, also while a decoder hangs."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _memory_share(workers: int) -> int:
    return max(_LEAST_MEMORY, psutil.virtual_memory().total * 3 // 4 // workers)


def usable_cores() -> int:
    """Counts the processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
