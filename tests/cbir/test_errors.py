"""cbir.errors: a full disk, told from other errors, and the hint for an unknown name."""

import errno
import shutil
import sqlite3
from collections import namedtuple

import pytest

from cbir.errors import is_full_disk, nearest

Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), True),
        (sqlite3.OperationalError("database or disk is full"), True),
        (OSError(errno.EIO, "Input/output error"), False),
        (sqlite3.OperationalError("database is locked"), False),
    ],
)
def test_a_full_disk_is_told_from_other_errors_also_behind_another_one(error: Exception, expected: bool) -> None:
    assert is_full_disk(error) is expected
    behind = RuntimeError("a writer failed")
    behind.__cause__ = error
    assert is_full_disk(behind) is expected


@pytest.mark.parametrize(("free", "expected"), [(0, True), (1 << 30, False)])
def test_a_database_that_cannot_say_why_is_believed_only_where_there_is_no_room(
    monkeypatch: pytest.MonkeyPatch, free: int, expected: bool
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1 << 40, (1 << 40) - free, free))
    assert is_full_disk(sqlite3.OperationalError("disk I/O error")) is expected


@pytest.mark.parametrize(
    ("name", "known", "most", "hint"),
    [
        ("epoch", ["epochs", "seed"], 1, "did you mean epochs?"),
        ("resnet81", ["resnet18", "resnet8", "vit"], 3, "did you mean resnet8 or resnet18?"),
        ("resnet81", ["resnet18", "resnet8", "vit"], 1, "did you mean resnet8?"),
        ("xyz", ["one", "two"], 1, "there are one, two"),
        ("xyz", [], 1, "there are none"),
        ("xyz", list("abcdefghijkl"), 1, "there are a, b, c, d, e, f, g, h, i, j and 2 more"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest_or_with_a_list(
    name: str, known: list[str], most: int, hint: str
) -> None:
    assert nearest(name, known, most=most) == hint
