"""Draws a greyscale picture: polygons, discs, lines, clouds and smoke, all with some texture."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Point = tuple[float, float]


class Canvas:
    """A picture in the making; coordinates are fractions of its width and height, tones go from 0 black to 1 white."""

    def __init__(self, draw: np.random.Generator, *, width: int, height: int) -> None:
        self.draw, self.width, self.height = draw, width, height
        self.tone = np.full((height, width), 0.5, dtype=np.float32)
        self.texture = self._tile(self.clouds(20, octaves=3))

    def between(self, low: float, high: float) -> float:
        return float(self.draw.uniform(low, high))

    def clouds(self, cells: int, *, octaves: int = 5) -> np.ndarray:
        """Returns value noise (height, width) in about 0..1, each octave twice as fine and half as strong."""
        total = np.zeros((self.height, self.width), dtype=np.float32)
        for octave in range(octaves):
            size = (max(2, cells << octave), max(2, (cells << octave) * self.height // self.width))
            grid = Image.fromarray(self.draw.random((size[1], size[0]), dtype=np.float32))
            layer = grid.resize((self.width, self.height), Image.Resampling.BICUBIC)
            total += np.asarray(layer) * np.float32(0.5**octave)
        return total / np.float32(2 - 0.5 ** (octaves - 1))

    @staticmethod
    def _tile(noise: np.ndarray) -> np.ndarray:
        """Mirrors noise to (2 height, 2 width), around 0, so that it can be cut at any place."""
        wide = np.concatenate([noise, noise[:, ::-1]], axis=1)
        return np.concatenate([wide, wide[::-1]]) - np.float32(0.5)

    def sky(self, horizon: float) -> None:
        """Draws light that falls towards the top, and clouds, some of them heavy."""
        down = np.linspace(0, 1, self.height, dtype=np.float32)[:, None] / np.float32(max(horizon, 0.1))
        weight = self.between(0.1, 0.7)
        self.tone[:] = self.between(0.5, 0.7) + 0.25 * np.clip(down, 0, 1) + weight * (self.clouds(3) - 0.5)

    def fill(self, points: list[Point], tone: float, *, grain: float = 0.12) -> None:
        """Fills a polygon with some texture."""
        mask = Image.new("L", (self.width, self.height), 0)
        ImageDraw.Draw(mask).polygon([(x * self.width, y * self.height) for x, y in points], fill=255)
        self._paint(mask, tone, grain=grain)

    def box(self, left: float, top: float, right: float, bottom: float, tone: float, *, grain: float = 0.08) -> None:
        self.fill([(left, top), (right, top), (right, bottom), (left, bottom)], tone, grain=grain)

    def disc(
        self, x: float, y: float, radius: float, tone: float, *, squeeze: float = 1.0, grain: float = 0.08
    ) -> None:
        """Draws an ellipse; ``radius`` is a part of the width, ``squeeze`` its height over its width."""
        mask = Image.new("L", (self.width, self.height), 0)
        across, down = radius * self.width, radius * self.width * squeeze
        centre_x, centre_y = x * self.width, y * self.height
        corners = [centre_x - across, centre_y - down, centre_x + across, centre_y + down]
        ImageDraw.Draw(mask).ellipse(corners, fill=255)
        self._paint(mask, tone, grain=grain)

    def lines(self, segments: list[tuple[Point, Point]], tone: float, *, width: float) -> None:
        """Draws strokes, ``width`` a part of the picture's width."""
        mask = Image.new("L", (self.width, self.height), 0)
        pen = ImageDraw.Draw(mask)
        for (x0, y0), (x1, y1) in segments:
            ends = [(x0 * self.width, y0 * self.height), (x1 * self.width, y1 * self.height)]
            pen.line(ends, fill=255, width=max(1, round(width * self.width)))
        self._paint(mask, tone, grain=0.05)

    def smoke(self, x: float, y: float, *, drift: float, tone: float, puffs: int = 14) -> None:
        """Puffs that grow and rise from a chimney."""
        mask = Image.new("L", (self.width, self.height), 0)
        pen = ImageDraw.Draw(mask)
        for puff in range(puffs):
            radius = (0.008 + 0.005 * puff) * self.width * self.between(0.8, 1.2)
            at_x = (x + drift * puff / puffs + self.between(-0.01, 0.01)) * self.width
            at_y = (y - 0.02 * puff + self.between(-0.01, 0.01)) * self.height
            pen.ellipse([at_x - radius, at_y - radius, at_x + radius, at_y + radius], fill=200 - 8 * puff)
        self._paint(mask.filter(ImageFilter.GaussianBlur(self.width / 110)), tone, grain=0.25)

    def _paint(self, mask: Image.Image, tone: float, *, grain: float) -> None:
        box = mask.getbbox()
        if box is None:
            return
        left, top, right, bottom = box
        cover = np.asarray(mask.crop(box), dtype=np.float32) / 255
        x, y = self.draw.integers(0, self.width), self.draw.integers(0, self.height)
        texture = tone + 2 * grain * self.texture[y : y + bottom - top, x : x + right - left]
        part = self.tone[top:bottom, left:right]
        part += cover * (texture - part)
