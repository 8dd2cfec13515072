"""Runs a stage as a process: settings in, files out, a log, and one sentence when something is wrong."""

import errno
import json
import logging
import os
import subprocess
import sys
import threading
import time
import typing
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from cbir.base.display import VisibleFormatter, visible
from cbir.base.errors import PassingError, UserError, disk_trouble, in_short
from tasks.harness.settings import PARAMS, arguments, decisions_taken, dependencies, is_tracked, load_paths, read_yaml
from tasks.harness.versions import require_version, stage_versions

USER_ERROR = 2
DEFECT = 70  # EX_SOFTWARE of sysexits.h
TEMPORARY = 75  # EX_TEMPFAIL: the world broke, not the program; the same stage may well succeed on another try


def main(function: Callable[..., None], *, helper: bool = False) -> typing.NoReturn:
    """Runs a stage as a process: settings in, files out; one sentence and an exit code that is not 0 when it fails.

    A helper of a process that runs the stage too leaves logging and recording to that.
    """
    die_with_parent()
    name = function.__name__
    log = _start_log(name, helper=helper)
    started = time.monotonic()
    try:
        if len(sys.argv) > 1:
            require_version(name, sys.argv[1:], stage_versions())
        before = _inputs(name)
        function(**arguments(function))
        _require_same_inputs(name, before, _inputs(name))
    except KeyboardInterrupt:
        log.error("interrupted; run it again to go on")
        sys.exit(130)
    except Exception as error:
        sentence, code = _sentence(error)
        log.error("%s", sentence, exc_info=code == DEFECT)
        if not helper:
            _track(name, time.monotonic() - started, failed=sentence)
        sys.exit(code)
    _track(name, time.monotonic() - started)
    sys.exit(0)


def _sentence(error: Exception) -> tuple[str, int]:
    """Returns the sentence for the user, and the exit code that goes with it."""
    if isinstance(error, UserError):
        return str(error), TEMPORARY if isinstance(error, PassingError) else USER_ERROR
    if trouble := disk_trouble(error):
        return visible(trouble), 1
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.EHOSTDOWN):
        return visible(f"a file could not be reached ({error}); is the disk or network folder there?"), TEMPORARY
    words = " ".join(str(error).split())
    return visible(f"{type(error).__name__}: {words} (a defect of this program, please report it)"), DEFECT


def _inputs(stage: str) -> dict[str, Any]:
    """Returns the state of the stage's inputs, which an edit changes: params, and size, time and inode of each file.

    People's decisions, to which rows may be added, stand there by the content that the run has taken.
    """
    values, paths = dependencies(stage)
    state: dict[str, Any] = {f"{PARAMS} ({name})": value for name, value in values.items()}
    decisions = load_paths(read_yaml(PARAMS)).decisions
    if (size := decisions_taken()) is not None and decisions in paths:
        paths.remove(decisions)
        state[str(decisions)] = decisions.read_bytes()[:size]
    for path in paths:
        for file in _files(path):
            with suppress(OSError):
                status = file.stat()
                state[str(file)] = (status.st_size, status.st_mtime_ns, status.st_ino)
    return state


def _files(path: Path) -> Iterator[Path]:
    """Yields all files at or below a path, without the bytecode that Python writes beside a stage's own code."""
    if not path.is_dir():
        yield path
    for folder, folders, names in os.walk(path):
        folders[:] = [name for name in folders if name != "__pycache__"]
        yield from (Path(folder, name) for name in names)


def _require_same_inputs(stage: str, before: dict[str, Any], after: dict[str, Any]) -> None:
    edited = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    if edited:
        names = in_short(edited, most=1)
        raise UserError(f"{names} changed while {stage} ran, so its result is not recorded; run it again")


def _start_log(stage: str, *, helper: bool) -> logging.Logger:
    """Sends log records to the process that runs the pipeline, by the pipe in CBIR_LOG_FD, or else to stderr."""
    pipe = os.environ.pop("CBIR_LOG_FD", None)
    handler = logging.StreamHandler(os.fdopen(int(pipe), "w", buffering=1) if pipe else sys.stderr)
    handler.setFormatter(_JsonLines() if pipe else VisibleFormatter(f"{stage}: %(message)s"))
    for package in ("cbir", "tasks", "__main__"):
        logger = logging.getLogger(package)
        logger.setLevel(logging.ERROR if helper else logging.INFO)  # the process that it helps logs the rest
        logger.addHandler(handler)
    return logging.getLogger("tasks")


class _JsonLines(VisibleFormatter):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps({"level": record.levelno, "message": super().format(record)})


def die_with_parent() -> None:
    """Ends this process when its parent has died: an orphan would write the files that a new run writes too.

    The parent gives its number in CBIR_PARENT, for it may have died before this process could ask for it.
    """
    parent = int(os.environ.pop("CBIR_PARENT", os.getppid()))

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=watch, name="die-with-parent", daemon=True).start()


def _track(stage: str, seconds: float, *, failed: str | None = None) -> None:
    """Records the stage in MLflow, in a process of its own, so that MLflow cannot break a stage.

    With CBIR_TRACKING=later the process that runs the pipeline records all stages at once.
    """
    if os.environ.get("CBIR_TRACKING") == "later" or not is_tracked():
        return
    log = logging.getLogger("tasks")
    command = [sys.executable, "-m", "tasks.tracking.runs", stage, f"{seconds:.3f}", *([failed] if failed else [])]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    for line in result.stdout.splitlines():
        log.info("%s", line)
    if result.returncode:
        log.warning("MLflow did not record %s: %s", stage, (result.stderr.splitlines() or ["no reason given"])[-1])
