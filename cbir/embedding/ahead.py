"""Works on many items at once, by threads, with the results in the order of the items."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def work_ahead(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    threads: int,
    begin: Callable[[], object] | None = None,
) -> Iterator[Result]:
    """Yields the results of ``work`` on each item, in the order of the items.

    At most two items a thread are under way or finished but not taken. An error of ``work`` is raised when its turn
    comes. Who stops taking results and closes the iterator waits only for the items that are being worked on.

    Args:
        threads: how many work; it helps where the work lets go of Python's lock, as SQLite, OpenCV and PyTorch do.
        begin: called once by each thread before its first item.
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix="ahead", initializer=begin)
    pending: deque[Future[Result]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(work, item))
            if len(pending) >= 2 * threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
