"""Concludes from a person's verdicts what can be promised of all pairs."""

from pathlib import Path

import pandas as pd

from cbir.audit.bounds import fewest_judged, lower_bound
from cbir.audit.record import Audit, count_pairs, digest_of
from cbir.audit.sheet import Verdicts
from cbir.base.errors import UserError


def conclude(file: Path, verdicts: Verdicts, groups: pd.DataFrame, *, date: str) -> Audit:
    """Makes an audit of the verdicts on a sheet; what it says counts when every pair has one.

    Raises:
        UserError: the sheet was drawn from other groups.
    """
    digest, pairs = digest_of(groups), count_pairs(groups)
    if not verdicts.sheet.startswith(f"{digest}-"):
        raise UserError(f"{file} was drawn from other groups than are published now; `cbir audit draw` makes a new one")
    bound = lower_bound(verdicts.judged, verdicts.wrong, of=pairs)
    return Audit(date, digest, pairs, verdicts.judged, verdicts.wrong, bound)


def shortfall(audit: Audit, precision: float) -> str:
    """Says how many pairs more it takes to promise a precision; empty where none are missing, or there are no more."""
    if audit.precision >= precision or audit.judged == audit.pairs:
        return ""
    wanted = fewest_judged(precision, wrong=audit.wrong)
    return (
        f"to promise {precision:g} with {audit.wrong} wrong takes {wanted} pairs, {wanted - audit.judged} more than "
        f"these: `cbir audit draw --pairs {wanted} --seed SEED` draws anew, for who goes on after a look promises less"
    )
