"""cbir.base.errors: a full disk, told from other errors, and the hint for an unknown name."""

import errno
import os
import re
import shutil
import sqlite3
from collections import namedtuple
from pathlib import Path

import pytest

from cbir.base.errors import disk_trouble, is_full_disk, nearest, require_writable, shared_memory_trouble

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


def test_a_quota_that_is_used_up_is_a_full_disk_to_a_database_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    assert is_full_disk(sqlite3.OperationalError("disk I/O error"))


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EPERM])
def test_a_workspace_that_may_not_be_written_is_told_with_the_way_out(number: int) -> None:
    error = RuntimeError("a library failed")
    error.__cause__ = OSError(number, "Read-only file system", ".dvc/tmp/cbir.lock")
    sentence = r"^\.dvc/tmp/cbir\.lock cannot be used \(Read-only file system\); .* work in a copy of the workspace"
    assert re.search(sentence, disk_trouble(error))
    assert disk_trouble(ValueError("another")) == ""
    assert disk_trouble(OSError(errno.ENOSPC, "No space left on device")).startswith(
        "no space is left on the disk of /"
    )


def test_a_folder_that_has_no_room_or_no_inodes_is_told_by_the_systems_own_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_writable(tmp_path)
    with monkeypatch.context() as patched, pytest.raises(OSError, match="No space left") as caught:
        patched.setattr(shutil, "disk_usage", lambda _: Usage(1 << 40, 1 << 40, 0))
        require_writable(tmp_path)
    assert is_full_disk(caught.value)
    with pytest.raises(FileNotFoundError):
        require_writable(tmp_path / "gone")


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


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOSYS, errno.ENOSPC])
def test_shared_memory_that_cannot_be_used_is_told_by_its_place_and_not_taken_for_the_workspace(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shared_memory_trouble() == ""
    error = OSError(number, os.strerror(number))

    def refuse(**_: object) -> None:
        raise error

    monkeypatch.setattr("multiprocessing.synchronize.Lock", refuse)
    sentence = rf"^/dev/shm cannot be used \({os.strerror(number)}\), where worker processes share memory; mount it"
    assert re.search(sentence, shared_memory_trouble())
    assert re.search(sentence, disk_trouble(error))
    assert re.search(sentence, disk_trouble(RuntimeError("unable to open shared memory object </torch_1>")))
    assert "/dev/shm" not in disk_trouble(OSError(errno.EROFS, "Read-only file system", "params.yaml"))
