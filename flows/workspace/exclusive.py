"""Keeps runs of a workspace apart, whoever starts them, by a lock that ends with the process that holds it."""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

LOCK = Path(".dvc/tmp/cbir.lock")
HOLDER = Path(".dvc/tmp/cbir-holder.txt")
POLL = 0.5  # seconds

log = logging.getLogger("flows")


class BusyError(Exception):
    """Another run works in this workspace; the message says which."""


@contextmanager
def hold_workspace(what: str, *, wait: bool = True) -> Iterator[None]:
    """Keeps other `cbir` commands from changing this workspace, the working directory, within its block.

    The lock is one of the file system: other machines on the same files see it, and it is free when the process that
    held it has died, however it died. `dvc repro` does not know of it; DVC's own locks keep that apart, stage by stage.

    Raises:
        BusyError: another run holds it, and ``wait`` is not set.
    """
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(LOCK)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        if not wait:
            raise BusyError(f"{_holder()} works in this folder") from error
        log.info("waiting: %s works in this folder", _holder())
        lock.acquire(poll_interval=POLL)
    try:
        HOLDER.write_text(f"{what} (process {os.getpid()} on {socket.gethostname()})", encoding="utf-8")
        yield
    finally:
        lock.release()


def _holder() -> str:
    try:
        return HOLDER.read_text(encoding="utf-8") or "another run"
    except FileNotFoundError:
        return "another run"
