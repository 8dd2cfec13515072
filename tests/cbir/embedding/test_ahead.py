"""Tests of cbir.embedding.ahead: order, how far the threads run ahead, errors and an early end."""

import threading
import time
from collections.abc import Iterator

import pytest

from cbir.embedding.ahead import work_ahead


def test_results_come_in_the_order_of_the_items() -> None:
    def work(item: int) -> int:
        time.sleep(0.01 * (item % 3 == 0))
        return item * item

    assert list(work_ahead(work, range(30), threads=4)) == [item * item for item in range(30)]


def test_no_more_than_two_items_a_thread_are_begun_before_they_are_taken() -> None:
    begun: list[int] = []

    def items() -> Iterator[int]:
        for item in range(100):
            begun.append(item)
            yield item

    for taken, _ in enumerate(work_ahead(lambda item: item, items(), threads=3), start=1):
        assert len(begun) <= taken + 5


def test_as_many_threads_work_as_were_asked_for_each_begun_once() -> None:
    meet, begun = threading.Barrier(3, timeout=10), []
    results = work_ahead(lambda _: meet.wait(), range(6), threads=3, begin=lambda: begun.append(threading.get_ident()))
    assert sorted(results) == [0, 0, 1, 1, 2, 2]
    assert len(set(begun)) == len(begun) == 3


def test_an_error_comes_when_its_turn_comes() -> None:
    def work(item: int) -> int:
        if item == 3:
            raise ValueError("broken")
        return item

    results = work_ahead(work, range(10), threads=2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="broken"):
        next(results)


def test_who_stops_early_waits_only_for_what_is_under_way() -> None:
    done: list[int] = []
    results = work_ahead(done.append, range(100), threads=2)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert len(done) <= 4
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]
