"""The cosine similarity from which on two images count as near-duplicates."""

import json

from cbir.report import explain_threshold
from tasks.settings import Paths


def threshold_in_use(paths: Paths, chosen: float) -> tuple[float, str]:
    """The threshold and, in a sentence, what it rests on.

    Args:
        chosen: `group.threshold` of params.yaml, a cosine; 0: the learned one.
    """
    if chosen:
        return chosen, "Chosen by hand (group.threshold in params.yaml)."
    learned = json.loads((paths.reports / "threshold.json").read_text(encoding="utf-8"))
    return float(learned["threshold"]), explain_threshold(learned)
