"""Says when a stage begins, how much time is left by the last run, and that a silent stage is at work."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from flows.pipeline.forecast import duration

SILENCE = 60.0  # seconds without a line after which a stage says that it is at work


class Pace:
    """The pace of a run, shared by its stages.

    Args:
        order: all stages, in their order.
        waiting: those that may have to run.
        seconds: by stage, what each took when it last ran.
    """

    def __init__(self, order: list[str], waiting: list[str], seconds: Mapping[str, float]) -> None:
        self._order, self._waiting, self._seconds = order, set(waiting), seconds

    def begin(self, name: str) -> str:
        """Words the beginning of a stage: its number, and the time left over all stages."""
        left = sum(self._seconds.get(other, 0.0) for other in self._waiting)
        words = f", about {duration(left)} left" if left else ""
        return f"[{self._order.index(name) + 1}/{len(self._order)}] {name} …{words}"

    def end(self, name: str) -> None:
        """Takes a stage that has ended off those that are waited for."""
        self._waiting.discard(name)


@contextmanager
def watched(say: Callable[[str], None], last: Callable[[], float], *, silence: float = SILENCE) -> Iterator[None]:
    """Says within its block, after each ``silence`` seconds without a line, how long the work has taken.

    Args:
        last: the time of the last line, by `time.monotonic`.
    """
    began, done = time.monotonic(), threading.Event()

    def watch() -> None:
        spoken = began
        while not done.wait(min(1.0, silence / 4)):
            spoken = max(spoken, last())
            if time.monotonic() - spoken >= silence:
                spoken = time.monotonic()
                say(f"at work for {duration(spoken - began)}")

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
