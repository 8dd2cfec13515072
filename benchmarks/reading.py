"""Reading a folder of scans into 224 px arrays, against Pillow's full decode, on one core each."""

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyvips
from PIL import Image
from skimage import data

from cbir.images import read_image

SIDE = 224  # px
ROUNDS = 7
TARGET = 3.0


def run() -> dict[str, Any]:
    """Median processor time of both, measured by turns in the same run, and their ratio.

    The pictures are 3000 × 2000 pixels, photographs with film grain, half of them JPEG and half uncompressed TIFF, as
    scanners write it. Each reader has one core; the files are in the page cache.
    """
    threads = pyvips.concurrency_get()
    cores = os.sched_getaffinity(0)
    pyvips.concurrency_set(1)
    os.sched_setaffinity(0, {min(cores)})
    try:
        with tempfile.TemporaryDirectory() as folder:
            files = _make_scans(Path(folder))
            return _compare(files)
    finally:
        os.sched_setaffinity(0, cores)
        pyvips.concurrency_set(threads)


def _compare(files: list[Path]) -> dict[str, Any]:
    seconds: dict[str, dict[str, list[float]]] = {
        ".jpg": {"ours": [], "pillow": []},
        ".tif": {"ours": [], "pillow": []},
    }
    for turn in range(ROUNDS + 1):
        for kind, times in seconds.items():
            for name, read in (("ours", _read_here), ("pillow", _read_with_pillow)):
                elapsed = _time(read, [file for file in files if file.suffix == kind])
                if turn:  # the first round warms up
                    times[name].append(elapsed)
    medians = {kind: {name: statistics.median(times) for name, times in of.items()} for kind, of in seconds.items()}
    ours, pillow = (sum(of[name] for of in medians.values()) for name in ("ours", "pillow"))
    return {
        "name": "reading 3000×2000 JPEGs and TIFFs into 224 px arrays",
        "ratio": pillow / ours,
        "baseline": "Pillow: Image.open().convert('RGB').resize((224, 224))",
        "target": TARGET,
        "higher_is_better": True,
        "ratio_by_format": {kind[1:]: of["pillow"] / of["ours"] for kind, of in medians.items()},
        "processor_milliseconds_a_file": {
            kind[1:]: {name: round(1000 * value / (len(files) / 2), 2) for name, value in of.items()}
            for kind, of in medians.items()
        },
    }


def _make_scans(folder: Path) -> list[Path]:
    rng = np.random.default_rng(0)
    grain = rng.normal(0, 4, (2000, 3000, 3))
    files = []
    for number, picture in enumerate((data.astronaut(), data.coffee(), data.chelsea())):
        enlarged = np.asarray(Image.fromarray(picture).resize((3000, 2000), Image.Resampling.BICUBIC))
        scan = Image.fromarray((enlarged + np.roll(grain, 100 * number, axis=0)).clip(0, 255).astype(np.uint8))
        for kind in ("jpg", "tif"):
            files.append(folder / f"{number}.{kind}")
            scan.save(files[-1], quality=92)
    return files


def _time(read: Callable[[Path], np.ndarray], files: list[Path]) -> float:
    started = time.process_time()
    for file in files:
        read(file)
    return time.process_time() - started


def _read_here(file: Path) -> np.ndarray:
    return read_image(file, longest_side=SIDE)


def _read_with_pillow(file: Path) -> np.ndarray:
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB").resize((SIDE, SIDE)))


if __name__ == "__main__":
    print(json.dumps(run(), indent=2, ensure_ascii=False))
