"""Keeps what people decide about images: a CSV that rows are appended to, and that every rerun reads.

A row without its end is no decision. Images are named by their content (image_id), so that a
decision outlasts a renamed file; the names that the files had stand beside for people, and nothing reads them.
"""

import csv
import io
import logging
import os
import re
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

import filelock

from cbir.base.errors import UserError
from cbir.spreadsheet import as_text

Relation = Literal["same photograph", "same scene", "different", "unsure"]
SAME: Relation = "same photograph"
UNSURE: Relation = "unsure"
RELATIONS: tuple[Relation, ...] = get_args(Relation)
Remark = Literal["best copy", "not best copy", "note"]
BEST: Remark = "best copy"
NOT_BEST: Remark = "not best copy"
NOTE: Remark = "note"
_WORDS = (*RELATIONS, *get_args(Remark))

_ID = re.compile(r"[0-9a-f]{32}")
_BREAKS = re.compile(r"\s+")

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A person's word on two images, or on one of them; the columns of the file are these attributes, in this order.

    Attributes:
        time: ISO 8601, UTC.
        person: who decided.
        first_file, second_file: the names of the images' files at that time, for people.
        relation: one of RELATIONS; unsure takes back what this person said of the pair before. Or a remark on the first
            image alone: best copy, of the group that it is in; not best copy, which takes that back; note, which
            stands in ``note``, and takes the place of the person's note before.
        note: why, for people.
        first, second: image_ids, in the order in which they were named; last, so that a row that was cut lacks them.
    """

    time: str
    person: str
    first_file: str = ""
    second_file: str = ""
    relation: Relation | Remark
    note: str = ""
    first: str
    second: str

    @cached_property
    def pair(self) -> tuple[str, str]:
        """The two images, the smaller image_id first."""
        return min(self.first, self.second), max(self.first, self.second)

    @cached_property
    def subject(self) -> tuple[str, str]:
        """The pair, or the image and the kind of remark: a person's last word on it stands."""
        if self.relation in RELATIONS:
            return self.pair
        return (NOTE if self.relation == NOTE else BEST), self.first

    @cached_property
    def moment(self) -> datetime:
        """The time, to compare."""
        return datetime.fromisoformat(self.time)


COLUMNS = tuple(field.name for field in fields(Decision))
_HEADER = ",".join(COLUMNS)


def now() -> str:
    """Returns the time as decisions have it, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def read_decisions(path: Path, *, size: int | None = None) -> list[Decision]:
    """Reads all decisions in the order of the file, or those in its first ``size`` bytes; none where there is no file.

    A last row that is cut short, which a writer that was stopped has left, is no decision and is passed over.

    Raises:
        UserError: it is no file of decisions, or a row is none, with the number of its line.
    """
    try:
        content = path.read_bytes()[:size]
    except FileNotFoundError:
        return []
    whole = _finished(content)
    if cut := content[len(whole) :].strip():
        log.warning("%s ends in an unfinished row, which is no decision: %r", path, cut[:80])
    return _parsed(path, whole)


class Journal:
    """Reads a file of decisions again and again, each time only what was added.

    Args:
        path: of the file, which need not be there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._content = b""
        self._decisions: list[Decision] = []

    def read(self) -> list[Decision]:
        """Returns the decisions as :func:`read_decisions` does, with the errors of that."""
        content = _finished(self.path.read_bytes()) if self.path.exists() else b""
        if content == self._content:
            return self._decisions
        known = self._content
        if known.endswith(b"\n") and content.startswith(known):
            added = _parsed(self.path, content[len(known) :], line=known.count(b"\n") + 1)
            self._decisions = self._decisions + added
        else:
            self._decisions = _parsed(self.path, content)
        self._content = content
        return self._decisions


_WAY_OUT = "mend it, or take the file back from git"


def _parsed(path: Path, content: bytes, *, line: int = 1) -> list[Decision]:
    """Reads whole rows, of which the first stands in this line of the file; with the header where that is line 1."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = line + content[: error.start].count(b"\n")
        raise UserError(f"{path}, line {at}: the file must be UTF-8; {_WAY_OUT}") from error
    rows = _rows(path, text, line)
    if line == 1 and (header := next(rows, None)) and tuple(header[1]) != COLUMNS:
        raise UserError(f"{path}, line 1: the header must be {_HEADER}, is {','.join(header[1])!r}; {_WAY_OUT}")
    return [_decision(f"{path}, line {number}", cells) for number, cells in rows if cells]


def _rows(path: Path, text: str, first: int) -> Iterator[tuple[int, list[str]]]:
    """Yields the number of each row's first line, and its cells; the first row stands in line ``first``."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + first
        try:
            yield line, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise UserError(f"{path}, line {line}: the row must be CSV, but {error}; {_WAY_OUT}") from error


def _decision(place: str, cells: list[str]) -> Decision:
    """Makes a decision of a row; ``place`` begins the sentence of an error."""
    if len(cells) != len(COLUMNS):
        raise UserError(f"{place}: a row must have {len(COLUMNS)} cells, has {len(cells)}; {_WAY_OUT}")
    decision = Decision(**dict(zip(COLUMNS, cells, strict=True)))  # type: ignore[arg-type]
    if rule := _broken_rule(decision):
        raise UserError(f"{place}: {rule}; {_WAY_OUT}")
    return decision


def _broken_rule(decision: Decision) -> str:
    """Says in words which rule a decision breaks; empty where it breaks none."""
    if not _is_utc(decision.time):
        return f"time must be ISO 8601 in UTC, such as {now()}, is {decision.time!r}"
    if not decision.person.strip():
        return "person must be a name, is empty"
    for name in ("first", "second"):
        if not _ID.fullmatch(image_id := getattr(decision, name)):
            return f"{name} must be an image_id, 32 hex characters, is {image_id!r}"
    if decision.first == decision.second:
        return f"first and second must be two images, are both {decision.first}"
    if decision.relation not in _WORDS:
        return f"relation must be one of {', '.join(_WORDS)}, is {decision.relation!r}"
    return ""


def _is_utc(time: str) -> bool:
    try:
        return datetime.fromisoformat(time).utcoffset() == timedelta(0)
    except ValueError:
        return False


def append_decision(path: Path, decision: Decision) -> None:
    """Adds a row, and returns when it is on the disk; makes the file where there is none.

    Writers wait for each other. The rest of a row that a stopped writer has left is cut off first, so that each row
    is there whole and once, or not at all. Texts that a spreadsheet program would run get an apostrophe, line breaks
    become spaces.

    Raises:
        UserError: it is no decision.
        OSError: the row could not be written; the file is as it was.
    """
    texts = [as_text(_BREAKS.sub(" ", text).strip()) for text in astuple(decision)]
    safe = Decision(**dict(zip(COLUMNS, texts, strict=True)))  # type: ignore[arg-type]
    if rule := _broken_rule(safe):
        raise UserError(f"a decision's {rule}")
    row = io.StringIO()
    csv.writer(row, lineterminator="\n").writerow(astuple(safe))
    path.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(path.with_name(f".{path.name}.lock")), path.open("a+b", buffering=0) as file:
        _add(file, row.getvalue().encode("utf-8"))
    _keep_name(path.parent)


def _add(file: io.FileIO, row: bytes) -> None:
    """Writes past every buffer, which would write again what a full disk has refused."""
    file.seek(0)
    content = file.readall()
    whole = _finished(content)
    before = b"" if not whole.strip() else b"" if whole.endswith(b"\n") else b"\n"
    header = b"" if whole.strip() else f"{_HEADER}\n".encode()
    try:
        file.truncate(len(whole))
        rest = before + header + row
        while rest:
            rest = rest[file.write(rest) :]
        os.fsync(file.fileno())
    except OSError:
        file.truncate(len(whole))
        raise


def _finished(content: bytes) -> bytes:
    """Returns the rows that are whole: the last one may lack its line break, for editors leave it out, and no more."""
    end = content.rfind(b"\n") + 1
    last = content[end:].decode("utf-8-sig", errors="replace").strip()
    if last == _HEADER:
        return content
    try:
        cells = next(csv.reader([last], strict=True), [])
        _decision("", cells)
    except (UserError, csv.Error):
        return content[:end]
    return content


def _keep_name(folder: Path) -> None:
    """Sees that a new file's name is on the disk too."""
    if hasattr(os, "O_DIRECTORY"):
        number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
