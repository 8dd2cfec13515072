"""A real `cbir review` for tests in a browser: pairs in doubt, an archive that is searched, and what landed."""

import os
import signal
import socket
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from cbir.archive.manifest import SCHEMA, read_manifest
from cbir.arrivals.changes import PAIRS as COLUMNS
from cbir.arrivals.changes import Arrivals
from cbir.arrivals.page import write_arrivals_csv
from cbir.base.files import write_frame
from cbir.groups.decisions.journal import read_decisions
from cbir.images.reduced import ReducedImages
from tests.support.review import MAP, image, write_sources

LETTERS = "abcdef0123456789"
GROUP = "012"  # of which no pair was looked at
REPORT = "20261129T120000Z"
TITLES = {"0": {"title": "Miroir", "date": "1916-05-04"}, "1": {"title": "Excelsior", "date": "1916-05-01"}}
_SERVER = """
import sys
from pathlib import Path
from types import SimpleNamespace
from flows.review import serving
from tests.support.review import make_auditor, make_room, open_desk

root = Path(sys.argv[1])
serving.open_desk = lambda paths: open_desk(root)
serving.open_audits = lambda paths: make_auditor(root, target=0.6)
serving.open_search = lambda paths, desk: make_room(root, desk)
serving.review(SimpleNamespace(reports=root), host="", port=int(sys.argv[2]), people=sys.argv[3:], browse=False)
"""


class Server:
    """`cbir review` on what a run has found; it can be killed, and started again at the same address."""

    def __init__(self, root: Path) -> None:
        self.root = root
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-c", _SERVER, str(self.root), str(self.port), "Zoe"]
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, start_new_session=True, cwd=self.root, env=environment
        )
        assert self.process.stdout and self.process.stdout.readline() == f"Review   {self.address}\n"

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()

    def kept(self) -> list[str]:
        """The decisions in the file, each as the first letters of both images and the relation."""
        rows = read_decisions(self.root / "decisions.csv")
        return [f"{each.first[0]}{each.second[0]} {each.relation}" for each in rows]


def add_doubts(root: Path) -> None:
    """Adds to a searchable archive 117 pairs in doubt of sixteen pictures in two accessions, a group and arrivals."""
    real = read_manifest(root / "manifest.parquet")
    pairs = [(left + right, 0.5) for left, right in combinations(LETTERS, 2) if not {left, right} <= {*GROUP}]
    mirrored = {"map": [-0.5, 0.0, 500.0, 0.0, 0.5, 20.0], "mirrored": True}
    facts = {"ae": {"map": MAP}, "af": mirrored, "a1": {"map": None}}
    write_sources(root, *pairs, new="ef12", groups=(GROUP,), facts=facts, metadata=TITLES, letters=LETTERS)
    manifest = pd.concat([real, read_manifest(root / "manifest.parquet")], ignore_index=True)
    write_frame(
        root / "manifest.parquet", manifest.sort_values(["accession", "path"], ignore_index=True), schema=SCHEMA
    )
    reduced = ReducedImages(root / "store", root / "raw", longest_side=512)
    tones = np.add.outer(np.arange(384), np.arange(512))
    for number, letter in enumerate(LETTERS):
        reduced.put(image(letter), (tones // (number + 4)).astype(np.uint8))
    _write_arrivals(root / "arrivals")


def _write_arrivals(folder: Path) -> None:
    rows = [("e", "a", "near-duplicate"), ("e", "b", "possible"), ("f", "c", "possible")]
    table = pd.DataFrame(
        [{"image_id": image(new), "other_id": image(old), "file": f"new/{new}.jpg", "page": 1, "finding": finding,
          "look": finding == "possible", "probability": 0.5} for new, old, finding in rows]
    ).reindex(columns=COLUMNS)  # fmt: skip
    folder.mkdir()
    write_arrivals_csv(folder / f"{REPORT}.csv", Arrivals(table, pd.DataFrame(), 2, 0))
