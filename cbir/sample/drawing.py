"""Draws scenes that pass for old photographs: landscapes, towns, people, ships, machines, each from a few draws."""

from collections.abc import Callable
from typing import Final

import numpy as np
from PIL import Image, ImageFilter

from cbir.sample.canvas import Canvas
from cbir.sample.people import figure, group, portrait


def _ridge(canvas: Canvas, base: float, height: float, tone: float, *, rough: float) -> None:
    """Draws a range of hills against what is behind it."""
    count = 64
    steps = np.cumsum(canvas.draw.normal(0, rough, count))
    wave = steps - np.linspace(steps[0], steps[-1], count)
    wave = height * (wave - wave.min()) / max(float(np.ptp(wave)), 1e-6)
    top = [(float(i / (count - 1)), float(base - wave[i])) for i in range(count)]
    canvas.fill([*top, (1.0, 1.0), (0.0, 1.0)], tone, grain=0.15)


def _mountains(canvas: Canvas) -> None:
    horizon = canvas.between(0.45, 0.7)
    canvas.sky(horizon)
    if canvas.draw.random() < 0.4:
        canvas.disc(canvas.between(0.15, 0.85), canvas.between(0.1, 0.3), canvas.between(0.02, 0.06), 0.98)
    ranges = int(canvas.draw.integers(2, 5))
    for number in range(ranges):
        nearness = (number + 1) / ranges
        base = horizon + 0.3 * nearness * (1 - horizon)
        _ridge(canvas, base, canvas.between(0.15, 0.4) * (1.2 - 0.5 * nearness), 0.62 - 0.4 * nearness, rough=1.0)
    for _ in range(int(canvas.draw.integers(0, 25))):
        x, y, size = canvas.between(0, 1), canvas.between(horizon + 0.15, 0.98), canvas.between(0.03, 0.12)
        for tier in range(3):
            low, half = y - size * 0.5 * tier, size * (0.3 - 0.07 * tier)
            canvas.fill([(x - half, low), (x, low - size), (x + half, low)], 0.12)


def _town(canvas: Canvas) -> None:
    ground = canvas.between(0.72, 0.88)
    canvas.sky(ground)
    x = -0.05
    while x < 1.0:
        width, height = canvas.between(0.08, 0.22), canvas.between(0.2, 0.62)
        tone, top = canvas.between(0.25, 0.7), ground - height
        canvas.box(x, top, x + width, ground, tone)
        roof = canvas.draw.choice(["flat", "gable", "spire", "dome"])
        if roof == "dome":
            canvas.disc(x + width / 2, top, width * 0.4, tone - 0.1, squeeze=1.0)
        elif roof != "flat":
            rise = 0.06 if roof == "gable" else 0.2
            canvas.fill([(x, top), (x + width / 2, top - rise), (x + width, top)], tone - 0.15)
        columns, rows = int(canvas.draw.integers(2, 6)), int(canvas.draw.integers(2, 7))
        shade = tone - 0.2 if tone > 0.4 else tone + 0.25
        for column in range(columns):
            for row in range(rows):
                left = x + width * (column + 0.25) / columns
                upper = top + height * (row + 0.25) / rows
                canvas.box(left, upper, left + width * 0.5 / columns, upper + height * 0.5 / rows, shade, grain=0.0)
        x += width + canvas.between(-0.01, 0.03)
    canvas.box(0, ground, 1, 1, canvas.between(0.45, 0.7))
    for _ in range(int(canvas.draw.integers(2, 12))):
        figure(canvas, canvas.between(0.05, 0.95), canvas.between(ground + 0.04, 0.98), canvas.between(0.08, 0.16))


def _ship(canvas: Canvas) -> None:
    sea = canvas.between(0.5, 0.75)
    canvas.sky(sea)
    canvas.box(0, sea, 1, 1, canvas.between(0.25, 0.5), grain=0.3)
    for _ in range(60):
        x, y = canvas.between(0, 1), canvas.between(sea, 1)
        canvas.lines([((x, y), (x + canvas.between(0.02, 0.12), y))], canvas.between(0.4, 0.9), width=0.003)
    for _ in range(int(canvas.draw.integers(1, 4))):
        length, left = canvas.between(0.25, 0.7), canvas.between(-0.1, 0.55)
        water, deck = sea + canvas.between(0.02, 0.12), canvas.between(0.05, 0.1)
        hull = [
            (left, water - deck),
            (left + length, water - deck),
            (left + length * 0.93, water),
            (left + length * 0.06, water),
        ]
        canvas.fill(hull, canvas.between(0.05, 0.6))
        for mast in range(int(canvas.draw.integers(1, 4))):
            x, top = left + length * (0.2 + 0.25 * mast), water - deck - canvas.between(0.15, 0.4)
            canvas.lines([((x, water - deck), (x, top)), ((x, top), (left, water - deck))], 0.1, width=0.005)
            if canvas.draw.random() < 0.5:
                canvas.fill([(x, top), (x + length * 0.2, water - deck - 0.03), (x, water - deck - 0.03)], 0.85)
            else:
                canvas.box(x + 0.03, water - deck - 0.14, x + 0.08, water - deck, 0.3)
                canvas.smoke(x + 0.055, water - deck - 0.15, drift=canvas.between(-0.3, 0.3), tone=0.2)


def _bridge(canvas: Canvas) -> None:
    water = canvas.between(0.6, 0.75)
    canvas.sky(water)
    _ridge(canvas, water, canvas.between(0.1, 0.25), canvas.between(0.35, 0.6), rough=0.6)
    canvas.box(0, water, 1, 1, canvas.between(0.35, 0.6), grain=0.25)
    arches, deck, tone = int(canvas.draw.integers(2, 8)), water - canvas.between(0.12, 0.28), canvas.between(0.2, 0.75)
    slope = canvas.between(-0.08, 0.08)
    canvas.fill([(0, deck), (1, deck + slope), (1, water + 0.06), (0, water + 0.06)], tone)
    for arch in range(arches):
        middle, half = (arch + 0.5) / arches, 0.4 / arches
        top = deck + slope * middle + 0.05
        curve = [(middle + half * float(np.cos(a)), water + 0.07 - (water + 0.07 - top) * float(np.sin(a)))
                 for a in np.linspace(0, np.pi, 24)]  # fmt: skip
        canvas.fill(curve, canvas.between(0.5, 0.6) if tone < 0.45 else 0.2)
    if canvas.draw.random() < 0.5:
        for x in (0.2, 0.8):
            tower = canvas.between(0.1, 0.3)
            canvas.box(x - 0.03, deck - tower, x + 0.03, deck + 0.02, tone)
            canvas.lines([((x, deck - tower), (x + side, deck)) for side in (-0.3, 0.3)], 0.15, width=0.006)


def _room(canvas: Canvas) -> None:
    left, right, top, floor = (
        canvas.between(0.1, 0.3),
        canvas.between(0.65, 0.9),
        canvas.between(0.08, 0.2),
        canvas.between(0.6, 0.75),
    )
    canvas.box(0, 0, 1, 1, canvas.between(0.5, 0.7))
    canvas.fill([(0, 0), (left, top), (left, floor), (0, 1)], canvas.between(0.2, 0.45))
    canvas.fill([(1, 0), (right, top), (right, floor), (1, 1)], canvas.between(0.3, 0.55))
    canvas.fill([(0, 1), (left, floor), (right, floor), (1, 1)], canvas.between(0.35, 0.6), grain=0.2)
    for board in range(int(canvas.draw.integers(6, 14))):
        at = board / 10
        canvas.lines([((left + (right - left) * at, floor), (1.6 * at - 0.3, 1.0))], 0.2, width=0.003)
    for _ in range(int(canvas.draw.integers(2, 6))):
        x, y, size = (
            canvas.between(left, right - 0.1),
            canvas.between(top + 0.03, floor - 0.25),
            canvas.between(0.06, 0.16),
        )
        canvas.box(x, y, x + size, y + size * canvas.between(0.8, 1.6), 0.15)
        canvas.box(x + 0.01, y + 0.015, x + size - 0.01, y + size * 0.75, canvas.between(0.6, 0.98), grain=0.2)
    table, high = canvas.between(0.25, 0.55), canvas.between(0.65, 0.78)
    canvas.fill([(table, high), (table + 0.35, high), (table + 0.42, high + 0.06), (table - 0.07, high + 0.06)], 0.15)
    for leg in (-0.05, 0.38):
        canvas.box(table + leg, high + 0.06, table + leg + 0.02, 0.97, 0.12)
    for _ in range(int(canvas.draw.integers(1, 5))):
        canvas.disc(
            table + canvas.between(0.02, 0.33), high - 0.02, canvas.between(0.015, 0.04), canvas.between(0.3, 0.95)
        )
    for _ in range(int(canvas.draw.integers(0, 3))):
        figure(canvas, canvas.between(0.15, 0.9), 0.97, canvas.between(0.45, 0.6))


def _locomotive(canvas: Canvas) -> None:
    rail = canvas.between(0.75, 0.88)
    canvas.sky(rail)
    _ridge(canvas, rail, canvas.between(0.1, 0.4), canvas.between(0.4, 0.65), rough=0.8)
    canvas.box(0, rail, 1, 1, canvas.between(0.4, 0.65), grain=0.3)
    canvas.lines([((0, rail), (1, rail)), ((0, rail + 0.05), (1, rail + 0.05))], 0.2, width=0.006)
    left, length, wheels = canvas.between(0.02, 0.3), canvas.between(0.4, 0.65), int(canvas.draw.integers(3, 7))
    boiler, size = canvas.between(0.14, 0.22), length / wheels * 0.42
    deck, tone = rail - size * 1.3, canvas.between(0.05, 0.3)
    canvas.box(left, deck - boiler, left + length * 0.75, deck, tone)
    canvas.box(left + length * 0.72, deck - boiler * 1.5, left + length, deck + 0.02, tone + 0.05)
    canvas.box(left + length * 0.78, deck - boiler * 1.3, left + length * 0.92, deck - boiler * 0.7, 0.75)
    canvas.box(left + length * 0.08, deck - boiler * 1.7, left + length * 0.16, deck - boiler, tone)
    canvas.disc(left + length * 0.4, deck - boiler, length * 0.06, tone + 0.1)
    canvas.smoke(
        left + length * 0.12,
        deck - boiler * 1.7,
        drift=canvas.between(0.1, 0.6),
        tone=canvas.between(0.15, 0.95),
        puffs=22,
    )
    for wheel in range(wheels):
        x = left + length * (wheel + 0.5) / wheels
        canvas.disc(x, rail - size * 0.9, size, 0.05)
        canvas.disc(x, rail - size * 0.9, size * 0.7, 0.5)
        canvas.disc(x, rail - size * 0.9, size * 0.2, 0.05)
    for car in range(int(canvas.draw.integers(0, 3))):
        start = left + length + 0.02 + 0.3 * car
        canvas.box(start, deck - boiler, start + 0.28, rail - 0.03, canvas.between(0.1, 0.5))


def _monument(canvas: Canvas) -> None:
    ground = canvas.between(0.7, 0.85)
    canvas.sky(ground)
    canvas.box(0, ground, 1, 1, canvas.between(0.5, 0.75), grain=0.25)
    kind, tone, middle = (
        canvas.draw.choice(["temple", "pyramids", "arch", "obelisk"]),
        canvas.between(0.35, 0.8),
        canvas.between(0.35, 0.65),
    )
    if kind == "pyramids":
        for _ in range(int(canvas.draw.integers(1, 4))):
            x, half, high = canvas.between(0.2, 0.8), canvas.between(0.15, 0.4), canvas.between(0.25, 0.55)
            canvas.fill([(x - half, ground), (x, ground - high), (x + half, ground)], tone)
            canvas.fill([(x + half * 0.3, ground), (x, ground - high), (x + half, ground)], tone - 0.25)
    elif kind == "temple":
        half, high, columns = canvas.between(0.25, 0.45), canvas.between(0.3, 0.45), int(canvas.draw.integers(4, 10))
        canvas.box(middle - half, ground - high, middle + half, ground, tone - 0.3)
        canvas.fill(
            [
                (middle - half - 0.03, ground - high),
                (middle, ground - high - canvas.between(0.08, 0.2)),
                (middle + half + 0.03, ground - high),
            ],
            tone,
        )
        for column in range(columns + 1):
            x = middle - half + 2 * half * column / columns
            canvas.box(x - 0.014, ground - high, x + 0.014, ground, tone + 0.1)
    elif kind == "arch":
        half, high = canvas.between(0.2, 0.35), canvas.between(0.4, 0.6)
        canvas.box(middle - half, ground - high, middle + half, ground, tone)
        canvas.box(middle - half * 0.4, ground - high * 0.45, middle + half * 0.4, ground, 0.85)
        canvas.disc(middle, ground - high * 0.45, half * 0.4, 0.85)
        canvas.box(middle - half, ground - high * 0.85, middle + half, ground - high * 0.8, tone - 0.25)
    else:
        base, high = canvas.between(0.03, 0.07), canvas.between(0.45, 0.65)
        canvas.fill(
            [
                (middle - base, ground),
                (middle - base * 0.6, ground - high),
                (middle, ground - high - 0.05),
                (middle + base * 0.6, ground - high),
                (middle + base, ground),
            ],
            tone - 0.2,
        )
        canvas.box(middle - base * 2.5, ground - 0.1, middle + base * 2.5, ground, tone)
    for _ in range(int(canvas.draw.integers(1, 14))):
        figure(canvas, canvas.between(0.03, 0.97), canvas.between(ground + 0.02, 0.98), canvas.between(0.07, 0.18))


def _aircraft(canvas: Canvas) -> None:
    canvas.sky(1.0)
    if canvas.draw.random() < 0.7:
        _ridge(canvas, 0.95, canvas.between(0.05, 0.2), canvas.between(0.2, 0.5), rough=0.5)
    for _ in range(int(canvas.draw.integers(1, 5))):
        x, y, size, tone = (
            canvas.between(0.2, 0.75),
            canvas.between(0.15, 0.7),
            canvas.between(0.06, 0.3),
            canvas.between(0.08, 0.4),
        )
        if canvas.draw.random() < 0.4:
            canvas.disc(x, y, size, tone, squeeze=canvas.between(0.2, 0.3))
            canvas.box(x - size * 0.3, y + size * 0.3, x + size * 0.2, y + size * 0.42, tone)
            canvas.fill([(x + size * 0.7, y), (x + size * 1.1, y - size * 0.3), (x + size * 1.1, y + size * 0.3)], tone)
            continue
        tilt, gap = canvas.between(-0.1, 0.1), size * canvas.between(0.3, 0.45)
        canvas.fill(
            [
                (x - size, y - 0.02),
                (x + size, y - 0.02 + tilt * size),
                (x + size, y + 0.03 + tilt * size),
                (x - size, y + 0.02),
            ],
            tone,
        )
        for wing in (-gap, gap):
            canvas.box(x - size * 0.75, y + wing, x - size * 0.3, y + wing + 0.018, tone)
        canvas.lines(
            [((x - size * at, y - gap), (x - size * at, y + gap)) for at in (0.35, 0.5, 0.7)], tone, width=0.004
        )
        canvas.fill([(x + size * 0.8, y), (x + size, y - size * 0.4), (x + size, y)], tone)


_KINDS: Final[dict[str, Callable[[Canvas], None]]] = {
    "mountains": _mountains,
    "town": _town,
    "group": group,
    "portrait": portrait,
    "ship": _ship,
    "bridge": _bridge,
    "room": _room,
    "locomotive": _locomotive,
    "monument": _monument,
    "aircraft": _aircraft,
}

KINDS: Final = tuple(_KINDS)


def draw_scene(kind: str, *, seed: int, width: int, height: int) -> np.ndarray:
    """Returns a drawn scene: uint8 (height, width). The same kind, seed and size give the same picture."""
    draw = np.random.default_rng([seed, KINDS.index(kind)])
    canvas = Canvas(draw, width=width, height=height)
    _KINDS[kind](canvas)
    tone = np.clip(canvas.tone + 0.06 * (canvas.clouds(40, octaves=2) - 0.5), 0, 1)
    image = Image.fromarray((tone * 255).round().astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(width / 900)))
