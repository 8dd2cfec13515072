"""A landing folder beside an archive, and disks that refuse renames."""

import errno
import hashlib
import os
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cbir.arrivals.intake import Intake, take_in
from cbir.arrivals.landing import Look, look

NOW = datetime(2026, 11, 25, 5, 10, tzinfo=UTC)
NAME = "20261125T051000Z"
FILES = {
    "a.jpg": b"first",
    "box/b 1.TIF": b"second",
    "box/deep/été.png": b"first",  # an exact copy
    "box/deep/c.jpg": b"third",
}
MARKERS = {"box/.done": b"", "a.jpg.done": b""}


class Place:
    """A landing folder beside an archive."""

    def __init__(self, root: Path, *, landing: Path | None = None) -> None:
        self.landing, self.archive = landing or root / "landing", root / "raw"
        self.archive.mkdir(parents=True)
        self.land({})

    def land(self, files: dict[str, bytes]) -> None:
        self.landing.mkdir(exist_ok=True)
        for name, content in files.items():
            (self.landing / name).parent.mkdir(parents=True, exist_ok=True)
            (self.landing / name).write_bytes(content)

    def look(self) -> Look:
        return look(self.landing, settle=0, wait=lambda _: None)

    def take_in(self, seen: Look | None = None, **options: Any) -> Intake:
        return take_in(seen or self.look(), self.landing, self.archive, **{"now": NOW, **options})

    def contents(self) -> Counter[str]:
        """How often each content is there, wherever that is; markers aside."""
        paths = [path for folder in (self.landing, self.archive) for path in folder.rglob("*") if path.is_file()]
        return Counter(
            hashlib.sha256(path.read_bytes()).hexdigest() for path in paths if not path.name.endswith(".done")
        )


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def refuse_renames(monkeypatch: pytest.MonkeyPatch, landing: Path) -> None:
    """Make the landing folder look as if it were on another disk."""
    rename = os.rename

    def other_disk(source: Any, target: Any, **options: Any) -> None:
        if Path(source).is_relative_to(landing):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        rename(source, target, **options)

    monkeypatch.setattr(os, "rename", other_disk)
