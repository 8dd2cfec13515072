"""The interface for progress: the caller hands in something like tqdm, the science only iterates."""

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")


class Progress(Protocol):
    """Passes an iterable's items on and shows how many of ``total`` have passed; ``tqdm.tqdm`` is one."""

    def __call__(
        self, iterable: Iterable[T], /, *, total: int | None = None, desc: str = "", unit: str = ""
    ) -> Iterable[T]: ...


def silent(iterable: Iterable[T], /, *, total: int | None = None, desc: str = "", unit: str = "") -> Iterator[T]:
    """Passes the items on and shows nothing."""
    yield from iterable
