"""Training by several processes: the rank of this process, and its part of the work.

The process of rank 0 is the one that was asked to train. It starts the others, its helpers, with the same command
(on further machines a person does, see docs/scale.md); they compute the same steps on other images and write nothing.
"""

import os
from collections.abc import Sequence


class HelperDone(SystemExit):
    """Raised when a helper has done its part: its process ends here, without an error, and the first one goes
    on alone.
    """


def is_helper() -> bool:
    """Returns whether this process helps another one to train; known as soon as it starts."""
    return any(os.environ.get(name, "0") != "0" for name in ("LOCAL_RANK", "NODE_RANK"))


def own_part(rows: Sequence[int]) -> Sequence[int]:
    """This process's part of a batch; all get as many, so that what they compute can be gathered.

    Up to one image less than there are processes is left out, another one each time as the order changes.
    """
    rank, ranks = place()
    return rows[rank : len(rows) - len(rows) % ranks : ranks]


def place() -> tuple[int, int]:
    """Returns the rank of this process and how many train together; (0, 1) where it trains alone."""
    from torch import distributed

    if not (distributed.is_available() and distributed.is_initialized()):
        return 0, 1
    return distributed.get_rank(), distributed.get_world_size()


def part() -> None:
    """Leaves the processes that trained together, when the training has ended."""
    from torch import distributed

    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()
