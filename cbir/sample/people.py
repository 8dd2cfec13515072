"""Draws people as old photographs show them: figures that stand, groups, and portraits in a studio."""

from cbir.sample.canvas import Canvas


def figure(canvas: Canvas, x: float, feet: float, height: float) -> None:
    """Draws a person who stands; ``height`` is a part of the picture's height."""
    ratio = canvas.height / canvas.width
    cloth, skin, head = canvas.between(0.08, 0.5), canvas.between(0.6, 0.8), height * 0.075 * ratio
    shoulder, hem = height * 0.15 * ratio, height * canvas.between(0.08, 0.24) * ratio
    neck = feet - 0.82 * height
    canvas.fill([(x - shoulder, neck), (x + shoulder, neck), (x + hem, feet), (x - hem, feet)], cloth)
    canvas.disc(x, feet - 0.9 * height, head, skin, squeeze=1.25)
    hat = canvas.draw.choice(["none", "bowler", "top", "brim"])
    crown, brim = feet - 0.965 * height, head * (1.9 if hat == "brim" else 1.4)
    if hat != "none":
        canvas.box(x - brim, crown - 0.012 * height, x + brim, crown + 0.012 * height, cloth - 0.05)
        tall = 0.14 if hat == "top" else 0.06
        canvas.box(x - head * 0.9, crown - tall * height, x + head * 0.9, crown, cloth - 0.05)


def group(canvas: Canvas) -> None:
    canvas.tone[:] = canvas.between(0.45, 0.75) + 0.5 * (canvas.clouds(4) - 0.5)
    canvas.box(0, canvas.between(0.75, 0.85), 1, 1, canvas.between(0.3, 0.6), grain=0.2)
    rows = int(canvas.draw.integers(1, 4))
    for row in range(rows):
        people = int(canvas.draw.integers(3, 9))
        height = canvas.between(0.5, 0.68)
        for place in range(people):
            x = (place + 0.5 + canvas.between(-0.2, 0.2)) / people
            figure(canvas, 0.06 + 0.88 * x, 0.72 + 0.26 * (row + 1) / rows, height * canvas.between(0.9, 1.08))


def _studio(canvas: Canvas) -> None:
    """Draws the background of a sitter: a curtain, a column, pictures, a balustrade."""
    kind, side, tone = (
        canvas.draw.choice(["curtain", "column", "pictures", "balustrade"]),
        canvas.between(0, 0.8),
        canvas.between(0.2, 0.8),
    )
    if kind == "curtain":
        for fold in range(int(canvas.draw.integers(4, 9))):
            left = side + 0.045 * fold
            canvas.fill([(left, 0), (left + 0.04, 0), (left + 0.07, 1), (left + 0.01, 1)], tone - 0.12 * (fold % 2))
    elif kind == "column":
        canvas.box(side, 0, side + 0.14, 1, tone)
        canvas.lines([((side + at, 0), (side + at, 1)) for at in (0.03, 0.07, 0.11)], tone - 0.2, width=0.008)
    elif kind == "pictures":
        for _ in range(int(canvas.draw.integers(3, 7))):
            x, y, size = canvas.between(0, 0.9), canvas.between(0, 0.5), canvas.between(0.08, 0.2)
            canvas.box(x, y, x + size, y + size, 0.15)
            canvas.box(x + 0.015, y + 0.02, x + size - 0.015, y + size - 0.02, canvas.between(0.3, 0.95), grain=0.3)
    else:
        top = canvas.between(0.5, 0.65)
        canvas.box(0, top, 1, top + 0.05, tone)
        for post in range(9):
            canvas.box(0.02 + post * 0.12, top + 0.05, 0.07 + post * 0.12, 1, tone)


def portrait(canvas: Canvas) -> None:
    canvas.tone[:] = canvas.between(0.3, 0.75) + 0.35 * (canvas.clouds(2, octaves=3) - 0.5)
    _studio(canvas)
    x, y, head = canvas.between(0.35, 0.65), canvas.between(0.35, 0.48), canvas.between(0.1, 0.18)
    cloth, ratio = canvas.between(0.06, 0.5), canvas.width / canvas.height
    low = y + head * 1.2 * ratio
    canvas.fill([(x - 2.2 * head, 1.0), (x - 1.7 * head, low + 0.12), (x, low - 0.02), (x + 1.7 * head, low + 0.12),
                 (x + 2.2 * head, 1.0)], cloth)  # fmt: skip
    canvas.fill([(x - 0.45 * head, low), (x + 0.45 * head, low), (x, low + canvas.between(0.15, 0.3))], 0.9)
    canvas.disc(x, y - 0.25 * head * ratio, head * 1.1, canvas.between(0.05, 0.6), squeeze=1.2)
    canvas.disc(x, y, head, canvas.between(0.62, 0.82), squeeze=1.3)
    for side in (-1, 1):
        canvas.disc(x + side * 0.38 * head, y - 0.12 * head, 0.12 * head, 0.2, squeeze=0.6)
        canvas.box(
            x + side * 0.38 * head - 0.2 * head,
            y - 0.5 * head,
            x + side * 0.38 * head + 0.2 * head,
            y - 0.4 * head,
            0.2,
        )
    canvas.fill([(x, y), (x + 0.14 * head, y + 0.4 * head), (x - 0.14 * head, y + 0.4 * head)], 0.5)
    canvas.disc(x, y + 0.75 * head * ratio, 0.3 * head, 0.35, squeeze=0.25)
    if canvas.draw.random() < 0.5:
        canvas.disc(x, y + 0.58 * head * ratio, 0.5 * head, 0.15, squeeze=0.2)
    if canvas.draw.random() < 0.6:
        brim = canvas.between(1.3, 2.0) * head
        canvas.disc(x, y - 0.85 * head * ratio, brim, cloth, squeeze=0.2)
        canvas.box(x - head, y - canvas.between(1.5, 2.2) * head * ratio, x + head, y - 0.85 * head * ratio, cloth)
