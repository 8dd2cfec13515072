"""Tests of cbir.figures.contact_sheets."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageFont

from cbir.figures.contact_sheets import Picture, Row, Sheet, draw_sheet, shortened

ROW = Row(
    Picture(0, "query", "2 to find"),
    (Picture(1, "right", "1 · 0.912"), Picture(2, "wrong", "2 · 0.871"), Picture(3, "neither", "3 · 0.702")),
    (Picture(4, "right", "12,345 · 0.512"),),
)
NAMES = ["query.jpg", "a very long name of a scanned photograph (2).tif", "été.png", "صورة.jpg", "d.jpg"]


def pixels(position: int) -> np.ndarray | None:
    if position == 3:
        return None
    shape = (40, 300) if position == 1 else (200, 80, 3)
    return np.full(shape, 50 * position, dtype=np.uint8)


def draw(path: Path, *rows: Row) -> Image.Image:
    draw_sheet(Sheet("contact_best", "Best queries", "of the test", rows), path, read=pixels, names=NAMES)
    with Image.open(path) as picture:
        picture.load()
        return picture


def test_frames_are_green_for_right_and_red_for_wrong(tmp_path: Path) -> None:
    colours = {tuple(colour) for colour in np.asarray(draw(tmp_path / "sheet.png", ROW)).reshape(-1, 3).tolist()}
    assert {(0x0A, 0x9B, 0x5B), (0xB3, 0x12, 0x3B)} <= colours


def test_a_sheet_grows_by_its_rows_and_has_room_for_the_missed_ones(tmp_path: Path) -> None:
    first, two = draw(tmp_path / "one.png", ROW), draw(tmp_path / "two.png", ROW, Row(ROW.query, ROW.neighbours))
    assert two.height > first.height + 128
    assert two.width == first.width >= 5 * 138


def test_the_same_sheet_gives_the_same_bytes_and_no_metadata(tmp_path: Path) -> None:
    picture = draw(tmp_path / "one.png", ROW)
    draw(tmp_path / "two.png", ROW)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert picture.info == {}


def test_no_character_of_a_name_keeps_a_sheet_from_being_drawn(tmp_path: Path) -> None:
    font = ImageFont.load_default(11)
    for character in map(chr, [*range(1, 0x250), *range(0x2000, 0x2070), 0x3000, 0xD800, 0xFEFF, 0xFFFE, 0xE0001]):
        shortened(f"a{character}b.jpg", font, 100)
    sheet = Sheet("s", "t", "u", (Row(Picture(0, "query", "q"), ()),))
    draw_sheet(sheet, tmp_path / "sheet.png", read=lambda _: None, names=["new\nline\u2029\x85\x1c.jpg"])
    assert (tmp_path / "sheet.png").stat().st_size


def test_long_names_lose_their_middle_and_keep_their_extension() -> None:
    font = ImageFont.load_default(11)
    assert isinstance(font, ImageFont.FreeTypeFont)
    short = shortened(NAMES[1], font, 138)
    assert font.getlength(short) <= 138
    assert short.startswith("a very")
    assert short.endswith(".tif")
    assert "…" in short
    assert shortened("short.jpg", font, 138) == "short.jpg"
