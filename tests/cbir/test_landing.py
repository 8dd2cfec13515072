"""The landing folder: what has landed, and that no fault at any moment loses or doubles a file."""

import errno
import hashlib
import os
import random
import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cbir import landing
from cbir.errors import UserError
from cbir.landing import CHANGING, COPYING, LINK, NEW, accession_name, look, take_in
from cbir.source import HIDDEN, NO_IMAGE, Skipped

NOW = datetime(2026, 11, 25, 5, 10, tzinfo=UTC)
NAME = "20261125T051000Z"


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A landing folder and an archive, both empty."""
    for name in ("landing", "raw"):
        (tmp_path / name).mkdir()
    return tmp_path / "landing", tmp_path / "raw"


def scan(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 40), np.uint8)
    Image.fromarray(pixels).save(path, "PNG")
    return path


def seen(folders: tuple[Path, Path], *, settle: float = 30.0, meanwhile: Callable[[], object] = lambda: None) -> Any:
    return look(*folders, settle=settle, wait=lambda _: meanwhile())


def taken(folders: tuple[Path, Path], found: Any, now: datetime = NOW) -> Any:
    return take_in(found, *folders, now=now, guard=nullcontext)


def hashes(*roots: Path) -> Counter[str]:
    files = [path for root in roots for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    return Counter(hashlib.sha256(path.read_bytes()).hexdigest() for path in files)


def test_an_empty_landing_folder_is_seen_at_once(folders: tuple[Path, Path]) -> None:
    def never(_: float) -> None:
        raise AssertionError("it waited")

    assert look(*folders, settle=30, wait=never) == landing.Look()


def test_files_that_stand_still_have_landed_and_keep_their_paths(folders: tuple[Path, Path]) -> None:
    scan(folders[0] / "box 7/é (1).png")
    scan(folders[0] / "copy.png")
    made = taken(folders, seen(folders))
    assert (made.accessions, made.files) == ((NAME,), 2)
    assert (folders[1] / NAME / "box 7/é (1).png").is_file()
    assert (folders[1] / NAME / "copy.png").is_file()  # an exact copy is kept
    assert hashes(folders[0]) == Counter()


def test_a_file_that_grows_or_has_just_come_waits(folders: tuple[Path, Path]) -> None:
    growing = scan(folders[0] / "growing.png")
    scan(folders[0] / "still.png")

    def meanwhile() -> None:
        with growing.open("ab") as file:
            file.write(b"more")
        scan(folders[0] / "new.png")

    found = seen(folders, meanwhile=meanwhile)
    assert [file.path for file in found.ready] == ["still.png"]
    assert found.waiting == (Skipped("growing.png", CHANGING), Skipped("new.png", NEW))
    taken(folders, found)
    assert sorted(path.name for path in folders[0].iterdir()) == ["growing.png", "new.png"]


def test_a_change_of_time_alone_makes_a_file_wait_and_times_in_the_future_do_not(folders: tuple[Path, Path]) -> None:
    touched, future = scan(folders[0] / "touched.png"), scan(folders[0] / "future.png")
    os.utime(future, (4e9, 4e9))
    found = seen(folders, meanwhile=lambda: os.utime(touched, (1e9, 1e9)))
    assert [file.path for file in found.ready] == ["future.png"]
    assert found.waiting == (Skipped("touched.png", CHANGING),)


def test_a_marker_says_that_a_folder_or_a_file_has_landed_and_goes_with_it(folders: tuple[Path, Path]) -> None:
    for name in ("box/a.png", "box/deep/b.png", "c.png"):
        scan(folders[0] / name)
    (folders[0] / "box/.done").touch()
    (folders[0] / "c.png.done").touch()
    found = look(*folders, settle=30, wait=lambda _: pytest.fail("it waited"))
    assert [file.path for file in found.ready] == ["box/a.png", "box/deep/b.png", "c.png"]
    assert found.left == ()
    taken(folders, found)
    assert not list(folders[0].rglob("*.done"))


def test_what_is_no_image_is_left_and_named_and_names_of_copying_programs_wait(folders: tuple[Path, Path]) -> None:
    scan(folders[0] / "real.png")
    scan(folders[0] / "half.png.part")
    (folders[0] / "notes.txt").write_text("x")
    (folders[0] / "Thumbs.db").write_text("x")
    (folders[0] / ".hidden.png").write_text("x")
    (folders[0] / "link.png").symlink_to("real.png")
    found = seen(folders)
    assert [file.path for file in found.ready] == ["real.png"]
    assert found.waiting == (Skipped("half.png.part", COPYING),)
    assert found.left == (
        Skipped(".hidden.png", HIDDEN),
        Skipped("Thumbs.db", HIDDEN),
        Skipped("link.png", LINK),
        Skipped("notes.txt", NO_IMAGE),
    )
    taken(folders, found)
    assert len(list(folders[0].iterdir())) == 5


def test_a_file_that_changes_between_look_and_move_stays(folders: tuple[Path, Path]) -> None:
    late = scan(folders[0] / "late.png")
    found = seen(folders)
    late.write_bytes(late.read_bytes() + b"more")
    made = taken(folders, found)
    assert made.accessions == ()
    assert made.waiting == (Skipped("late.png", CHANGING),)
    assert late.is_file()
    assert not list(folders[1].iterdir())


def test_folders_that_stood_empty_are_removed_and_others_are_not(folders: tuple[Path, Path]) -> None:
    (folders[0] / "old").mkdir()
    scan(folders[0] / "box/a.png")
    found = seen(folders, meanwhile=lambda: (folders[0] / "new").mkdir())
    taken(folders, found)
    assert sorted(path.name for path in folders[0].iterdir()) == ["box", "new"]


@pytest.mark.parametrize("inside", [True, False])
def test_neither_folder_may_lie_in_the_other(tmp_path: Path, inside: bool) -> None:
    outer, inner = tmp_path / "outer", tmp_path / "outer/inner"
    inner.mkdir(parents=True)
    with pytest.raises(UserError, match=r"paths\.landing is .* neither may lie in the other"):
        look(*((inner, outer) if inside else (outer, inner)), settle=1)


def test_an_accession_is_later_than_all_before_it_also_when_the_clock_goes_back(folders: tuple[Path, Path]) -> None:
    archive = folders[1]
    assert accession_name(archive, NOW) == NAME
    for name in ("press", "20301231T235959Z", "20200101T000000Z"):
        (archive / name).mkdir()
    assert accession_name(archive, NOW) == "20310101T000000Z"
    (archive / ".20310101T000000Z.landing.tmp").mkdir()
    assert accession_name(archive, NOW) == "20310101T000001Z"


class Fault(BaseException):
    """The process is gone: nothing after it happens."""


def _break_at(monkeypatch: pytest.MonkeyPatch, number: int, *, across: bool) -> None:
    """The process dies at its n-th step in the file system; ``across``: landing and archive lie on two of them."""
    steps = 0

    def breaking(function: Any) -> Any:
        def step(*arguments: Any, **options: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps == number:
                if function is shutil.copyfile:
                    Path(arguments[1]).write_bytes(b"half")
                raise Fault
            return function(*arguments, **options)

        return step

    rename = Path.rename

    def rename_here(path: Path, target: Path) -> Any:
        if across and path.is_file():
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", breaking(rename_here))
    for owner, name in ((Path, "replace"), (Path, "unlink"), (Path, "mkdir"), (shutil, "copyfile"), (os, "utime")):
        monkeypatch.setattr(owner, name, breaking(getattr(owner, name)))


@pytest.mark.parametrize("across", [False, True])
def test_a_kill_at_any_step_neither_loses_nor_doubles_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, across: bool
) -> None:
    died = 0
    for number in range(1, 80):
        base = tmp_path / str(number)
        folders = (base / "landing", base / "raw")
        folders[1].mkdir(parents=True)
        for name, seed in (("a.png", 1), ("box/b.png", 2), ("box/copy of b.png", 2), ("c.png", 3)):
            scan(folders[0] / name, seed)
        (folders[0] / "box/.done").touch()
        before = hashes(folders[0]) - Counter({hashlib.sha256(b"").hexdigest(): 1})
        with monkeypatch.context() as patched:
            _break_at(patched, number, across=across)
            try:
                taken(folders, seen(folders))
                break
            except Fault:
                died += 1
        later = datetime(2026, 11, 25, 6, tzinfo=UTC)
        for _ in range(2):
            taken(folders, seen(folders), later)
        assert hashes(*folders) - Counter({hashlib.sha256(b"").hexdigest(): 1}) == before, number
        assert hashes(folders[1]) == before, number
        assert not [path for path in folders[1].iterdir() if path.name.startswith(".")], number
    assert died > (20 if across else 10)


def test_random_kills_one_after_the_other_lose_nothing_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(0)
    folders = (tmp_path / "landing", tmp_path / "raw")
    for folder in folders:
        folder.mkdir()
    landed: Counter[str] = Counter()
    for turn in range(40):
        for number in range(chance.randrange(4)):
            landed += hashes_of(scan(folders[0] / f"{turn}/{number}.png", chance.randrange(5)))
        with monkeypatch.context() as patched:
            _break_at(patched, chance.randrange(1, 25), across=chance.random() < 0.5)
            try:
                taken(folders, seen(folders))
            except Fault:
                continue
    taken(folders, seen(folders))
    assert hashes(folders[1]) == landed
    assert hashes(folders[0]) == Counter()


def hashes_of(path: Path) -> Counter[str]:
    return Counter([hashlib.sha256(path.read_bytes()).hexdigest()])


def test_a_full_disk_ends_in_a_sentence_and_the_next_call_goes_on(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        scan(folders[0] / f"{number}.png", number)
    before = hashes(folders[0])
    with monkeypatch.context() as patched:
        copy = shutil.copyfile

        def full(source: Path, target: Path) -> None:
            if source.name == "1.png":
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            copy(source, target)

        patched.setattr(shutil, "copyfile", full)
        patched.setattr(Path, "rename", lambda *_: (_ for _ in ()).throw(OSError(errno.EXDEV, "other disk")))
        with pytest.raises(UserError, match=r"1\.png did not get into .*No space left.* goes on where it stopped"):
            taken(folders, seen(folders))
    taken(folders, seen(folders))
    assert hashes(folders[1]) == before
