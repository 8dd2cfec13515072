"""Writes files and folders that appear whole or not at all, and reproducible Parquet."""

import glob
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from cbir.base.errors import UserError, is_full_disk

_CHUNK = 1 << 20


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside ``path``; the file written there replaces ``path`` when the block ends without an
    error.
    """
    temporary = _temporary(path)
    try:
        with _telling_full_disk(path.parent):
            yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def writing_folder(path: Path) -> Iterator[Path]:
    """Yields an empty temporary folder beside ``path``; it replaces ``path``, all files at once, when the block ends
    without an error.
    """
    temporary = _temporary(path)
    temporary.mkdir()
    try:
        with _telling_full_disk(path.parent):
            yield temporary
        shutil.rmtree(path, ignore_errors=True)
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _telling_full_disk(folder: Path) -> Iterator[None]:
    """Tells a full disk from other failures of writers.

    Writers that are not Python's (of checkpoints, of indexes) say only that they failed; then the disk is asked.

    Raises:
        OSError: in place of such an error, ENOSPC.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if not is_full_disk(error):
            with tempfile.TemporaryFile(dir=folder) as trial:
                trial.write(bytes(_CHUNK))
        raise


def _temporary(path: Path) -> Path:
    """Returns a free name beside ``path`` for this process alone, and removes the leftovers of killed processes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        owner = left.name.removesuffix(".tmp").rpartition(".")[2]
        if owner == str(os.getpid()) or (owner.isdecimal() and not psutil.pid_exists(int(owner))):
            _remove(left)
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def write_parquet(path: Path, table: pa.Table, *, metadata: Mapping[str, str] | None = None) -> None:
    """Writes a table, with ``metadata`` added to its schema's, so that the same table gives the same bytes."""
    if metadata:
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), **metadata})
    with writing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def write_frame(path: Path, frame: pd.DataFrame, *, schema: pa.Schema | None = None) -> None:
    """Writes the columns of a schema (None: all), without what pandas adds: the same rows give the same bytes."""
    table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
    write_parquet(path, table.replace_schema_metadata())


def read_table(path: Path, *, name: str, stage: str, schema: pa.Schema | None = None) -> pa.Table:
    """Reads a Parquet file that a stage writes.

    Args:
        name, stage: what it is and which stage writes it, for the error.
        schema: of the columns that are wanted; None: all as they are.

    Raises:
        UserError: it is not there, or it is damaged.
    """
    with _reading(path, name=name, stage=stage):
        return pq.read_table(path, schema=schema)


def read_json(path: Path, *, name: str, stage: str) -> dict[str, Any]:
    """Reads a document that a stage writes; the arguments and errors are those of :func:`read_table`."""
    with _reading(path, name=name, stage=stage):
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


@contextmanager
def _reading(path: Path, *, name: str, stage: str) -> Iterator[None]:
    if not path.is_file():
        raise UserError(f"{path}, {name}, is not there; `cbir run` makes it (stage {stage})")
    try:
        yield
    except ValueError as error:  # of JSON, of UTF-8, and of Arrow
        raise UserError(f"{path}, {name}, is damaged; `cbir run` makes it anew (stage {stage})") from error


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Writes a document, indented for readers, so that the same document gives the same bytes."""
    with writing(path) as temporary:
        temporary.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
