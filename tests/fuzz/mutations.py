"""Mutations of a file's bytes: some blind, some that know where a format keeps its numbers."""

import random
import struct
import zlib
from collections.abc import Callable, Sequence

Mutation = Callable[[bytes, random.Random], bytes]

_EDGES = (0, 1, 0x7F, 0x80, 0xFF)
_LARGE = (0, 1, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_PNG = b"\x89PNG\r\n\x1a\n"


def flips(data: bytes, chance: random.Random) -> bytes:
    """Flips a few bits, anywhere."""
    changed = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 5, 30, 300])):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def header(data: bytes, chance: random.Random) -> bytes:
    """Changes bytes among the first 200."""
    changed = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 4, 10])):
        changed[chance.randrange(min(len(changed), 200))] = chance.choice([*_EDGES, chance.randrange(256)])
    return bytes(changed)


def number(data: bytes, chance: random.Random) -> bytes:
    """Writes a number of four bytes where headers and directories stand: among the first or the last 600."""
    changed = bytearray(data)
    first = chance.choice([0, max(0, len(changed) - 600)])
    for _ in range(chance.choice([1, 1, 2, 4])):
        at = first + chance.randrange(max(1, min(len(changed), 600) - 4))
        changed[at : at + 4] = struct.pack(chance.choice("<>") + "I", chance.choice(_LARGE))
    return bytes(changed)


def end(data: bytes, chance: random.Random) -> bytes:
    """Cuts the file off, most often late."""
    return data[: int(len(data) * chance.choice([chance.random(), chance.uniform(0.3, 1)])) or 1]


def zeros(data: bytes, chance: random.Random) -> bytes:
    """Leaves a hole: an interrupted copy, or a bad sector."""
    start = chance.randrange(len(data))
    size = min(chance.choice([16, 512, 4096, len(data) // 2]), len(data) - start)
    return data[:start] + bytes(size) + data[start + size :]


def zero_end(data: bytes, chance: random.Random) -> bytes:
    """Keeps the length, and loses the end."""
    return data[: (kept := int(len(data) * chance.uniform(0.2, 0.98)))] + bytes(len(data) - kept)


def without_part(data: bytes, chance: random.Random) -> bytes:
    """Takes a part out."""
    start = chance.randrange(len(data))
    return data[:start] + data[start + chance.choice([1, 2, 16, 512, 4096]) :]


def doubled_part(data: bytes, chance: random.Random) -> bytes:
    """Writes a part twice."""
    start = chance.randrange(len(data))
    return data[: start + chance.choice([1, 16, 512, 4096])] + data[start:]


def noise(data: bytes, chance: random.Random) -> bytes:
    """Writes noise over a part."""
    start = chance.randrange(len(data))
    size = min(chance.choice([16, 256, 2048]), len(data) - start)
    return data[:start] + chance.randbytes(size) + data[start + size :]


def behind(data: bytes, chance: random.Random) -> bytes:
    """Puts noise behind the end."""
    return data + chance.randbytes(chance.choice([1, 100, 5000]))


def segments(data: bytes, chance: random.Random) -> bytes:
    """Drops, doubles or moves what stands between two bytes that begin markers of JPEG and JPEG 2000."""
    places = [at for at in range(2, len(data) - 1) if data[at] == 0xFF and data[at + 1] not in (0, 0xFF)]
    if len(places) < 2:
        return flips(data, chance)
    first, last = sorted(chance.sample(places, 2))
    part = data[first:last]
    where = chance.choice(places)
    return chance.choice(
        (data[:first] + data[last:], data[:last] + part + data[last:], data[:where] + part + data[where:])
    )


def chunks(data: bytes, chance: random.Random) -> bytes:
    """Changes bytes of a PNG inside a chunk and gives it its right checksum, so that decoders read on."""
    if not data.startswith(_PNG):
        return number(data, chance)
    parts = [_PNG]
    at = len(_PNG)
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4])
        kind, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        if content and chance.random() < 0.4:
            content = chance.choice([flips, header, end, noise])(content, chance)
        parts += [len(content).to_bytes(4), kind, content, zlib.crc32(kind + content).to_bytes(4)]
        at += 12 + size
    return b"".join(parts)


def tags(data: bytes, chance: random.Random) -> bytes:
    """Changes type, count or value of entries of the first directory of a TIFF."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    start = struct.unpack_from(f"{order}I", data, 4)[0] if order and len(data) >= 8 else len(data)
    if not order or start + 2 > len(data):
        return number(data, chance)
    changed = bytearray(data)
    (count,) = struct.unpack_from(f"{order}H", changed, start)
    for _ in range(chance.choice([1, 1, 2])):
        at = start + 2 + 12 * chance.randrange(max(1, count))
        letter, place, values = chance.choice(
            (("H", 2, range(14)), ("I", 4, _LARGE), ("I", 8, _LARGE), ("H", 8, range(10)), ("I", 8, range(len(data))))
        )
        if at + 12 <= len(changed):
            struct.pack_into(order + letter, changed, at + place, chance.choice(values))
    return bytes(changed)


ANY: Sequence[Mutation] = (flips, header, number, end, zeros, zero_end, without_part, doubled_part, noise, behind)
OF_IMAGES: Sequence[Mutation] = (*ANY, flips, end, segments, chunks, tags)


def splice(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """Joins the beginning of a file and the end of another."""
    return data[: chance.randrange(len(data))] + other[chance.randrange(len(other)) :]
