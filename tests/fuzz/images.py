"""Tries images: each is looked at as the stage ``clean`` does, and what it accepts is held against a referee.

The referee is OpenCV, whose decoders are built apart from those of the product and say on standard error what they
meet; a picture that is as in the intact file is whole whatever they say.
"""

import os
import random
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import cache, lru_cache, partial
from itertools import count
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from cbir.archive.inspection import Inspector, Rules, Task, prepare_worker
from cbir.archive.sandbox import Lost, run_isolated
from cbir.images.reading import open_image
from cbir.images.reduced import ReducedImages
from cbir.store import Store
from tests.fuzz.image_seeds import NAMES, seed
from tests.fuzz.mutations import OF_IMAGES, splice
from tests.fuzz.verdicts import Case, Outcome, Verdict

TIMEOUT = 60  # seconds; a sound picture of these takes a thousandth of it
_RULES = Rules(longest_side=1024, max_pixels=100_000_000, max_bytes=1 << 30, min_side=8, blank_deviation=1.0)
_DAMAGE = ("Corrupt JPEG data", "TIFF_Error", "libpng error", "ERROR")  # in what OpenCV says
# A pointer to nowhere behind the last page harms none; of some compressions OpenCV is built without; a decoder reads
# some bytes ahead, so that few at the end may be left over by any.
_NO_DAMAGE = re.compile(r"[Dd]irectory|not configured|data: [1-8] extraneous bytes before marker 0xd9")

T = TypeVar("T")


def cases(number: int) -> Iterator[Case]:
    """Yields mutants without end, the same for each number: of all seeds in turn."""
    for turn in count():
        for place, name in enumerate(NAMES):
            yield mutant(name, number, turn * len(NAMES) + place)


def mutant(name: str, number: int, turn: int) -> Case:
    """Makes one mutant of a seed."""
    chance = random.Random(f"{number}/{turn}")
    data = seed(name)
    if chance.random() < 0.05:
        kind, data = "splice", splice(data, seed(chance.choice(NAMES)), chance)
    else:
        mutation = chance.choice(OF_IMAGES)
        kind, data = mutation.__name__, mutation(data, chance)
    stem, _, suffix = name.partition(".")
    return Case(f"{stem}__{kind}__{number}_{turn}.{suffix}", data, name)


def try_all(tried: Iterable[Case], *, folder: Path, workers: int = 1) -> Iterator[Verdict]:
    """Looks at cases in processes of their own, and yields a verdict on each as they finish."""
    look = partial(look_at, folder=folder)
    for outcome in run_isolated(look, tried, timeout=TIMEOUT, workers=workers, prepare=prepare_worker):
        yield _lost(outcome.item, outcome.result) if isinstance(outcome.result, Lost) else outcome.result


def look_at(case: Case, folder: Path) -> Verdict:
    """Looks at one case in this process."""
    images, inspector = _product(folder)
    path = folder / f"{os.getpid()}-{case.name}"
    path.write_bytes(case.data)
    try:
        pages = inspector.inspect(Task(path)).pages
        accepted = [page for page in pages if page.status == "ok" and page.image_id]
        pixels = [images.read(page.image_id or "", path.name, page.page) for page in accepted]
    except MemoryError:
        return Verdict(case, Outcome.TOLD, "it needs too much memory")
    except Exception as error:  # whatever it is, it is none of the errors that a file may lead to
        return Verdict(case, Outcome.CRASH, f"{type(error).__name__}: {error}")
    finally:
        path.unlink()
    if not pages:
        return Verdict(case, Outcome.CRASH, "no row")
    if len(accepted) < len(pages):
        return Verdict(case, Outcome.TOLD, "; ".join(page.reason for page in pages if page.reason))
    return _judged(case, pixels)


def _judged(case: Case, pages: list[np.ndarray]) -> Verdict:
    """Gives the verdict on pages that were accepted."""
    intact = _intact(case.seed) if case.seed else []
    if all(any(np.array_equal(page, other) for other in intact) for page in pages):
        return Verdict(case, Outcome.RIGHT)
    words = damage_of(case.data)
    return Verdict(case, Outcome.WRONG if words else Outcome.OTHER, words)


def damage_of(data: bytes) -> str:
    """Returns what OpenCV says of damage to a picture, in one line; nothing where it is content."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    try:
        said = _heard(lambda: cv2.imdecodemulti(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED))
    except cv2.error:  # of limits of its own
        said = ""
    finally:
        cv2.utils.logging.setLogLevel(level)
    lines = [line.strip() for line in said.splitlines() if not _NO_DAMAGE.search(line)]
    return "; ".join(line for line in lines if any(word in line for word in _DAMAGE))


def _heard(call: Callable[[], object]) -> str:
    """Returns what a call writes to the standard error of the process, whichever library does."""
    with tempfile.TemporaryFile() as file:
        before = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            call()
        finally:
            os.dup2(before, 2)
            os.close(before)
        file.seek(0)
        return file.read().decode(errors="replace")


@cache
def _intact(name: str) -> list[np.ndarray]:
    """Reads the pages of a seed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(seed(name))
        with open_image(path) as image:
            return [image.pixels(page, longest_side=_RULES.longest_side) for page in image.pages]


@lru_cache(maxsize=1)
def _product(folder: Path) -> tuple[ReducedImages, Inspector]:
    store = folder / f"store-{os.getpid()}"
    store.mkdir()
    images = ReducedImages(store, folder, longest_side=_RULES.longest_side)
    return images, Inspector(images, Store(store / "inspections.sqlite"), _RULES)


def _lost(case: Case, lost: Lost) -> Verdict:
    """Gives the verdict on a case that took its worker with it, or all its memory."""
    if "memory" in lost.reason:
        return Verdict(case, Outcome.TOLD, lost.reason)
    return Verdict(case, Outcome.HANG if "took longer" in lost.reason else Outcome.CRASH, lost.reason)
