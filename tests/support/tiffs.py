"""TIFFs written tag by tag, for what no library writes."""

import struct
from collections.abc import Mapping, Sequence

_LETTERS = {1: "B", 3: "H", 4: "I"}


def tiff(
    data: bytes,
    *,
    width: int,
    height: int,
    bits: int = 8,
    samples: int = 1,
    photometric: int = 1,
    compression: int = 1,
    order: str = "<",
    more: Mapping[int, tuple[int, Sequence[int]]] | None = None,
    next_page: int = 0,
) -> bytes:
    """A TIFF of one page in one strip, whose data begins at byte 8.

    Args:
        order: ``<`` or ``>``, as struct has it.
        more: further tags: type and values.
        next_page: the pointer to the next directory.
    """
    tags: dict[int, tuple[int, Sequence[int]]] = {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, [bits] * samples),
        259: (3, [compression]),
        262: (3, [photometric]),
        273: (4, [8]),
        277: (3, [samples]),
        278: (4, [height]),
        279: (4, [len(data)]),
        **(more or {}),
    }
    start = 8 + len(data) + len(data) % 2
    behind = start + 2 + 12 * len(tags) + 4
    entries, values = b"", b""
    for tag, (kind, numbers) in sorted(tags.items()):
        packed = struct.pack(f"{order}{len(numbers)}{_LETTERS[kind]}", *numbers)
        if len(packed) > 4:
            entries += struct.pack(f"{order}HHII", tag, kind, len(numbers), behind + len(values))
            values += packed + b"\0" * (len(packed) % 2)
        else:
            entries += struct.pack(f"{order}HHI", tag, kind, len(numbers)) + packed.ljust(4, b"\0")
    head = struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, start)
    directory = struct.pack(f"{order}H", len(tags)) + entries + struct.pack(f"{order}I", next_page)
    return head + data.ljust(start - 8, b"\0") + directory + values
