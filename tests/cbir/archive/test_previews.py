"""cbir.archive.previews: a page that is a small look-alike of another page of its file is no image of its own."""

import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from cbir.archive.inspection import Inspector, Page, Rules, Task
from cbir.archive.previews import without_previews
from cbir.images.ids import image_ids
from cbir.images.reduced import ReducedImages
from cbir.sample.scenes import make_scene
from cbir.store import Store
from tests.support.scenes import SCENE

RULES = Rules(longest_side=256, max_pixels=10_000_000, max_bytes=10_000_000, min_side=32, blank_deviation=2.0)


def picture(number: int) -> Image.Image:
    return Image.fromarray(np.array(make_scene(number, seed=0, longest_side=512).picture))


def shrunk(image: Image.Image, side: int, how: Image.Resampling = Image.Resampling.LANCZOS) -> Image.Image:
    scale = side / max(image.size)
    return image.resize((round(image.width * scale), round(image.height * scale)), how)


def inspected(folder: Path, *pages: Image.Image) -> list[Page]:
    """The pages of a TIFF that holds these, as `clean` sees them."""
    path = folder / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        for page in pages:
            photometric = "rgb" if page.mode == "RGB" else "minisblack"
            writer.write(np.asarray(page), photometric=photometric, metadata=None)
    images = ReducedImages(folder / "store", folder, longest_side=RULES.longest_side)
    return Inspector(images, Store(folder / "store" / "inspections.sqlite"), RULES).inspect(Task(path)).pages


def numbers(pages: list[Page]) -> list[int]:
    return [page.page for page in pages]


@pytest.mark.parametrize("how", [Image.Resampling.LANCZOS, Image.Resampling.NEAREST, Image.Resampling.BOX])
@pytest.mark.parametrize("side", [97, 160, 256])
def test_a_thumbnail_that_no_tag_marks_is_no_image(tmp_path: Path, side: int, how: Image.Resampling) -> None:
    scan = picture(1)
    assert numbers(inspected(tmp_path, scan, shrunk(scan, side, how))) == [0]


def test_a_thumbnail_that_is_too_small_for_an_image_is_no_rejected_image_either(tmp_path: Path) -> None:
    scan = picture(1)
    assert numbers(inspected(tmp_path, scan, shrunk(scan, 24))) == [0]


def test_the_sides_of_a_thumbnail_may_be_whole_multiples_of_eight(tmp_path: Path) -> None:
    scan = picture(1).crop((0, 0, 512, 337))
    assert numbers(inspected(tmp_path, scan, scan.resize((160, 104)), scan.resize((80, 56)))) == [0]


def test_a_thumbnail_may_come_first_and_the_page_keeps_its_number_and_id(tmp_path: Path) -> None:
    scan = picture(1)
    (page,) = inspected(tmp_path, shrunk(scan, 160), scan)
    assert (page.page, page.image_id) == (1, image_ids(tmp_path / "a.tif", pages=2)[1])


def test_each_scan_of_several_keeps_itself_and_loses_its_thumbnail(tmp_path: Path) -> None:
    scans = [picture(number) for number in (1, 2, 3)]
    assert numbers(inspected(tmp_path, *scans, *(shrunk(scan, 128) for scan in scans))) == [0, 1, 2]


@pytest.mark.parametrize(
    "change",
    [
        ImageOps.grayscale,
        lambda image: ImageOps.autocontrast(image, cutoff=1),
        lambda image: image.point(lambda value: 255 * (value / 255) ** 0.7),
        lambda image: image.convert("P", palette=Image.Palette.ADAPTIVE, colors=64).convert("RGB"),
    ],
    ids=["grey", "contrast", "gamma", "palette"],
)
def test_a_thumbnail_may_have_other_tones(tmp_path: Path, change: object) -> None:
    scan = picture(1)
    assert numbers(inspected(tmp_path, scan, change(shrunk(scan, 160)))) == [0]  # type: ignore[operator]


def test_the_levels_of_a_pyramid_without_tags_are_no_images(tmp_path: Path) -> None:
    scan = picture(2)
    assert numbers(inspected(tmp_path, scan, *(shrunk(scan, 512 >> level) for level in range(1, 4)))) == [0]


@pytest.mark.parametrize("number", range(2, 12))
def test_another_picture_of_a_smaller_size_is_an_image(tmp_path: Path, number: int) -> None:
    scan = picture(1)
    other = picture(number).resize(shrunk(scan, 160).size)
    assert numbers(inspected(tmp_path, scan, other)) == [0, 1]


def test_a_detail_a_mirror_image_a_negative_and_an_equal_page_are_images(tmp_path: Path) -> None:
    scan = picture(1)
    width, height = scan.size
    detail = scan.crop((width // 4, height // 4, 3 * width // 4, 3 * height // 4))
    small = shrunk(scan, 160)
    pages = inspected(tmp_path, scan, detail, ImageOps.mirror(small), ImageOps.invert(small), scan)
    assert numbers(pages) == [0, 1, 2, 3, 4]


def test_a_picture_of_other_proportions_is_an_image(tmp_path: Path) -> None:
    scan = picture(1)
    assert numbers(inspected(tmp_path, scan, scan.resize((160, 160)))) == [0, 1]


def test_a_thumbnail_of_a_page_that_cannot_be_used_stays(tmp_path: Path) -> None:
    blank = Image.new("RGB", (512, 384), "white")
    pages = inspected(tmp_path, blank, shrunk(picture(1), 160), shrunk(blank, 128))
    assert [(page.page, page.status) for page in pages] == [(0, "blank"), (1, "ok"), (2, "blank")]


def test_a_file_of_many_pages_of_a_size_costs_no_comparison() -> None:
    pages = [Page("a", number, 400, 300) for number in range(20_000)]
    started = time.process_time()
    assert len(without_previews(pages, lambda _: pytest.fail("a page was read again"))) == len(pages)
    assert time.process_time() - started < 2


def test_a_file_of_one_page_is_looked_at_once(tmp_path: Path) -> None:
    assert numbers(inspected(tmp_path, Image.fromarray(SCENE))) == [0]
