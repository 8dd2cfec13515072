"""Other programs run under a time limit, which ends them with all that they have started."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

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
    """Run a program without a shell.

    Files stand for its inputs and outputs: what it leaves running in the background holds nobody up then.

    Args:
        words: the program and its arguments.
        timeout: seconds; then it and all that it started is killed.
        given: what it reads from its standard input.
        folder: where it runs; None: here.
        environment: variables beside this process's.

    Raises:
        OSError: there is no such program, or it cannot be run.
        TimeoutError: it took longer.
    """
    with tempfile.TemporaryFile() as given_file, tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        given_file.write(given.encode("utf-8"))
        given_file.seek(0)
        variables = {**os.environ, **(environment or {})}
        process = subprocess.Popen(
            words, stdin=given_file, stdout=output, stderr=errors, cwd=folder, env=variables, start_new_session=True
        )
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(f"it took longer than {timeout:g} s") from error
        finally:
            _end(process)
        texts = []
        for file in (output, errors):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "surrogateescape"))
        return Finished(process.returncode, *texts)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a program that still runs, those that it started, and those that left its group."""
    if process.poll() is not None:
        return
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                child.kill()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
