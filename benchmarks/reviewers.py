"""Simulates reviewers: how precision and recall of groups grow with decisions, the most informative questions first and
the same ones in random order. Three of a hundred answers are wrong.
"""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations, islice
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from benchmarks.figures import Figure
from benchmarks.reprint_kinds import SEVERITIES, printed
from benchmarks.reprints import originals_by_name
from cbir.archive.manifest import read_manifest
from cbir.base.files import write_json
from cbir.groups.decisions.journal import Decision
from cbir.groups.decisions.links import Links, link
from cbir.groups.grouping import FREE, group_images
from cbir.groups.table import write_groups
from cbir.labels.appearances.files import METADATA, write_appearances
from cbir.labels.files import GROUNDTRUTH, write_groundtruth
from cbir.library.archive import Archive
from cbir.matching.table import read_matches, write_matches
from cbir.serving.review.findings import Findings, Sources
from cbir.serving.review.queue import Queue
from tests.support.decisions import decision

ORIGINALS = 40  # photographs
MOST_PRINTS = 5  # of one, in another accession; the first has one, the second two, and so on, round and round
KINDS = ("strong", "severe")  # by turns
WRONG = 0.03  # of the answers
REVIEWERS = 5
EVERY = 5  # decisions between two measurements
THRESHOLD = 0.5
BAR = 2.0  # times as fast

Pair = tuple[str, str]
Ask = Callable[[Links], Pair | None]
Point = tuple[int, float, float]  # decisions, precision, recall


@dataclass(frozen=True)
class Reviewed:
    """The archive that is reviewed.

    Attributes:
        truth: the photograph of each image.
        regroup: makes the groups anew by decisions.
        pairs: those that the stage match looked at.
    """

    findings: Findings
    truth: dict[str, str]
    regroup: Callable[[Links], pd.DataFrame]
    pairs: list[Pair]


def run() -> Iterator[Figure]:
    """Makes an archive, lets reviewers answer until no question is open, and says how soon recall is reached."""
    with tempfile.TemporaryDirectory() as folder:
        archive = _archive(Path(folder))
        queue = Queue(archive.findings)
        first = [_review(archive, _informative(queue), seed) for seed in range(REVIEWERS)]
        begin, end = first[0][0], np.mean([line[-1] for line in first], axis=0)
        goal = begin[2] + 0.9 * (min(line[-1][2] for line in first) - begin[2])
        random = [_review(archive, _random_questions(queue, seed), seed) for seed in range(REVIEWERS)]
        pairs = [_review(archive, _random_pairs(archive.pairs, seed), seed, until=goal) for seed in range(REVIEWERS)]
    detail = (
        f"{len(archive.truth)} images, {len(archive.pairs)} pairs looked at; recall {begin[2]:.3f} and precision "
        f"{begin[1]:.3f} before any decision, {end[2]:.3f} and {end[1]:.3f} after all {end[0]:.0f} questions"
    )
    soon = _soon(first, goal)
    yield Figure(f"reviewers: decisions to recall {goal:.3f}", soon, "decisions", detail=detail)
    yield Figure("reviewers", _soon(random, goal) / soon, "times as fast", "the same questions in random order")
    yield Figure("reviewers", _soon(pairs, goal) / soon, "times as fast", "pairs in random order", bar=BAR)


def _archive(folder: Path) -> Reviewed:
    photographs: dict[str, str] = {}
    for number, (name, pixels) in enumerate(islice(originals_by_name().items(), ORIGINALS)):
        images = {f"old/{number}.png": pixels}
        for turn in range(1 + number % MOST_PRINTS):
            press = SEVERITIES[KINDS[turn % len(KINDS)]]
            images[f"new/{number}-{turn}.png"] = printed(pixels, press, key=f"{turn}/{name}")
        for path, each in images.items():
            (folder / "raw" / path).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(each).save(folder / "raw" / path)
            photographs[path] = name
    archive = Archive(folder / "raw", store=folder / "store")
    paths = {name: folder / f"{name}.parquet" for name in ("groundtruth", "matches", "groups", "metadata")}
    write_matches(paths["matches"], archive._matches)
    manifest, matches = read_manifest(folder / "store/manifest.parquet"), read_matches(paths["matches"])

    def regroup(links: Links) -> pd.DataFrame:
        return group_images(manifest, matches, threshold=THRESHOLD, links=links)

    write_groups(paths["groups"], regroup(FREE))
    write_groundtruth(paths["groundtruth"], pd.DataFrame(columns=GROUNDTRUTH.names))
    write_appearances(paths["metadata"], pd.DataFrame(columns=METADATA.names))
    write_json(folder / "threshold.json", {"threshold": THRESHOLD, "rule": "default", "precision": None})
    sources = Sources(
        folder / "store/manifest.parquet",
        paths["groundtruth"],
        paths["matches"],
        paths["groups"],
        folder / "threshold.json",
        paths["metadata"],
    )
    usable = manifest[manifest["status"] == "ok"]
    truth = dict(zip(usable["image_id"], usable["path"].map(photographs), strict=True))
    once = matches[matches["query_id"] < matches["neighbour_id"]]
    pairs = list(zip(once["query_id"], once["neighbour_id"], strict=True))
    return Reviewed(Findings.read(sources, chosen=0), truth, regroup, pairs)


def _informative(queue: Queue) -> Ask:
    def ask(links: Links) -> Pair | None:
        waiting = np.flatnonzero(queue.is_open(links))
        return queue.pairs[waiting[0]] if len(waiting) else None

    return ask


def _random_questions(queue: Queue, seed: int) -> Ask:
    chance = np.random.default_rng(seed)

    def ask(links: Links) -> Pair | None:
        waiting = np.flatnonzero(queue.is_open(links))
        return queue.pairs[chance.choice(waiting)] if len(waiting) else None

    return ask


def _random_pairs(pairs: list[Pair], seed: int) -> Ask:
    left = iter([pairs[at] for at in np.random.default_rng(seed).permutation(len(pairs))])
    return lambda links: next(left, None)


def _review(archive: Reviewed, ask: Ask, seed: int, *, until: float = 2.0) -> list[Point]:
    """Lets a reviewer answer until nothing is asked, or the groups have a recall; measures them again and again."""
    chance, said = np.random.default_rng(seed), list[Decision]()
    line = [(0, *_quality(archive, FREE))]
    while line[-1][2] < until and (pair := ask(link(said))) is not None:
        right = (archive.truth[pair[0]] == archive.truth[pair[1]]) != (chance.random() < WRONG)
        said.append(decision(pair[0], "=" if right else "!", pair[1], minute=len(said)))
        if len(said) % EVERY == 0:
            line.append((len(said), *_quality(archive, link(said))))
    return [*line, (len(said), *_quality(archive, link(said)))]


def _quality(archive: Reviewed, links: Links) -> tuple[float, float]:
    """Returns precision and recall of the pairs in groups."""
    groups, truth = archive.regroup(links), archive.truth
    inside = {pair for _, images in groups.groupby("group_id")["image_id"] for pair in combinations(sorted(images), 2)}
    hits = sum(truth[first] == truth[second] for first, second in inside)
    sizes = pd.Series(truth).value_counts()
    return hits / max(1, len(inside)), hits / int((sizes * (sizes - 1) // 2).sum())


def _soon(lines: list[list[Point]], goal: float) -> float:
    """Returns after how many decisions the recall reaches a goal, on the mean."""
    return float(np.mean([next((count for count, _, recall in line if recall >= goal), line[-1][0]) for line in lines]))
