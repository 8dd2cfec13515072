"""cbir.serving.review.delays: every delay has a place, and longer ones stand further to the right."""

import pandas as pd
import pytest

from cbir.groups.circulation import COLUMNS
from cbir.serving.review.delays import WIDTH, Axis


def table(*most: float | None) -> pd.DataFrame:
    rows = [["a", "b", 3, 0 if days is None else 2, days, days, days] for days in most]
    return pd.DataFrame(rows, columns=COLUMNS)


@pytest.mark.parametrize(
    ("longest", "end"), [(0, "1 day"), (1, "1 day"), (2, "1 week"), (31, "1 year"), (40_000, "100 years")]
)
def test_the_axis_ends_where_no_delay_passes_it(longest: float, end: str) -> None:
    axis = Axis.of(table(0, longest, None))
    assert axis.place(0) == 0
    assert axis.place(longest) <= WIDTH
    assert axis.ticks()[-1][1] == end


def test_longer_delays_stand_further_to_the_right() -> None:
    axis = Axis.of(table(400))
    places = [axis.place(days) for days in (0, 1, 7, 30, 365, 400)]
    assert places == sorted(set(places))


def test_without_two_known_days_there_is_an_axis_all_the_same() -> None:
    assert Axis.of(table(None)).ticks() == [(WIDTH, "1 day")]
    assert Axis.of(table()).ticks() == [(WIDTH, "1 day")]
