from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from cbir.audit.record import Audit, audit_in_words, count_pairs, digest_of, last_audit, standing_promise, write_audit

GROUPS = pd.DataFrame({"group_id": ["a", "a", "a", "d", "d"], "image_id": list("abcde")})
AUDIT = Audit("2026-11-28", digest_of(GROUPS), pairs=742, judged=59, wrong=0, precision=0.95049)
PROMISED = {"rule": "promise", "target_kept": True, "groups": 212, "target_precision": 0.95, "precision": 0.98}


def test_the_digest_says_who_is_together_and_nothing_else() -> None:
    assert digest_of(GROUPS) == digest_of(GROUPS.sample(frac=1, random_state=0).assign(similarity=0.5))
    assert digest_of(GROUPS) != digest_of(GROUPS.iloc[1:])
    assert digest_of(GROUPS) != digest_of(GROUPS.assign(group_id="a"))
    assert count_pairs(GROUPS) == 4


def test_the_last_audit_of_these_groups_is_the_one_that_counts(tmp_path: Path) -> None:
    assert last_audit(tmp_path / "audits", GROUPS) is None
    write_audit(tmp_path, replace(AUDIT, date="2026-11-30", groups="of others"), sheet="x-1-0")
    write_audit(tmp_path, AUDIT, sheet="y-59-0")
    later = replace(AUDIT, date="2026-11-29", wrong=2)
    write_audit(tmp_path, later, sheet="z-59-1")
    assert last_audit(tmp_path, GROUPS) == later
    assert last_audit(tmp_path, GROUPS.iloc[1:]) is None


def test_an_audit_goes_before_what_the_validation_groups_promise() -> None:
    standing = standing_promise(GROUPS, AUDIT, PROMISED)
    assert (standing["from"], standing["precision"], standing["confidence"]) == ("audit", AUDIT.precision, 0.95)
    assert standing["sentence"].startswith(audit_in_words(AUDIT))
    assert "59 pairs drawn at random were judged, 0 of them wrong" in standing["sentence"]
    assert "at least 95.0 %" in standing["sentence"]


def test_the_validation_groups_promise_for_their_like_and_wrong_pairs_are_estimated() -> None:
    many = pd.DataFrame({"group_id": "a", "image_id": range(21)}).astype(str)
    standing = standing_promise(many, None, PROMISED)
    assert (standing["from"], standing["pairs"], standing["wrong_expected"], standing["wrong_at_most"]) == (
        *("validation", 210, 4, 10),
    )
    assert "212 validation groups promise that at least 95.0 %" in standing["sentence"]
    assert "`cbir audit draw`" in standing["sentence"]


@pytest.mark.parametrize(
    "learned",
    [None, {"rule": "default", "precision": None}, {**PROMISED, "target_kept": False}, {**PROMISED, "rule": "f1"}],
)
def test_by_hand_by_default_and_by_other_rules_nothing_is_promised_and_no_number_of_wrong_pairs_is_known(
    learned: dict[str, object] | None,
) -> None:
    standing = standing_promise(GROUPS, None, learned)
    known = [standing[name] for name in ("from", "precision", "wrong_expected", "wrong_at_most")]
    assert known == [None, None, None, None]
    assert standing["sentence"].startswith("Nothing is promised for these groups. `cbir audit draw`")


def test_an_archive_without_pairs_needs_no_audit() -> None:
    assert standing_promise(GROUPS.iloc[:0], None, None)["sentence"] == "Nothing is promised for these groups."
