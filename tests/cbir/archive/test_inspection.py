import os
import sqlite3
import struct
import time
from dataclasses import replace
from pathlib import Path

import imagehash
import numpy as np
import pytest
import tifffile
from PIL import Image

from cbir.archive import inspection
from cbir.archive.inspection import (
    Inspection,
    Inspector,
    Page,
    Rules,
    Task,
    decode_pages,
    encode_pages,
    perceptual_hash,
)
from cbir.archive.manifest import Row, read_manifest, write_manifest
from cbir.images.ids import image_ids
from cbir.images.reduced import ReducedImages
from cbir.store import Store

RULES = Rules(longest_side=64, max_pixels=1_000_000, max_bytes=10_000_000, min_side=32, blank_deviation=2.0)
NOISE = np.random.default_rng(0).integers(0, 255, (100, 140, 3), dtype=np.uint8)


def inspector(folder: Path, rules: Rules = RULES) -> Inspector:
    images = ReducedImages(folder / "store", folder, longest_side=rules.longest_side)
    return Inspector(images, Store(folder / "store" / "inspections.sqlite"), rules)


def stored(folder: Path) -> int:
    """Entries in the store of reduced images."""
    with sqlite3.connect(folder / "store" / "images.sqlite") as connection:
        count = connection.execute("SELECT COUNT(*) FROM entries").fetchone()[0]
    connection.close()
    return count


def save(path: Path, pixels: np.ndarray) -> Path:
    Image.fromarray(pixels).save(path)
    return path


def test_a_sound_image_is_described_and_its_reduced_version_stored(tmp_path: Path) -> None:
    file = save(tmp_path / "a.png", NOISE)
    image_id = image_ids(file)[0]
    inspected = inspector(tmp_path).inspect(Task(file))
    reduced = ReducedImages(tmp_path / "store", tmp_path, longest_side=64).read(image_id, "not read", 0)
    assert reduced.shape == (46, 64, 3)
    page = Page(image_id, 0, 140, 100, "PNG", "rgb8", "ok", None, perceptual_hash(reduced))
    assert inspected == Inspection(image_id, [page], lasting=True)


@pytest.mark.parametrize(
    ("pixels", "status", "reason"),
    [
        (NOISE[:31], "too_small", "it has 140 × 31 pixels, its shorter side is below min_side (32)"),
        (
            np.full((100, 140), 250, np.uint8),
            "blank",
            "it is blank: its tones deviate by 0.00 of 255 grey levels, less than blank_deviation (2)",
        ),
        (np.zeros((1001, 1000), np.uint8), "unsupported", "it claims 1000 × 1001 pixels, more than max_pixels"),
    ],
)
def test_what_is_not_to_be_used_is_told_with_its_reason_and_not_stored(
    tmp_path: Path, pixels: np.ndarray, status: str, reason: str
) -> None:
    file = save(tmp_path / "a.png", pixels)
    inspected = inspector(tmp_path).inspect(Task(file))
    (page,) = inspected.pages
    assert page.status == status
    assert page.reason is not None and page.reason.startswith(reason)
    assert (page.image_id, page.width, page.height, page.phash) == (
        image_ids(file)[0],
        pixels.shape[1],
        pixels.shape[0],
        None,
    )
    assert not (tmp_path / "store" / "images.sqlite").exists()


def test_colours_of_equal_lightness_are_not_blank(tmp_path: Path) -> None:
    pixels = np.full((100, 140, 3), 128, np.uint8)
    pixels[:, :70, 0], pixels[:, :70, 1] = 168, 107
    assert inspector(tmp_path).inspect(Task(save(tmp_path / "a.png", pixels))).pages[0].status == "ok"


def test_a_bad_page_costs_itself_only(tmp_path: Path) -> None:
    file = tmp_path / "a.tif"
    pages = [Image.fromarray(page) for page in (NOISE, np.zeros((50, 50), np.uint8), NOISE[::-1, :, 0])]
    pages[0].save(file, save_all=True, append_images=pages[1:])
    inspected = inspector(tmp_path).inspect(Task(file)).pages
    assert [(page.page, page.status, page.mode) for page in inspected] == [
        (0, "ok", "rgb8"),
        (1, "blank", "grey8"),
        (2, "ok", "grey8"),
    ]
    assert [page.image_id for page in inspected] == image_ids(file, pages=3)
    assert stored(tmp_path) == 2


@pytest.mark.parametrize(("width", "height"), [(480, 2**31 + 400), (2**32 - 1, 40), (40, 2**31)])
def test_a_header_that_claims_more_than_the_manifest_can_hold_costs_a_row_without_a_size(
    tmp_path: Path, width: int, height: int
) -> None:
    file = tmp_path / "a.jp2"
    Image.fromarray(NOISE).save(file)
    data = bytearray(file.read_bytes())
    for box in (data.find(b"ihdr") + 4, data.find(b"\xff\x51") + 6):
        data[box : box + 8] = struct.pack(">II", *((height, width) if box < 60 else (width, height)))
    file.write_bytes(data)
    (page,) = inspector(tmp_path).inspect(Task(file)).pages
    assert (page.status, page.width, page.height) == ("unsupported", None, None)
    assert page.reason == f"it claims {width} × {height} pixels, more than max_pixels (1_000_000) allows"
    row = Row(**vars(page), path="a/a.jp2", accession="a", bytes=1, duplicate_of=None)
    write_manifest(tmp_path / "manifest.parquet", [row])
    assert read_manifest(tmp_path / "manifest.parquet")["status"].tolist() == ["unsupported"]


@pytest.mark.parametrize(("width", "height"), [(64, -(2**31)), (-64, 64), (64, 0), (0, 0)])
def test_a_bitmap_whose_header_claims_a_side_that_no_picture_has_costs_a_row(
    tmp_path: Path, width: int, height: int
) -> None:
    file = save(tmp_path / "a.bmp", NOISE)
    data = bytearray(file.read_bytes())
    data[18:26] = struct.pack("<ii", width, height)
    file.write_bytes(data)
    (page,) = inspector(tmp_path).inspect(Task(file)).pages
    assert page.status in ("corrupt", "unsupported")
    row = Row(**vars(page), path="a/a.bmp", accession="a", bytes=1, duplicate_of=None)
    write_manifest(tmp_path / "manifest.parquet", [row])


def test_the_pages_of_a_many_paged_file_are_each_looked_at_in_the_same_time(tmp_path: Path) -> None:
    def seconds(pages: int) -> float:
        file = tmp_path / f"{pages}.tif"
        with tifffile.TiffWriter(file) as tiff:
            for number in range(pages):
                tiff.write(np.roll(NOISE[:40, :40, 0], number), contiguous=False, metadata=None)
        started = time.process_time()
        inspected = inspector(tmp_path).inspect(Task(file)).pages
        assert [page.status for page in inspected] == ["ok"] * pages
        return (time.process_time() - started) / pages

    seconds(10)
    assert seconds(400) < 3 * seconds(40)


def test_a_copy_of_a_known_file_is_not_decoded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = save(tmp_path / "a.png", NOISE)
    inspected = inspector(tmp_path).inspect(Task(file))
    Store(tmp_path / "store" / "inspections.sqlite").put_many(
        [(RULES.key(image_ids(file)[0]), encode_pages(inspected.pages))]
    )
    monkeypatch.setattr(inspection, "open_image", None)
    assert inspector(tmp_path).inspect(Task(file)) == inspected
    with pytest.raises(TypeError):  # other rules: it would have to be decoded
        inspector(tmp_path, replace(RULES, min_side=33)).inspect(Task(file))


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "a.jpg"
    file.touch()
    os.truncate(file, RULES.max_bytes + 1)
    inspected = inspector(tmp_path).inspect(Task(file))
    assert (inspected.image_id, inspected.pages[0].status) == (None, "unsupported")
    assert inspected.pages[0].reason == "its 10_000_001 bytes are more than max_bytes (10_000_000) allows"


def test_a_file_that_has_vanished_is_told_and_tried_again_next_time(tmp_path: Path) -> None:
    inspected = inspector(tmp_path).inspect(Task(tmp_path / "gone.jpg"))
    reason = "the file cannot be read: No such file or directory"
    assert inspected == Inspection(None, [Page(None, status="corrupt", reason=reason)], lasting=False)


def test_a_file_that_vanishes_half_way_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = save(tmp_path / "a.png", NOISE)
    look = Inspector._look

    def look_and_remove(self: Inspector, path: Path, image_id: str) -> list[Page]:
        pages = look(self, path, image_id)
        path.unlink()
        return pages

    monkeypatch.setattr(Inspector, "_look", look_and_remove)
    inspected = inspector(tmp_path).inspect(Task(file))
    assert (inspected.image_id, inspected.lasting, inspected.pages[0].status) == (None, False, "corrupt")


def test_a_file_that_changes_while_it_is_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = save(tmp_path / "a.png", NOISE)
    look = Inspector._look

    def look_and_change(self: Inspector, path: Path, image_id: str) -> list[Page]:
        pages = look(self, path, image_id)
        save(path, NOISE[:50])
        return pages

    monkeypatch.setattr(Inspector, "_look", look_and_change)
    inspected = inspector(tmp_path).inspect(Task(file))
    assert inspected.pages[0].reason == "the file was changed while it was read; run again"
    assert not inspected.lasting


def test_the_perceptual_hash_is_that_of_imagehash_for_grey_and_colour() -> None:
    for pixels in (NOISE, NOISE[..., 0].copy()):
        assert perceptual_hash(pixels) == str(imagehash.phash(Image.fromarray(pixels)))
        assert len(perceptual_hash(pixels)) == 16


def test_pages_survive_the_store() -> None:
    pages = [Page("a" * 32, 1, 2, 3, "TIFF", "grey1", "ok", None, "0" * 16), Page(None, status="corrupt", reason="é")]
    assert decode_pages(encode_pages(pages)) == pages


@pytest.mark.parametrize("name", ["longest_side", "max_pixels", "max_bytes", "min_side", "blank_deviation"])
def test_every_rule_decides_what_is_stored(name: str) -> None:
    changed = replace(RULES, **{name: getattr(RULES, name) + 1})
    assert changed.key("a") != RULES.key("a")
    assert RULES.key("b") != RULES.key("a")
