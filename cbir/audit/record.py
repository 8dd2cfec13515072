"""Keeps what audits have shown, and says which promise holds for the groups as they are."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cbir.base.files import write_json


@dataclass(frozen=True)
class Audit:
    """The result of an audit.

    Attributes:
        date: on which it was reported, ISO 8601.
        groups: digest of the groups that it speaks of.
        pairs: that these groups imply.
        judged, wrong: pairs that were drawn and judged, and how many of them are wrong or unsure.
        precision: share of right pairs among all, at least, with 95 % confidence.
        people: who judged; began and ended: their first and last verdict, ISO 8601; empty where that is not known.
        archive, model: digests of the manifest and of the encoder at that time; empty where not known.
    """

    date: str
    groups: str
    pairs: int
    judged: int
    wrong: int
    precision: float
    people: Sequence[str] = ()
    began: str = ""
    ended: str = ""
    archive: str = ""
    model: str = ""


def digest_of(groups: pd.DataFrame) -> str:
    """Returns 16 hex characters that say who is together with whom: other groups have others."""
    rows = groups.sort_values(["group_id", "image_id"])
    lines = [f"{group_id} {image_id}\n" for group_id, image_id in zip(rows["group_id"], rows["image_id"], strict=True)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:16]


def count_pairs(groups: pd.DataFrame) -> int:
    """Counts the pairs that groups imply: n (n − 1) / 2 of a group of n images, linked to each other or not."""
    sizes = groups.groupby("group_id").size()
    return int((sizes * (sizes - 1) // 2).sum())


def write_audit(folder: Path, audit: Audit, *, sheet: str) -> Path:
    """Writes an audit to a file of its own, and returns it; the same sheet reported again on that day replaces it."""
    path = folder / f"{audit.date}-{sheet}.json"
    write_json(path, asdict(audit))
    return path


def read_audit(path: Path) -> Audit:
    """Reads an audit that :func:`write_audit` has written."""
    document = json.loads(path.read_text(encoding="utf-8"))
    return Audit(**{**document, "people": tuple(document.get("people", ()))})


def last_audit(folder: Path, groups: pd.DataFrame) -> Audit | None:
    """Returns the last audit of these groups, of those of one day the one with most pairs; None where there is none."""
    audits = [read_audit(path) for path in sorted(folder.glob("*.json"))]
    digest = digest_of(groups)
    return max(
        (audit for audit in audits if audit.groups == digest), key=lambda each: (each.date, each.judged), default=None
    )


def standing_promise(groups: pd.DataFrame, audit: Audit | None, learned: Mapping[str, Any] | None) -> dict[str, Any]:
    """Says which promise holds for these groups, from what, and how many wrong pairs are to be expected.

    An audit speaks of these groups. A promise of the validation groups speaks of pairs above the threshold, among which
    pairs that only the grouping implies are not. Without either nothing is promised, and nobody knows how many are
    wrong: the pairs that the threshold was chosen on look better than others.

    Args:
        learned: threshold.json, None for a threshold that was chosen by hand.

    Returns:
        The content of promise.json: from (audit, validation or null), sentence, precision and confidence (null without
        a promise), pairs, wrong_expected and wrong_at_most (null where nobody knows).
    """
    pairs = count_pairs(groups)
    if audit:
        return _document("audit", pairs, audit.precision, audit.wrong / audit.judged, audit_in_words(audit))
    if learned and learned["rule"] == "promise" and learned["target_kept"]:
        share = 1 - learned["precision"]
        return _document("validation", pairs, learned["target_precision"], share, _by_validation(learned))
    return _document(None, pairs, None, None, "Nothing is promised for these groups.")


def audit_in_words(audit: Audit) -> str:
    """Says in a sentence what an audit has shown."""
    return (
        f"An audit of {audit.date} promises that at least {percent(audit.precision)} of the pairs in these groups are "
        f"right, with 95 % confidence: {audit.judged} pairs drawn at random were judged, {audit.wrong} of them wrong."
    )


def percent(share: float) -> str:
    """Writes a share in per cent, never more than it is."""
    return f"{int(share * 1000 + 1e-9) / 10:.1f} %"


def _by_validation(learned: Mapping[str, Any]) -> str:
    precision = percent(learned["target_precision"])
    return (
        f"{learned['groups']} validation groups promise that at least {precision} of the pairs above the threshold are "
        "right, with 95 % confidence, where an image of a group like them is in the pair."
    )


def _document(
    source: str | None, pairs: int, precision: float | None, share: float | None, words: str
) -> dict[str, Any]:
    expected = None if share is None else round(share * pairs)
    most = None if precision is None else int((1 - precision) * pairs + 1e-9)
    known = [f"about {expected} are expected to be wrong"] if expected is not None else []
    known += [f"at most {most} if the promise holds"] if most is not None else []
    about = f" Of the {pairs} pairs in groups {', '.join(known)}." if known and pairs else ""
    advice = "" if source == "audit" or not pairs else " `cbir audit draw` makes a sheet of pairs to judge."
    return {
        "from": source,
        "sentence": words + about + advice,
        "precision": precision,
        "confidence": None if precision is None else 0.95,
        "pairs": pairs,
        "wrong_expected": expected,
        "wrong_at_most": most,
    }
