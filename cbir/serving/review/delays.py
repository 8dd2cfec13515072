"""Places delays on the axis of the page of circulation: days, on a scale of logarithms."""

from dataclasses import dataclass
from math import log1p

import pandas as pd

WIDTH = 200  # of the axis, in units of the drawing
_ENDS = {1: "1 day", 7: "1 week", 30: "1 month", 365: "1 year", 3652: "10 years", 36524: "100 years"}


@dataclass(frozen=True)
class Axis:
    """The scale of all delays of a page, from none at 0 to its end at ``WIDTH``.

    Attributes:
        most: days at its end: the first of a day, a week, a month, a year, ten or a hundred years that no delay passes.
    """

    most: int

    @classmethod
    def of(cls, circulation: pd.DataFrame) -> "Axis":
        """Makes the axis on which all delays of a table have a place.

        Args:
            circulation: as ``cbir.groups.circulation.shared_sources`` gives it.
        """
        longest = circulation["most_days"].max() if circulation["with_both_dates"].any() else 0
        return cls(next((days for days in _ENDS if days >= longest), int(longest)))

    def place(self, days: float) -> float:
        """Returns where a delay of so many days stands, 0 to ``WIDTH``."""
        return round(WIDTH * log1p(days) / log1p(self.most), 1)

    def ticks(self) -> list[tuple[float, str]]:
        """Returns the places of a day, a week, a month and so on, with their words."""
        return [(self.place(days), words) for days, words in _ENDS.items() if days <= self.most]
