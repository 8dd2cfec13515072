"""Runs other programs under a time limit, which ends them with all that they have started."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil


@dataclass(frozen=True)
class Finished:
    """How a program ended, and what it wrote to its outputs."""

    code: int
    output: str
    errors: str


def run_limited(
    words: Sequence[str],
    *,
    timeout: float,
    given: str = "",
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Finished:
    """Run a program without a shell, in a session of its own.

    Files take its outputs: a program that it leaves in the background holds nobody up then.

    Args:
        words: the program and its arguments.
        timeout: seconds; then it is killed, and all that it started.
        given: its standard input.
        folder: its working directory; None: that of this process.
        environment: variables beside those of this process.

    Raises:
        OSError: there is no such program, or it cannot be run.
        TimeoutError: it took longer.
    """
    variables = {**os.environ, **(environment or {})}
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=errors,
            cwd=folder,
            env=variables,
            start_new_session=True,
        )
        try:
            process.communicate(given.encode("utf-8"), timeout)
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(f"it took longer than {timeout:g} s") from error
        finally:
            if process.poll() is None:
                _kill(process)
        return Finished(process.returncode, _text(output), _text(errors))


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "surrogateescape")


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a program's session, and those of its descendants that left it."""
    left = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGKILL)
    for child in left:
        with suppress(psutil.NoSuchProcess):
            child.kill()
    process.wait()
