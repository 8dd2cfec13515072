"""cbir.arrivals.intake: takes in each file once; whatever is cut off, a plain rerun loses no file and doubles none."""

import errno
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cbir.arrivals import intake, staging
from cbir.arrivals.intake import Intake, accession_name, take_in
from cbir.arrivals.landing import Look
from cbir.base.errors import UserError
from tests.support.landing import FILES, MARKERS, NAME, NOW, Place, digest, refuse_renames, tree


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    made.land(FILES)
    return made


@pytest.fixture(params=["renamed", "copied"])
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, place: Place) -> Place:
    """The landing folder on the archive's disk, and on another one."""
    if request.param == "copied":
        refuse_renames(monkeypatch, place.landing)
    return place


def test_what_has_landed_becomes_an_accession_with_the_same_paths_and_times(either: Place) -> None:
    moment = 10**18 + 123456789
    os.utime(either.landing / "a.jpg", ns=(moment, moment))
    made = either.take_in()
    assert [arrival.name for arrival in made.arrivals] == [NAME]
    assert (made.files, made.bytes, made.arrivals[0].recovered) == (4, 21, False)
    assert made.arrivals[0].path == either.archive / NAME
    assert tree(either.archive) == {f"{NAME}/{path}": content for path, content in FILES.items()}
    assert tree(either.landing) == {}
    assert (either.archive / NAME / "a.jpg").stat().st_mtime_ns == moment


def test_it_works_from_another_file_system(tmp_path: Path) -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system")
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        place = Place(tmp_path, landing=Path(folder))
        place.land(FILES)
        assert place.take_in().files == 4
        assert tree(place.archive / NAME) == FILES
        assert tree(place.landing) == {}


def test_nothing_landed_leaves_everything_as_it_is(tmp_path: Path) -> None:
    place = Place(tmp_path)

    def guard() -> Any:
        raise AssertionError("nothing touches the archive")

    assert place.take_in(guard=guard) == Intake((), (), ())
    assert (place.landing.is_dir(), list(place.archive.iterdir())) == (True, [])


def test_the_guard_is_held_while_the_archive_is_touched(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[bool] = [False]
    rename = os.rename

    def checked(source: Any, target: Any) -> None:
        assert held[0]
        rename(source, target)

    @contextmanager
    def guard() -> Iterator[None]:
        held[0] = True
        yield
        held[0] = False

    seen = place.look()
    monkeypatch.setattr(os, "rename", checked)
    place.take_in(seen, guard=guard)
    assert tree(place.archive / NAME) == FILES
    assert held == [False]


def test_names_follow_the_time_in_utc_and_the_order_of_arrival_though_the_clock_jumps_back(tmp_path: Path) -> None:
    paris = timezone(timedelta(hours=1))
    assert accession_name(tmp_path, NOW.astimezone(paris).replace(microsecond=999)) == NAME
    (tmp_path / NAME).mkdir()
    (tmp_path / "20269999T000000Z").mkdir()
    (tmp_path / "zeitung").mkdir()
    assert accession_name(tmp_path, NOW) == "20261125T051001Z"
    assert accession_name(tmp_path, NOW - timedelta(days=9)) == "20261125T051001Z"
    (tmp_path / "20261125T051001Z.dvc").touch()
    (tmp_path / ".20261231T235959Z.landing.tmp").mkdir()
    assert accession_name(tmp_path, NOW) == "20270101T000000Z"
    assert accession_name(tmp_path, datetime(2027, 5, 1, tzinfo=UTC)) == "20270501T000000Z"


def test_an_accession_named_by_the_last_second_that_a_calendar_has_stops_no_landing(tmp_path: Path) -> None:
    (tmp_path / "99991231T235959Z").mkdir()
    assert accession_name(tmp_path, NOW) == NAME
    (tmp_path / NAME).mkdir()
    assert accession_name(tmp_path, NOW) == "20261125T051001Z"


def test_a_second_landing_of_the_same_paths_is_an_accession_of_its_own(either: Place) -> None:
    either.take_in()
    either.land(FILES)
    assert [arrival.name for arrival in either.take_in().arrivals] == ["20261125T051001Z"]
    assert either.contents() == Counter({key: 2 * count for key, count in Counter(map(digest, FILES.values())).items()})


def test_markers_go_with_what_they_spoke_for(either: Place) -> None:
    either.land(MARKERS)
    assert either.take_in().files == 4
    assert tree(either.landing) == {}


def test_what_another_run_took_since_the_look_is_no_matter(either: Place) -> None:
    seen = either.look()
    either.take_in()
    assert either.take_in(seen) == Intake((), (), ())
    assert [path.name for path in either.archive.iterdir()] == [NAME]


def test_a_file_that_changed_since_the_look_stays(either: Place) -> None:
    seen = either.look()
    either.land({"a.jpg": b"more than first"})
    (either.landing / "box/b 1.TIF").unlink()
    made = either.take_in(seen)
    assert [(skip.path, skip.reason) for skip in made.waiting] == [("a.jpg", staging.CHANGED)]
    assert made.left == ()
    assert tree(either.landing) == {"a.jpg": b"more than first"}
    assert set(tree(either.archive / NAME)) == {"box/deep/été.png", "box/deep/c.jpg"}


def test_a_file_that_changes_while_it_is_copied_stays(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_renames(monkeypatch, place.landing)
    seen = place.look()
    chunks = staging._chunks

    def growing(source: Any) -> Iterator[bytes]:
        yield from chunks(source)
        place.land({"a.jpg": b"first, and more"})

    monkeypatch.setattr(staging, "_chunks", growing)
    made = place.take_in(replace(seen, ready=seen.ready[:1]))
    assert [(skip.path, skip.reason) for skip in made.waiting] == [("a.jpg", staging.CHANGED)]
    assert place.landing.joinpath("a.jpg").read_bytes() == b"first, and more"
    assert list(place.archive.iterdir()) == []


def test_what_did_not_land_is_told_on(place: Place) -> None:
    place.land({"list.xlsx": b"PK", "b.jpg.part": b"half"})
    made = place.take_in()
    assert [skip.path for skip in made.waiting] == ["b.jpg.part"]
    assert [skip.path for skip in made.left] == ["list.xlsx"]
    assert tree(place.landing) == {"list.xlsx": b"PK", "b.jpg.part": b"half"}


def test_folders_that_stayed_empty_go_and_the_landing_folder_never(place: Place) -> None:
    (place.landing / "empty/deep").mkdir(parents=True)
    seen = place.look()
    (place.landing / "box/late").mkdir()
    place.take_in(seen)
    assert sorted(path.name for path in place.landing.rglob("*")) == ["box", "deep", "late"]
    place.land({"new.jpg": b"new"})
    place.take_in(now=NOW + timedelta(hours=1))
    assert list(place.landing.iterdir()) == []


def _fail(monkeypatch: pytest.MonkeyPatch, name: str, number: int) -> None:
    def fail(path: Any, *_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(os, name, fail)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_file_that_may_not_be_removed_stays_and_leaves_no_copy(
    place: Place, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    refuse_renames(monkeypatch, place.landing)
    unlink = os.unlink

    def protected(path: Any, **options: Any) -> None:
        if Path(path).is_relative_to(place.landing):
            raise OSError(number, os.strerror(number))
        unlink(path, **options)

    monkeypatch.setattr(os, "unlink", protected)
    made = place.take_in()
    assert {skip.reason for skip in made.left} == {f"cannot be moved ({os.strerror(number)})"}
    assert made.arrivals == ()
    assert tree(place.landing) == FILES
    assert list(place.archive.iterdir()) == []


def test_a_file_with_a_bad_sector_costs_only_its_own_turn(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_renames(monkeypatch, place.landing)
    opened = staging._opened

    def damaged(file: Any) -> Any:
        source = opened(file)
        if file.path != "a.jpg":
            return source

        def read(_: int) -> bytes:
            source.close()
            raise OSError(errno.EIO, "Input/output error")

        @contextmanager
        def reader() -> Iterator[Any]:
            yield SimpleNamespace(read=read, fileno=source.fileno)

        return reader()

    monkeypatch.setattr(staging, "_opened", damaged)
    made = place.take_in()
    assert [(skip.path, skip.reason) for skip in made.left] == [("a.jpg", "cannot be read (Input/output error)")]
    assert set(tree(place.archive / NAME)) == set(FILES) - {"a.jpg"}
    assert tree(place.landing) == {"a.jpg": b"first"}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_fails_is_told_and_the_next_run_goes_on(
    place: Place, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    before = place.contents()
    with monkeypatch.context() as failing:
        refuse_renames(failing, place.landing)
        _fail(failing, "fsync", number)
        with pytest.raises(
            UserError, match=rf"landing/a\.jpg: {os.strerror(number)}\); mend that and run the same again"
        ):
            place.take_in()
    assert place.take_in().files == 4
    assert place.contents() == before
    assert not list(place.archive.glob(".*"))


def test_a_disk_without_room_is_told_before_anything_is_copied(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100_000_010))
    monkeypatch.setattr(intake, "_device", lambda path: str(path))
    with pytest.raises(UserError, match="has 100 MB free, but what has landed needs 0 MB and 100 MB have to stay"):
        place.take_in()
    assert tree(place.landing) == FILES


def test_landing_and_archive_may_not_lie_one_in_the_other(place: Place, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="name two folders apart"):
        take_in(Look(), place.landing, place.landing / "raw", now=NOW)
    with pytest.raises(UserError, match="name two folders apart"):
        take_in(Look(), tmp_path, place.archive, now=NOW)
