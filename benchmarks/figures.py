"""A measured figure, with the baseline of the same run and the bar that it is held against."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A line of the benchmark.

    Attributes:
        name: of the measurement.
        value: the figure, in ``unit``.
        baseline: the measurement that it is compared with, of the same run; empty for a figure that stands alone.
        bar: the value to reach, None where there is none.
        higher_is_better: on which side of the bar the value has to lie.
        detail: facts to judge the figure by: sizes, medians of both sides.
    """

    name: str
    value: float
    unit: str
    baseline: str = ""
    bar: float | None = None
    higher_is_better: bool = True
    detail: str = ""

    @property
    def passed(self) -> bool | None:
        """Whether the value reaches the bar; None where there is none."""
        if self.bar is None:
            return None
        return self.value >= self.bar if self.higher_is_better else self.value <= self.bar


def in_turn(contenders: dict[str, Callable[[], object]], *, rounds: int) -> dict[str, float]:
    """Returns the median seconds of each contender, run in turn (a b a b …) after one warm-up of each."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, work in contenders.items():
            started = time.perf_counter()
            work()
            if number:
                seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in seconds.items()}
