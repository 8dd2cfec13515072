"""Makes an accession of what has landed: moved file by file, seen whole or not at all, each file once."""

import os
import re
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cbir.arrivals.landing import LONE_MARKER, Look, make_archive, remove_markers, require_landing
from cbir.arrivals.staging import CHANGED, GONE, PART, TAKEN, StaysError, bring, cut_off, remove_source, require_room
from cbir.arrivals.survey import Skipped, SourceFile
from cbir.base.display import Progress, silent
from cbir.images.ids import image_ids

_NAME = "%Y%m%dT%H%M%SZ"
_NAMED_BY_TIME = re.compile(r"\.?(\d{8}T\d{6}Z)(?:\.dvc|\.landing\.tmp)?")
_STAGING = ".landing.tmp"  # behind a dot and the accession's name: hidden from git, DVC and the stages


@dataclass(frozen=True)
class Arrival:
    """Describes an accession made of what had landed.

    Attributes:
        files, bytes: how much it holds.
        recovered: whether an earlier run, which was cut off, had begun it.
    """

    name: str
    path: Path
    files: int
    bytes: int
    recovered: bool


@dataclass(frozen=True)
class Intake:
    """Lists what was brought in, in the order of arrival, and what stays in the landing folder for now or for good."""

    arrivals: tuple[Arrival, ...]
    waiting: tuple[Skipped, ...]
    left: tuple[Skipped, ...]

    @property
    def files(self) -> int:
        return sum(arrival.files for arrival in self.arrivals)

    @property
    def bytes(self) -> int:
        return sum(arrival.bytes for arrival in self.arrivals)


def take_in(
    seen: Look,
    landing: Path,
    archive: Path,
    *,
    now: datetime,
    guard: Callable[[], AbstractContextManager[Any]] = nullcontext,
    progress: Progress = silent,
) -> Intake:
    """Moves what has landed into the archive as one accession, named by the time.

    The files go to a hidden folder of the archive, keeping their paths, and that folder takes the accession's name
    when they all are there. An accession that a killed run had begun is finished first, under its own name. So a
    file is, at any moment, in the landing folder, in the hidden folder or in the accession; where it has to be
    copied, because the landing folder is on another disk, the next run tells a copy from a second file by its path and
    content.

    Args:
        seen: what `look` found; a file that has changed since stays.
        now: with its time zone.
        guard: held around everything that touches the archive; not entered where there is nothing to do.

    Raises:
        UserError: the landing folder is not there or lies in or around the archive; the archive cannot be written, its
            disk being full for one. The next run finishes what was moved until then.
    """
    archive = make_archive(archive)
    landing = require_landing(landing, archive)
    arrivals: list[Arrival] = []
    stayed: list[Skipped] = []
    if seen.ready or _begun(archive):
        with guard(), _telling(archive):
            for staging in _begun(archive):
                stayed += _drop_copied(staging, landing)
                arrivals += _publish(staging, landing, recovered=True)
            if seen.ready:
                if _device(landing) != _device(archive):
                    way_out = f", it stays in {landing} until then"
                    require_room(archive, seen.ready, what="what has landed needs", way_out=way_out)
                staging = archive / f".{accession_name(archive, now)}{_STAGING}"
                stayed += _move_all(progress(seen.ready, total=len(seen.ready), desc="moving", unit="file"), staging)
                arrivals += _publish(staging, landing, recovered=False)
    for folder in seen.empty:
        with suppress(OSError):  # something came into it
            (landing / folder).rmdir()
    waiting = [skip for skip in stayed if skip.reason in (CHANGED, TAKEN)]
    left = [skip for skip in stayed if skip.reason not in (CHANGED, TAKEN, GONE)]
    left += [skip for skip in seen.left if skip.reason != LONE_MARKER or os.path.lexists(landing / skip.path)]
    return Intake(tuple(arrivals), (*seen.waiting, *waiting), tuple(left))


def accession_name(archive: Path, now: datetime) -> str:
    """Writes the time in UTC as a name; later than every accession named so, whatever became of the clock."""
    moment = now.astimezone(UTC).replace(microsecond=0)
    for entry in archive.iterdir():
        if match := _NAMED_BY_TIME.fullmatch(entry.name):
            with suppress(ValueError, OverflowError):  # digits that are no date, or after which no second comes
                taken = datetime.strptime(match[1], _NAME).replace(tzinfo=UTC)
                moment = max(moment, taken + timedelta(seconds=1))
    return moment.strftime(_NAME)


@contextmanager
def _telling(archive: Path) -> Iterator[None]:
    """Says what keeps files out of the archive.

    Raises:
        UserError: in place of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise cut_off("what has landed", archive, f"{error.filename or 'writing'}: {error.strerror}") from error


def _begun(archive: Path) -> list[Path]:
    """Lists the hidden folders of runs that were cut off, in the order of arrival."""
    return sorted(path for path in archive.glob(f".*{_STAGING}") if path.is_dir() and not path.is_symlink())


def _files_in(folder: Path) -> list[Path]:
    return [Path(inside) / name for inside, _, names in os.walk(folder) for name in names]


def _drop_copied(staging: Path, landing: Path) -> list[Skipped]:
    """Finishes the moves of a run that was cut off: of a file that is in both places, one goes."""
    stayed = []
    (staging / PART).unlink(missing_ok=True)
    for copy in _files_in(staging):
        path = copy.relative_to(staging).as_posix()
        try:
            if _is_same(landing / path, copy):
                remove_source(landing / path, copy)
        except StaysError as error:
            stayed.append(Skipped(path, str(error)))
    return stayed


def _is_same(source: Path, copy: Path) -> bool:
    try:
        facts = source.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return stat.S_ISREG(facts.st_mode) and facts.st_size == copy.stat().st_size and image_ids(source) == image_ids(copy)


def _publish(staging: Path, landing: Path, *, recovered: bool) -> list[Arrival]:
    """Gives the hidden folder the accession's name, once the markers of its files are gone; an empty one goes."""
    files = _files_in(staging)
    if not files:
        shutil.rmtree(staging, ignore_errors=True)
        return []
    size = sum(file.stat().st_size for file in files)
    remove_markers(landing, [file.relative_to(staging).as_posix() for file in files])
    name = staging.name.removeprefix(".").removesuffix(_STAGING)
    if os.path.lexists(staging.with_name(name)):  # made by hand since the run that was cut off
        name = accession_name(staging.parent, datetime.strptime(name, _NAME).replace(tzinfo=UTC))
    target = staging.rename(staging.with_name(name))
    return [Arrival(name, target, len(files), size, recovered)]


def _device(folder: Path) -> int:
    return folder.stat().st_dev


def _move_all(files: Iterable[SourceFile], staging: Path) -> list[Skipped]:
    """Moves the files; returns those that had to stay, with the reasons."""
    stayed = []
    for file in files:
        try:
            bring(file, staging, "move")
        except StaysError as error:
            stayed.append(Skipped(file.path, str(error)))
        except OSError as error:
            error.filename = str(file.file)  # a full disk's error names none, and others the hidden copy
            raise
    return stayed
