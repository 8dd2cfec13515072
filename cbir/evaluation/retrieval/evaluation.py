"""Evaluates a retrieval: metrics with intervals, the learned threshold, and a table of the queries."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cbir.evaluation.retrieval import metrics, threshold
from cbir.evaluation.retrieval.bootstrap import intervals
from cbir.evaluation.retrieval.metrics import Bools, Floats
from cbir.evaluation.retrieval.pairs import Pairs, neighbour_pairs
from cbir.evaluation.retrieval.ranking import RankedLists, by_probability, ranked_lists
from cbir.evaluation.retrieval.relevance import Positions, RetrievalTask
from cbir.evaluation.retrieval.threshold import Reading, Rule, Threshold

_SHOWN = max(metrics.CUTOFFS)  # neighbours that a person looks at; right images behind them are called missed
_ENCODER = "map@10"  # measured on the lists by cosine too, where matches lead the lists
_DIGITS = 6  # of the numbers in metrics.json


@dataclass(frozen=True)
class Evaluation:
    """The result of an evaluation.

    Attributes:
        task: what counts as right.
        lists: of the queries.
        pairs: of the queries' lists.
        values: per query, every ranked metric by name, (Q,) each.
        metrics: every metric of metrics.json by name, None where it is undefined.
        intervals: 95 %, (low, high) by name; a metric without one is not in it.
        threshold: learned on the validation groups.
        published: of the published rules, cosines, each with its reading on the test groups.
    """

    task: RetrievalTask
    lists: RankedLists
    pairs: Pairs
    values: Mapping[str, Floats]
    metrics: Mapping[str, float | None]
    intervals: Mapping[str, tuple[float, float]]
    threshold: Threshold
    published: Mapping[str, tuple[float, Reading]]

    @property
    def hits(self) -> Bools:
        """Whether the neighbour at each rank is right, (Q, L)."""
        return hits(self.task, self.lists)


def evaluate_retrieval(
    task: RetrievalTask,
    vectors: NDArray[np.float32] | None,
    neighbours: pd.DataFrame,
    *,
    matches: pd.DataFrame | None = None,
    queries: str,
    rule: Rule,
    target_precision: float,
    default_threshold: float,
    resamples: int,
    seed: int,
) -> Evaluation:
    """Evaluates a retrieval as DESIGN.md §7 says.

    Whatever the queries of the ranked metrics are, the threshold is learned on the validation groups and read on the
    test groups alone: ``threshold_precision``, ``threshold_recall`` and ``threshold_f1`` are figures of test. Their
    intervals resample the test groups at the learned threshold; the threshold's own resamples the validation groups.

    Args:
        vectors: (n, d), L2-normalised, in the order of the task's ids; None for a system without embeddings, of which
            the neighbours are all that is known.
        neighbours: the index's lists: query_id, rank, neighbour_id, similarity.
        matches: query_id, rank, neighbour_id, probability of pairs that were looked at: they lead the lists, and the
            threshold is a probability, learned on them alone. Without them it is a similarity.
        queries: ``test``, the images of test groups, or ``all`` labelled images.
    """
    near = ranked_lists(task, task.queries(), neighbours, vectors)
    lists = near if matches is None else by_probability(task, near, matches)
    asked = lists if queries == "all" else lists.of(task.queries("test"))
    pairs = neighbour_pairs(task, asked)
    val, test = (neighbour_pairs(task, lists.of(task.queries(split))).looked_at() for split in ("val", "test"))
    options: Any = {"rule": rule, "target_precision": target_precision, "default": default_threshold, "seed": seed}
    learned = threshold.learn(val, **options, whole=len(task.gallery) == len(task.ids))
    reading = threshold.read(test, learned.value)
    values = _per_query(task, asked) | ({} if matches is None else _by_embedding(task, near.of(asked.queries)))
    several = {"resamples": resamples, "seed": seed}
    return Evaluation(
        task=task,
        lists=asked,
        pairs=pairs,
        values=values,
        metrics=_summary(values, pairs)
        | {"threshold": learned.value, **{f"threshold_{name}": value for name, value in asdict(reading).items()}},
        intervals=_query_intervals(task, values, pairs, **several)
        | _threshold_interval(task, val, learned, target_precision=target_precision, **several)
        | _reading_intervals(task, test, learned.value, **several),
        threshold=learned,
        published=_published(neighbours, neighbour_pairs(task, near.of(task.queries("test")))),
    )


def _per_query(task: RetrievalTask, lists: RankedLists) -> dict[str, Floats]:
    return dict(metrics.per_query(hits(task, lists), task.relevant(lists.queries)))


def _by_embedding(task: RetrievalTask, near: RankedLists) -> dict[str, Floats]:
    """Returns the metric that tells encoders apart: verification would level them."""
    return {f"embedding_{_ENCODER}": _per_query(task, near)[_ENCODER]}


def hits(task: RetrievalTask, lists: RankedLists) -> Bools:
    """Tells whether the neighbour at each rank is right, (Q, L); false behind the end of a list."""
    label = np.where(lists.neighbours >= 0, task.label[lists.neighbours], -1)
    return label == task.label[lists.queries][:, None]


def metrics_document(evaluation: Evaluation) -> dict[str, Any]:
    """Returns the content of metrics.json: metrics by name, their intervals, what was counted, the published
    thresholds.
    """
    task, queries = evaluation.task, evaluation.lists.queries
    labelled = int((task.label >= 0).sum())
    counts = {
        "images": len(task.ids),
        "labelled": labelled,
        "groups": len(task.names),
        "gallery": len(task.gallery),
        "distractors": len(task.gallery) - labelled,
        "queries": len(queries),
        "query_groups": len(np.unique(task.label[queries])),
        "true_pairs": round(evaluation.pairs.total),
        "list_length": evaluation.lists.neighbours.shape[1],
    }
    between = {name: dict(zip(("low", "high"), bounds, strict=True)) for name, bounds in evaluation.intervals.items()}
    return _rounded(
        dict(evaluation.metrics)
        | {"ci95": {name: between.get(name, {"low": None, "high": None}) for name in evaluation.metrics}}
        | {"counts": counts, "relevance": task.relevance}
        | {"published_thresholds": {k: {"threshold": v, **asdict(r)} for k, (v, r) in evaluation.published.items()}}
    )


def query_table(evaluation: Evaluation, vectors: NDArray[np.float32] | None) -> pd.DataFrame:
    """Makes the table of the queries, sorted by query_id: how many right images there are, which were found and missed,
    every ranked metric.

    ``best_missed`` is the most similar right image, by cosine, that is not among the first 10 neighbours; its rank is
    null where the query's list does not hold it. Without embeddings only the lists can tell of one.
    """
    task, lists, right = evaluation.task, evaluation.lists, evaluation.hits
    queries = lists.queries
    first = metrics.first_rank(right)
    missed, similarity = _listed_late(lists, right) if vectors is None else _best_missed(task, lists, vectors)
    rank = _rank_of(lists, missed)
    names = np.asarray(task.names, dtype=object)
    return pd.DataFrame(
        {
            "query_id": pd.array(task.ids[queries], dtype="str"),
            {"group": "group_id", "class": "class"}[task.relevance]: pd.array(names[task.label[queries]], dtype="str"),
            "split": pd.array(task.split[queries], dtype="str"),
            "relevant": task.relevant(queries),
            "found": right[:, :_SHOWN].sum(axis=1),
            "first_relevant_rank": pd.array(np.where(first > 0, first, np.nan), dtype="Int64"),
            "best_missed": pd.array([task.ids[p] if p >= 0 else None for p in missed], dtype="str"),
            "best_missed_rank": pd.array(np.where(rank > 0, rank, np.nan), dtype="Int64"),
            "best_missed_similarity": similarity,
            **evaluation.values,
        }
    )


def _summary(values: Mapping[str, Floats], pairs: Pairs) -> dict[str, float | None]:
    if not len(pairs.queries):
        return dict.fromkeys([*values, "micro_ap", "recall_at_p90"])
    curve = pairs.curve()
    means: dict[str, float | None] = {name: float(each.mean()) for name, each in values.items()}
    return means | {
        "micro_ap": float(metrics.micro_ap(curve)),
        "recall_at_p90": float(metrics.recall_at_precision(curve, 0.9)),
    }


def _query_intervals(
    task: RetrievalTask, values: Mapping[str, Floats], pairs: Pairs, *, resamples: int, seed: int
) -> dict[str, tuple[float, float]]:
    table = np.stack(list(values.values()), axis=1)

    def statistics(weight: Floats) -> dict[str, Floats]:
        means = weight @ table / weight.sum(axis=1, keepdims=True)
        curve = pairs.resampled(weight)
        return dict(zip(values, means.T, strict=True)) | {
            "micro_ap": metrics.micro_ap(curve),
            "recall_at_p90": metrics.recall_at_precision(curve, 0.9),
        }

    units = task.unit[pairs.queries]
    return intervals(statistics, units, resamples=resamples, seed=seed, width=len(pairs.similarity))


def _threshold_interval(
    task: RetrievalTask, val: Pairs, learned: Threshold, *, target_precision: float, resamples: int, seed: int
) -> dict[str, tuple[float, float]]:
    rule = learned.rule
    if rule in ("default", "promise"):  # a promise has its own confidence
        return {}

    def statistics(weight: Floats) -> dict[str, Floats]:
        chosen = threshold.choose(val.resampled(weight), rule=rule, target_precision=target_precision)
        return {"threshold": chosen}

    units = task.unit[val.queries]
    return intervals(statistics, units, resamples=resamples, seed=seed, width=len(val.similarity))


def _reading_intervals(
    task: RetrievalTask, test: Pairs, value: float, *, resamples: int, seed: int
) -> dict[str, tuple[float, float]]:
    accepted = test.similarity >= value
    shares = np.stack([test.shares(accepted), test.shares(accepted & test.true), test.total_share], axis=1)

    def statistics(weight: Floats) -> dict[str, Floats]:
        count, right, total = (weight @ shares).T
        precision = np.divide(right, count, out=np.full(len(weight), np.nan), where=count > 0)
        recall, f1 = right / total, 2 * right / (count + total)
        return {"threshold_precision": precision, "threshold_recall": recall, "threshold_f1": f1}

    return intervals(statistics, task.unit[test.queries], resamples=resamples, seed=seed)


def _published(neighbours: pd.DataFrame, alike: Pairs) -> dict[str, tuple[float, Reading]]:
    """Returns the published thresholds, each with its reading on pairs whose similarity is the cosine."""
    near = neighbours["rank"] <= threshold.PUBLISHED_NEIGHBOURS
    values = threshold.published(neighbours["similarity"][near].to_numpy(dtype=float))
    return {name: (value, threshold.read(alike, value)) for name, value in values.items()}


def _best_missed(task: RetrievalTask, lists: RankedLists, vectors: NDArray[np.float32]) -> tuple[Positions, Floats]:
    """Returns the most similar right image that is not among the first ones, -1 and NaN where none is missed."""
    missed = np.full(len(lists.queries), -1, dtype=np.int64)
    similarity = np.full(len(lists.queries), np.nan)
    label = task.label[lists.queries]
    for number in np.unique(label):
        rows = np.flatnonzero(label == number)
        members = np.flatnonzero(task.label == number)
        cosine = vectors[lists.queries[rows]] @ vectors[members].T
        cosine[members[None, :] == lists.queries[rows, None]] = -np.inf
        for rank in range(min(_SHOWN, lists.neighbours.shape[1])):
            cosine[members[None, :] == lists.neighbours[rows, rank, None]] = -np.inf
        best = cosine.argmax(axis=1)
        value = cosine[np.arange(len(rows)), best]
        is_missed = np.isfinite(value)
        missed[rows[is_missed]], similarity[rows[is_missed]] = members[best[is_missed]], value[is_missed]
    return missed, similarity


def _listed_late(lists: RankedLists, right: Bools) -> tuple[Positions, Floats]:
    """Returns the first right image behind the shown ones in each list, as ``_best_missed`` does."""
    rank = metrics.first_rank(right & (np.arange(right.shape[1]) >= _SHOWN))
    late = np.flatnonzero(rank)
    missed, similarity = np.full(len(rank), -1, dtype=np.int64), np.full(len(rank), np.nan)
    missed[late] = lists.neighbours[late, rank[late] - 1]
    similarity[late] = lists.similarities[late, rank[late] - 1]
    return missed, similarity


def _rank_of(lists: RankedLists, images: Positions) -> Positions:
    """Returns the rank from 1 of an image in each list, 0 where it is not in it."""
    if not lists.neighbours.shape[1]:
        return np.zeros(len(images), dtype=np.int64)
    matches = (lists.neighbours == images[:, None]) & (images[:, None] >= 0)
    return metrics.first_rank(matches)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    return round(value, _DIGITS) if isinstance(value, float) else value
