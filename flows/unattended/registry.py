"""Asks the model registry, and tells it of the encoder in service."""

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from cbir.base.errors import UserError
from cbir.base.files import writing
from cbir.comparison.gate import Decision
from cbir.encoders.files import encoder_digest
from flows.pipeline.recorder import recorder
from tasks.harness.settings import PARAMS, is_tracked, load_paths, read_yaml
from tasks.tracking import registry
from tasks.tracking.connection import RecorderError

TOLD = "in_service"  # the file of the store that says what the registry was told last

T = TypeVar("T")


def describe(number: str) -> registry.Version:
    """Returns a version, or the ``previous`` one; raises UserError if there is none, or it cannot be made again."""
    return _ask(registry.describe, number)


def note_decision(root: Path, decision: Decision) -> int | None:
    """Puts a decision and its numbers on the version of a workspace's encoder, if tracked; returns that version."""
    return _ask(registry.note_decision, root.absolute(), asdict(decision)) if is_tracked() else None


def reconcile(tell: Callable[..., None], *, run: str = "", reports: Sequence[str] = ()) -> None:
    """Has the alias follow the encoder on disk, and the MLflow run with this key keep files, or tells a warning."""
    if not is_tracked():
        return
    record, now = _told()
    try:
        said = _ask(registry.keep_reports, run, list(reports))
    except UserError as error:
        tell(logging.WARNING, "MLflow did not record the encoder in service: %s", error)
        return
    with writing(record) as temporary:
        temporary.write_text(now, encoding="utf-8")
    if said:
        tell(logging.INFO, "%s", said)


def is_reconciled() -> bool:
    """Returns whether the registry was told of the encoder on disk, or nothing is tracked; asks no registry.

    False after a killed run, after `dvc repro` has trained, or when MLflow could not be reached.
    """
    if not is_tracked():
        return True
    record, now = _told()
    return record.exists() and record.read_text(encoding="utf-8") == now


def _told() -> tuple[Path, str]:
    """Returns the file of what the registry was told last, and what it says where that was of the present encoder.

    The text changes with the encoder and with the registry that is to know of it; no password can be read in it.
    """
    params = read_yaml(PARAMS)
    paths, digest = load_paths(params), ""
    with suppress(FileNotFoundError):
        digest = encoder_digest(paths.encoder)
    return paths.store / TOLD, hashlib.sha256(json.dumps([params["tracking"], digest]).encode()).hexdigest()


def _ask(function: Callable[..., T], *arguments: Any) -> T:
    try:
        return recorder().ask(registry.answer, function, *arguments)()
    except RecorderError as error:
        raise UserError(f"the model registry did not answer: {error}") from error
