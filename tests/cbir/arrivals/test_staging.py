import errno
import os
from pathlib import Path
from typing import Any

import pytest

from cbir.arrivals import staging
from cbir.arrivals.staging import CHANGED, TAKEN, StaysError, Verb, bring
from cbir.arrivals.survey import SourceFile, examine


@pytest.fixture
def file(tmp_path: Path) -> SourceFile:
    (tmp_path / "there").mkdir()
    (tmp_path / "a.jpg").write_bytes(b"image")
    examined = examine(tmp_path / "a.jpg", tmp_path)
    assert isinstance(examined, SourceFile)
    return examined


@pytest.fixture
def other_disk(monkeypatch: pytest.MonkeyPatch, file: SourceFile) -> None:
    rename = os.rename

    def refuse(source: Any, target: Any) -> None:
        if Path(source) == file.file:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        rename(source, target)

    monkeypatch.setattr(os, "rename", refuse)


def _move(file: SourceFile) -> Path:
    bring(file, file.file.parent / "there", "move")
    return file.file.parent / "there/a.jpg"


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

    monkeypatch.setattr(staging, "_sync", replaced)
    assert _move(file).read_bytes() == b"image"
    assert file.file.read_bytes() == b"the next one"


@pytest.mark.usefixtures("other_disk")
def test_a_file_that_grows_after_it_was_copied_stays_and_its_copy_goes(
    file: SourceFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def grown(_: Path) -> None:
        with file.file.open("ab") as more:
            more.write(b" and more")

    monkeypatch.setattr(staging, "_sync", grown)
    with pytest.raises(StaysError, match=CHANGED):
        _move(file)
    assert file.file.read_bytes() == b"image and more"
    assert list((file.file.parent / "there").iterdir()) == []


@pytest.mark.parametrize("verb", ["copy", "link"])
def test_a_copy_or_a_link_leaves_the_source_as_it_is(file: SourceFile, verb: Verb) -> None:
    before = file.file.stat()
    bring(file, file.file.parent / "there", verb)
    target, after = file.file.parent / "there/a.jpg", file.file.stat()
    assert (target.read_bytes(), target.stat().st_mtime_ns) == (b"image", file.mtime)
    assert target.samefile(file.file) == (verb == "link")
    assert (after.st_mode, after.st_mtime_ns, file.file.read_bytes()) == (before.st_mode, before.st_mtime_ns, b"image")
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("verb", ["copy", "link", "move"])
def test_no_verb_replaces_a_file_that_has_the_path(file: SourceFile, verb: Verb) -> None:
    (file.file.parent / "there/a.jpg").write_bytes(b"another")
    with pytest.raises(StaysError, match=TAKEN):
        bring(file, file.file.parent / "there", verb)
    assert (file.file.parent / "there/a.jpg").read_bytes() == b"another"
    assert file.file.read_bytes() == b"image"


def test_a_file_that_changes_while_it_is_copied_is_not_taken_for_whole(
    file: SourceFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunks = staging._chunks

    def growing(source: Any) -> Any:
        yield from chunks(source)
        file.file.write_bytes(b"image and more")

    monkeypatch.setattr(staging, "_chunks", growing)
    with pytest.raises(StaysError, match=CHANGED):
        bring(file, file.file.parent / "there", "copy")
    assert not (file.file.parent / "there/a.jpg").exists()
