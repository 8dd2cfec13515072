"""How a stage runs as a process: settings in, files out, a log, and one sentence when something is wrong."""

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

from cbir.display import VisibleFormatter, visible
from cbir.errors import UserError, is_full_disk
from tasks.harness.settings import PARAMS, arguments, dependencies, is_tracked

USER_ERROR = 2
DEFECT = 70  # EX_SOFTWARE of sysexits.h
TEMPORARY = 75  # EX_TEMPFAIL: the world broke, not the program; the same stage may well succeed when tried again


def main(function: Callable[..., None], *, helper: bool = False) -> typing.NoReturn:
    """Runs a stage as a process: settings in, files out; one sentence and an exit code that is not 0 when it fails.

    The exit code is TEMPORARY for what may well go better next time.

    Args:
        helper: this process helps another one that runs the stage too: that one tells and records.
    """
    die_with_parent()
    name = function.__name__
    log = _start_log(name, helper=helper)
    started = time.monotonic()
    try:
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
    """What to tell the user, and the exit code that goes with it."""
    if isinstance(error, UserError):
        return str(error), USER_ERROR
    if is_full_disk(error):
        return no_space(), 1
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.EHOSTDOWN):
        return visible(f"a file could not be reached ({error}); is the disk or network folder there?"), TEMPORARY
    words = " ".join(str(error).split())
    return visible(f"{type(error).__name__}: {words} (a defect of this program, please report it)"), DEFECT


def no_space() -> str:
    """What to tell the user when the disk of the workspace is full."""
    return f"no space is left on the disk of {Path.cwd()}; free some (.store can go at any time) and run again"


def _inputs(stage: str) -> dict[str, Any]:
    """What tells whether an input of the stage was edited: its params, and size, time and inode of each file."""
    values, paths = dependencies(stage)
    found: dict[str, Any] = {f"{PARAMS} ({name})": value for name, value in values.items()}
    for path in paths:
        for file in _files(path):
            with suppress(FileNotFoundError):
                status = file.stat()
                found[str(file)] = (status.st_size, status.st_mtime_ns, status.st_ino)
    return found


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
        others = f" and {len(edited) - 1} more" if len(edited) > 1 else ""
        raise UserError(f"{edited[0]}{others} changed while {stage} ran, so its result is not recorded; run it again")


def _start_log(stage: str, *, helper: bool) -> logging.Logger:
    """Logs records go to the process that runs the pipeline, where there is one (its pipe is named by CBIR_LOG_FD)."""
    pipe = os.environ.pop("CBIR_LOG_FD", None)
    handler = logging.StreamHandler(os.fdopen(int(pipe), "w", buffering=1) if pipe else sys.stderr)
    handler.setFormatter(_JsonLines() if pipe else VisibleFormatter(f"{stage}: %(message)s"))
    for package in ("cbir", "tasks", "__main__"):
        logger = logging.getLogger(package)
        logger.setLevel(logging.ERROR if helper else logging.INFO)  # the process that it helps tells the rest
        logger.addHandler(handler)
    return logging.getLogger("tasks")


class _JsonLines(VisibleFormatter):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps({"level": record.levelno, "message": super().format(record)})


def die_with_parent() -> None:
    """Ends this process when the one that started it has died: an orphan would write what a new run writes too.

    That one gives its number in CBIR_PARENT: it may have died before this process had got as far as to ask for it.
    """
    parent = int(os.environ.pop("CBIR_PARENT", os.getppid()))

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=watch, name="die-with-parent", daemon=True).start()


def _track(stage: str, seconds: float, *, failed: str | None = None) -> None:
    """Records the stage in MLflow, in a process of its own, so that nothing of MLflow can reach or break a stage.

    With CBIR_TRACKING=later the process that runs the pipeline sees to it, for all stages at once.
    """
    if os.environ.get("CBIR_TRACKING") == "later" or not is_tracked():
        return
    log = logging.getLogger("tasks")
    failure = ["--failed", failed] if failed else []
    command = [sys.executable, "-m", "tasks.tracking.runs", stage, f"{seconds:.3f}", *failure]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    for line in result.stdout.splitlines():
        log.info("%s", line)
    if result.returncode:
        reason = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
        log.warning("MLflow did not record %s: %s", stage, reason)
