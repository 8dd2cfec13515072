"""cbir.arrivals.landing: a file has landed when it stands still, or when a marker speaks for it."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cbir.arrivals.landing import (
    BEING_COPIED,
    EMPTY,
    LINK,
    LONE_MARKER,
    MOVING,
    Look,
    look,
    remove_markers,
    require_landing,
)
from cbir.base.errors import UserError

JPEG = b"\xff\xd8\xff\xe0" + bytes(100)
HOUR = 3600 * 10**9


def land(landing: Path, *names: str, content: bytes = JPEG) -> None:
    for name in names:
        (landing / name).parent.mkdir(parents=True, exist_ok=True)
        (landing / name).write_bytes(content)


def mark(landing: Path, *names: str) -> None:
    """Put markers, by the file system's clock surely later than what is there."""
    time.sleep(0.02)
    land(landing, *names, content=b"")


class Waiting:
    """Stands in for the wait, in which something happens."""

    def __init__(self, happens: Callable[[], object] = lambda: None) -> None:
        self.seconds: list[float] = []
        self._happens = happens

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        self._happens()


def ready(seen: Look) -> list[str]:
    return [file.path for file in seen.ready]


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    folder = tmp_path / "landing"
    folder.mkdir()
    return folder


def no_wait(_: float) -> None:
    raise AssertionError("there is nothing to wait for")


def test_nothing_there_is_said_at_once(landing: Path) -> None:
    assert look(landing, settle=30, wait=no_wait) == Look()


def test_a_file_that_stands_still_for_as_long_as_it_must_has_landed(landing: Path) -> None:
    land(landing, "a.jpg", "deep/er/b 1.TIF", "no extension")
    wait = Waiting()
    seen = look(landing, settle=30, wait=wait)
    assert ready(seen) == ["a.jpg", "deep/er/b 1.TIF", "no extension"]
    assert (wait.seconds, seen.waited, seen.waiting, seen.left) == ([30], True, (), ())


def test_a_file_that_grows_is_rewritten_or_comes_while_looking_waits(landing: Path) -> None:
    land(landing, "grows.jpg", "rewritten.jpg", "replaced.jpg", "stays.jpg", "goes.jpg")

    def meanwhile() -> None:
        with (landing / "grows.jpg").open("ab") as file:
            file.write(b"more")
        time.sleep(0.02)
        land(landing, "rewritten.jpg", "comes.jpg")
        facts = (landing / "replaced.jpg").stat()
        land(landing, "other.jpg")
        os.utime(landing / "other.jpg", ns=(facts.st_mtime_ns, facts.st_mtime_ns))
        (landing / "other.jpg").replace(landing / "replaced.jpg")
        (landing / "goes.jpg").unlink()

    seen = look(landing, settle=30, wait=Waiting(meanwhile))
    assert ready(seen) == ["stays.jpg"]
    assert [(skip.path, skip.reason) for skip in seen.waiting] == [
        (name, MOVING) for name in ("comes.jpg", "grows.jpg", "replaced.jpg", "rewritten.jpg")
    ]


def test_a_marker_makes_all_in_and_below_its_folder_ready_at_once(landing: Path) -> None:
    land(landing, "batch/a.jpg", "batch/deep/b.jpg")
    mark(landing, "batch/.done")
    assert ready(look(landing, settle=30, wait=no_wait)) == ["batch/a.jpg", "batch/deep/b.jpg"]
    land(landing, "other/c.jpg")
    seen = look(landing, settle=30, wait=Waiting(lambda: land(landing, "other/c.jpg", content=JPEG + b"1")))
    assert ready(seen) == ["batch/a.jpg", "batch/deep/b.jpg"]
    mark(landing, ".done")
    assert ready(look(landing, settle=30, wait=no_wait)) == ["batch/a.jpg", "batch/deep/b.jpg", "other/c.jpg"]


def test_a_marker_behind_a_name_makes_that_file_or_folder_ready_and_no_other(landing: Path) -> None:
    land(landing, "a.jpg", "b.jpg", "box/c.jpg")
    mark(landing, "a.jpg.done", "box.done")
    growing = Waiting(lambda: land(landing, "b.jpg", content=JPEG + b"1"))
    seen = look(landing, settle=30, wait=growing)
    assert ready(seen) == ["a.jpg", "box/c.jpg"]
    assert [skip.path for skip in seen.waiting] == ["b.jpg"]
    assert seen.left == ()


def test_a_marker_says_nothing_of_what_came_after_it(landing: Path) -> None:
    mark(landing, ".done", "a.jpg.done")
    time.sleep(0.02)
    land(landing, "a.jpg")
    os.utime(landing / "a.jpg", ns=(0, 0))
    wait = Waiting()
    assert ready(look(landing, settle=30, wait=wait)) == ["a.jpg"]
    assert wait.seconds == [30]


def test_a_marker_that_comes_while_looking_counts(landing: Path) -> None:
    land(landing, "a.jpg")

    def meanwhile() -> None:
        land(landing, "b.jpg")
        mark(landing, "b.jpg.done")

    assert ready(look(landing, settle=30, wait=Waiting(meanwhile))) == ["a.jpg", "b.jpg"]


def test_a_marker_without_its_file_is_left(landing: Path) -> None:
    mark(landing, "a.jpg.done")
    seen = look(landing, settle=30, wait=no_wait)
    assert [(skip.path, skip.reason) for skip in seen.left] == [("a.jpg.done", LONE_MARKER)]


def test_names_of_copying_programs_wait_though_a_marker_is_there(landing: Path) -> None:
    names = ["a.jpg.part", "b.jpg.partial", "c.jpg.filepart", "d.jpg.crdownload", "e.jpg.TMP"]
    land(landing, *names)
    mark(landing, ".done")
    seen = look(landing, settle=30, wait=no_wait)
    assert [(skip.path, skip.reason) for skip in seen.waiting] == [(name, BEING_COPIED) for name in names]
    assert (seen.ready, seen.left) == ((), ())


def test_an_empty_file_waits_unless_it_is_marked(landing: Path) -> None:
    land(landing, "a.jpg", content=b"")
    assert [skip.reason for skip in look(landing, settle=30, wait=no_wait).waiting] == [EMPTY]
    mark(landing, "a.jpg.done")
    assert ready(look(landing, settle=30, wait=no_wait)) == ["a.jpg"]


def test_what_is_no_image_is_left_and_reported_without_a_wait(landing: Path, tmp_path: Path) -> None:
    land(landing, "Thumbs.db", ".hidden.jpg", ".a.jpg.Xy12Za", ".sync/a.jpg", "@eaDir/a.jpg", "~$list.xlsx")
    land(landing, "list.xlsx", content=b"PK\x03\x04")
    land(tmp_path, "secret.jpg")
    (landing / "out.jpg").symlink_to(tmp_path / "secret.jpg")
    (landing / "in.jpg").symlink_to(landing / ".hidden.jpg")
    (landing / "loop").symlink_to(landing)
    os.mkfifo(landing / "pipe.jpg")
    Path(os.fsdecode(os.fsencode(landing) + b"/\xe9.jpg")).write_bytes(JPEG)
    seen = look(landing, settle=30, wait=no_wait)
    assert seen.ready == ()
    hidden = "hidden, or left behind by a file manager"
    assert {skip.path: skip.reason for skip in seen.left} == {
        **dict.fromkeys(["Thumbs.db", ".hidden.jpg", ".a.jpg.Xy12Za", ".sync", "@eaDir", "~$list.xlsx"], hidden),
        "list.xlsx": "no image",
        "out.jpg": "a link that leads out of the folder",
        "in.jpg": LINK,
        "loop": "a link to a folder",
        "pipe.jpg": "no regular file",
        "\\xe9.jpg": "its name is not valid UTF-8",
    }


@pytest.mark.parametrize("shift", [-1000 * HOUR, HOUR, 100_000 * HOUR])
def test_times_in_the_past_and_in_the_future_are_as_good_as_any(landing: Path, shift: int) -> None:
    land(landing, "a.jpg")
    moment = time.time_ns() + shift
    os.utime(landing / "a.jpg", ns=(moment, moment))
    assert ready(look(landing, settle=30, wait=Waiting())) == ["a.jpg"]


def test_a_clock_that_jumps_during_the_wait_changes_nothing(landing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    land(landing, "a.jpg")
    jump = Waiting(lambda: monkeypatch.setattr(time, "time", lambda: 0.0))
    assert ready(look(landing, settle=30, wait=jump)) == ["a.jpg"]


def test_folders_count_as_empty_that_were_so_before_and_after_a_wait(landing: Path) -> None:
    for folder in ("empty/deep", "filled", ".hidden/deep"):
        (landing / folder).mkdir(parents=True)
    assert look(landing, settle=30, wait=no_wait).empty == ()
    land(landing, "box/a.jpg")
    fill = Waiting(lambda: (land(landing, "filled/b.jpg"), (landing / "new").mkdir()))
    assert look(landing, settle=30, wait=fill).empty == ("empty/deep", "empty")


def test_markers_go_with_their_files_and_stay_with_files_of_the_same_name_that_came_since(landing: Path) -> None:
    land(landing, "box/a.jpg.done", "box/.done", "box.done", ".done", "b.jpg.done", "b.jpg", "other/.done", content=b"")
    remove_markers(landing, ["box/a.jpg", "b.jpg"])
    assert sorted(str(path.relative_to(landing)) for path in landing.rglob("*") if path.is_file()) == [
        "b.jpg",
        "b.jpg.done",
        "other/.done",
    ]


def test_a_landing_folder_that_is_not_there_or_around_the_archive_is_refused(landing: Path, tmp_path: Path) -> None:
    (tmp_path / "raw/inside").mkdir(parents=True)
    (tmp_path / "way").symlink_to(tmp_path / "raw/inside")
    with pytest.raises(UserError, match="nowhere cannot be read"):
        look(tmp_path / "nowhere", settle=0)
    for folder in ("raw", "raw/inside", "way", "."):
        with pytest.raises(UserError, match="name two folders apart"):
            require_landing(tmp_path / folder, tmp_path / "raw")
    assert require_landing(landing, tmp_path / "raw") == landing
