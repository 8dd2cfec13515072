"""A promised threshold beside the old rule in simulated archives of which the truth is known: kept, given, recall."""

from statistics import fmean

import numpy as np

from benchmarks.figures import Figure
from cbir.evaluation.retrieval.threshold import learn
from tests.support.simulations import Kind, Truth, as_pairs, draw

ARCHIVES = 200
TARGET = 0.95
KEPT = 185  # of 200: a valid method keeps fewer in 4 of 100 runs
KINDS = {
    "80 validation groups": (Kind(), 80),
    "150 validation groups": (Kind(), 150),
    "150 of large groups": (Kind(size=3.0, hubs=2.0), 150),
    "150, wrong pairs in crowds": (Kind(apart=3.0, hubs=0.1), 150),
    "500, hard to tell apart": (Kind(apart=3.0), 500),
}


def run() -> list[Figure]:
    """Draws 200 archives of each kind, learns the threshold by both rules, and reads its true precision and recall."""
    return [figure for name, (kind, groups) in KINDS.items() for figure in _measured(name, kind, groups)]


def _measured(name: str, kind: Kind, groups: int) -> list[Figure]:
    truth, rng = Truth(kind), np.random.default_rng(0)
    values: dict[str, list[float]] = {"promise": [], "precision": []}
    for _ in range(ARCHIVES):
        pairs = as_pairs(draw(kind, groups, rng))
        for rule, chosen in values.items():
            learned = learn(pairs, rule=rule, target_precision=TARGET, default=1.0)  # type: ignore[arg-type]
            if rule == "precision" or learned.kept:
                chosen.append(learned.value)
    broken = {rule: sum(truth.precision(value) < TARGET for value in chosen) for rule, chosen in values.items()}
    given = values["promise"]
    recall = fmean(map(truth.recall, given)) if given else 0.0
    detail = (
        f"promised in {len(given)}, of these missed in {broken['promise']}; recall {recall:.2f} of "
        f"{truth.best_recall(TARGET):.2f} that a threshold of truly {TARGET:g} has"
    )
    old = f"old rule: missed in {broken['precision']}, recall {fmean(map(truth.recall, values['precision'])):.2f}"
    return [
        Figure(f"promise of {TARGET:g}, {name}: archives where it is not broken", ARCHIVES - broken["promise"],
               f"of {ARCHIVES}", bar=KEPT, detail=detail),
        Figure(f"old rule for {TARGET:g}, {name}: archives that have it", ARCHIVES - broken["precision"],
               f"of {ARCHIVES}", detail=old),
    ]  # fmt: skip
