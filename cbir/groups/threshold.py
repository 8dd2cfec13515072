"""Reads and explains reports/threshold.json: the probability from which two images count as near-duplicates."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, Le

from cbir.base.files import read_json

Chosen = Annotated[float, Ge(0), Le(1), "it is a probability, and 0 takes the learned one"]


def threshold_in_use(file: Path, chosen: float) -> tuple[float, str]:
    """Returns the threshold and, in a sentence, what it rests on.

    Args:
        file: reports/threshold.json.
        chosen: `group.threshold` of params.yaml, a probability; 0: the learned one.

    Raises:
        UserError: it is to be the learned one, and there is none.
    """
    learned = learned_threshold(file, chosen)
    if learned is None:
        return chosen, "Chosen by hand (group.threshold in params.yaml)."
    return float(learned["threshold"]), explain_threshold(learned)


def learned_threshold(file: Path, chosen: float) -> Mapping[str, Any] | None:
    """Reads the learned threshold as ``threshold_in_use`` does, with all that is known of it; None for a chosen one."""
    if chosen:
        return None
    return read_json(file, name="the learned threshold", stage="evaluate")


def explain_threshold(learned: Mapping[str, Any]) -> str:
    """Explains in a sentence how the threshold in threshold.json was learned and what it promises."""
    if learned["rule"] == "default":
        return "The default: there is no ground truth to learn it from, so look through the groups with care."
    rules = {
        "promise": f"Promised, with 95 % confidence: {_in_words(learned.get('target_precision'))} pairs that images of "
        f"groups like the {learned.get('groups')} validation groups form are right",
        "f1": "Learned: the best balance (F1) of precision and recall",
        "precision": f"Learned: the lowest that keeps a precision of {_percent(learned.get('target_precision'))}",
    }
    sentence = rules.get(learned["rule"], f"By the rule {learned['rule']}")
    if learned.get("not_promised"):
        sentence = f"Nothing can be promised: {learned['not_promised']}; the threshold is a careful one"
    elif learned.get("target_kept") is False:
        target = _percent(learned.get("target_precision"))
        sentence = f"No threshold kept a precision of {target}; this is the most precise one"
    if learned.get("precision") is None or learned.get("recall") is None:
        return f"{sentence}."
    right, recalled = _in_words(learned["precision"]), _in_words(learned["recall"])
    return (
        f"{sentence}. On the validation groups {right} proposed pairs are right, and {recalled} true pairs are found."
    )


def _in_words(share: float | None) -> str:
    """Words a share as people say it: about 1 in 5, 96 in 100."""
    if share is None:
        return "an unknown share of"
    return f"about 1 in {1 / share:.0f}" if 0 < share <= 0.4 else f"{100 * share:.0f} in 100"


def _percent(share: float | None) -> str:
    return "an unknown share" if share is None else f"{100 * share:.1f} %"
