"""Reading a folder of scans into 224 px arrays, against Pillow's full decode, on one core."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pyvips
from PIL import Image
from skimage import data

from benchmarks.figures import Figure, in_turn
from cbir.images.reading import read_image

SIDE = 224  # px


def run() -> list[Figure]:
    """Measures how many times faster a folder of 3000 × 2000 JPEGs and uncompressed TIFFs, as scanners write them, is
    read.

    The pictures are photographs with film grain; the files are in the page cache; both readers share one core by turns.
    """
    with tempfile.TemporaryDirectory() as folder, _one_core():
        scans = _make_scans(Path(folder))
        seconds = in_turn(
            {
                f"{kind} {name}": partial(_read_all, reader, scans[kind])
                for kind in scans
                for name, reader in (("here", _read_here), ("Pillow", _read_with_pillow))
            },
            rounds=7,
        )
    here, pillow = (sum(seconds[f"{kind} {name}"] for kind in scans) for name in ("here", "Pillow"))
    count = len(scans["JPEG"])
    detail = ", ".join(f"{name} {1000 * value / count:.1f} ms" for name, value in seconds.items())
    return [
        Figure(
            "reading 3000×2000 scans into 224 px arrays", pillow / here, "×", "Pillow's full decode", 3.0, detail=detail
        )
    ]


@contextmanager
def _one_core() -> Iterator[None]:
    threads, cores = pyvips.concurrency_get(), os.sched_getaffinity(0)
    pyvips.concurrency_set(1)
    os.sched_setaffinity(0, {min(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
        pyvips.concurrency_set(threads)


def _make_scans(folder: Path) -> dict[str, list[Path]]:
    rng = np.random.default_rng(0)
    grain = rng.normal(0, 4, (2000, 3000, 3))
    files: dict[str, list[Path]] = {"JPEG": [], "TIFF": []}
    for number, picture in enumerate((data.astronaut(), data.coffee(), data.chelsea())):
        enlarged = np.asarray(Image.fromarray(picture).resize((3000, 2000), Image.Resampling.BICUBIC))
        scan = Image.fromarray((enlarged + np.roll(grain, 100 * number, axis=0)).clip(0, 255).astype(np.uint8))
        for kind, of_kind in files.items():
            of_kind.append(folder / f"{number}.{kind.lower()}")
            scan.save(of_kind[-1], quality=92)
    return files


def _read_all(reader: Callable[[Path], np.ndarray], files: list[Path]) -> None:
    for file in files:
        reader(file)


def _read_here(file: Path) -> np.ndarray:
    return read_image(file, longest_side=SIDE)


def _read_with_pillow(file: Path) -> np.ndarray:
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB").resize((SIDE, SIDE)))
