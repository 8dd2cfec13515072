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
    """The exit code of a program, and the text that it wrote to its outputs."""

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
    """Runs a program without a shell, in a session of its own, and kills it after the timeout with all that it started.

    Its outputs go to files, so that a program that it leaves in the background holds nobody up.

    Args:
        timeout: seconds.
        given: its standard input.
        environment: variables added to those of this process.

    Raises:
        OSError: the program does not exist or cannot be run.
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
    """Kills a program's session, and those of its descendants that left it."""
    descendants = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGKILL)
    for child in descendants:
        with suppress(psutil.NoSuchProcess):
            child.kill()
    process.wait()
