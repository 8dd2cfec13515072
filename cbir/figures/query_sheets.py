"""Chooses the queries of the contact sheets, and which of their neighbours and misses are shown, and writes them."""

import logging
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cbir.evaluation.retrieval.evaluation import Evaluation
from cbir.evaluation.retrieval.ranking import is_looked_at, listed
from cbir.evaluation.retrieval.relevance import Positions, RetrievalTask
from cbir.figures.contact_sheets import Picture, Row, Sheet, Verdict, draw_sheet
from cbir.images.reading import UnreadableImage
from cbir.images.reduced import ReducedImages

NEIGHBOURS, MISSED, ROWS = 8, 3, 8  # pictures in a row, and rows on a sheet, at most
_CANDIDATES = 400  # rows among which those that show different images are sought


_HEADING = "neighbours: rank · probability, where the pair was looked at"
_FRAMES = "frames: green right, red wrong, grey nothing right left to find"
_HEADS = {
    "best": ("Best queries", f"highest average precision over the first 10 neighbours; {_FRAMES}"),
    "worst": ("Worst queries", f"lowest average precision over the first 10 neighbours; {_FRAMES}"),
    "missed": ("Missed images", f"queries whose misses are the least similar to them; {_FRAMES}"),
}

log = logging.getLogger(__name__)


def write_query_sheets(
    folder: Path,
    evaluation: Evaluation,
    vectors: NDArray[np.float32],
    neighbours: pd.DataFrame,
    images: ReducedImages,
    files: pd.DataFrame,
) -> None:
    """Writes the sheets of the queries, or for want of ground truth that of the nearest neighbours, as PNG.

    ``files`` gives path and page by image_id, in the order of the task's ids.
    """

    def read(position: int) -> NDArray[np.uint8] | None:
        file = files.iloc[position]
        try:
            return images.read(file.name, file["path"], int(file["page"]))
        except UnreadableImage as error:
            log.warning("a contact sheet lacks %s: %s", file["path"], error)
            return None

    names = [Path(path).name for path in files["path"]]
    sheets = query_sheets(evaluation, vectors) or nearest_sheet(evaluation.task, neighbours)
    for sheet in sheets:
        draw_sheet(sheet, folder / f"{sheet.name}.png", read=read, names=names)


def query_sheets(evaluation: Evaluation, vectors: NDArray[np.float32]) -> list[Sheet]:
    """Returns the sheets ``contact_best``, ``contact_worst`` and ``contact_missed``; one that would be empty is left
    out.

    Best: the highest average precision, among those the most to find. Worst: the lowest, below 1. Missed: a right
    image is not among the neighbours shown, the least similar first. Groups take turns, so that none fills a sheet.

    Args:
        vectors: (n, d), L2-normalised, in the order of the task's ids.
    """
    task, lists = evaluation.task, evaluation.lists
    precision, relevant = evaluation.values["map@10"], task.relevant(lists.queries)
    hits = evaluation.hits[:, :NEIGHBOURS]
    rows = np.arange(len(lists.queries))
    missing = rows[hits.sum(axis=1) < relevant]
    furthest = np.array([_missed(evaluation, int(row), vectors)[1].min() for row in missing])
    orders = {
        "best": _ordered(rows[precision > 0], -relevant, -precision),
        "worst": _ordered(rows[precision < 1], -relevant, precision),
        "missed": missing[np.argsort(furthest, kind="stable")],
    }
    sheets = []
    for name, order in orders.items():
        chosen = _by_turns(order, task.label[lists.queries])[:ROWS]
        made = tuple(_row(evaluation, row, vectors) for row in chosen)
        sheets.append(Sheet(f"contact_{name}", *_HEADS[name], made, _HEADING))
    return [sheet for sheet in sheets if sheet.rows]


def nearest_sheet(task: RetrievalTask, neighbours: pd.DataFrame) -> list[Sheet]:
    """Returns the sheet ``contact_nearest`` for want of ground truth: images whose first neighbours are the most
    similar.

    An image that an earlier row shows gets no row of its own, so that one large group does not fill the sheet.

    Args:
        neighbours: the index's lists: query_id, rank, neighbour_id, similarity; without any there is no sheet.
    """
    first = neighbours[neighbours["rank"] == 1].sort_values(["similarity", "query_id"], ascending=[False, True])
    likely = pd.Index(task.ids).get_indexer(first["query_id"].head(_CANDIDATES).astype(object)).astype(np.int64)
    lists = listed(task, np.sort(likely), neighbours)
    rows: list[Row] = []
    seen: set[int] = set()
    for query in likely.tolist():
        place = int(np.searchsorted(lists.queries, query))
        near = zip(lists.neighbours[place, :NEIGHBOURS].tolist(), lists.similarities[place], strict=False)
        shown = [Picture(p, "neither", f"{rank} · {s:.3f}") for rank, (p, s) in enumerate(near, 1) if p >= 0]
        if query not in seen and len(rows) < ROWS:
            rows.append(Row(Picture(query, "query", ""), tuple(shown)))
            seen.update(picture.position for picture in shown)
    subtitle = "images with the most similar neighbours; no ground truth tells right from wrong"
    return [Sheet("contact_nearest", "Nearest neighbours", subtitle, tuple(rows))] if rows else []


def _row(evaluation: Evaluation, row: int, vectors: NDArray[np.float32]) -> Row:
    task, lists = evaluation.task, evaluation.lists
    query = int(lists.queries[row])
    relevant = int(task.relevant(lists.queries[row : row + 1])[0])
    shown: list[Picture] = []
    right_shown = 0
    near = zip(lists.neighbours[row, :NEIGHBOURS], lists.similarities[row], evaluation.hits[row], strict=False)
    for rank, (position, similarity, right) in enumerate(near, 1):
        if position >= 0:
            verdict: Verdict = "right" if right else "wrong" if right_shown < relevant else "neither"
            score = f" · {similarity:.3f}" if is_looked_at(similarity) else ""
            shown.append(Picture(int(position), verdict, f"{rank}{score}"))
            right_shown += int(right)
    missed, similarity = _missed(evaluation, row, vectors)
    everything = vectors[task.gallery[task.gallery != query]] @ vectors[query]
    late = []
    for place in np.argsort(-similarity, kind="stable")[:MISSED]:
        rank = max(1 + int((everything > similarity[place]).sum()), len(shown) + 1)
        late.append(Picture(int(missed[place]), "right", f"{rank:,} · {similarity[place]:.3f}"))
    return Row(Picture(query, "query", f"{relevant} to find"), tuple(shown), tuple(late))


def _missed(evaluation: Evaluation, row: int, vectors: NDArray[np.float32]) -> tuple[Positions, NDArray[np.float32]]:
    """Returns the right images that are not among the neighbours shown, and their similarity."""
    label, lists = evaluation.task.label, evaluation.lists
    query = lists.queries[row]
    missed = np.setdiff1d(np.flatnonzero(label == label[query]), np.r_[lists.neighbours[row, :NEIGHBOURS], query])
    return missed, vectors[missed] @ vectors[query]


def _ordered(rows: Positions, *keys: NDArray[np.generic]) -> Positions:
    """Sorts rows by the last key, then by the ones before it."""
    return rows[np.lexsort([key[rows] for key in keys])]


def _by_turns(rows: Iterable[int], label: Positions) -> list[int]:
    """Returns the first row of each label in their order, then the second ones, and so on."""
    seen: dict[int, int] = {}
    turns: list[tuple[int, int, int]] = []
    for row in rows:
        turn = seen.get(int(label[row]), 0)
        seen[int(label[row])] = turn + 1
        turns.append((turn, len(turns), int(row)))
    return [row for _, _, row in sorted(turns)]
