"""The threshold in use: the one chosen by hand, else the one that the stage evaluate learned."""

import json
from pathlib import Path

from cbir.report import explain_threshold


def threshold_in_use(reports: Path, chosen: float) -> tuple[float, str]:
    """The threshold and, in a sentence, what it rests on.

    Args:
        reports: the folder of threshold.json.
        chosen: ``group.threshold`` of params.yaml; 0 takes the learned one.
    """
    if chosen:
        return chosen, "Chosen by hand (group.threshold in params.yaml)."
    learned = json.loads((reports / "threshold.json").read_text(encoding="utf-8"))
    return float(learned["threshold"]), explain_threshold(learned)
