"""Two times of an archive, for the tests of what arrived."""

from collections.abc import Mapping, Sequence

import pandas as pd

from cbir.arrivals import Arrivals, find_arrivals
from cbir.snapshot import snapshot_of
from tests.cbir.findings import grouped
from tests.cbir.manifests import identity, manifest

Groups = Sequence[tuple[str, ...]]  # each by the paths of its images, the first one first


def groups_of(groups: Groups) -> pd.DataFrame:
    return grouped(**{f"g{place}": tuple(paths) for place, paths in enumerate(groups)})


def neighbours_of(similar: Mapping[tuple[str, str], float]) -> pd.DataFrame:
    """Neighbour lists that hold each pair of paths in this direction."""
    rows = [(identity(one), identity(other), similarity) for (one, other), similarity in similar.items()]
    table = pd.DataFrame(rows, columns=["query_id", "neighbour_id", "similarity"])
    return table.astype({"query_id": "str", "neighbour_id": "str", "similarity": "float64"})


def arrivals(
    old: pd.DataFrame,
    new: pd.DataFrame,
    *,
    before: Groups = (),
    after: Groups = (),
    similar: Mapping[tuple[str, str], float] | None = None,
    threshold: float = 0.9,
    margin: float = 0.03,
) -> Arrivals:
    """What is in the manifest ``new`` that was not in ``old``."""
    then = snapshot_of(old, groups_of(before))
    return find_arrivals(then, new, groups_of(after), neighbours_of(similar or {}), threshold=threshold, margin=margin)


def eventful(text: str = "") -> Arrivals:
    """An arrival with something for every part of the report; ``text`` is in the name of every new file."""
    old = manifest("a/1", "a/2", "a/3", "a/4", "a/5")
    n1, n2, n3, n4, n5, c1 = (f"b/{place}{text.replace('/', '|')}" for place in (*"12345", "c"))
    new = manifest(
        "a/1", "a/2", "a/3", "a/4", "a/5", n1, n2, n3, n4, n5, copies={c1: "a/1"}, rejected={n5: f"x {text}"}
    )
    similar = {
        (n1, "a/1"): 0.97,
        (n1, n2): 0.91,
        ("a/1", n2): 0.88,
        (n2, "a/2"): 0.9,
        (n3, "a/5"): 0.89,
        (n4, "a/5"): 0.4,
    }
    return arrivals(
        old, new, before=[("a/1", "a/2"), ("a/3", "a/4")], after=[("a/1", n1, n2), ("a/3", "a/4", n3)], similar=similar
    )
