"""Cleans an archive: looks at every file once in its life and says of each image whether it is usable, or why not."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, get_args

import pandas as pd
from annotated_types import Ge, Gt

from cbir.archive.inspection import (
    Inspection,
    Page,
    Rules,
    Status,
    Task,
    decode_pages,
    encode_pages,
    identify_file,
    inspect_file,
    prepare_worker,
)
from cbir.archive.listing import Entry, list_archive
from cbir.archive.manifest import Row
from cbir.archive.sandbox import Lost, Outcome, run_isolated, usable_cores
from cbir.base.display import Progress, silent
from cbir.base.errors import PassingError, UserError
from cbir.images.reduced import forget
from cbir.spreadsheet import write_csv
from cbir.store import Store

log = logging.getLogger(__name__)

FEW = 32  # files, for which a worker more would not have started before the others are through

REJECTED = sorted({*get_args(Status)} - {"ok"})  # each status of an image that cannot be used
_REPORT = ["finding", "path", "page", "reason", "width", "height", "bytes", "format", "mode"]


@dataclass(frozen=True)
class Labour:
    """Says how the work is done; nothing of it changes what is found in a sound file.

    Attributes:
        timeout: seconds for one page of a file; a decoder that takes longer is taken to hang.
        workers: processes that decode; 0: one a core.
    """

    timeout: Annotated[float, Gt(0)]
    workers: Annotated[int, Ge(0)]


def clean_archive(
    archive: Path, store: Path, *, rules: Rules, labour: Labour, take_loose: bool = False, progress: Progress = silent
) -> list[Row]:
    """Looks at every file of an archive, by ``take_loose`` at loose ones too, without changing anything in it.

    The outcome of a file is kept in ``store`` by the digest of its bytes, and the digest by path, size, time and inode:
    only a new file is read, and only new content is decoded. The reduced images are stored on the way. A file whose
    outcome depends on more than its bytes (a crash, a time limit, want of memory, a change meanwhile) is looked at once
    more, alone with all the memory, before its row says so; that outcome is not kept. An image whose stored pixels are
    others than those that are read now was read wrong by an earlier release: all that was made of it is forgotten.

    Returns:
        The manifest's rows, one an image, sorted by accession, path and page.

    Raises:
        UserError: the archive is not there, or holds no file in a folder of its own.
        PassingError: a worker was killed from outside at the same file twice, of which no row can tell the truth.
    """
    entries = _entries(archive, take_loose=take_loose)
    memory = _Memory(store, rules)
    image_ids = memory.image_ids(entries)
    pages = memory.pages(entries, image_ids)
    todo = {entry.file: entry for entry in entries if not entry.problem and entry.path not in pages}
    log.info("%d files, %d of them to be read", len(entries), len(todo))

    inspect = partial(inspect_file, store=store, archive=archive, rules=rules)
    tasks = [Task(file, image_ids.get(entry.path)) for file, entry in todo.items()]
    reasons = {entry.path: entry.problem for entry in entries if entry.problem}
    corrected: list[tuple[Entry, Inspection]] = []
    for outcome in progress(_isolated(inspect, tasks, labour), total=len(tasks), desc="clean", unit="file"):
        entry = todo[outcome.item.file]
        if isinstance(outcome.result, Lost):
            reasons[entry.path] = outcome.result.reason
            continue
        pages[entry.path] = outcome.result.pages
        if outcome.result.corrected:
            corrected.append((entry, outcome.result))
        else:
            memory.keep(entry, outcome.result)
    memory.correct(corrected)

    image_ids |= _identify([e for e in entries if e.path in reasons and e.path not in image_ids], memory, labour)
    for entry in entries:
        if entry.path in reasons:
            status: Status = "unsupported" if entry.problem else "corrupt"
            pages[entry.path] = [Page(image_ids.get(entry.path), status=status, reason=reasons[entry.path])]
    return _rows(entries, pages)


def write_report(path: Path, rows: Sequence[Row]) -> None:
    """Writes a CSV for people: each rejected image with its reason, then each exact copy with what it is a copy of.

    Pages count from 1 here.
    """
    rejected = [_line(row.status, row.reason or "", row) for row in rows if row.status != "ok"]
    copies = [
        _line("copy", f"has the same bytes as {row.duplicate_of}", row)
        for row in rows
        if row.status == "ok" and row.duplicate_of is not None
    ]
    write_csv(path, pd.DataFrame([*rejected, *copies], columns=_REPORT, dtype=object))


def count_images(rows: Sequence[Row]) -> dict[str, int]:
    """Counts the rows of a manifest.

    Returns:
        ``files``, ``images`` (a page is one), ``usable``, ``exact_copies`` (of the usable ones), ``rejected``, and the
        rejected ones by status; all are there also where they are 0.
    """
    statuses = Counter(row.status for row in rows)
    return {
        "files": len({row.path for row in rows}),
        "images": len(rows),
        "usable": statuses["ok"],
        "exact_copies": sum(row.status == "ok" and row.duplicate_of is not None for row in rows),
        "rejected": len(rows) - statuses["ok"],
        **{status: statuses[status] for status in REJECTED},
    }


def summary(counts: Mapping[str, int]) -> str:
    """Puts the counts of `count_images` into one line."""
    rejected = ", ".join(f"{counts[status]} {status}" for status in REJECTED if counts[status])
    return (
        f"{counts['files']} files hold {counts['images']} images: {counts['usable']} usable "
        f"({counts['exact_copies']} of them exact copies), {counts['rejected']} rejected"
        + (f" ({rejected})" if rejected else "")
    )


def _entries(archive: Path, *, take_loose: bool) -> list[Entry]:
    try:
        listing = list_archive(archive, take_loose=take_loose)
    except OSError as error:
        raise UserError(
            f"{archive}, the archive, cannot be read ({error.strerror}); `cbir import DIR` makes it"
        ) from error
    if listing.loose and not take_loose:
        names = ", ".join(listing.loose[:3]) + (" …" if len(listing.loose) > 3 else "")
        log.warning(
            "%d files directly in %s belong to no accession and are left out: %s", len(listing.loose), archive, names
        )
    if not listing.entries:
        way_out = "" if take_loose else "; `cbir import DIR` brings some in"
        raise UserError(f"{archive}, the archive, holds no images{way_out}")
    return listing.entries


def _isolated(function: Callable[[Task], Any], tasks: Sequence[Task], labour: Labour) -> Iterator[Outcome[Task, Any]]:
    """Runs a function on every task, and once more, one at a time, on those whose outcome is of that moment alone.

    Raises:
        PassingError: a worker was killed from outside at the same file twice.
    """
    doubtful: list[Task] = []
    workers = min(labour.workers or usable_cores(), -(-len(tasks) // FEW))
    for outcome in _outcomes(function, tasks, labour.timeout, workers):
        if _is_of_the_moment(outcome.result):
            doubtful.append(outcome.item)
        else:
            yield outcome
    for outcome in _outcomes(function, doubtful, labour.timeout, 1):
        if isinstance(outcome.result, Lost) and outcome.result.killed:
            raise PassingError(
                f"{outcome.item.file} was looked at twice, and each time {outcome.result.reason}; "
                "free some memory and run again, or take the file out of the archive"
            )
        yield outcome


def _outcomes(
    function: Callable[[Task], Any], tasks: Sequence[Task], timeout: float, workers: int
) -> Iterator[Outcome[Task, Any]]:
    if tasks:  # without any, no worker needs to start
        yield from run_isolated(function, tasks, timeout=timeout, workers=workers, prepare=prepare_worker)


def _is_of_the_moment(result: Any) -> bool:
    unsteady = isinstance(result, Inspection) and not result.lasting and result.pages[0].status == "corrupt"
    return isinstance(result, Lost) or unsteady


def _identify(entries: Iterable[Entry], memory: "_Memory", labour: Labour) -> dict[str, str]:
    """Computes the image_ids of readable files that are not decoded, or whose decoder failed, by path."""
    files = {entry.file: entry for entry in entries if entry.readable}
    image_ids: dict[str, str] = {}
    for outcome in _isolated(identify_file, [Task(file) for file in files], labour):
        if isinstance(outcome.result, str):
            entry = files[outcome.item.file]
            memory.keep_image_id(entry, outcome.result)
            image_ids[entry.path] = outcome.result
    return image_ids


class _Memory:
    """Remembers what earlier runs saw: image_ids by file, pages by image_id and rules."""

    def __init__(self, store: Path, rules: Rules) -> None:
        self._files = Store(store / "files.sqlite")
        self._inspections = Store(store / "inspections.sqlite")
        self._store, self._rules = store, rules

    def image_ids(self, entries: Iterable[Entry]) -> dict[str, str]:
        """Recalls the image_id (of the first page) of each file that has not changed since it was read, by path."""
        keys = {_file_key(entry): entry.path for entry in entries if entry.readable}
        return {keys[key]: value.decode() for key, value in self._files.get_many(list(keys)).items()}

    def pages(self, entries: Iterable[Entry], image_ids: Mapping[str, str]) -> dict[str, list[Page]]:
        """Recalls the pages of each sound file whose content was inspected by these rules, by path."""
        keys = {e.path: self._rules.key(image_ids[e.path]) for e in entries if not e.problem and e.path in image_ids}
        known = self._inspections.get_many(sorted(set(keys.values())))
        return {path: decode_pages(known[key]) for path, key in keys.items() if key in known}

    def keep(self, entry: Entry, inspection: Inspection) -> None:
        """Remembers what was seen, at once, so that a run that is killed has lost nothing."""
        if inspection.lasting and inspection.image_id is not None:
            self._inspections.put_many([(self._rules.key(inspection.image_id), encode_pages(inspection.pages))])
            self.keep_image_id(entry, inspection.image_id)

    def correct(self, inspections: Iterable[tuple[Entry, Inspection]]) -> None:
        """Forgets what an earlier release made of images that it read wrong; only then they count as looked at."""
        looked_at = list(inspections)
        image_ids = {image_id for _, inspection in looked_at for image_id in inspection.corrected}
        if image_ids:
            log.info(
                "%d images are read otherwise than by an earlier release; what was made of them goes", len(image_ids)
            )
            forget(self._store, image_ids)
        for entry, inspection in looked_at:
            self.keep(entry, inspection)

    def keep_image_id(self, entry: Entry, image_id: str) -> None:
        """Remembers the image_id of a file as it was listed."""
        self._files.put_many([(_file_key(entry), image_id.encode())])


def _file_key(entry: Entry) -> str:
    return f"{entry.path}/{entry.size}/{entry.mtime}/{entry.inode}"


def _rows(entries: Iterable[Entry], pages: Mapping[str, list[Page]]) -> list[Row]:
    first: dict[str, str] = {}
    rows = []
    for entry in entries:
        for page in pages[entry.path]:
            original = first.setdefault(page.image_id, entry.path) if page.image_id is not None else entry.path
            rows.append(
                Row(
                    **vars(page),
                    path=entry.path,
                    accession=entry.accession,
                    bytes=entry.size,
                    duplicate_of=None if original == entry.path else original,
                )
            )
    return rows


def _line(finding: str, reason: str, row: Row) -> list[str | int | None]:
    return [finding, row.path, row.page + 1, reason, row.width, row.height, row.bytes, row.format, row.mode]
