import errno
import os
from pathlib import Path
from typing import Any

import pytest

from cbir.arrivals import moving
from cbir.arrivals.moving import CHANGED, TAKEN, StaysError, move
from cbir.arrivals.survey import SourceFile, examine


@pytest.fixture
def file(tmp_path: Path) -> SourceFile:
    (tmp_path / "there").mkdir()
    (tmp_path / "a.jpg").write_bytes(b"image")
    found = examine(tmp_path / "a.jpg", tmp_path)
    assert isinstance(found, SourceFile)
    return found


@pytest.fixture
def other_disk(monkeypatch: pytest.MonkeyPatch, file: SourceFile) -> None:
    rename = os.rename

    def refuse(source: Any, target: Any) -> None:
        if Path(source) == file.file:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        rename(source, target)

    monkeypatch.setattr(os, "rename", refuse)


def _move(file: SourceFile) -> Path:
    target = file.file.parent / "there/a.jpg"
    move(file, target, target.with_name(".part"))
    return target


def test_a_file_goes_with_its_content_and_time(file: SourceFile) -> None:
    target = _move(file)
    assert (target.read_bytes(), target.stat().st_mtime_ns, file.file.exists()) == (b"image", file.mtime, False)


@pytest.mark.usefixtures("other_disk")
def test_to_another_disk_it_goes_as_well_and_nothing_else_is_left(file: SourceFile) -> None:
    target = _move(file)
    assert (target.read_bytes(), target.stat().st_mtime_ns, file.file.exists()) == (b"image", file.mtime, False)
    assert list(target.parent.iterdir()) == [target]


def test_a_file_of_that_name_is_never_replaced(file: SourceFile) -> None:
    (file.file.parent / "there/a.jpg").write_bytes(b"another")
    with pytest.raises(StaysError, match=TAKEN):
        _move(file)
    assert file.file.read_bytes() == b"image"


@pytest.mark.usefixtures("other_disk")
def test_a_file_that_came_under_the_name_while_it_was_copied_stays(
    file: SourceFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replaced(_: Path) -> None:
        file.file.with_name("b.jpg").write_bytes(b"the next one")
        file.file.with_name("b.jpg").replace(file.file)

    monkeypatch.setattr(moving, "_sync", replaced)
    assert _move(file).read_bytes() == b"image"
    assert file.file.read_bytes() == b"the next one"


@pytest.mark.usefixtures("other_disk")
def test_a_file_that_grows_after_it_was_copied_stays_and_its_copy_goes(
    file: SourceFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def grown(_: Path) -> None:
        with file.file.open("ab") as more:
            more.write(b" and more")

    monkeypatch.setattr(moving, "_sync", grown)
    with pytest.raises(StaysError, match=CHANGED):
        _move(file)
    assert file.file.read_bytes() == b"image and more"
    assert list((file.file.parent / "there").iterdir()) == []
