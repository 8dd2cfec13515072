"""Tests of cbir.robustness.page."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cbir.robustness import page as robustness_page
from cbir.robustness.alterations import KINDS
from cbir.robustness.measuring import Robustness, document
from cbir.robustness.page import Kept, hardest, write_page, write_sheet
from cbir.store import Store
from tests.support.findings import EVIL

RANKS = np.array([[1, 1, 1, 1, 1], [1, 2, 30, 1, 400], [1, 1, 1, 2, 3]])


def found(paths: tuple[str, ...] = ("a/easy.jpg", "a/hard.jpg", "b/fair.jpg")) -> Robustness:
    images = pd.DataFrame({"image_id": ["x", "y", "z"], "path": list(paths), "page": [0, 1, 0]})
    return Robustness(images, RANKS, 1 / RANKS, np.arange(3), gallery=1234)


def read(row: int, kind: str) -> np.ndarray:
    return np.full((40, 60), 20 + 40 * row + 5 * ["", *KINDS].index(kind), np.uint8)


def write(path: Path, measured: Robustness) -> str:
    write_page(path, measured, document(measured, seed=0), read=read)
    return path.read_text(encoding="utf-8")


def test_the_hardest_images_come_first() -> None:
    assert hardest(found()) == [1, 2, 0]


def test_the_page_has_figures_by_kind_and_each_image_beside_its_copies_with_their_ranks(tmp_path: Path) -> None:
    page = write(tmp_path / "x.html", found())
    names = ["<bdi>a/hard.jpg</bdi>, page 2", "<bdi>b/fair.jpg</bdi>", "<bdi>a/easy.jpg</bdi>"]
    assert re.findall(r"<h3>(.*?)</h3>", page) == names
    marks = re.findall(r'<span class="tag (\w+)">rank ([\d,]+)</span> (\w+)', page)
    hard = [("first", "1"), ("near", "2"), ("late", "30"), ("first", "1"), ("late", "400")]
    assert marks[:5] == [(look, rank, kind) for (look, rank), kind in zip(hard, KINDS, strict=True)]
    assert "<strong>1,234</strong> images" in page
    assert "<strong>67 %</strong>" in page
    assert page.count("<th scope=") == 1 + 6 + 2


def test_pictures_are_inside_the_page(tmp_path: Path) -> None:
    pictures = re.findall(r'src="data:image/webp;base64,([^"]+)"', write(tmp_path / "x.html", found()))
    assert len(pictures) == 3 * 6
    tones = [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(picture))).convert("L")).mean() for picture in pictures[:6]
    ]
    assert tones == pytest.approx([60, 65, 70, 75, 80, 85], abs=2)


def test_no_path_becomes_markup(tmp_path: Path) -> None:
    tags = [
        re.findall(r"<[a-z]+", write(tmp_path / "x.html", found(paths)))
        for paths in ((EVIL[0], EVIL[1], " ".join(EVIL)), ("a", "b", "c"))
    ]
    assert tags[0] == tags[1]


def test_more_images_than_the_page_shows_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "the page shows" not in write(tmp_path / "x.html", found())
    monkeypatch.setattr(robustness_page, "SHOWN", 2)
    page = write(tmp_path / "x.html", found())
    assert "the page shows 2 of 3" in page
    assert page.count("<article") == 2


def test_the_sheet_frames_copies_that_came_first_in_green_and_others_in_red(tmp_path: Path) -> None:
    write_sheet(tmp_path / "x.png", found(), read=read)
    with Image.open(tmp_path / "x.png") as picture:
        colours = {tuple(colour) for colour in np.asarray(picture.convert("RGB")).reshape(-1, 3).tolist()}
    assert {(0x0A, 0x9B, 0x5B), (0xB3, 0x12, 0x3B)} <= colours
    assert {(tone,) * 3 for tone in (60, 65, 85)} <= colours


def test_the_same_result_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "other"):
        write(tmp_path / f"{name}.html", found())
        write_sheet(tmp_path / f"{name}.png", found(), read=read)
    for kind in ("html", "png"):
        assert (tmp_path / f"one.{kind}").read_bytes() == (tmp_path / f"other.{kind}").read_bytes()


def test_pictures_of_an_earlier_page_are_taken_from_the_store(tmp_path: Path) -> None:
    kept = Kept(Store(tmp_path / "thumbnails.sqlite"), lambda row, kind: f"{row}/{kind}")
    pages = []
    for read_now in (read, read, None):
        write_page(tmp_path / "x.html", found(), document(found(), seed=0), read=read_now, kept=kept if pages else None)
        pages.append((tmp_path / "x.html").read_bytes())
    assert len(set(pages)) == 1
