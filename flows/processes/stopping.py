"""What has to be told when a run is stopped: threads that wait for others cannot be interrupted."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

_stops: set[Callable[[], None]] = set()


@contextmanager
def stopped_by(stop: Callable[[], None]) -> Iterator[None]:
    """Within it, :func:`stop_all` calls ``stop``."""
    _stops.add(stop)
    try:
        yield
    finally:
        _stops.discard(stop)


def stop_all() -> None:
    """Stop all that is under way in this process."""
    for stop in list(_stops):
        stop()
