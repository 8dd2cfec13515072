"""Matches on all cores: a thread a core, and what it calls on that core alone."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TypeVar

import cv2
import faiss
from threadpoolctl import threadpool_limits

from cbir.embedding.ahead import work_ahead

Item = TypeVar("Item")
Result = TypeVar("Result")


def on_each_core(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yields the results of ``work`` on each item, done by a thread a core.

    OpenCV, FAISS and NumPy's library compute on one core meanwhile: threads that each start as many again wait for one
    another.
    """
    cores, threads = faiss.omp_get_max_threads(), cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with threadpool_limits(1):
            yield from work_ahead(work, items, threads=cores, begin=partial(faiss.omp_set_num_threads, 1))
    finally:
        cv2.setNumThreads(threads)
