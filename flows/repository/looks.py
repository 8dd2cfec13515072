"""DVC's looks at files, of which a run has hundreds: what one has found serves the next, where nothing has changed.

DVC parses and checks dvc.yaml and dvc.lock whenever a stage is loaded. At a folder that a stage depends on it looks
seven times when the stage runs, and each time asks its database about every file; what it goes by, the size, time and
inode of each, is read here in a tenth of the time.

The names used here that DVC does not document are why pyproject.toml pins its version.
"""

import copy
import hashlib
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from dvc.dependency import Dependency
from dvc.dvcfile import FileMixin
from dvc.parsing import interpolate

Build = tuple[Any, Any, Any]

_builds: dict[str, tuple[str, Build]] = {}
_files: dict[str, tuple[Any, str]] = {}
_build = Dependency._build
_load_yaml = FileMixin._load_yaml


def _build_once(self: Dependency, *args: Any, **options: Any) -> Build:
    path = self.fs_path
    before = _state(path) if self.protocol == "local" and self.isdir() else ""
    if not before:
        return _build(self, *args, **options)
    if path not in _builds or _builds[path][0] != before:
        _builds[path] = before, _build(self, *args, **options)
    return _builds[path][1]


def _state(folder: str) -> str:
    """A digest of what a folder holds, taken before that is read: a change in between shows the next time."""
    digest = hashlib.blake2b()
    try:
        for entry, status in _walk(folder):
            facts = f"{entry}\0{status.st_size} {status.st_mtime_ns} {status.st_ino}\0"
            digest.update(facts.encode(errors="surrogateescape"))
    except OSError:  # DVC has its own words for a link that leads nowhere
        return ""
    return digest.hexdigest()


def _walk(folder: str) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                if entry.name != "__pycache__":
                    yield from _walk(entry.path)
            else:
                yield entry.path, entry.stat()


def _load_yaml_once(self: FileMixin, **options: Any) -> tuple[Any, str]:
    if options or self.repo.fs.protocol != "local":
        return _load_yaml(self, **options)
    try:
        text = Path(self.path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):  # DVC has its own words for these
        return _load_yaml(self)
    if self.path not in _files or _files[self.path][1] != text:
        _files[self.path] = _load_yaml(self)
    return copy.deepcopy(_files[self.path])


def know(path: str, content: Any, text: str) -> None:
    """A file of DVC's holds a text, and that means this: it need not be parsed."""
    _files[path] = copy.deepcopy(content), text


Dependency._build = _build_once
FileMixin._load_yaml = _load_yaml_once
interpolate.parse_expr = cache(interpolate.parse_expr)  # of one string another
