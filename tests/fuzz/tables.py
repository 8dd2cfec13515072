"""Tries tables: each is read as the stage ``groundtruth`` does, and its groups or captions are held against the truth.

The referee of changed bytes is a plain reader (openpyxl, or Python's ``csv`` in the encoding that the file was saved
in): a table in which it sees other cells is another table, and the program may read it so.
"""

import csv
import io
import random
import signal
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import count
from pathlib import Path

import openpyxl
import pandas as pd

from cbir.base.errors import UserError
from cbir.labels.reference import Known, Reference, read_reference
from tests.fuzz.mutations import ANY
from tests.fuzz.table_seeds import FILES, Book, Cells, captions, groundtruth
from tests.fuzz.verdicts import Case, Outcome, Verdict
from tests.support.manifests import image_id_of, manifest

TIMEOUT = 15  # seconds of this process, beside those of the process that reads the file
_PARTS = ("xl/worksheets/sheet1.xml", "xl/workbook.xml", "xl/styles.xml", "xl/sharedStrings.xml", "[Content_Types].xml")
_NAMES = {image_id_of(file): file.rpartition("/")[2] for file in FILES}


@dataclass(frozen=True)
class TableCase(Case):
    """A table to try, made of one whose meaning is known."""

    book: Book = field(kw_only=True)


def cases(number: int) -> Iterator[TableCase]:
    """Yields tables without end, the same for each number: every other one as it was saved, with no byte changed."""
    for turn in count():
        chance = random.Random(f"{number}/{turn}")
        book = chance.choice([groundtruth, groundtruth, captions])(chance)
        kind, data = _changed(book, chance) if turn % 2 else ("whole", book.data)
        stem, _, suffix = book.name.rpartition(".")
        yield TableCase(f"{stem}__{kind}__{number}_{turn}.{suffix}", data, book.name, book=book)


def try_one(case: TableCase, folder: Path) -> Verdict:
    """Reads one table, and gives the verdict on it."""
    path = folder / case.name.replace("/", "_")
    path.write_bytes(case.data)
    role = "captions" if case.book.captions else "file"
    try:
        known = _in_time(partial(read_reference, Reference(folder, **{role: path.name}), _manifest()))
    except UserError as refusal:
        return Verdict(case, Outcome.TOLD, str(refusal))
    except TimeoutError:
        return Verdict(case, Outcome.HANG, f"more than {TIMEOUT} s")
    except Exception as error:  # whatever it is, it is none of the errors that a file may lead to
        return Verdict(case, Outcome.CRASH, f"{type(error).__name__}: {error}")
    finally:
        path.unlink()
    return _judged(case, known)


def _judged(case: TableCase, known: Known) -> Verdict:
    """Gives the verdict on a table that was read."""
    groups = tuple(sorted(tuple(sorted(_NAMES[image_id] for image_id in group)) for group in known.groups))
    texts = tuple(sorted((_NAMES[image_id], text) for image_id, text in known.captions.items()))
    if (groups, texts) == (case.book.groups, case.book.captions):
        return Verdict(case, Outcome.RIGHT)
    if known.doubt or known.notes:
        return Verdict(case, Outcome.TOLD, known.doubt or known.notes[0].problem)
    if case.data != case.book.data and is_another(case):
        return Verdict(case, Outcome.OTHER)
    return Verdict(case, Outcome.WRONG, f"read {groups or texts}")


def is_another(case: TableCase) -> bool:
    """Tells whether a plain reader sees cells in a changed file, and others than in the intact one."""
    try:
        return _plain(case.book, case.data) != _plain(case.book, case.book.data)
    except Exception:  # the referee tells of damage
        return False


def _plain(book: Book, data: bytes) -> Cells:
    """Reads the cells of a table in the most common way."""
    if book.encoding:
        rows = csv.reader(io.StringIO(data.decode(book.encoding), newline=""), delimiter=book.delimiter, strict=True)
        return [tuple(row) for row in rows]
    workbook = openpyxl.load_workbook(io.BytesIO(data), data_only=True)
    sheet = next(sheet for sheet in workbook.worksheets if sheet.sheet_state == "visible")
    return [tuple("" if cell is None else str(cell) for cell in row) for row in sheet.iter_rows(values_only=True)]


def _changed(book: Book, chance: random.Random) -> tuple[str, bytes]:
    """Changes bytes of a file, or of a part of a workbook, which is then packed anew."""
    mutation = chance.choice(ANY)
    if book.encoding or chance.random() < 0.3:
        return mutation.__name__, mutation(book.data, chance)
    part, buffer = chance.choice(_PARTS), io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(book.data)) as before, zipfile.ZipFile(buffer, "w") as after:
        for entry in before.infolist():
            content = before.read(entry)
            changed = mutation(content, chance) if entry.filename == part else content
            after.writestr(zipfile.ZipInfo(entry.filename), changed, zipfile.ZIP_DEFLATED)
    return f"{part.rpartition('/')[2].partition('.')[0]}_{mutation.__name__}", buffer.getvalue()


def _in_time(read: Callable[[], Known]) -> Known:
    """Calls a function that may hang; raises TimeoutError after ``TIMEOUT`` seconds."""

    def ring(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, TIMEOUT)
    try:
        return read()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@cache
def _manifest() -> pd.DataFrame:
    """An archive that holds the files of all tables."""
    return manifest(*FILES)
