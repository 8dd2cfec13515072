"""ICC profiles with linear tones: whoever does not apply them sees a picture that is much too dark."""

import struct

import numpy as np

_PRIMARIES = {b"r": (0.4360, 0.2225, 0.0139), b"g": (0.3851, 0.7169, 0.0971), b"b": (0.1431, 0.0606, 0.7141)}
_WHITE = (0.9642, 1.0, 0.8249)


def linear(pixels: np.ndarray) -> np.ndarray:
    """The samples that mean the same tones as sRGB's by a linear profile, uint8."""
    part = pixels / 255
    return (255 * np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)).round().astype(np.uint8)


def linear_profile(space: bytes) -> bytes:
    """A profile of a display with gamma 1 and sRGB's primaries, for the space ``RGB `` or ``GRAY``."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, 256) + bytes(2)
    tags = {b"desc": b"desc" + bytes(4) + struct.pack(">I", 5) + b"test" + bytes(82)}
    tags |= {b"cprt": b"text" + bytes(4) + b"CC0\0", b"wtpt": _xyz(_WHITE)}
    if space == b"GRAY":
        tags[b"kTRC"] = curve
    else:
        for name, point in _PRIMARIES.items():
            tags |= {name + b"XYZ": _xyz(point), name + b"TRC": curve}
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        table += name + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(data))
        body += data
    size = 128 + len(table) + len(body)
    head = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02400000, b"mntr", space, b"XYZ ")
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _xyz(_WHITE)[8:] + b"lcms"
    return head.ljust(128, b"\0") + table + body


def _xyz(values: tuple[float, ...]) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(value * 65536) for value in values))
