"""Tests of cbir.reports.thumbnails."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cbir.images.reading import UnreadableImage
from cbir.images.reduced import ReducedImages
from cbir.reports.thumbnails import Thumbnail, read_thumbnails, shrink, thumbnail, write_thumbnails
from cbir.store import Store


def test_the_longest_side_is_bounded_and_the_proportions_are_kept() -> None:
    assert shrink(np.zeros((300, 600), np.uint8), 160).shape == (80, 160)
    assert shrink(np.zeros((600, 300, 3), np.uint8), 160).shape == (160, 80, 3)


def test_a_smaller_image_stays_as_it_is() -> None:
    image = np.arange(48, dtype=np.uint8).reshape(6, 8)
    assert shrink(image, 160) is image


def test_a_very_long_image_keeps_a_line_of_pixels() -> None:
    assert shrink(np.zeros((1, 4000), np.uint8), 160).shape == (1, 160)


@pytest.mark.parametrize("shape", [(60, 90), (60, 90, 3)])
def test_both_forms_show_the_picture(shape: tuple[int, ...]) -> None:
    image = np.zeros(shape, np.uint8)
    image[:, :45] = 200
    made = thumbnail(image, page_side=80, sheet_side=30)
    for encoded, form, width in ((made.page, "WEBP", 80), (made.sheet, "JPEG", 30)):
        shown = Image.open(io.BytesIO(encoded))
        assert (shown.format, shown.width) == (form, width)
        tones = np.asarray(shown.convert("L"))
        assert abs(int(tones[:, : width // 3].mean()) - 200) < 5
        assert tones[:, -width // 3 :].mean() < 5
    assert (made.width, made.height) == (30, 20)


def test_pictures_of_pages_are_files_by_image_id_and_those_of_earlier_pages_stay(tmp_path: Path) -> None:
    write_thumbnails(tmp_path, {"a": Thumbnail(b"first", b"", 1, 1)})
    write_thumbnails(tmp_path, {"a": Thumbnail(b"again", b"", 1, 1), "b": Thumbnail(b"other", b"", 1, 1)})
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"a.webp": b"first", "b.webp": b"other"}


def test_a_picture_that_a_kill_left_half_written_is_written_again(tmp_path: Path) -> None:
    (tmp_path / "a.tmp").write_bytes(b"fi")
    write_thumbnails(tmp_path, {"a": Thumbnail(b"first", b"", 1, 1)})
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"a.webp": b"first"}


def test_thumbnails_come_by_image_id_from_the_store(tmp_path: Path) -> None:
    images = ReducedImages(tmp_path / "store", tmp_path / "raw", longest_side=64)
    tones = {f"{tone:032x}": tone for tone in range(0, 200, 2)}
    for image_id, tone in tones.items():
        images.put(image_id, np.full((32, 48), tone, np.uint8))
    wanted = [(image_id, "gone.jpg", 0) for image_id in tones]
    made = read_thumbnails(images, wanted, page_side=32, sheet_side=32)
    assert list(made) == list(tones)
    for image_id, tone in tones.items():
        assert abs(float(np.asarray(Image.open(io.BytesIO(made[image_id].sheet))).mean()) - tone) < 3


def test_an_image_that_is_nowhere_is_an_error(tmp_path: Path) -> None:
    images = ReducedImages(tmp_path / "store", tmp_path / "raw", longest_side=64)
    with pytest.raises(UnreadableImage):
        read_thumbnails(images, [("0" * 32, "gone.jpg", 0)], page_side=32, sheet_side=32)


def test_thumbnails_that_were_made_before_are_the_same_and_read_no_image(tmp_path: Path) -> None:
    images, kept = ReducedImages(tmp_path / "store", tmp_path / "raw", longest_side=64), Store(tmp_path / "kept.sqlite")
    wanted = [(f"{n:032x}", "gone.jpg", 0) for n in range(3)]
    for image_id, _, _ in wanted[:2]:
        images.put(image_id, np.full((40, 60), int(image_id, 16), np.uint8))
    first = read_thumbnails(images, wanted[:2], page_side=50, sheet_side=20, store=kept)
    for file in (tmp_path / "store").iterdir():
        file.unlink()
    images = ReducedImages(tmp_path / "store", tmp_path / "raw", longest_side=64)
    images.put(wanted[2][0], np.zeros((40, 60), np.uint8))
    again = read_thumbnails(images, wanted, page_side=50, sheet_side=20, store=kept)
    assert {image_id: again[image_id] for image_id in first} == first
    assert set(again) == {image_id for image_id, _, _ in wanted}
    with pytest.raises(UnreadableImage):
        read_thumbnails(images, wanted, page_side=51, sheet_side=20, store=kept)
