"""cbir.arrivals.intake: killed at any moment, a plain rerun loses no file and doubles none."""

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cbir.archive.listing import list_archive
from cbir.arrivals import staging
from tests.support.landing import FILES, MARKERS, NAME, NOW, Place, digest, refuse_renames, tree


class Killed(BaseException):
    """Stands for SIGKILL: after it nothing more reaches the disk, no cleaning up either."""


@contextmanager
def killed_at(number: int, place: Place, *, copied: bool) -> Iterator[None]:
    """Let the process die before its call of this number that changes files; the block ends well without so many."""
    left = [number]

    def mortal(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if left[0] <= 0:
                raise Killed
            left[0] -= 1
            return function(*arguments, **options)

        return call

    chunks = staging._chunks

    def mortal_chunks(source: Any) -> Iterator[bytes]:
        for chunk in chunks(source):
            for half in (chunk[: len(chunk) // 2], chunk[len(chunk) // 2 :]):
                yield mortal(lambda half=half: half)()

    with pytest.MonkeyPatch.context() as patch:
        if copied:
            refuse_renames(patch, place.landing)
        for name in ("rename", "replace", "unlink", "mkdir", "rmdir", "fsync", "utime"):
            patch.setattr(os, name, mortal(getattr(os, name)))
        patch.setattr(staging, "_chunks", mortal_chunks)
        yield


def _survives(place: Place, number: int, *, copied: bool) -> bool:
    seen = place.look()
    try:
        with killed_at(number, place, copied=copied):
            place.take_in(seen)
    except Killed:
        return False
    return True


@pytest.mark.parametrize("copied", [False, True])
def test_killed_at_any_moment_a_plain_rerun_loses_no_file_and_doubles_none(tmp_path: Path, copied: bool) -> None:
    for number in range(200):
        place = Place(tmp_path / str(number))
        place.land({**FILES, **MARKERS})
        before = place.contents()
        ended = _survives(place, number, copied=copied)
        visible = [path.name for path in place.archive.iterdir() if not path.name.startswith(".")]
        assert visible in ([], [NAME])  # an accession is seen whole or not at all
        assert {entry.accession for entry in list_archive(place.archive).entries} == set(visible)
        assert all(path.match(".*.tmp") for path in place.archive.glob(".*"))  # which .dvcignore names
        assert not visible or tree(place.archive / NAME) == FILES
        assert place.take_in(now=NOW + timedelta(hours=1)).left == ()
        assert place.contents() == before
        assert tree(place.landing) == {}
        assert not list(place.archive.rglob(".*"))
        if ended:
            break
    assert number > 10
    assert ended


@pytest.mark.parametrize("copied", [False, True])
def test_killed_again_and_again_while_more_lands_no_file_is_lost_or_doubled(tmp_path: Path, copied: bool) -> None:
    chance = random.Random(7)
    for number in range(25):
        place = Place(tmp_path / str(number))
        landed: Counter[str] = Counter()
        for round_ in range(4):
            names = [f"box/{chance.randrange(9)}.jpg" for _ in range(3)]
            more = {name: b"%d" % round_ for name in names if not (place.landing / name).exists()}
            landed.update(map(digest, more.values()))
            place.land({**more, "box/.done": b""} if chance.random() < 0.5 else more)
            _survives(place, chance.randrange(40), copied=copied)
        place.take_in()
        assert place.contents() == landed
        assert tree(place.landing) == {}


def test_a_name_that_was_taken_by_hand_since_gives_way(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.land(FILES)
    assert not _survives(place, 4, copied=False)
    assert [path.name for path in place.archive.iterdir()] == [f".{NAME}.landing.tmp"]
    place.land({})
    (place.archive / NAME).mkdir()
    (place.archive / NAME / "kept.jpg").write_bytes(b"kept")
    made = place.take_in()
    assert [(arrival.name, arrival.recovered) for arrival in made.arrivals] == [
        ("20261125T051001Z", True),
        ("20261125T051002Z", False),
    ]
    assert tree(place.archive / NAME) == {"kept.jpg": b"kept"}
